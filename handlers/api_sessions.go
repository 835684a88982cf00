package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"flowhq/domain"
)

// sessionJSON is the link of a tenant to WhatsApp. QR is the raw string to draw.
type sessionJSON struct {
	State       string     `json:"state"`
	QR          *string    `json:"qr"`
	QRExpiresAt *time.Time `json:"qr_expires_at"`
	PairingCode *string    `json:"pairing_code"`
	JID         *string    `json:"jid"`
	LastSeenAt  *time.Time `json:"last_seen_at"`
	Reason      *string    `json:"reason"`
	ReasonText  *string    `json:"reason_text"`
	RetryAt     *time.Time `json:"retry_at"`
}

func (s *Server) getSession(c *gin.Context) error {
	l, err := s.Links.Session(c.Request.Context(), tenantOf(c))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, sessionJSON{State: string(l.State), QR: orNull(l.QR), QRExpiresAt: l.QRExpiresAt, PairingCode: orNull(l.PairingCode),
		JID: orNull(l.JID), LastSeenAt: l.LastSeenAt, Reason: orNull(string(l.Reason)), ReasonText: orNull(l.Reason.Text(domain.LanguageEnglish)), RetryAt: l.RetryAt})
	return nil
}

// How long a request waits for the owner to obtain a code from WhatsApp.
const (
	codeWait = 25 * time.Second
	codePoll = 150 * time.Millisecond
)

func (s *Server) pairingCode(c *gin.Context) error {
	var body struct {
		Phone string `json:"phone"`
	}
	if err := readJSON(c, &body); err != nil {
		return err
	}
	phone, err := domain.ParsePhone(body.Phone, domain.DefaultRegion)
	if err != nil {
		return domain.Invalid{"phone": err.Error()}.Err()
	}
	id := tenantOf(c)
	v, err := s.Tenants.Get(c.Request.Context(), id)
	if err != nil {
		return err
	}
	if err := mayAskCode(v); err != nil {
		return err
	}
	if err := s.Links.AskPairingCode(c.Request.Context(), id, phone); err != nil {
		return err
	}
	s.auditTenant(c, domain.AuditPairingCode, v)
	code, err := s.awaitCode(c.Request.Context(), id)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, gin.H{"pairing_code": code})
	return nil
}

// awaitCode polls for what the owning replica, which may be another process, writes.
func (s *Server) awaitCode(ctx context.Context, id uuid.UUID) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, codeWait)
	defer cancel()
	ticker := time.NewTicker(codePoll)
	defer ticker.Stop()
	for {
		l, err := s.Links.Session(ctx, id)
		switch {
		case err != nil && ctx.Err() == nil:
			return "", err
		case err == nil && l.PairingCode != "":
			return l.PairingCode, nil
		case err == nil && l.Reason == domain.ReasonPairFailed:
			return "", domain.Errorf(domain.KindUnavailable, "WhatsApp did not issue a code for this number. Check it, or link by QR code.")
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return "", domain.Errorf(domain.KindUnavailable, "WhatsApp has not issued a code yet. Ask again in a moment, or link by QR code.")
		}
	}
}
