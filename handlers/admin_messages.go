package handlers

import (
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"flowhq/domain"
)

// messagesPage is the message log of a tenant.
type messagesPage struct {
	tenantHead
	Filter domain.MessageFilter
	Query  string
	Rows   []domain.MessageLog
	Next   string
	Paged  bool
}

// Narrowed reports whether the log is searched or filtered.
func (p messagesPage) Narrowed() bool { return p.Filter != domain.MessageFilter{} }

func messageFilter(c *gin.Context) (f domain.MessageFilter) {
	f.Search = firstBytes(domain.CleanText(c.Query("q")), domain.MaxNameLength)
	switch c.Query("show") {
	case "in":
		f.Direction = domain.DirectionIn
	case "out":
		f.Direction = domain.DirectionOut
	case "dead":
		f.Dead = true
	}
	return f
}

func (s *Server) showMessages(c *gin.Context) error {
	h, err := s.headOf(c, "messages")
	if err != nil {
		return err
	}
	page, err := s.messages(c, h)
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "admin/tenant", page)
}

func (s *Server) messages(c *gin.Context, h tenantHead) (messagesPage, error) {
	q := c.Request.URL.Query()
	q.Del("cursor")
	page := messagesPage{tenantHead: h, Filter: messageFilter(c), Query: q.Encode(), Paged: c.Query("cursor") != ""}
	rows, err := s.Messages.ListMessages(c.Request.Context(), tenantOf(c), page.Filter, domain.PageQuery{Cursor: c.Query("cursor")})
	page.Rows, page.Next = rows.Items, rows.NextCursor
	return page, err
}

func (s *Server) liveMessages() liveFragment {
	return liveFragment{page: "admin/tenant", block: "rows", version: s.tenantVersion,
		load: func(c *gin.Context) (any, error) {
			h, err := s.bareHead(c)
			if err != nil {
				return nil, err
			}
			return s.messages(c, h)
		}}
}

// bareHead is what a fragment below the head needs of it.
func (s *Server) bareHead(c *gin.Context) (tenantHead, error) {
	v, err := s.Tenants.Get(c.Request.Context(), tenantOf(c))
	return tenantHead{T: v, Zone: v.Config.Timezone}, err
}

// retryMessage gives a dead letter another life.
func (s *Server) retryMessage(c *gin.Context) error {
	id, err := uuid.Parse(c.Param("message"))
	if err != nil {
		return domain.NotFound("message")
	}
	if err := s.Messages.RetryMessage(c.Request.Context(), tenantOf(c), id); err != nil {
		return s.backToTenant(c, err)
	}
	v, err := s.Tenants.Get(c.Request.Context(), tenantOf(c))
	if err != nil {
		return err
	}
	s.web.pulse.forget(tenantMark(v.ID))
	s.audit(c, domain.AuditEntry{Action: domain.AuditMessageRetry, TenantID: &v.ID, Tenant: v.Name, After: asJSON(map[string]string{"message": id.String()})})
	s.say(c, "good", s.speak(c).must("message.retried"))
	back := localPath(c.PostForm("back"))
	if back == "" {
		back = "/admin/tenants/" + v.ID.String()
	}
	return s.seeOther(c, back)
}

// contactOf is the contact of the address. What no database can hold is nobody.
func contactOf(c *gin.Context) (string, error) {
	contact := c.Param("contact")
	if contact != domain.CleanText(contact) {
		return "", domain.NotFound("conversation")
	}
	return contact, nil
}

// conversationsPage lists who writes with a tenant.
type conversationsPage struct {
	tenantHead
	Search string
	Rows   []conversationRow
	Next   string
	Paged  bool
}

type conversationRow struct {
	domain.ConversationRow
	Silent bool // the bot keeps silent for now
}

func (s *Server) showConversations(c *gin.Context) error {
	h, err := s.headOf(c, "conversations")
	if err != nil {
		return err
	}
	page := conversationsPage{tenantHead: h, Search: domain.CleanText(c.Query("q")), Paged: c.Query("cursor") != ""}
	rows, err := s.Chats.Conversations(c.Request.Context(), h.T.ID, page.Search, domain.PageQuery{Cursor: c.Query("cursor")})
	if err != nil {
		return err
	}
	now := domain.Now()
	for _, r := range rows.Items {
		page.Rows = append(page.Rows, conversationRow{r, r.Muted(now)})
	}
	page.Next = rows.NextCursor
	return s.page(c, http.StatusOK, "admin/tenant_conversations", page)
}

// threadPage is one conversation, oldest message first.
type threadPage struct {
	tenantHead
	Contact  string
	Name     string
	OptedOut bool
	Silent   bool
	Why      string
	Bubbles  []domain.MessageLog
	Older    string // cursor of what came before
	Paged    bool
}

// Path is the contact in an address.
func (p threadPage) Path() string { return url.PathEscape(p.Contact) }

func (s *Server) showThread(c *gin.Context) error {
	h, err := s.headOf(c, "conversations")
	if err != nil {
		return err
	}
	page, err := s.thread(c, h)
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "admin/tenant_thread", page)
}

func (s *Server) thread(c *gin.Context, h tenantHead) (page threadPage, err error) {
	ctx := c.Request.Context()
	page = threadPage{tenantHead: h, Paged: c.Query("cursor") != ""}
	if page.Contact, err = contactOf(c); err != nil {
		return page, err
	}
	conv, err := s.Chats.Conversation(ctx, h.T.ID, page.Contact)
	if err != nil {
		return page, err
	}
	page.Silent, page.Why = conv.Muted(domain.Now()), conv.MutedReason
	if customer, err := s.Chats.Customer(ctx, h.T.ID, page.Contact); err == nil {
		page.Name, page.OptedOut = customer.Name, customer.OptedOut
	} else if domain.KindOf(err) != domain.KindNotFound {
		return page, err
	}
	rows, err := s.Messages.ListMessages(ctx, h.T.ID, domain.MessageFilter{Contact: page.Contact}, domain.PageQuery{Cursor: c.Query("cursor")})
	if err != nil {
		return page, err
	}
	for i := len(rows.Items) - 1; i >= 0; i-- {
		page.Bubbles = append(page.Bubbles, rows.Items[i])
	}
	page.Older = rows.NextCursor
	return page, nil
}

func (s *Server) liveThread() liveFragment {
	return liveFragment{page: "admin/tenant_thread", block: "bubbles", version: s.tenantVersion,
		load: func(c *gin.Context) (any, error) {
			h, err := s.bareHead(c)
			if err != nil {
				return nil, err
			}
			return s.thread(c, h)
		}}
}

// resumeChat lets the bot answer again in a conversation.
func (s *Server) resumeChat(c *gin.Context) error {
	ctx := c.Request.Context()
	contact, err := contactOf(c)
	if err != nil {
		return err
	}
	if err := s.Chats.Resume(ctx, tenantOf(c), contact); err != nil {
		return err
	}
	v, err := s.Tenants.Get(ctx, tenantOf(c))
	if err != nil {
		return err
	}
	s.web.pulse.forget(tenantMark(v.ID))
	s.auditTenant(c, domain.AuditChatResumed, v)
	s.say(c, "good", s.speak(c).must("thread.resumed"))
	return s.seeOther(c, "/admin/tenants/"+v.ID.String()+"/conversations/"+url.PathEscape(contact))
}

// historyPage is the event log, or the worker history, of a tenant.
type historyPage struct {
	tenantHead
	Events []domain.TenantEvent
	Terms  []domain.Term
	Next   string
	Paged  bool
}

func (s *Server) showEvents(c *gin.Context) error {
	h, err := s.headOf(c, "events")
	if err != nil {
		return err
	}
	events, err := s.History.Events(c.Request.Context(), h.T.ID, domain.PageQuery{Cursor: c.Query("cursor")})
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "admin/tenant_events", historyPage{tenantHead: h, Events: events.Items, Next: events.NextCursor, Paged: c.Query("cursor") != ""})
}

const shownTerms = 100

func (s *Server) showWorker(c *gin.Context) error {
	h, err := s.headOf(c, "worker")
	if err != nil {
		return err
	}
	terms, err := s.History.Terms(c.Request.Context(), h.T.ID, shownTerms)
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "admin/tenant_worker", historyPage{tenantHead: h, Terms: terms})
}
