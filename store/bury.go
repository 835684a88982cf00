package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

var (
	// markExpired is the moment of death: from here on the leases may be freed.
	markExpired = statement(`UPDATE replicas SET state = 'dead' WHERE state <> 'dead' AND id <> $1 AND expires_at < flowhq_after(0)`)

	markDead = statement(`UPDATE replicas SET state = 'dead' WHERE id = $1 AND state <> 'dead'`)

	// markOthers is for a process that holds the lock of a SQLite file.
	markOthers = statement(`UPDATE replicas SET state = 'dead' WHERE state <> 'dead' AND id <> $1`)

	listDeadOwners = statement(`SELECT r.id FROM replicas r WHERE r.state = 'dead' AND EXISTS (SELECT 1 FROM leases l WHERE l.owner = r.id)`)

	freeLeases = statement(`UPDATE leases SET ` + endTerm + `, not_before = flowhq_after(0)
		WHERE owner = $1 AND EXISTS (SELECT 1 FROM replicas WHERE id = $1 AND state = 'dead') RETURNING tenant_id`)

	// freeUnlocked is freeLeases without those that somebody holds locked.
	freeUnlocked = statement(`WITH pick AS (SELECT tenant_id AS picked FROM leases WHERE owner = $1 FOR NO KEY UPDATE SKIP LOCKED)
		UPDATE leases SET ` + endTerm + `, not_before = flowhq_after(0) FROM pick
		WHERE tenant_id = picked AND owner = $1 AND EXISTS (SELECT 1 FROM replicas WHERE id = $1 AND state = 'dead') RETURNING tenant_id`)

	// waitBriefly leaves a part of the time of a burial for the next of the dead.
	waitBriefly = statements(`SELECT set_config('lock_timeout', '1s', true)`, `SELECT 1`)

	// forgetDead keeps the table small: a process that restarts is a new row.
	forgetDead = statement(`DELETE FROM replicas WHERE state = 'dead' AND heartbeat_at < flowhq_after(-86400)
		AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.owner = replicas.id)`)
)

// vanished lists the replicas that have no connection to the database. The
// heartbeat keeps one open while a process lives. One of our own name whose last
// heartbeat was before our start is the process before this one. Any other must
// also have missed a heartbeat, which comes every fifth of its time to live, so
// that a wrong view of who is connected alone buries nobody. A heartbeat in the
// future is a missed one too: the database's clock was set back, and whoever
// lives has given another since. And a connection of our own must have been open
// since that heartbeat, or for the time of two: when none has, the database was
// away a moment ago, and the others may not be back yet.
var vanished = &query{postgres: fmt.Sprintf(`SELECT r.id FROM replicas r WHERE r.state <> 'dead' AND r.id <> $1
	AND ((r.name = $2 AND r.heartbeat_at < (SELECT started_at FROM replicas WHERE id = $1))
		OR ($3 AND (r.heartbeat_at + (r.expires_at - r.heartbeat_at) * %g < flowhq_after(0) OR r.heartbeat_at > flowhq_after(1))
			AND EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.application_name = 'fhq/' || $1::text AND a.backend_start < greatest(r.heartbeat_at, flowhq_after(0) - (r.expires_at - r.heartbeat_at) * 0.4))))
	AND NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.application_name = 'fhq/' || r.id::text)`, domain.MissedHeartbeat)}

// secondLook is the time between the two looks at who is connected.
const secondLook = 100 * time.Millisecond

// Bury declares replicas dead and frees their leases. The contract is
// worker.Leases'. The database's clock decides, and for a process that was
// killed, the absence of its connections: that is seen within seconds, long
// before its row expires. The fence makes a burial by mistake harmless.
func (l Leases) Bury(ctx context.Context, self domain.Replica, others bool) (freed int, err error) {
	defer translated("bury dead replicas", &err)
	var b batch
	if mark := l.s.markQuery(others); mark != nil {
		b.add(mark, self.ID)
	}
	b.add(forgetDead)
	var gone, dead []uuid.UUID
	if l.s.dialect == postgres {
		b.read(scanIDs(&gone), vanished, self.ID, self.Name, others)
	}
	b.read(scanIDs(&dead), listDeadOwners)
	if err := l.s.beat(ctx, &b); err != nil {
		return 0, err
	}
	if len(gone) > 0 {
		buried, failed := l.buryVanished(ctx, self, gone, others)
		dead, err = append(dead, buried...), failed
	}
	freed, failed := l.free(ctx, dead)
	return freed, errors.Join(err, failed)
}

// markQuery says who is dead besides those that an owner finds gone; nil: nobody.
func (s *Store) markQuery(others bool) *query {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.lock != nil:
		return markOthers // nobody else serves this file: they are processes before this one
	case others:
		return markExpired
	}
	return nil
}

// buryVanished looks a second time: connections may have been about to open.
func (l Leases) buryVanished(ctx context.Context, self domain.Replica, first []uuid.UUID, others bool) (dead []uuid.UUID, err error) {
	timer := time.NewTimer(secondLook)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var second []uuid.UUID
	var look batch
	look.read(scanIDs(&second), vanished, self.ID, self.Name, others)
	if err := l.s.beat(ctx, &look); err != nil {
		return nil, err
	}
	var mark batch
	dead = both(first, second)
	for _, id := range dead {
		mark.add(markDead, id)
	}
	if err := l.s.beat(ctx, &mark); err != nil {
		return nil, err
	}
	return dead, nil
}

// free gives the leases of dead replicas back: first of all of them what nobody
// holds locked, then the rest. One row in a forgotten transaction must not keep
// the others; what stays is found again with the next call.
func (l Leases) free(ctx context.Context, dead []uuid.UUID) (freed int, err error) {
	var failed []error
	for _, id := range dead {
		l.endConnections(ctx, id)
		n, err := l.freeOf(ctx, id, freeUnlocked)
		freed, failed = freed+n, append(failed, err)
	}
	for _, id := range dead {
		n, err := l.freeOf(ctx, id, freeLeases)
		freed, failed = freed+n, append(failed, err)
	}
	return freed, errors.Join(failed...)
}

// endConnections ends those of a dead replica, in a transaction of its own: an
// open transaction of it may hold the share locks for which freeing has to wait.
func (l Leases) endConnections(ctx context.Context, dead uuid.UUID) {
	if l.s.dialect == sqlite {
		return
	}
	_, err := l.s.writer.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE application_name = $1 AND pid <> pg_backend_pid()`, applicationName(dead))
	if err != nil { // signed in as another role, say; then the locks of a stopped process may hold this up
		l.s.logger.Warn("the connections of a dead replica are not ended; all replicas must sign in as the same role", "replica", dead, "error", err)
	}
}

// freeOf frees leases of one dead replica, and tells the others at once.
func (l Leases) freeOf(ctx context.Context, dead uuid.UUID, free *query) (int, error) {
	var tenants []uuid.UUID
	var b batch
	b.add(waitBriefly)
	b.read(scanIDs(&tenants), free, dead)
	if err := l.s.runBatch(ctx, &b); err != nil || len(tenants) == 0 {
		return 0, err
	}
	l.s.hint(ctx, tenants[0]) // one is enough for the others to look
	return len(tenants), nil
}

func scanIDs(into *[]uuid.UUID) func(rows) error {
	return func(found rows) error {
		*into = nil // a repeated transaction reads anew
		for found.Next() {
			var id uuid.UUID
			if err := found.Scan(&id); err != nil {
				return err
			}
			*into = append(*into, id)
		}
		return found.Err()
	}
}

func both(a, b []uuid.UUID) (common []uuid.UUID) {
	in := make(map[uuid.UUID]bool, len(a))
	for _, id := range a {
		in[id] = true
	}
	for _, id := range b {
		if in[id] {
			common = append(common, id)
		}
	}
	return common
}
