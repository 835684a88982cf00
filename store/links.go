package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Links are the WhatsApp sessions of tenants.
type Links struct{ s *Store }

// Links returns the store as the sessions that the portals show.
func (s *Store) Links() Links { return Links{s} }

// Session returns what the owning replica last wrote about a link.
func (l Links) Session(ctx context.Context, tenant uuid.UUID) (session domain.WhatsAppSession, err error) {
	defer translated("read session", &err)
	row := &sessionRow{TenantID: tenant}
	if err := l.s.read.NewSelect().Model(row).WherePK().Scan(ctx); err != nil {
		return session, orNotFound(err, "tenant")
	}
	return row.session(), nil
}

// AskPairingCode leaves the wish for a pairing code. The contract is
// handlers.Links'. A tenant that nobody serves is started by it; a linked one
// is KindConflict.
func (l Links) AskPairingCode(ctx context.Context, tenant uuid.UUID, phone domain.Phone) (err error) {
	defer translated("ask for a pairing code", &err)
	err = l.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, v, err := l.s.lockForSteering(ctx, tx, tenant)
		if err != nil {
			return err
		}
		if v.Session.JID != "" {
			return domain.Errorf(domain.KindConflict, "A phone is linked already. Reset the link first.")
		}
		next, err := v.Lifecycle().Apply(domain.EventStart)
		if err != nil {
			return err
		}
		starts := next != v.Lifecycle()
		w, err := wishOf(row.Lease, domain.EventStart, starts)
		if err != nil {
			return err
		}
		w.command = domain.CommandPair
		now := domain.Now()
		follow(&v, next, domain.EventStart, now)
		v.Session.PairingCode, v.Session.PairingSince, v.Session.UpdatedAt = "", &now, now
		v.Session.Reason, v.Session.ReasonDetail = domain.ReasonNone, ""
		if err := storeSteering(ctx, tx, &v, w); err != nil {
			return err
		}
		_, err = tx.NewUpdate().Table("whatsapp_sessions").Set("pairing_phone = ?", string(phone)).Where("tenant_id = ?", tenant).Exec(ctx)
		if err != nil || !starts {
			return err
		}
		return l.s.asked(ctx, tx, tenant, domain.EventStart, now)
	})
	if err == nil {
		l.s.hint(ctx, tenant)
	}
	return err
}
