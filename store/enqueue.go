package store

import (
	"context"

	"github.com/google/uuid"

	"flowhq/domain"
)

var (
	// lockTenant keeps the tenant from being removed until the commit.
	lockTenant = statement(`SELECT t.phone_number, t.wa_key, l.owner FROM tenants t JOIN leases l ON l.tenant_id = t.id WHERE t.id = $1 FOR KEY SHARE OF t`)

	countOpen = statement(`SELECT (SELECT count(*) FROM outbox WHERE tenant_id = $1 AND contact = $2 AND open),
		(SELECT count(*) FROM (SELECT 1 FROM outbox WHERE tenant_id = $1 AND open LIMIT $3) o)`)

	findRequest = statement(`SELECT ` + outboundColumns + ` FROM outbox WHERE tenant_id = $1 AND dedup_key = $2`)
)

// Enqueue adds a message to the outbox. The contract is handlers.Messages'. An
// id, a WhatsApp id and times that are missing are made here; the lane and the
// expiry are the caller's.
func (m Messages) Enqueue(ctx context.Context, out domain.Outbound) (stored domain.Outbound, err error) {
	defer translated("enqueue message", &err)
	stored, owner, err := m.enqueue(ctx, out)
	if out.DedupKey != "" && isUnique(err) { // the same request came twice at once
		stored, owner, err = m.enqueue(ctx, out)
	}
	if err == nil {
		m.s.hintTo(ctx, owner, out.TenantID)
	}
	return stored, err
}

func (m Messages) enqueue(ctx context.Context, out domain.Outbound) (stored domain.Outbound, owner uuid.UUID, err error) {
	if out.ID == uuid.Nil {
		out.ID = domain.NewID()
	}
	if out.CreatedAt.IsZero() {
		out.CreatedAt = domain.Now()
	}
	if out.RunAt.IsZero() {
		out.RunAt = out.CreatedAt
	}
	err = m.s.session(ctx, func(c session) error {
		var r request
		if err := r.open(ctx, c, out); err != nil {
			return err
		}
		owner = r.owner.UUID
		if r.earlier != nil {
			stored = *r.earlier
			return sameRequest(stored, out)
		}
		if err := r.room(); err != nil {
			return err
		}
		if out.WAID == "" {
			out.WAID = domain.DeriveWAID(r.key, out.ID)
		}
		var b batch
		stored = b.enqueue(out, r.number)
		b.add(commit)
		return c.run(ctx, &b)
	})
	return stored, owner, err
}

// request is what stands in the way of a new message.
type request struct {
	number     string
	key        []byte
	owner      uuid.NullUUID // of the lease
	chat, all  int
	earlier    *domain.Outbound
	tenantGone bool
}

func (r *request) open(ctx context.Context, c session, out domain.Outbound) error {
	*r = request{}
	var b batch
	b.add(begin)
	b.read(func(found rows) error {
		if !found.Next() {
			r.tenantGone = true
			return found.Err()
		}
		return found.Scan(&r.number, &r.key, &r.owner)
	}, lockTenant, out.TenantID)
	b.read(func(found rows) error {
		if !found.Next() {
			return found.Err()
		}
		return found.Scan(&r.chat, &r.all)
	}, countOpen, out.TenantID, out.Contact, domain.MaxOutboxPerTenant)
	if out.DedupKey != "" {
		b.read(func(found rows) error {
			if !found.Next() {
				return found.Err()
			}
			row, err := scanOutbound(found)
			r.earlier = &row
			return err
		}, findRequest, out.TenantID, out.DedupKey)
	}
	if err := c.run(ctx, &b); err != nil {
		return err
	}
	if r.tenantGone {
		return domain.NotFound("tenant")
	}
	return nil
}

// room enforces the bounds of the queues. Two requests at once may each take
// the last place; the bounds need not be exact.
func (r *request) room() error {
	switch {
	case r.chat >= domain.MaxOutboxPerChat:
		return domain.Errorf(domain.KindBusy, "%d messages to this recipient are waiting already. Try again later.", r.chat)
	case r.all >= domain.MaxOutboxPerTenant:
		return domain.Errorf(domain.KindBusy, "%d messages of this tenant are waiting already. Try again later.", r.all)
	}
	return nil
}

// sameRequest refuses a key that was used for another message.
func sameRequest(stored, out domain.Outbound) error {
	if stored.Contact == out.Contact && stored.Text == domain.CleanText(out.Text) {
		return nil
	}
	return domain.Errorf(domain.KindConflict, "This idempotency key was used for another message.")
}
