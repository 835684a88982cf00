package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

var (
	lockLease = statement(`SELECT tenant_id FROM leases WHERE tenant_id = $1 FOR UPDATE`)

	steerTenant = statement(`UPDATE tenants SET status = $2, updated_at = $3 WHERE id = $1`)

	steerSession = statement(`UPDATE whatsapp_sessions SET state = $2, jid = $3, qr = $4, qr_expires_at = $5, pairing_code = $6, pairing_phone = $7,
		pairing_since = $8, retry_at = $9, reason = $10, reason_detail = $11, updated_at = $12 WHERE tenant_id = $1`)

	steerWorker = statement(`UPDATE worker_processes SET status = $2, last_error = $3, updated_at = $4 WHERE tenant_id = $1`)

	// steerLease also ends every pause: what a person asks for is tried at once, by whoever is there.
	steerLease = statement(`UPDATE leases SET wanted = $2, command = $3, not_before = flowhq_after(0), avoid = NULL, fail_count = 0 WHERE tenant_id = $1`)
)

// Steer applies what a person wants. The contract is handlers.Tenants'.
func (t Tenants) Steer(ctx context.Context, id uuid.UUID, e domain.Event) (v domain.TenantView, err error) {
	defer translated(string(e)+" tenant", &err)
	err = t.s.session(ctx, func(c session) error {
		var row *tenantRow
		row, v, err = lockForSteering(ctx, c, id)
		if err != nil {
			return err
		}
		next, err := v.Lifecycle().Apply(e)
		if err != nil {
			return err
		}
		wish, err := wishOf(row.Lease, e, next != v.Lifecycle())
		if err != nil {
			return err
		}
		changes := next != v.Lifecycle() || e != domain.EventStart
		follow(&v, next, e, domain.Now())
		var out batch
		out.steer(&v, wish)
		if changes {
			out.event(id, uuid.Nil, e, domain.ReasonNone, "", domain.Now())
		}
		out.add(commit)
		return c.run(ctx, &out)
	})
	if err != nil {
		return domain.TenantView{}, err
	}
	t.s.hint(ctx, id)
	return v, nil
}

// lockForSteering locks the lease row first, as every writer does, so that two
// of them never wait for each other. The transaction stays open.
func lockForSteering(ctx context.Context, c session, id uuid.UUID) (row *tenantRow, v domain.TenantView, err error) {
	var in batch
	in.add(begin)
	in.read(func(found rows) error {
		if !found.Next() {
			return orElse(found.Err(), domain.NotFound("tenant"))
		}
		return nil
	}, lockLease, id)
	in.readView(id, &row)
	if err := c.run(ctx, &in); err != nil {
		return nil, v, err
	}
	return row, row.shown(), nil
}

// wish is what the lease row tells the owner, or the one to come.
type wish struct {
	wanted  bool
	command domain.Command
}

func wishOf(l *leaseRow, e domain.Event, changes bool) (wish, error) {
	owned := l.Owner.Valid
	switch domain.Command(l.Command) {
	case domain.CommandDelete:
		return wish{}, domain.Errorf(domain.KindConflict, "This tenant is being deleted.")
	case domain.CommandReset:
		if e == domain.EventStart || e == domain.EventRestart {
			return wish{}, domain.Errorf(domain.KindConflict, "The link of this tenant is still being reset. Try again in a moment.")
		}
		return wish{command: domain.CommandReset}, nil // a stop does not call the reset off
	}
	switch e {
	case domain.EventStop:
		return wish{}, nil
	case domain.EventReset:
		return wish{command: domain.CommandReset}, nil
	case domain.EventRestart:
		return wish{wanted: true, command: domain.CommandRestart}, nil
	}
	if owned && changes {
		// A runner that is about to end would overwrite a plain "wanted".
		return wish{wanted: true, command: domain.CommandRestart}, nil
	}
	return wish{wanted: true, command: domain.Command(l.Command)}, nil
}

// follow brings the view to the next states. Whatever a person does ends the
// present attempt, so its code, the wish for one and its reason are of no more use.
func follow(v *domain.TenantView, next domain.Lifecycle, e domain.Event, now time.Time) {
	if next == v.Lifecycle() && e == domain.EventStart {
		return
	}
	v.Status, v.Session.State, v.Worker.Status = next.Tenant, next.Session, next.Worker
	if !next.Linked {
		v.Session.JID = ""
	}
	v.Session.QR, v.Session.QRExpiresAt, v.Session.PairingCode, v.Session.PairingPhone = "", nil, "", ""
	v.Session.PairingSince, v.Session.RetryAt = nil, nil
	v.Session.Reason, v.Session.ReasonDetail, v.Worker.LastError = domain.ReasonNone, "", ""
	if e == domain.EventStop {
		v.Session.Reason = domain.ReasonStopped
	}
	v.UpdatedAt, v.Session.UpdatedAt, v.Worker.UpdatedAt = now, now, now
}

// steer stores what follow and wishOf made of a tenant.
func (b *batch) steer(v *domain.TenantView, w wish) {
	s := v.Session
	b.add(steerTenant, v.ID, string(v.Status), stamp(v.UpdatedAt))
	b.add(steerSession, v.ID, string(s.State), s.JID, s.QR, stampOrNil(s.QRExpiresAt), s.PairingCode, s.PairingPhone, stampOrNil(s.PairingSince),
		stampOrNil(s.RetryAt), string(s.Reason), s.ReasonDetail, stamp(s.UpdatedAt))
	b.add(steerWorker, v.ID, string(v.Worker.Status), v.Worker.LastError, stamp(v.Worker.UpdatedAt))
	b.add(steerLease, v.ID, w.wanted, string(w.command))
}
