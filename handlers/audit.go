package handlers

import (
	"context"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

const auditDeadline = 5 * time.Second

// audit notes what somebody did. The act is done already, so a failure is
// logged with the whole entry and does not undo it.
func (s *Server) audit(c *gin.Context, e domain.AuditEntry) {
	e.ID, e.At, e.Address = domain.NewID(), domain.Now(), clientAddress(c)
	if who := visitorOf(c); who != nil && e.Actor == "" {
		e.ActorID, e.Actor = &who.User.ID, who.User.Email
	}
	if label := c.GetString(keyLabel); e.Actor == "" {
		e.Actor = label
	}
	e.Actor = clipped(e.Actor, maxActor)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), auditDeadline)
	defer cancel()
	if err := s.Audits.Record(ctx, e); err != nil {
		s.Logger.Error("an audit entry is not stored", "action", e.Action, "actor", e.Actor, "tenant", e.Tenant, "error", err)
	}
}

// maxActor bounds what strangers can write into the log: the address that they
// try to sign in with.
const maxActor = 254

// clipped is a text that says when it was cut to n bytes.
func clipped(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return firstBytes(text, n) + "…"
}

// firstBytes is the beginning of a text, at most n bytes, whole characters only.
func firstBytes(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// auditTenant notes an act on a tenant.
func (s *Server) auditTenant(c *gin.Context, action domain.AuditAction, v domain.TenantView) {
	s.audit(c, domain.AuditEntry{Action: action, TenantID: &v.ID, Tenant: v.Name})
}

// asJSON is the form in which audit entries keep what changed.
func asJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(raw)
}
