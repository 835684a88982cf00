package handlers

import (
	"context"
	"fmt"
	"net/http"
	"runtime"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"flowhq/domain"
)

// auditPage is the audit log.
type auditPage struct {
	Rows   []domain.AuditEntry
	Areas  []string
	Area   string
	Search string
	Tenant string
	Query  string
	Next   string
	Paged  bool
}

var auditAreas = []string{"session", "user", "key", "tenant", "tenants", "message", "chat", "replica", "system"}

func (s *Server) showAudit(c *gin.Context) error {
	f := domain.AuditFilter{Scope: domain.Scope{Admin: true}, Area: c.Query("area"), Search: domain.CleanText(c.Query("q"))}
	if id, err := uuid.Parse(c.Query("tenant")); err == nil {
		f.TenantID = id
	}
	entries, err := s.Audits.Audit(c.Request.Context(), f, domain.PageQuery{Cursor: c.Query("cursor")})
	if err != nil {
		return err
	}
	q := c.Request.URL.Query()
	q.Del("cursor")
	return s.page(c, http.StatusOK, "admin/audit", auditPage{Rows: entries.Items, Areas: auditAreas, Area: f.Area, Search: f.Search, Tenant: c.Query("tenant"),
		Query: q.Encode(), Next: entries.NextCursor, Paged: c.Query("cursor") != ""})
}

// systemPage describes the installation.
type systemPage struct {
	About    About
	Go       string
	WhatsApp string
	Settings []setting
	Database string // "" when it answers, else why not
	Replicas int
	Late     int
	TOTP     bool // required of admins
}

type setting struct{ Name, Value string }

func (s *Server) showSystem(c *gin.Context) error {
	ctx := c.Request.Context()
	page := systemPage{About: s.About, Go: runtime.Version(), WhatsApp: s.About.WhatsAppVersion()}
	for i := 0; i+1 < len(s.About.Lines); i += 2 {
		page.Settings = append(page.Settings, setting{fmt.Sprint(s.About.Lines[i]), fmt.Sprint(s.About.Lines[i+1])})
	}
	if err := s.Health.Ping(ctx); err != nil {
		page.Database = err.Error()
	}
	if err := s.countReplicas(ctx, &page); err != nil {
		return err
	}
	var err error
	if page.TOTP, err = s.secondFactorRequired(ctx, versionPeriod); err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "admin/system", page)
}

func (s *Server) countReplicas(ctx context.Context, page *systemPage) error {
	all, err := s.Operations.Replicas(ctx)
	if err != nil {
		return err
	}
	for _, r := range all {
		switch {
		case r.State == domain.ReplicaDead:
		case domain.Now().Sub(r.HeartbeatAt) > domain.AlertReplicaAfter:
			page.Late++
		default:
			page.Replicas++
		}
	}
	return nil
}

// requireSecondFactor switches whether every admin needs a second factor. Only
// an admin who has one can switch it on: nobody locks themselves out.
func (s *Server) requireSecondFactor(c *gin.Context) error {
	value := ""
	if c.PostForm("required") != "" {
		value = "required"
		if visitorOf(c).User.TOTPSecret == nil {
			return domain.Errorf(domain.KindConflict, "Set up your own second factor first.")
		}
	}
	if err := s.Settings.PutSetting(c.Request.Context(), settingTOTP, value); err != nil {
		return err
	}
	s.web.pulse.forget(settingTOTP)
	s.audit(c, domain.AuditEntry{Action: domain.AuditSetting, After: asJSON(map[string]string{settingTOTP: value})})
	s.say(c, "good", s.speak(c).must("tenant.saved"))
	return s.seeOther(c, "/admin/system")
}
