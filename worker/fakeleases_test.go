package worker

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// fakeLeases is the lease table of a fleet.
type fakeLeases struct {
	Leases
	*fleet
}

func (f fakeLeases) Register(_ context.Context, r domain.Replica, _ time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.State = domain.ReplicaAlive
	f.replicas[r.ID] = &r
	return nil
}

// outage is what becomes of heartbeats.
type outage int

const (
	none       outage = iota
	refused           // nothing is written
	unanswered        // each is written, and no answer comes
)

func (f fakeLeases) Heartbeat(_ context.Context, r domain.Replica, accepted [][]byte, fresh []byte, _ time.Duration) (v domain.ClusterView, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away == refused {
		return v, errSilent
	}
	if last := f.nonces[r.ID]; last != nil && !slices.ContainsFunc(accepted, func(n []byte) bool { return slices.Equal(n, last) }) {
		return v, nil
	}
	f.nonces[r.ID] = slices.Clone(fresh)
	if f.away == unanswered {
		return v, errSilent
	}
	mine := f.replicas[r.ID]
	mine.Held, mine.Connected, mine.Capacity = r.Held, r.Connected, r.Capacity
	for id, peer := range f.replicas {
		if id != r.ID {
			v.Peers = append(v.Peers, *peer)
		}
	}
	for _, row := range f.rows {
		if row.free(r.ID) {
			v.Free++
		}
		if row.Replica == r.ID {
			v.Mine++
		}
	}
	v.State, v.At = mine.State, time.Now()
	return v, nil
}

func (r *leaseRow) free(replica uuid.UUID) bool {
	now := time.Now()
	return r.Replica == uuid.Nil && (r.Wanted || r.Command != domain.CommandNone) && !r.notBefore.After(now) && (r.avoid != replica || !r.avoidUntil.After(now))
}

func (f fakeLeases) Bury(ctx context.Context, _ domain.Replica, _ bool) (int, error) {
	return 0, f.lag(ctx)
}

// lag is a database that is slow with everything but heartbeats.
func (f *fleet) lag(ctx context.Context) error {
	f.mu.Lock()
	slow := f.slow
	f.mu.Unlock()
	select {
	case <-time.After(slow):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f fakeLeases) Acquire(ctx context.Context, replica uuid.UUID, limit int) (taken []domain.Lease, _ error) {
	if err := f.lag(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, row := range f.rows {
		if len(taken) < limit && row.free(replica) {
			row.Replica = replica
			row.Epoch++
			taken = append(taken, row.Lease)
		}
	}
	f.replicas[replica].Held += len(taken)
	slices.SortFunc(taken, func(a, b domain.Lease) int { return slices.Compare(a.TenantID[:], b.TenantID[:]) })
	if f.silent {
		f.silent = false
		return nil, errSilent
	}
	return taken, nil
}

func (f fakeLeases) Owned(ctx context.Context, replica uuid.UUID) (owned []domain.Lease, _ error) {
	if err := f.hang(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, row := range f.rows {
		if row.Replica == replica {
			l := row.Lease
			l.Configured = f.version
			owned = append(owned, l)
		}
	}
	return owned, nil
}

// Lease is read after a hint.
func (f fakeLeases) Lease(ctx context.Context, tenant uuid.UUID) (domain.Lease, error) {
	if err := f.hang(ctx); err != nil {
		return domain.Lease{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rows[tenant].Lease, nil
}

func (f *fleet) hang(ctx context.Context) error {
	f.mu.Lock()
	hangs := f.hangs
	f.mu.Unlock()
	if hangs {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (f fakeLeases) Release(ctx context.Context, terms []domain.Tenure, pause time.Duration) error {
	if err := f.lag(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range terms {
		f.release(t, pause)
	}
	return nil
}

func (f *fleet) release(t domain.Tenure, pause time.Duration) *leaseRow {
	row := f.rows[t.TenantID]
	if row.Tenure != t {
		return nil
	}
	row.Replica, row.notBefore = uuid.Nil, time.Now().Add(pause)
	row.Epoch++
	return row
}

func (f fakeLeases) PassOn(_ context.Context, t domain.Tenure, pause, avoid time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if row := f.release(t, pause); row != nil {
		row.avoid, row.avoidUntil = t.Replica, row.notBefore.Add(avoid)
		row.Failures++
	}
	return nil
}

func (f fakeLeases) CommandDone(_ context.Context, t domain.Tenure, done domain.Command, wanted bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	row := f.rows[t.TenantID]
	if f.unheard > 0 {
		f.unheard--
		return errSilent
	}
	if row.Tenure != t || row.Command != done {
		return nil
	}
	row.Command, row.Wanted = domain.CommandNone, wanted
	if done != domain.CommandNone {
		f.done[t.TenantID]++
	}
	return nil
}

func (f fakeLeases) Leave(_ context.Context, replica uuid.UUID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replicas[replica].State = domain.ReplicaDraining
	return nil
}

func (f fakeLeases) Retire(_ context.Context, replica uuid.UUID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.replicas, replica)
	return nil
}
