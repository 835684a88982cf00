package handlers

import (
	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// authRoutes are the pages of signing in and of one's own account.
func (s *Server) authRoutes(r *gin.RouterGroup) {
	r.GET("/", s.do(s.home))
	r.GET("/login", s.do(s.showLogin))
	r.POST("/login", s.do(s.login))
	r.GET("/login/code", s.do(s.showCode))
	r.POST("/login/code", s.do(s.checkCode))
	r.GET("/join/:token", s.do(s.showJoin))
	r.POST("/join/:token", s.do(s.join))
	r.POST("/preferences", s.do(s.preferences))
	me := r.Group("", s.do(s.signedInOnly))
	me.POST("/logout", s.do(s.logout))
	me.GET("/confirm", s.do(s.showConfirm))
	me.POST("/confirm", s.do(s.confirm))
	a := me.Group("/account")
	a.GET("", s.do(s.showAccount))
	a.POST("/password", s.do(s.changePassword))
	a.POST("/sessions/end-all", s.do(s.revokeAllSessions))
	a.POST("/sessions/:session/end", s.do(s.revokeSession))
	sure := a.Group("", s.do(s.stepUp))
	sure.GET("/second-factor", s.do(s.showTOTP))
	sure.POST("/second-factor", s.do(s.confirmTOTP))
	sure.POST("/second-factor/remove", s.do(s.removeTOTP))
	sure.POST("/recovery-codes", s.do(s.renewRecoveryCodes))
}

func (s *Server) signedInOnly(c *gin.Context) error {
	if visitorOf(c) == nil {
		return errSignIn
	}
	return nil
}

// adminRoutes are the operator's pages.
func (s *Server) adminRoutes(r *gin.RouterGroup) {
	r.GET("", s.do(s.showDashboard))
	r.GET("/tenants", s.do(s.showTenants))
	r.GET("/tenants.csv", s.do(s.exportTenants))
	r.GET("/tenants/new", s.do(s.newTenant))
	r.POST("/tenants", s.do(s.addTenant))
	r.POST("/tenants/phone", s.do(s.normalisePhone))
	r.POST("/tenants/bulk", s.do(s.startBulk))
	r.GET("/jobs/:job", s.do(s.showJob))
	r.GET("/alerts", s.do(s.showAlerts))
	r.GET("/replicas", s.do(s.showReplicas))
	r.POST("/replicas/:replica/drain", s.do(s.drainReplica(true)))
	r.POST("/replicas/:replica/resume", s.do(s.drainReplica(false)))
	r.GET("/keys", s.do(s.showKeys))
	r.GET("/users", s.do(s.showUsers))
	r.GET("/audit", s.do(s.showAudit))
	r.GET("/system", s.do(s.showSystem))
	sure := r.Group("", s.do(s.stepUp))
	sure.GET("/keys/new", s.do(s.newAPIKey))
	sure.POST("/keys", s.do(s.addAPIKey))
	sure.POST("/keys/:key/revoke", s.do(s.revokeAPIKey))
	sure.GET("/users/invite", s.do(s.newInvite))
	sure.POST("/users/invite", s.do(s.addInvite))
	sure.POST("/invites/:invite/revoke", s.do(s.revokeInvite))
	sure.POST("/users/:user/disable", s.do(s.disableUser(true)))
	sure.POST("/users/:user/enable", s.do(s.disableUser(false)))
	sure.POST("/system/second-factor", s.do(s.requireSecondFactor))
	s.tenantRoutes(r.Group("/tenants/:id", s.do(s.pathTenant)))
}

// tenantRoutes are the pages of one tenant.
func (s *Server) tenantRoutes(t *gin.RouterGroup) {
	t.GET("", s.do(s.showMessages))
	t.GET("/conversations", s.do(s.showConversations))
	t.GET("/conversations/:contact", s.do(s.showThread))
	t.POST("/conversations/:contact/resume", s.do(s.resumeChat))
	t.GET("/settings", s.do(s.showSettings))
	t.POST("/settings", s.do(s.saveSettings))
	t.GET("/hours", s.do(s.showHours))
	t.POST("/hours", s.do(s.saveHours))
	t.GET("/events", s.do(s.showEvents))
	t.GET("/worker", s.do(s.showWorker))
	t.POST("/start", s.do(s.steerTenant(domain.EventStart, domain.AuditTenantStart)))
	t.POST("/stop", s.do(s.steerTenant(domain.EventStop, domain.AuditTenantStop)))
	t.POST("/restart", s.do(s.steerTenant(domain.EventRestart, domain.AuditTenantRestart)))
	t.POST("/pairing-code", s.do(s.askPairingCode))
	t.POST("/messages/:message/retry", s.do(s.retryMessage))
	sure := t.Group("", s.do(s.stepUp))
	sure.GET("/reset", s.do(s.showReset))
	sure.POST("/reset", s.do(s.resetTenant))
	sure.GET("/delete", s.do(s.showDelete))
	sure.POST("/delete", s.do(s.removeTenant))
}

// liveRoutes are the polled fragments.
func (s *Server) liveRoutes(r *gin.RouterGroup) {
	r.GET("/dashboard", s.live(s.liveDashboard()))
	r.GET("/tenants", s.live(s.liveTenants()))
	r.GET("/jobs/:job", s.live(s.liveJob()))
	r.GET("/alerts", s.live(s.liveAlerts()))
	r.GET("/replicas", s.live(s.liveReplicas()))
	t := r.Group("/tenant/:id", s.do(s.pathTenant))
	t.GET("/head", s.live(s.liveHead()))
	t.GET("/messages", s.live(s.liveMessages()))
	t.GET("/thread/:contact", s.live(s.liveThread()))
}

// pathTenant reads the tenant of the address.
func (s *Server) pathTenant(c *gin.Context) error {
	c.Set(scopeKey, domain.Scope{Admin: true})
	return s.authorize(c)
}
