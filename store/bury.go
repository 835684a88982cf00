package store

import (
	"context"
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
		buried, err := l.buryVanished(ctx, self, gone, others)
		if err != nil {
			return 0, err
		}
		dead = append(dead, buried...)
	}
	for _, id := range dead {
		n, err := l.free(ctx, id)
		if err != nil {
			return freed, err
		}
		freed += n
	}
	return freed, nil
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
	for _, id := range both(first, second) {
		mark.add(markDead, id)
		dead = append(dead, id)
	}
	return dead, l.s.beat(ctx, &mark)
}

// free gives the leases of a dead replica back. Its connections are ended
// first, in a transaction of their own: an open transaction of it may hold the
// share locks for which the update would wait.
func (l Leases) free(ctx context.Context, dead uuid.UUID) (int, error) {
	if l.s.dialect == postgres {
		_, err := l.s.writer.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE application_name = $1 AND pid <> pg_backend_pid()`, applicationName(dead))
		if err != nil { // signed in as another role, say; then the locks of a stopped process may hold this up
			l.s.logger.Warn("the connections of a dead replica are not ended; all replicas must sign in as the same role", "replica", dead, "error", err)
		}
	}
	var tenants []uuid.UUID
	var b batch
	b.read(scanIDs(&tenants), freeLeases, dead)
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
