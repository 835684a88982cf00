package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// Leases say which replica serves which tenant.
type Leases struct{ s *Store }

// Leases returns the store as the lease table of the worker.
func (s *Store) Leases() Leases { return Leases{s} }

// Register adds the row of this process incarnation.
func (l Leases) Register(ctx context.Context, r domain.Replica, ttl time.Duration) (err error) {
	defer translated("register replica", &err)
	var b batch
	b.add(once(`INSERT INTO replicas (id, name, version, state, capacity, held, connected, started_at, heartbeat_at, expires_at)
		VALUES ($1, $2, $3, 'alive', $4, 0, 0, flowhq_after(0), flowhq_after(0), flowhq_after($5))`),
		r.ID, r.Name, r.Version, r.Capacity, ttl.Seconds())
	return l.s.beat(ctx, &b)
}

// Heartbeat renews a replica's row in one round trip. The contract is worker.Leases'.
func (l Leases) Heartbeat(ctx context.Context, r domain.Replica, accepted [][]byte, fresh []byte, ttl time.Duration) (view domain.ClusterView, err error) {
	defer translated("heartbeat", &err)
	var b batch
	args := []any{r.ID, ttl.Seconds(), r.Held, r.Connected, fresh, r.Capacity}
	known := "nonce IS NULL"
	if len(accepted) > 0 {
		var list strings.Builder
		for _, nonce := range accepted {
			args = append(args, nonce)
			list.WriteString(placeholder(len(args)))
		}
		known += " OR nonce IN (" + strings.TrimPrefix(list.String(), ", ") + ")"
	}
	b.read(func(found rows) error {
		if found.Next() {
			return found.Scan(&view.State, &view.At)
		}
		return found.Err()
	}, once(`UPDATE replicas SET heartbeat_at = flowhq_after(0), expires_at = flowhq_after($2), held = $3, connected = $4, nonce = $5, capacity = $6
		WHERE id = $1 AND state <> 'dead' AND (`+known+`) RETURNING state, heartbeat_at`), args...)
	b.read(func(found rows) error {
		if found.Next() {
			return found.Scan(&view.Mine, &view.Free)
		}
		return found.Err()
	}, countLeases, r.ID)
	b.read(func(found rows) (err error) {
		view.Peers, err = scanReplicas(found)
		return err
	}, listPeers, r.ID)
	err = l.s.beat(ctx, &b)
	return view, err
}

// freeLease is the condition of a lease that waits for an owner such as replica
// $1; the index leases_free has the first half of it. One that was released in
// the future waits for nothing: the database's clock was set back since, and
// its pauses are by the clock before.
const freeLease = `owner IS NULL AND (wanted OR command <> '') AND (not_before <= flowhq_after(0) OR released_at > flowhq_after(1))
	AND (avoid IS NULL OR avoid <> $1 OR avoid_until <= flowhq_after(0) OR released_at > flowhq_after(1))`

var (
	countLeases = statement(`SELECT (SELECT count(*) FROM leases WHERE owner = $1),
		(SELECT count(*) FROM (SELECT 1 FROM leases WHERE ` + freeLease + ` LIMIT 1000) f)`)

	listPeers = statement(`SELECT id, name, version, capacity, held, connected, started_at, heartbeat_at, expires_at, state
		FROM replicas WHERE state <> 'dead' AND id <> $1`)

	// What was taken counts with the replica at once: others that heartbeat
	// meanwhile would miss it, free no more and held by nobody, and think that
	// they have their share of the rest.
	acquire = statements(`WITH `+pickFree+`, taken AS (`+takePicked+`), noted AS (
			UPDATE replicas SET held = held + (SELECT count(*) FROM taken) WHERE id = $1 AND EXISTS (SELECT 1 FROM taken))
		SELECT `+leaseColumns+` FROM taken`,
		sqliteText(`WITH `+pickFree+` `+takePicked))

	release = statement(`UPDATE leases SET ` + endTerm + `, not_before = flowhq_after($4)
		WHERE tenant_id = $1 AND owner = $2 AND epoch = $3`)

	// releaseUnlocked is release, unless somebody holds the lease locked.
	releaseUnlocked = statement(`UPDATE leases SET ` + endTerm + `, not_before = flowhq_after($4)
		WHERE tenant_id = (SELECT tenant_id FROM leases WHERE tenant_id = $1 AND owner = $2 AND epoch = $3 FOR NO KEY UPDATE SKIP LOCKED)
			AND owner = $2 AND epoch = $3`)

	passOn = statement(`UPDATE leases SET ` + endTerm + `, not_before = flowhq_after($4),
		avoid = $2, avoid_until = flowhq_after($5), fail_count = fail_count + 1 WHERE tenant_id = $1 AND owner = $2 AND epoch = $3`)
)

const (
	// endTerm leaves a lease without an owner; whoever had it is fenced.
	endTerm    = `owner = NULL, epoch = epoch + 1, released_at = flowhq_after(0)`
	pickFree   = `pick AS (SELECT tenant_id AS picked FROM leases WHERE ` + freeLease + ` ORDER BY not_before, tenant_id LIMIT $2 FOR UPDATE SKIP LOCKED)`
	takePicked = `UPDATE leases SET owner = $1, epoch = epoch + 1, acquired_at = flowhq_after(0) FROM pick
		WHERE tenant_id = picked AND EXISTS (SELECT 1 FROM replicas WHERE id = $1 AND state = 'alive')
		RETURNING ` + leaseColumns
)

const leaseColumns = `tenant_id, owner, epoch, device_jid, wanted, command, fail_count`

func scanReplicas(found rows) (all []domain.Replica, err error) {
	for found.Next() {
		var r domain.Replica
		if err := found.Scan(&r.ID, &r.Name, &r.Version, &r.Capacity, &r.Held, &r.Connected, &r.StartedAt, &r.HeartbeatAt, &r.ExpiresAt, &r.State); err != nil {
			return nil, err
		}
		r.StartedAt, r.HeartbeatAt, r.ExpiresAt = r.StartedAt.UTC(), r.HeartbeatAt.UTC(), r.ExpiresAt.UTC()
		all = append(all, r)
	}
	return all, found.Err()
}

func scanLeases(found rows) (all []domain.Lease, err error) {
	for found.Next() {
		l, err := scanLease(found)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, found.Err()
}

// scanLease reads leaseColumns and whatever else was asked for after them.
func scanLease(found rows, more ...any) (l domain.Lease, err error) {
	var owner uuid.NullUUID
	var device *string
	err = found.Scan(append([]any{&l.TenantID, &owner, &l.Epoch, &device, &l.Wanted, &l.Command, &l.Failures}, more...)...)
	l.Replica = owner.UUID
	if device != nil {
		l.DeviceJID = *device
	}
	return l, err
}

// Acquire takes up to limit free leases. The contract is worker.Leases'.
func (l Leases) Acquire(ctx context.Context, replica uuid.UUID, limit int) (taken []domain.Lease, err error) {
	defer translated("acquire leases", &err)
	var b batch
	b.read(func(found rows) (err error) {
		taken, err = scanLeases(found)
		return err
	}, acquire, replica, limit)
	err = l.s.runBatch(ctx, &b)
	return taken, err
}

// Owned lists the leases of a replica with what is wanted of them now, and when
// each tenant was configured last.
func (l Leases) Owned(ctx context.Context, replica uuid.UUID) (owned []domain.Lease, err error) {
	defer translated("list own leases", &err)
	found, err := l.s.reader.QueryContext(ctx, l.s.text(`SELECT `+leaseColumns+`, updated_at FROM leases JOIN tenant_configs USING (tenant_id)
		WHERE owner = $1 ORDER BY tenant_id`), replica)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var configured time.Time
		lease, err := scanLease(found, &configured)
		if err != nil {
			return nil, err
		}
		lease.Configured = configured
		owned = append(owned, lease)
	}
	return owned, found.Err()
}

// Lease reads one lease; KindNotFound when there is no such tenant.
func (l Leases) Lease(ctx context.Context, tenant uuid.UUID) (lease domain.Lease, err error) {
	defer translated("read lease", &err)
	found, err := l.s.reader.QueryContext(ctx, l.s.text(`SELECT `+leaseColumns+` FROM leases WHERE tenant_id = $1`), tenant)
	if err != nil {
		return lease, err
	}
	defer found.Close()
	all, err := scanLeases(found)
	if err != nil {
		return lease, err
	}
	if len(all) == 0 {
		return lease, domain.NotFound("tenant")
	}
	return all[0], nil
}

// releaseBatch bounds one transaction of Release.
const releaseBatch = 500

// Release gives up exactly these terms. The contract is worker.Leases'. Those
// whose lease somebody holds locked come last, so that the others need not wait.
func (l Leases) Release(ctx context.Context, terms []domain.Tenure, pause time.Duration) (err error) {
	defer translated("release leases", &err)
	terms = slices.Clone(terms)
	slices.SortFunc(terms, func(a, b domain.Tenure) int { return strings.Compare(a.TenantID.String(), b.TenantID.String()) })
	var left [][]domain.Tenure // with some that are locked, or over
	for part := range slices.Chunk(terms, releaseBatch) {
		freed, err := l.release(ctx, releaseUnlocked, part, pause)
		if err != nil {
			return err
		}
		if freed < len(part) {
			left = append(left, part)
		}
	}
	for _, part := range left {
		_, failed := l.release(ctx, release, part, pause)
		err = errors.Join(err, failed)
	}
	return err
}

func (l Leases) release(ctx context.Context, how *query, terms []domain.Tenure, pause time.Duration) (freed int, err error) {
	var n int64
	var b batch
	for _, t := range terms {
		b.counted(&n, how, t.TenantID, t.Replica, t.Epoch, pause.Seconds())
	}
	if err := l.s.runBatch(ctx, &b); err != nil {
		return 0, err
	}
	if n > 0 {
		l.s.hint(ctx, terms[0].TenantID) // one is enough for the others to look
	}
	return int(n), nil
}

// Leave marks a replica that is shutting down. The contract is worker.Leases'.
func (l Leases) Leave(ctx context.Context, replica uuid.UUID) (err error) {
	defer translated("leave", &err)
	var b batch
	b.add(once(`UPDATE replicas SET state = 'draining' WHERE id = $1 AND state = 'alive'`), replica)
	return l.s.runBatch(ctx, &b)
}

// PassOn gives up a term for another replica. The contract is worker.Leases'.
// It wakes nobody: there is nothing to take before the pause is over.
func (l Leases) PassOn(ctx context.Context, t domain.Tenure, pause, avoid time.Duration) (err error) {
	defer translated("pass a tenant on", &err)
	var b batch
	b.add(passOn, t.TenantID, t.Replica, t.Epoch, pause.Seconds(), (pause + avoid).Seconds())
	return l.s.runBatch(ctx, &b)
}

// Retire marks the replica dead on a clean shutdown.
func (l Leases) Retire(ctx context.Context, replica uuid.UUID) (err error) {
	defer translated("retire replica", &err)
	var b batch
	b.add(once(`UPDATE replicas SET state = 'dead', expires_at = flowhq_after(0) WHERE id = $1`), replica)
	return l.s.runBatch(ctx, &b)
}

var commandDone = statement(`UPDATE leases SET wanted = $5, command = '' WHERE tenant_id = $1 AND owner = $2 AND epoch = $3 AND command = $4`)

// CommandDone clears a command that the owner has carried out. The contract is
// worker.Leases'. A person who asked for something else meanwhile is not
// overruled: then neither the command nor what is wanted changes. A tenant
// whose deletion is done is removed, the history first and in steps: when that
// fails, the next call goes on from there.
func (l Leases) CommandDone(ctx context.Context, t domain.Tenure, done domain.Command, wanted bool) (err error) {
	defer translated("acknowledge command", &err)
	if done == domain.CommandDelete {
		if err := l.s.removeHistory(ctx, t); err != nil {
			return err
		}
	}
	var b batch
	b.fence(t, "")
	if done == domain.CommandDelete {
		b.removeTenant(t.TenantID)
	} else {
		b.add(commandDone, t.TenantID, t.Replica, t.Epoch, string(done), wanted)
	}
	return l.s.runBatch(ctx, &b)
}
