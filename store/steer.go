package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Steer applies what a person wants. The contract is handlers.Tenants'.
func (t Tenants) Steer(ctx context.Context, id uuid.UUID, e domain.Event) (v domain.TenantView, err error) {
	defer translated(string(e)+" tenant", &err)
	err = t.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var row *tenantRow
		row, v, err = t.s.lockForSteering(ctx, tx, id)
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
		if err := storeSteering(ctx, tx, &v, wish); err != nil || !changes {
			return err
		}
		return t.s.asked(ctx, tx, id, e, domain.Now())
	})
	if err != nil {
		return domain.TenantView{}, err
	}
	t.s.hint(ctx, id)
	return v, nil
}

// lockForSteering locks the lease row first, as every writer does, so that two
// of them never wait for each other.
func (s *Store) lockForSteering(ctx context.Context, tx bun.Tx, id uuid.UUID) (*tenantRow, domain.TenantView, error) {
	if err := s.lockRow(ctx, tx, "SELECT tenant_id FROM leases WHERE tenant_id = ? FOR UPDATE", id); err != nil {
		return nil, domain.TenantView{}, err
	}
	row, err := getTenant(ctx, tx, id)
	if err != nil {
		return nil, domain.TenantView{}, err
	}
	v, err := row.view()
	return row, v, err
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
// present attempt, so its code and its reason are of no more use.
func follow(v *domain.TenantView, next domain.Lifecycle, e domain.Event, now time.Time) {
	if next == v.Lifecycle() && e == domain.EventStart {
		return
	}
	v.Status, v.Session.State, v.Worker.Status = next.Tenant, next.Session, next.Worker
	if !next.Linked {
		v.Session.JID = ""
	}
	v.Session.QR, v.Session.QRExpiresAt, v.Session.PairingCode, v.Session.PairingSince, v.Session.RetryAt = "", nil, "", nil, nil
	v.Session.Reason, v.Session.ReasonDetail, v.Worker.LastError = domain.ReasonNone, "", ""
	if e == domain.EventStop {
		v.Session.Reason = domain.ReasonStopped
	}
	v.UpdatedAt, v.Session.UpdatedAt, v.Worker.UpdatedAt = now, now, now
}

func storeSteering(ctx context.Context, tx bun.Tx, v *domain.TenantView, w wish) error {
	s := v.Session
	steps := []*bun.UpdateQuery{
		tx.NewUpdate().Table("tenants").Set("status = ?", string(v.Status)).Set("updated_at = ?", stamp(v.UpdatedAt)).Where("id = ?", v.ID),
		tx.NewUpdate().Table("whatsapp_sessions").Set("state = ?", string(s.State)).Set("jid = ?", s.JID).Set("qr = ?", s.QR).
			Set("qr_expires_at = ?", stampOrNil(s.QRExpiresAt)).Set("pairing_code = ?", s.PairingCode).Set("pairing_since = ?", stampOrNil(s.PairingSince)).
			Set("retry_at = ?", stampOrNil(s.RetryAt)).Set("reason = ?", string(s.Reason)).Set("reason_detail = ?", s.ReasonDetail).
			Set("updated_at = ?", stamp(s.UpdatedAt)).Where("tenant_id = ?", v.ID),
		tx.NewUpdate().Table("worker_processes").Set("status = ?", string(v.Worker.Status)).Set("last_error = ?", v.Worker.LastError).
			Set("updated_at = ?", stamp(v.Worker.UpdatedAt)).Where("tenant_id = ?", v.ID),
		tx.NewUpdate().Table("leases").Set("wanted = ?", w.wanted).Set("command = ?", string(w.command)).Set("not_before = flowhq_after(0)").
			Where("tenant_id = ?", v.ID),
	}
	for _, step := range steps {
		if _, err := step.Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}
