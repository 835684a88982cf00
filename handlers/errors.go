package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// statusOf is the one place where kinds of errors meet HTTP.
var statusOf = map[domain.Kind]int{
	domain.KindInvalid:      http.StatusUnprocessableEntity,
	domain.KindUnauthorized: http.StatusUnauthorized,
	domain.KindForbidden:    http.StatusForbidden,
	domain.KindNotFound:     http.StatusNotFound,
	domain.KindConflict:     http.StatusConflict,
	domain.KindTooLarge:     http.StatusRequestEntityTooLarge,
	domain.KindBusy:         http.StatusTooManyRequests,
	domain.KindUnavailable:  http.StatusServiceUnavailable,
	domain.KindInternal:     http.StatusInternalServerError,
}

// errMalformed is a body that is not JSON at all; it is the caller's mistake
// like an invalid field, but has a status of its own.
var errMalformed = &domain.Error{Kind: domain.KindInvalid, Message: "The body is not valid JSON for this call."}

type apiError struct {
	Kind    domain.Kind       `json:"kind"`
	Message string            `json:"message"`
	Fields  map[string]string `json:"fields,omitempty"`
}

// retrySeconds is what a caller should wait after KindBusy or KindUnavailable.
const retrySeconds = 5

// answerError writes the contract's error form. Causes are logged, never sent.
func (s *Server) answerError(c *gin.Context, err error) {
	var e *domain.Error
	if !errors.As(err, &e) || e.Kind == domain.KindInternal {
		s.Logger.Error("request failed", "method", c.Request.Method, "route", c.FullPath(), "error", err)
		e = &domain.Error{Kind: domain.KindInternal, Message: "Something went wrong on our side. Nothing was changed by halves."}
		if errors.Is(err, context.DeadlineExceeded) {
			e = &domain.Error{Kind: domain.KindUnavailable, Message: "The database did not answer in time. Please try again."}
		}
	} else if e.Err != nil {
		s.Logger.Log(c, slog.LevelWarn, "request refused", "method", c.Request.Method, "route", c.FullPath(), "kind", e.Kind, "error", err)
	}
	status := statusOf[e.Kind]
	if e == errMalformed {
		status = http.StatusBadRequest
	}
	if e.Kind == domain.KindBusy || e.Kind == domain.KindUnavailable {
		c.Header("Retry-After", strconv.Itoa(retrySeconds))
	}
	if e.Kind == domain.KindUnauthorized {
		c.Header("WWW-Authenticate", "Bearer")
	}
	c.AbortWithStatusJSON(status, gin.H{"error": apiError{Kind: e.Kind, Message: e.Message, Fields: e.Fields}})
}

// action is a handler that returns its error.
type action func(*gin.Context) error

// do wraps an action for Gin.
func (s *Server) do(a action) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := a(c); err != nil {
			s.answerError(c, err)
		}
	}
}
