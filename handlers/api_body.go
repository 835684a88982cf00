package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// readJSON decodes exactly one JSON object without unknown fields.
func readJSON(c *gin.Context, into any) error {
	d := json.NewDecoder(c.Request.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, extra := d.Token(); !errors.Is(extra, io.EOF) {
			return errMalformed
		}
		return nil
	}
	var tooLarge *http.MaxBytesError
	var wrongType *json.UnmarshalTypeError
	var hours *domain.HoursError
	switch {
	case errors.As(err, &tooLarge):
		return domain.Errorf(domain.KindTooLarge, "The body is larger than 1 MiB.")
	case errors.As(err, &hours):
		return domain.Invalid{hours.Field: hours.Problem}.Err()
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return domain.Invalid{wrongType.Field: fmt.Sprintf("This must be a %s.", wrongType.Type)}.Err()
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		field := strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`)
		return domain.Invalid{field: "There is no such field."}.Err()
	}
	return errMalformed
}

// pageQuery reads limit and cursor.
func pageQuery(c *gin.Context) (domain.PageQuery, error) {
	q := domain.PageQuery{Cursor: c.Query("cursor")}
	if raw := c.Query("limit"); raw != "" {
		n, err := strconv.Atoi(raw)
		if err != nil || n < 1 || n > domain.MaxPageSize {
			return q, domain.Invalid{"limit": fmt.Sprintf("This must be a number from 1 to %d.", domain.MaxPageSize)}.Err()
		}
		q.Limit = n
	}
	return q, nil
}

// list is the form of every list.
type list[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"`
}

func listOf[A, B any](p domain.Page[A], convert func(A) B) list[B] {
	out := list[B]{Items: make([]B, len(p.Items)), NextCursor: p.NextCursor}
	for i, item := range p.Items {
		out.Items[i] = convert(item)
	}
	return out
}
