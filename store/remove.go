package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// A tenant is removed by whoever holds its lease: the fence around the WhatsApp
// tables lets nobody else delete its device. What grows with its customers, the
// keys of its device too, goes first, in short transactions of their own, so that
// years of messages need neither a statement nor a transaction that lasts, and a
// removal that is interrupted goes on where it was. The rest goes in one transaction.

const (
	// removeBatch is how many rows one of those transactions deletes.
	removeBatch = 1000
	// longHistory rows in a table are too many to be deleted while somebody waits.
	longHistory = 10 * removeBatch
)

// growing is a table that does, with the column that says of whom a row is and
// those that follow it in the key.
type growing struct{ table, of, key string }

var (
	// grows has the tenant in that column, growsOfDevice the device.
	grows = []growing{{"message_logs", "tenant_id", "id"}, {"outbox", "tenant_id", "id"}, {"inbound_seen", "tenant_id", "wa_key"},
		{"inbound_quarantine", "tenant_id", "id"}, {"conversations", "tenant_id", "contact"}, {"appointments", "tenant_id", "id"},
		{"customers", "tenant_id", "id"}, {"tenant_events", "tenant_id", "id"}, {"lease_terms", "tenant_id", "epoch"}}
	growsOfDevice = []growing{{"whatsmeow_sessions", "our_jid", "their_id"}, {"whatsmeow_identity_keys", "our_jid", "their_id"},
		{"whatsmeow_privacy_tokens", "our_jid", "their_jid"}, {"whatsmeow_sender_keys", "our_jid", "chat_id, sender_id"},
		{"whatsmeow_event_buffer", "our_jid", "ciphertext_hash"}, {"whatsmeow_pre_keys", "jid", "key_id"},
		{"whatsmeow_app_state_mutation_macs", "jid", "name, version, index_mac"}}

	removeSome, removeKeys = deletions(grows), deletions(growsOfDevice)

	hasLongHistory = func() *query {
		var rows []string
		for _, g := range grows {
			rows = append(rows, `(`+g.some("1", `$1`, 1)+fmt.Sprintf(` OFFSET %d)`, longHistory))
		}
		for _, g := range growsOfDevice {
			rows = append(rows, `(`+g.some("1", `(SELECT device_jid FROM leases WHERE tenant_id = $1)`, 1)+fmt.Sprintf(` OFFSET %d)`, longHistory))
		}
		return statement(`SELECT coalesce(` + strings.Join(rows, ", ") + `) IS NOT NULL`)
	}()

	takeUnowned = statement(`UPDATE leases SET owner = $2, epoch = epoch + 1 WHERE tenant_id = $1 AND owner IS NULL RETURNING tenant_id`)

	// lockToRemove waits for messages that are being accepted, and from then on
	// there are none: their rows have no foreign key that would delete them.
	lockToRemove = statement(`SELECT id FROM tenants WHERE id = $1 FOR UPDATE`)

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
)

// some selects rows in the order of the key: without it a tenant of which nothing
// is left may be looked for in all rows of the table.
func (g growing) some(what, of string, limit int) string {
	return fmt.Sprintf(`SELECT %s FROM %s WHERE %s = %s ORDER BY %s, %s LIMIT %d`, what, g.table, g.of, of, g.of, g.key, limit)
}

// deletions are statements that delete a batch of each table; $1 is of whom.
func deletions(tables []growing) (all []*query) {
	for _, g := range tables {
		all = append(all, statements(
			`DELETE FROM `+g.table+` WHERE ctid = ANY(ARRAY(`+g.some("ctid", `$1`, removeBatch)+`))`,
			sqliteText(`DELETE FROM `+g.table+` WHERE rowid IN (`+g.some("rowid", `$1`, removeBatch)+`)`)))
	}
	return all
}

// removeHistory deletes what grows, as far as it comes before ctx ends.
func (s *Store) removeHistory(ctx context.Context, t domain.Tenure) error {
	if err := s.removeBit(ctx, t, "", removeSome, t.TenantID); err != nil {
		return err
	}
	device, err := s.deviceOfTerm(ctx, t)
	if err != nil || device == "" {
		return err
	}
	return s.removeBit(ctx, t, device, removeKeys, device)
}

// removeBit deletes bit by bit what is of a tenant or of its device, each bit
// under the fence.
func (s *Store) removeBit(ctx context.Context, t domain.Tenure, device string, deletions []*query, of any) error {
	for _, some := range deletions {
		for n := int64(removeBatch); n >= removeBatch; {
			var b batch
			b.fence(t, device)
			b.counted(&n, some, of)
			if err := s.runBatch(ctx, &b); err != nil {
				return err
			}
		}
	}
	return nil
}

// deviceOfTerm is the device that the lease of a tenure names, if any.
func (s *Store) deviceOfTerm(ctx context.Context, t domain.Tenure) (jid string, err error) {
	var device sql.NullString
	var b batch
	b.readDevice(t, &device)
	err = s.runBatch(ctx, &b)
	return device.String, err
}

// removeTenant deletes what is left of a tenant.
func (b *batch) removeTenant(id uuid.UUID) {
	b.add(lockToRemove, id)
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

// Delete removes a tenant at once that nobody serves and that has no long
// history. The contract is handlers.Tenants'.
func (t Tenants) Delete(ctx context.Context, id uuid.UUID) (done bool, err error) {
	defer translated("delete tenant", &err)
	err = t.s.session(ctx, func(c session) error {
		done = false
		var long bool
		var take batch
		take.add(begin)
		take.read(func(found rows) error {
			done = found.Next()
			return found.Err()
		}, takeUnowned, id, t.s.replica)
		take.read(func(found rows) error {
			found.Next()
			return orElse(found.Err(), found.Scan(&long))
		}, hasLongHistory, id)
		if err := c.run(ctx, &take); err != nil || !done {
			return err
		}
		if long {
			done = false // a replica takes its time for it
			return nil
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
