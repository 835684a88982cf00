package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

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

// errSignIn sends a visitor of the portal to the sign-in page and back.
var errSignIn = &domain.Error{Kind: domain.KindUnauthorized, Message: "Please sign in."}

// errStepUp asks a signed-in visitor to prove again who they are.
var errStepUp = &domain.Error{Kind: domain.KindForbidden, Message: "Please confirm that it is you."}

// answerError answers in the form that the caller expects: JSON to programs, a
// toast to htmx, a page to browsers. Causes are logged, never sent.
func (s *Server) answerError(c *gin.Context, err error) {
	e := s.classified(c, err)
	status := statusOf[e.Kind]
	if e == errMalformed {
		status = http.StatusBadRequest
	}
	if e.Kind == domain.KindBusy || e.Kind == domain.KindUnavailable {
		c.Header("Retry-After", strconv.Itoa(retrySeconds))
	}
	if s.web == nil || forPrograms(c.Request.URL.Path) {
		if e.Kind == domain.KindUnauthorized {
			c.Header("WWW-Authenticate", "Bearer")
		}
		c.AbortWithStatusJSON(status, gin.H{"error": apiError{Kind: e.Kind, Message: e.Message, Fields: e.Fields}})
		return
	}
	c.Abort()
	if err := s.answerPerson(c, status, e); err != nil {
		s.Logger.Error("the error page does not render", "error", err)
		c.String(status, "%s\n", e.Message)
	}
}

// forPrograms reports whether an address belongs to programs and not to the portals.
func forPrograms(path string) bool {
	for _, prefix := range []string{"/api/", "/healthz", "/readyz", "/metrics", "/debug/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// classified logs an error and returns what may be told of it.
func (s *Server) classified(c *gin.Context, err error) *domain.Error {
	var e *domain.Error
	if !errors.As(err, &e) || e.Kind == domain.KindInternal {
		s.Logger.Error("request failed", "method", c.Request.Method, "route", c.FullPath(), "error", err)
		if errors.Is(err, context.DeadlineExceeded) {
			return &domain.Error{Kind: domain.KindUnavailable, Message: "The database did not answer in time. Please try again."}
		}
		return &domain.Error{Kind: domain.KindInternal, Message: "Something went wrong on our side. Nothing was changed by halves."}
	}
	if e.Err != nil {
		s.Logger.Log(c, slog.LevelWarn, "request refused", "method", c.Request.Method, "route", c.FullPath(), "kind", e.Kind, "error", err)
	}
	return e
}

// errorPage is the one page for every kind of error.
type errorPage struct {
	Kind    domain.Kind
	Message string
	Fields  map[string]string
	Back    string
}

func (s *Server) answerPerson(c *gin.Context, status int, e *domain.Error) error {
	switch {
	case e == errSignIn:
		return s.toSignIn(c, "/login")
	case e == errStepUp:
		return s.toSignIn(c, "/confirm")
	}
	page := errorPage{Kind: e.Kind, Message: s.speak(c).sentence(e.Message), Fields: s.speak(c).sentences(e.Fields), Back: "/"}
	if fromHTMX(c) {
		// A broken poll must never replace a table with an error text.
		c.Header("HX-Retarget", "#toasts")
		c.Header("HX-Reswap", "beforeend")
		return s.block(c, status, "errors/error", "toast", page)
	}
	if who := visitorOf(c); who != nil && who.User.Role == domain.RoleAdmin {
		return s.page(c, status, "admin/error", page) // with the menu around it
	}
	return s.page(c, status, "errors/error", page)
}

// toSignIn goes to a page that asks who somebody is; from there they come back.
func (s *Server) toSignIn(c *gin.Context, page string) error {
	u := s.uiOf(c)
	u.Return, u.changed = localPath(s.returnAddress(c)), true
	return s.seeOther(c, page)
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
