package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Links are the WhatsApp sessions of tenants as people see them.
type Links struct{ s *Store }

// Links returns the store as the links of the handlers.
func (s *Store) Links() Links { return Links{s} }

// Session returns the session of a tenant.
func (l Links) Session(ctx context.Context, tenant uuid.UUID) (domain.WhatsAppSession, error) {
	v, err := l.s.Tenants().Get(ctx, tenant)
	return v.Session, err
}

// AskPairingCode leaves the wish for a code. The contract is handlers.Links'.
func (l Links) AskPairingCode(ctx context.Context, tenant uuid.UUID, phone domain.Phone) (err error) {
	defer translated("ask for a pairing code", &err)
	err = l.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := l.s.lockRow(ctx, tx, "SELECT tenant_id FROM leases WHERE tenant_id = ? FOR UPDATE", tenant); err != nil {
			return err
		}
		now := domain.Now()
		if _, err := tx.NewUpdate().Table("whatsapp_sessions").Set("pairing_phone = ?", string(phone)).Set("pairing_code = ''").
			Set("reason = ''").Set("pairing_since = ?", now).Set("updated_at = ?", now).Where("tenant_id = ?", tenant).Exec(ctx); err != nil {
			return err
		}
		_, err := tx.NewUpdate().Table("leases").Set("command = ?", string(domain.CommandPair)).Where("tenant_id = ?", tenant).Exec(ctx)
		return err
	})
	if err == nil {
		l.s.hint(ctx, tenant)
	}
	return err
}
