package handlers

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"flowhq/domain"
)

const (
	maxBody        = 1 << 20
	requestTimeout = 30 * time.Second
)

// recovered turns a panic into the error form; the stack goes to the log only.
// http.ErrAbortHandler goes on to net/http, which breaks the connection off.
func (s *Server) recovered(c *gin.Context) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			panic(p)
		} else if p != nil {
			s.Logger.Error("handler panicked", "route", c.FullPath(), "panic", p, "stack", string(debug.Stack()))
			s.answerError(c, fmt.Errorf("panic: %v", p))
		}
	}()
	c.Next()
}

// headers are on every answer.
func (s *Server) headers(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'")
	if s.secure() {
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
	c.Next()
}

// bare takes the headers off an answer without a body: unchanged polls are most
// of the traffic, and there is nothing in them to protect.
func bare(h http.Header) {
	for _, name := range []string{"X-Content-Type-Options", "Referrer-Policy", "X-Frame-Options", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy",
		"Permissions-Policy", "Content-Security-Policy", "Strict-Transport-Security", "Content-Encoding", "Vary"} {
		h.Del(name)
	}
}

func limitBody(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxBody)
	c.Next()
}

func limitTime(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), requestTimeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	c.Next()
}

const (
	scopeKey = "scope"
	keyTouch = time.Minute // how exactly the last use of a key is known
)

// identify finds out who calls by the bearer key.
func (s *Server) identify(c *gin.Context) error {
	raw, ok := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
	if raw = strings.TrimSpace(raw); !ok || raw == "" {
		return domain.Errorf(domain.KindUnauthorized, "Send an API key: Authorization: Bearer <key>.")
	}
	hash := sha256.Sum256([]byte(raw))
	key, err := s.Keys.KeyByHash(c.Request.Context(), hash[:])
	if err != nil {
		return err
	}
	if now := domain.Now(); key.LastUsedAt == nil || now.Sub(*key.LastUsedAt) > keyTouch {
		if err := s.Keys.TouchKey(c.Request.Context(), key.ID, now); err != nil {
			s.Logger.Warn("use of an API key is not noted", "key", key.ID, "error", err)
		}
	}
	scope := domain.Scope{Admin: key.TenantID == nil}
	if key.TenantID != nil {
		scope.TenantID = *key.TenantID
	}
	c.Set(scopeKey, scope)
	c.Set(keyLabel, key.Label)
	return nil
}

// keyLabel holds the label of the API key, as which its acts are noted.
const keyLabel = "key_label"

func scopeOf(c *gin.Context) domain.Scope {
	scope, _ := c.MustGet(scopeKey).(domain.Scope)
	return scope
}

const tenantKey = "tenant"

// authorize checks that the caller may see the tenant of the path. A foreign
// tenant does not exist for the caller.
func (s *Server) authorize(c *gin.Context) error {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil || !scopeOf(c).Allows(id) {
		return domain.NotFound("tenant")
	}
	c.Set(tenantKey, id)
	return nil
}

func tenantOf(c *gin.Context) uuid.UUID {
	id, _ := c.MustGet(tenantKey).(uuid.UUID)
	return id
}
