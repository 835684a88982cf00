package handlers

import (
	"context"
	"html/template"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// tenantHead is what every page of a tenant shows above its tabs.
type tenantHead struct {
	T        domain.TenantView
	Health   domain.Health
	Link     linkCard
	Today    domain.HourStat
	ReplyP95 time.Duration
	Replied  bool // there were replies today
	Waiting  int  // messages in the outbox
	Term     *domain.Term
	Tab      string
	Zone     string
}

// linkCard is the card with which a phone is linked.
type linkCard struct {
	QR          template.HTML // "" while there is no code to scan
	Expires     time.Time
	Life        int // seconds for which this code is shown in all
	Code        string
	AskedCode   bool // WhatsApp has not answered yet
	CanAskCode  bool
	LinkedPhone string
	Since       *time.Time
}

// head loads what the pages of a tenant share.
func (s *Server) head(ctx context.Context, v domain.TenantView, tab string) (h tenantHead, err error) {
	h = tenantHead{T: v, Health: v.Health(), Tab: tab, Zone: v.Config.Timezone}
	if h.Link, err = newLinkCard(v); err != nil {
		return h, err
	}
	hours, err := s.Operations.Stats(ctx, v.ID, midnight(domain.Now()), domain.Now().Add(time.Hour))
	if err != nil {
		return h, err
	}
	for _, hour := range hours {
		h.Today.Add(hour)
	}
	h.ReplyP95, h.Replied = h.Today.Replies.Quantile(0.95)
	if h.Waiting, err = s.Messages.Waiting(ctx, v.ID); err != nil {
		return h, err
	}
	terms, err := s.History.Terms(ctx, v.ID, 1)
	if len(terms) > 0 && terms[0].ReleasedAt == nil {
		h.Term = &terms[0]
	}
	return h, err
}

// How long WhatsApp accepts a code: the first of a round for a minute, every
// further one for twenty seconds.
const (
	firstQRLife = 60
	nextQRLife  = 20
)

func newLinkCard(v domain.TenantView) (card linkCard, err error) {
	session := v.Session
	card = linkCard{Code: session.PairingCode, AskedCode: session.PairingPhone != "", Since: session.ConnectedAt,
		CanAskCode: v.Worker.Status == domain.WorkerRunning && session.JID == "" && session.State == domain.SessionQRReady}
	if session.JID != "" {
		card.LinkedPhone = phoneOfJID(session.JID)
	}
	if session.QR == "" || session.QRExpiresAt == nil {
		return card, nil
	}
	card.Expires, card.Life = *session.QRExpiresAt, nextQRLife
	if session.QRExpiresAt.Sub(session.UpdatedAt) > nextQRLife*time.Second+time.Second {
		card.Life = firstQRLife
	}
	card.QR, err = drawQR(session.QR)
	return card, err
}

// phoneOfJID is the number in a device id such as 255754000001:7@s.whatsapp.net.
func phoneOfJID(jid string) string {
	for i, r := range jid {
		if r < '0' || r > '9' {
			return shownContact("+" + jid[:i])
		}
	}
	return jid
}

// headOf loads the tenant of the address and its head.
func (s *Server) headOf(c *gin.Context, tab string) (tenantHead, error) {
	v, err := s.Tenants.Get(c.Request.Context(), tenantOf(c))
	if err != nil {
		return tenantHead{}, err
	}
	return s.head(c.Request.Context(), v, tab)
}

// liveHead is polled every two seconds while a phone is being linked, else every five.
func (s *Server) liveHead() liveFragment {
	return liveFragment{page: "admin/tenant", block: "tenanthead", version: s.tenantVersion,
		load: func(c *gin.Context) (any, error) {
			h, err := s.headOf(c, c.Query("tab"))
			return messagesPage{tenantHead: h}, err
		}}
}

func (s *Server) tenantVersion(c *gin.Context) (string, func(context.Context) (string, error)) {
	id := tenantOf(c)
	return tenantMark(id), func(ctx context.Context) (string, error) { return s.Versions.TenantVersion(ctx, id) }
}

// steerTenant answers the buttons start, stop and restart.
func (s *Server) steerTenant(e domain.Event, noted domain.AuditAction) action {
	return func(c *gin.Context) error {
		v, err := s.Tenants.Steer(c.Request.Context(), tenantOf(c), e)
		if err != nil {
			return s.backToTenant(c, err)
		}
		s.web.pulse.forget(tenantMark(v.ID))
		s.auditTenant(c, noted, v)
		return s.seeOther(c, "/admin/tenants/"+v.ID.String())
	}
}

// backToTenant shows a conflict as a message above the tenant's page.
func (s *Server) backToTenant(c *gin.Context, err error) error {
	return s.backTo(c, "/admin/tenants/"+tenantOf(c).String(), err)
}

// backTo shows what a person can put right as a message above the page that
// they came from; other errors have pages of their own.
func (s *Server) backTo(c *gin.Context, address string, err error) error {
	if k := domain.KindOf(err); k != domain.KindConflict && k != domain.KindInvalid {
		return err
	}
	f := emptyForm()
	f.refuse(err, s.speak(c))
	problem := f.Problem
	for _, p := range f.Errors {
		problem = p
	}
	s.say(c, "bad", problem)
	return s.seeOther(c, address)
}

// askPairingCode asks for a code that links without a camera. The card shows
// it as soon as the owning replica has it.
func (s *Server) askPairingCode(c *gin.Context) error {
	v, err := s.Tenants.Get(c.Request.Context(), tenantOf(c))
	if err != nil {
		return err
	}
	phone, err := domain.ParsePhone(c.PostForm("phone"), domain.DefaultRegion)
	if err != nil {
		return s.backToTenant(c, domain.Errorf(domain.KindInvalid, "%s", err.Error()))
	}
	if err := mayAskCode(v); err != nil {
		return s.backToTenant(c, err)
	}
	if err := s.Links.AskPairingCode(c.Request.Context(), v.ID, phone); err != nil {
		return s.backToTenant(c, err)
	}
	s.web.pulse.forget(tenantMark(v.ID))
	s.auditTenant(c, domain.AuditPairingCode, v)
	s.say(c, "good", s.speak(c).must("link.code_asked"))
	return s.seeOther(c, "/admin/tenants/"+v.ID.String())
}

// mayAskCode says why no pairing code can be asked for in a tenant's state.
func mayAskCode(v domain.TenantView) error {
	switch {
	case v.Session.State == domain.SessionConnected || v.Session.JID != "":
		return domain.Errorf(domain.KindConflict, "This tenant is linked already. Reset the session first to link another phone.")
	case v.Worker.Status != domain.WorkerRunning:
		return domain.Errorf(domain.KindConflict, "Start the tenant first, then ask for a pairing code.")
	}
	return nil
}

// dangerPage asks before something that cannot be undone.
type dangerPage struct {
	tenantHead
	Form form
}

func (s *Server) showReset(c *gin.Context) error {
	h, err := s.headOf(c, "")
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "admin/tenant_reset", dangerPage{h, emptyForm()})
}

func (s *Server) resetTenant(c *gin.Context) error {
	v, err := s.Tenants.Steer(c.Request.Context(), tenantOf(c), domain.EventReset)
	if err != nil {
		return s.backToTenant(c, err)
	}
	s.web.pulse.forget(tenantMark(v.ID))
	s.auditTenant(c, domain.AuditTenantReset, v)
	s.say(c, "good", s.speak(c).must("tenant.reset_done"))
	return s.seeOther(c, "/admin/tenants/"+v.ID.String())
}

func (s *Server) showDelete(c *gin.Context) error {
	h, err := s.headOf(c, "")
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "admin/tenant_delete", dangerPage{h, emptyForm()})
}

// removeTenant deletes a tenant whose name was typed.
func (s *Server) removeTenant(c *gin.Context) error {
	h, err := s.headOf(c, "")
	if err != nil {
		return err
	}
	f := readForm(c, "name")
	if f.Values["name"] != h.T.Name {
		f.Errors["name"] = s.speak(c).must("delete.name_differs")
		return s.page(c, http.StatusUnprocessableEntity, "admin/tenant_delete", dangerPage{h, f})
	}
	done, err := s.Tenants.Delete(c.Request.Context(), h.T.ID)
	if err != nil {
		return err
	}
	s.web.pulse.forget(tenantsKey)
	s.noteDeleted(c, h.T)
	word := "delete.done"
	if !done {
		word = "delete.under_way"
	}
	s.say(c, "good", s.speak(c).must(word, "name", h.T.Name))
	return s.seeOther(c, "/admin/tenants")
}
