package store

import (
	"context"

	"github.com/google/uuid"

	"flowhq/domain"
)

// Links are the WhatsApp sessions of tenants.
type Links struct{ s *Store }

// Links returns the store as the sessions that the portals show.
func (s *Store) Links() Links { return Links{s} }

var loadSession = statement(`SELECT state, qr, qr_expires_at, pairing_code, pairing_phone, pairing_since, jid, reason, reason_detail, retry_at,
	last_seen_at, connected_at, updated_at FROM whatsapp_sessions WHERE tenant_id = $1`)

// Session returns what the owning replica last wrote about a link.
func (l Links) Session(ctx context.Context, tenant uuid.UUID) (session domain.WhatsAppSession, err error) {
	defer translated("read session", &err)
	row := &sessionRow{TenantID: tenant}
	err = l.s.reader.QueryRowContext(ctx, l.s.textOf(loadSession), tenant).Scan(&row.State, &row.QR, &row.QRExpiresAt, &row.PairingCode,
		&row.PairingPhone, &row.PairingSince, &row.JID, &row.Reason, &row.ReasonDetail, &row.RetryAt, &row.LastSeenAt, &row.ConnectedAt, &row.UpdatedAt)
	if err != nil {
		return session, orNotFound(err, "tenant")
	}
	return row.session(), nil
}

// AskPairingCode leaves the wish for a pairing code. The contract is
// handlers.Links'. A tenant that nobody serves is started by it; a linked one
// is KindConflict.
func (l Links) AskPairingCode(ctx context.Context, tenant uuid.UUID, phone domain.Phone) (err error) {
	defer translated("ask for a pairing code", &err)
	err = l.s.session(ctx, func(c session) error {
		row, v, err := lockForSteering(ctx, c, tenant)
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
		v.Session.PairingCode, v.Session.PairingPhone, v.Session.PairingSince, v.Session.UpdatedAt = "", string(phone), &now, now
		v.Session.Reason, v.Session.ReasonDetail = domain.ReasonNone, ""
		var out batch
		out.steer(&v, w)
		if starts {
			out.event(tenant, uuid.Nil, domain.EventStart, domain.ReasonNone, "", now)
		}
		out.add(commit)
		return c.run(ctx, &out)
	})
	if err == nil {
		l.s.hint(ctx, tenant)
	}
	return err
}
