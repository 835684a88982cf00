package handlers

import (
	"context"
	"encoding/json"
	"time"

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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), auditDeadline)
	defer cancel()
	if err := s.Audits.Record(ctx, e); err != nil {
		s.Logger.Error("an audit entry is not stored", "action", e.Action, "actor", e.Actor, "tenant", e.Tenant, "error", err)
	}
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
