package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// A tenant is removed in one transaction by whoever holds its lease: the fence
// around the WhatsApp tables lets nobody else delete its device.
var (
	takeUnowned = statement(`UPDATE leases SET owner = $2, epoch = epoch + 1 WHERE tenant_id = $1 AND owner IS NULL RETURNING tenant_id`)

	wipeTokens = statement(`DELETE FROM whatsmeow_privacy_tokens WHERE our_jid = (SELECT device_jid FROM leases WHERE tenant_id = $1)`)
	wipeKeys   = statement(`DELETE FROM whatsmeow_device WHERE jid = (SELECT device_jid FROM leases WHERE tenant_id = $1)`)
	wipeTenant = statement(`DELETE FROM tenants WHERE id = $1`) // takes the small tables with it

	// These have no foreign key, see the migrations.
	wipeSeen   = statement(`DELETE FROM inbound_seen WHERE tenant_id = $1`)
	wipeLogs   = statement(`DELETE FROM message_logs WHERE tenant_id = $1`)
	wipeOutbox = statement(`DELETE FROM outbox WHERE tenant_id = $1`)
	wipeStats  = statement(`DELETE FROM hourly_stats WHERE tenant_id = $1`)

	// endLogins tells the processes that the tenant's users are signed out.
	endLogins = statement(`INSERT INTO settings (key, value, updated_at) SELECT '` + sessionRevision + `', '1', $2
		WHERE EXISTS (SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.tenant_id = $1)
		ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(settings.value AS bigint) + 1 AS text), updated_at = excluded.updated_at`)

	wipePreKeys = statement(`DELETE FROM prekeys WHERE tenant_id = $1`)

	// patience is for tenants with a long history.
	patience = statements(`SET LOCAL statement_timeout = '120s'`, `SELECT 1`)
)

func (b *batch) removeTenant(id uuid.UUID) {
	b.add(patience)
	b.add(wipeTokens, id)
	b.add(wipeKeys, id)
	b.add(wipePreKeys, id)
	b.add(wipeSeen, id)
	b.add(wipeLogs, id)
	b.add(wipeOutbox, id)
	b.add(wipeStats, id)
	b.add(endLogins, id, domain.Now())
	b.add(wipeTenant, id)
}

// Delete removes a tenant that nobody serves at once. The contract is
// handlers.Tenants'.
func (t Tenants) Delete(ctx context.Context, id uuid.UUID) (done bool, err error) {
	defer translated("delete tenant", &err)
	err = t.s.session(ctx, func(c session) error {
		done = false
		var take batch
		take.add(begin)
		take.read(func(found rows) error {
			done = found.Next()
			return found.Err()
		}, takeUnowned, id, t.s.replica)
		if err := c.run(ctx, &take); err != nil || !done {
			return err
		}
		var remove batch
		remove.removeTenant(id)
		remove.add(commit)
		return c.run(ctx, &remove)
	})
	if err != nil || done {
		return done, err
	}
	return false, t.askDeletion(ctx, id)
}

// askDeletion tells the owner to unlink the device and to remove the tenant.
func (t Tenants) askDeletion(ctx context.Context, id uuid.UUID) error {
	err := t.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		res, err := tx.NewUpdate().Table("leases").Set("wanted = ?", false).Set("command = ?", string(domain.CommandDelete)).
			Set("not_before = flowhq_after(0)").Set("avoid = NULL").Where("tenant_id = ?", id).Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return orNotFoundRows(n, err, "tenant")
		}
		return nil
	})
	if err == nil {
		t.s.hint(ctx, id)
	}
	return err
}

func orNotFoundRows(n int64, err error, what string) error {
	if err == nil && n == 0 {
		return domain.NotFound(what)
	}
	return err
}
