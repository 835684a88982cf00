package handlers

import (
	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// What the log says of tenants is the same whether a person or a program acts.

func (s *Server) noteCreated(c *gin.Context, v domain.TenantView) {
	s.audit(c, domain.AuditEntry{Action: domain.AuditTenantCreated, TenantID: &v.ID, Tenant: v.Name, After: asJSON(audited(v))})
}

// noteUpdated notes what differs; saving a form without a change is no act.
func (s *Server) noteUpdated(c *gin.Context, before, after domain.TenantView) {
	old, fresh := changed(audited(before), audited(after))
	if len(fresh) > 0 {
		s.audit(c, domain.AuditEntry{Action: domain.AuditTenantUpdated, TenantID: &after.ID, Tenant: after.Name, Before: asJSON(old), After: asJSON(fresh)})
	}
}

func (s *Server) noteDeleted(c *gin.Context, v domain.TenantView) {
	s.audit(c, domain.AuditEntry{Action: domain.AuditTenantDeleted, TenantID: &v.ID, Tenant: v.Name, Before: asJSON(audited(v))})
}

// noteSent notes a message that somebody sends by hand: its id and its length, never its text.
func (s *Server) noteSent(c *gin.Context, m domain.Outbound) {
	s.audit(c, domain.AuditEntry{Action: domain.AuditMessageSend, TenantID: &m.TenantID, After: asJSON(map[string]any{"message": m.ID, "bytes": len(m.Text)})})
}

// audited is what an audit entry keeps of a tenant.
func audited(v domain.TenantView) map[string]any {
	return map[string]any{"name": v.Name, "phone_number": string(v.Phone), "business_name": v.Config.BusinessName, "address": v.Config.Address,
		"template_type": string(v.Config.Template), "language": string(v.Config.Language), "timezone": v.Config.Timezone, "bot_enabled": v.Config.BotEnabled,
		"services": formatServices(v.Config.Services), "hours": asJSON(v.Config.Hours)}
}

// changed keeps what differs.
func changed(before, after map[string]any) (old, fresh map[string]any) {
	old, fresh = map[string]any{}, map[string]any{}
	for k, v := range after {
		if before[k] != v {
			old[k], fresh[k] = before[k], v
		}
	}
	return old, fresh
}
