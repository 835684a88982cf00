package store

import (
	"context"

	"github.com/google/uuid"

	"flowhq/domain"
)

// After a restore from a backup, or a failover that lost commits, the ratchets
// in the database are older than those of the customers' phones. A key that was
// used meanwhile would be used a second time, and the phone would show nothing.
// So every session is dropped before the first connection: the next message to
// a customer starts a new one, and what customers wrote in the old ones comes
// again, encrypted anew, after a retry receipt.

// preKeyGap keeps the ids of prekeys that were made after the backup apart from
// those that come now.
const preKeyGap = 100_000

var (
	// allowRestore lets the fence pass: no replica is alive.
	allowRestore = statements(`SELECT set_config('flowhq.maintenance', 'on', true)`, `SELECT 1`)

	countAlive = statement(`SELECT count(*) FROM replicas WHERE state <> 'dead' AND expires_at >= flowhq_after(0)`)

	dropSessions  = statement(`DELETE FROM whatsmeow_sessions WHERE our_jid IN (SELECT device_jid FROM leases WHERE tenant_id = $1)`)
	dropSenders   = statement(`DELETE FROM whatsmeow_sender_keys WHERE our_jid IN (SELECT device_jid FROM leases WHERE tenant_id = $1)`)
	dropPlaintext = statement(`DELETE FROM whatsmeow_event_buffer WHERE our_jid IN (SELECT device_jid FROM leases WHERE tenant_id = $1)`)

	evict = statement(`UPDATE leases SET ` + endTerm + `, not_before = flowhq_after(0)
		WHERE tenant_id = $1 AND owner IS NOT NULL`)

	skipPreKeys = statement(`UPDATE whatsapp_sessions SET next_prekey = next_prekey + $2 WHERE tenant_id = $1`)

	// holdUnsent keeps what waited at the time of the backup from going out by
	// itself: most of it has been sent since.
	holdUnsent = statement(`UPDATE outbox SET open = false, status = 'failed', last_error = $2 WHERE tenant_id = $1 AND open`)
)

// restoredReason is what the message log says of a message that is held.
const restoredReason = "The database was restored from a backup: this message may have been sent already."

// ResetSessions drops the Signal sessions of tenants, of all with an empty list,
// and holds their unsent messages. Device, identity and prekeys stay, so no
// phone has to scan again. A replica that is alive is KindConflict.
func (u Upkeep) ResetSessions(ctx context.Context, tenants []uuid.UUID) (done, held int, err error) {
	defer translated("reset sessions", &err)
	if err := u.nobodyServes(ctx); err != nil {
		return 0, 0, err
	}
	if len(tenants) == 0 {
		if err := u.s.read.NewSelect().Table("tenants").Column("id").Order("id").Scan(ctx, &tenants); err != nil {
			return 0, 0, err
		}
	}
	for _, id := range tenants {
		if err := u.s.mustExist(ctx, id); err != nil {
			return done, held, err
		}
		n, err := u.resetSessions(ctx, id)
		if err != nil {
			return done, held, err
		}
		done, held = done+1, held+n
	}
	return done, held, nil
}

// nobodyServes fails while a replica is alive.
func (u Upkeep) nobodyServes(ctx context.Context) error {
	var alive int
	err := u.s.reader.QueryRowContext(ctx, u.s.textOf(countAlive)).Scan(&alive)
	if err == nil && alive > 0 {
		err = domain.Errorf(domain.KindConflict, "%d replicas are alive. Stop all of them, wait until their leases have run out, then try again.", alive)
	}
	return err
}

func (u Upkeep) resetSessions(ctx context.Context, id uuid.UUID) (held int, err error) {
	var changed int64
	err = u.s.session(ctx, func(c session) error {
		changed = 0
		var b batch
		b.add(begin)
		b.add(allowRestore)
		b.add(evict, id) // a replica that was started meanwhile must not write the old keys back
		for _, drop := range []*query{dropSessions, dropSenders, dropPlaintext} {
			b.add(drop, id)
		}
		b.add(skipPreKeys, id, preKeyGap)
		b.counted(&changed, holdUnsent, id, restoredReason)
		b.add(commit)
		return c.run(ctx, &b)
	})
	return int(changed), err
}
