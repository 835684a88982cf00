package handlers

import (
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"flowhq/domain"
)

// messageJSON is one message of the log.
type messageJSON struct {
	ID          string    `json:"id"`
	Direction   string    `json:"direction"`
	FromNumber  string    `json:"from_number"`
	ToNumber    string    `json:"to_number"`
	MessageText string    `json:"message_text"`
	Kind        string    `json:"kind"`
	WAMessageID string    `json:"wa_message_id"`
	Status      string    `json:"status"`
	Reason      *string   `json:"reason"`
	CreatedAt   time.Time `json:"created_at"`
}

func messageOut(m domain.MessageLog) messageJSON {
	return messageJSON{ID: m.ID.String(), Direction: string(m.Direction), FromNumber: m.From, ToNumber: m.To, MessageText: m.Text,
		Kind: string(m.Kind), WAMessageID: m.WAMessageID, Status: string(m.Status), Reason: orNull(m.Reason), CreatedAt: m.CreatedAt}
}

func (s *Server) listMessages(c *gin.Context) error {
	q, err := pageQuery(c)
	if err != nil {
		return err
	}
	page, err := s.Messages.ListMessages(c.Request.Context(), tenantOf(c), domain.MessageFilter{}, q)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, listOf(page, messageOut))
	return nil
}

func (s *Server) getMessage(c *gin.Context) error {
	id, err := uuid.Parse(c.Param("message"))
	if err != nil {
		return domain.NotFound("message")
	}
	m, err := s.Messages.Message(c.Request.Context(), tenantOf(c), id)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, messageOut(m))
	return nil
}

const maxIdempotencyKey = 200

func (s *Server) sendMessage(c *gin.Context) error {
	var body struct {
		To   string `json:"to"`
		Text string `json:"text"`
	}
	if err := readJSON(c, &body); err != nil {
		return err
	}
	bad := domain.Invalid{}
	to, err := domain.ParsePhone(body.To, domain.DefaultRegion)
	if err != nil {
		bad.Add("to", err.Error())
	}
	text := domain.CleanText(body.Text)
	if strings.TrimSpace(text) == "" {
		bad.Add("text", "This cannot be empty.")
	}
	if len(text) > domain.MaxTextBytes {
		bad.Add("text", "This is longer than 64 KB.")
	}
	key := c.GetHeader("Idempotency-Key")
	if len(key) > maxIdempotencyKey || key != domain.CleanText(key) {
		bad.Add("Idempotency-Key", "This must be at most 200 characters of plain text.")
	}
	if err := bad.Err(); err != nil {
		return err
	}
	stored, err := s.enqueue(c, to, text, key)
	if err != nil {
		return err
	}
	c.JSON(http.StatusAccepted, gin.H{"id": stored.ID.String(), "status": string(stored.Status)})
	return nil
}

func (s *Server) enqueue(c *gin.Context, to domain.Phone, text, key string) (domain.Outbound, error) {
	ctx, tenant, now := c.Request.Context(), tenantOf(c), domain.Now()
	waKey, err := s.Messages.WAKey(ctx, tenant)
	if err != nil {
		return domain.Outbound{}, err
	}
	id, expires := domain.NewID(), now.Add(domain.ManualLife)
	m := domain.Outbound{ID: id, TenantID: tenant, Contact: string(to), ChatJID: to.Digits() + "@s.whatsapp.net", Lane: domain.LaneManual,
		WAID: domain.DeriveWAID(waKey, id), Text: text, Status: domain.StatusQueued, RunAt: now, ExpiresAt: &expires, CreatedAt: now}
	if key != "" {
		m.DedupKey = "api:" + key
	}
	stored, err := s.Messages.Enqueue(ctx, m)
	if err == nil && stored.ID == m.ID { // else the request was repeated
		s.noteSent(c, stored)
	}
	return stored, err
}
