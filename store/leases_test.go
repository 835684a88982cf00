package store_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

const ttl = time.Minute

func start(t testing.TB, s *store.Store, id uuid.UUID) {
	t.Helper()
	_, err := s.Tenants().Steer(t.Context(), id, domain.EventStart)
	must(t, err)
}

func leaseOf(t testing.TB, s *store.Store, id uuid.UUID) domain.Lease {
	t.Helper()
	l, err := s.Leases().Lease(t.Context(), id)
	must(t, err)
	return l
}

func TestHeartbeat_SeesTheCluster(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		a := storetest.Replica(t, s, "a")
		b := domain.Replica{ID: domain.NewID(), Name: "b", Version: "v2", Capacity: 7}
		must(t, s.Leases().Register(t.Context(), b, ttl))
		storetest.Serve(t, s, storetest.NewTenant(t, s))
		for range 2 {
			start(t, s, storetest.NewTenant(t, s).ID)
		}
		storetest.NewTenant(t, s) // not wanted
		a.Held, a.Connected, a.Capacity = 1, 1, 0
		view, err := s.Leases().Heartbeat(t.Context(), a, nil, []byte("n1"), ttl)
		must(t, err)
		if view.State != domain.ReplicaAlive || view.Mine != 1 || view.Free != 2 {
			t.Errorf("view %+v", view)
		}
		if len(view.Peers) != 1 || view.Peers[0].ID != b.ID || view.Peers[0].Name != "b" || view.Peers[0].Version != "v2" || view.Peers[0].Capacity != 7 || view.Peers[0].ExpiresAt.IsZero() {
			t.Errorf("peers %+v", view.Peers)
		}
		view, err = s.Leases().Heartbeat(t.Context(), b, nil, []byte("n1"), ttl)
		must(t, err)
		if len(view.Peers) != 1 || view.Peers[0].Held != 1 || view.Peers[0].Connected != 1 || view.Peers[0].Capacity != 0 {
			t.Errorf("peers of b: %+v", view.Peers)
		}
	})
}

func TestHeartbeat_WaitsBehindNothingElse(t *testing.T) {
	options := storetest.Options(storetest.Postgres(t))
	options.MaxConns = 1
	s, err := store.Open(t.Context(), options)
	must(t, err)
	defer s.Close()
	a := storetest.Replica(t, s, "a")
	db, _ := s.DBForWhatsApp()
	only, err := db.Conn(t.Context())
	must(t, err)
	defer only.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err = s.Leases().Heartbeat(ctx, a, nil, []byte("n1"), ttl)
	must(t, err)
	_, err = s.Leases().Bury(ctx, a, true)
	must(t, err)
}

func TestHeartbeat_SeesWhatOthersHaveJustTaken(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t)) // a SQLite file has one replica
	a, b := storetest.Replica(t, s, "a"), domain.Replica{ID: domain.NewID(), Name: "b", Capacity: 7}
	must(t, s.Leases().Register(t.Context(), b, ttl))
	for range 5 {
		start(t, s, storetest.NewTenant(t, s).ID)
	}
	a.Held = 2
	_, err := s.Leases().Heartbeat(t.Context(), a, nil, []byte("n1"), ttl)
	must(t, err)
	taken, err := s.Leases().Acquire(t.Context(), a.ID, 3)
	must(t, err)
	view, err := s.Leases().Heartbeat(t.Context(), b, nil, []byte("n1"), ttl)
	must(t, err)
	if len(taken) != 3 || view.Free != 2 || view.Peers[0].Held != 5 {
		t.Errorf("a had 2 and took %d; b sees %d free and %d with a, want 2 and 5", len(taken), view.Free, view.Peers[0].Held)
	}
}

func TestHeartbeat_TellsACloneFromTheOriginal(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		self := storetest.Replica(t, s, "a")
		beat := func(accepted [][]byte, fresh string) domain.ReplicaState {
			view, err := s.Leases().Heartbeat(t.Context(), self, accepted, []byte(fresh), ttl)
			must(t, err)
			return view.State
		}
		nonces := func(names ...string) (all [][]byte) {
			for _, n := range names {
				all = append(all, []byte(n))
			}
			return all
		}
		for i, c := range []struct {
			accepted [][]byte
			fresh    string
			want     domain.ReplicaState
		}{
			{nil, "1", domain.ReplicaAlive},
			{nonces("1"), "2", domain.ReplicaAlive},
			{nonces("1"), "3", ""},                          // a copy that still holds the nonce before
			{nonces("2", "lost"), "4", domain.ReplicaAlive}, // the answer to "lost" never came, and it was not written
			{nonces("4"), "5", domain.ReplicaAlive},
			{nonces("4", "5"), "6", domain.ReplicaAlive}, // the answer to "5" never came, but it was written
			{nil, "7", ""},
		} {
			if got := beat(c.accepted, c.fresh); got != c.want {
				t.Errorf("heartbeat %d: state %q, want %q", i, got, c.want)
			}
		}
	})
}

func TestHeartbeat_TellsTheDeadThatTheyAreDead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		self := storetest.Replica(t, s, "a")
		must(t, s.Leases().Retire(t.Context(), self.ID))
		for name, r := range map[string]domain.Replica{"retired": self, "unknown": {ID: domain.NewID()}} {
			view, err := s.Leases().Heartbeat(t.Context(), r, nil, []byte("n"), ttl)
			must(t, err)
			if view.State != "" {
				t.Errorf("%s: state %q", name, view.State)
			}
		}
	})
}

func TestAcquire_TakesWhatIsWantedOrCarriesACommand(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		self := storetest.Replica(t, s, "a")
		wanted, commanded, idle := storetest.NewTenant(t, s).ID, storetest.NewTenant(t, s).ID, storetest.NewTenant(t, s).ID
		start(t, s, wanted)
		_, err := s.Tenants().Steer(t.Context(), commanded, domain.EventReset)
		must(t, err)
		taken, err := s.Leases().Acquire(t.Context(), self.ID, 10)
		must(t, err)
		if len(taken) != 2 || !slices.Contains(ids(taken), wanted) || !slices.Contains(ids(taken), commanded) {
			t.Errorf("took %v, want %s and %s but not %s", ids(taken), wanted, commanded, idle)
		}
		for _, l := range taken {
			if l.Replica != self.ID || l.Epoch != 1 || (l.TenantID == commanded && (l.Command != domain.CommandReset || l.Wanted)) {
				t.Errorf("lease %+v", l)
			}
			if got := leaseOf(t, s, l.TenantID); got != l {
				t.Errorf("stored as %+v, answered as %+v", got, l)
			}
		}
		owned, err := s.Leases().Owned(t.Context(), self.ID)
		must(t, err)
		if len(owned) != 2 {
			t.Errorf("owned %v", owned)
		}
		for _, l := range owned {
			if v, err := s.Tenants().Get(t.Context(), l.TenantID); err != nil || !l.Configured.Equal(v.Config.UpdatedAt) {
				t.Errorf("configured at %v, told as %v, error %v", v.Config.UpdatedAt, l.Configured, err)
			}
		}
	})
}

func TestAcquire_GivesTheDeadAndTheUnknownNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		self := storetest.Replica(t, s, "a")
		must(t, s.Leases().Retire(t.Context(), self.ID))
		start(t, s, storetest.NewTenant(t, s).ID)
		for _, id := range []uuid.UUID{self.ID, domain.NewID()} {
			if taken, err := s.Leases().Acquire(t.Context(), id, 10); err != nil || len(taken) != 0 {
				t.Errorf("took %v, error %v", taken, err)
			}
		}
	})
}

func TestAcquire_ByManyAtOnceNeverOverlaps(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const tenants, replicas = 60, 4
		for range tenants {
			start(t, s, storetest.NewTenant(t, s).ID)
		}
		var mu sync.Mutex
		owner := map[uuid.UUID]uuid.UUID{}
		var all sync.WaitGroup
		for range replicas {
			r := domain.Replica{ID: domain.NewID(), Name: "r"}
			must(t, s.Leases().Register(t.Context(), r, ttl))
			all.Go(func() {
				for {
					taken, err := s.Leases().Acquire(t.Context(), r.ID, 7)
					if err != nil {
						t.Error(err)
					}
					if len(taken) == 0 {
						return
					}
					mu.Lock()
					for _, l := range taken {
						if other, ok := owner[l.TenantID]; ok {
							t.Errorf("%s belongs to %s and to %s", l.TenantID, other, r.ID)
						}
						owner[l.TenantID] = r.ID
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if free := count(t, s, "SELECT count(*) FROM leases WHERE owner IS NULL"); len(owner)+free != tenants {
			t.Errorf("%d taken and %d free of %d", len(owner), free, tenants)
		}
	})
}

func TestRelease_GivesUpExactlyTheseTerms(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for name, term := range w.over() {
			wantUnchanged(t, w.Store, func() {
				if err := w.Leases().Release(t.Context(), []domain.Tenure{term}, 0); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		must(t, w.Leases().Release(t.Context(), []domain.Tenure{w.tenure}, 0))
		if l := leaseOf(t, w.Store, w.tenant.ID); l.Replica != uuid.Nil || l.Epoch != w.tenure.Epoch+1 || !l.Wanted || l.DeviceJID != jid {
			t.Errorf("after the release: %+v", l)
		}
		taken, err := w.Leases().Acquire(t.Context(), w.ReplicaID(), 10)
		must(t, err)
		if len(taken) != 1 || taken[0].Epoch != w.tenure.Epoch+2 || taken[0].DeviceJID != jid {
			t.Errorf("taken again as %+v", taken)
		}
	})
}

func TestRelease_ALeaseThatSomebodyHoldsLockedKeepsNoOther(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	storetest.Replica(t, s, "a")
	for range 3 {
		start(t, s, storetest.NewTenant(t, s).ID)
	}
	taken, err := s.Leases().Acquire(t.Context(), s.ReplicaID(), 10)
	must(t, err)
	unlock := lockLease(t, s, taken[1].TenantID)
	defer unlock()
	free := func() int { return count(t, s, "SELECT count(*) FROM leases WHERE owner IS NULL") }
	released := make(chan error, 1)
	go func() {
		released <- s.Leases().Release(context.Background(), []domain.Tenure{taken[0].Tenure, taken[1].Tenure, taken[2].Tenure}, 0)
	}()
	waitFor(t, "the other two are free", func() bool { return free() == 2 })
	unlock()
	if err := <-released; err != nil || free() != 3 {
		t.Errorf("once it is unlocked %d are free, error %v", free(), err)
	}
}

func TestRelease_KeepsATenantFromBeingTakenDuringThePause(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		must(t, w.Leases().Release(t.Context(), []domain.Tenure{w.tenure}, time.Hour))
		if taken, err := w.Leases().Acquire(t.Context(), w.ReplicaID(), 10); err != nil || len(taken) != 0 {
			t.Errorf("took %v, error %v", taken, err)
		}
		// A person's wish ends the pause.
		_, err := w.Tenants().Steer(t.Context(), w.tenant.ID, domain.EventRestart)
		must(t, err)
		if taken, err := w.Leases().Acquire(t.Context(), w.ReplicaID(), 10); err != nil || len(taken) != 1 {
			t.Errorf("took %v, error %v", taken, err)
		}
	})
}

func TestLease_OfAnUnknownTenantIsNotFound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		_, err := s.Leases().Lease(t.Context(), domain.NewID())
		wantKind(t, err, domain.KindNotFound)
	})
}

func TestCommandDone_ClearsTheCommandThatWasCarriedOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		steer := func(e domain.Event) {
			t.Helper()
			_, err := w.Tenants().Steer(t.Context(), w.tenant.ID, e)
			must(t, err)
		}
		done := func(c domain.Command, wanted bool) domain.Lease {
			t.Helper()
			must(t, w.Leases().CommandDone(t.Context(), w.tenure, c, wanted))
			return leaseOf(t, w.Store, w.tenant.ID)
		}
		steer(domain.EventRestart)
		if l := done(domain.CommandRestart, true); l.Command != domain.CommandNone || !l.Wanted {
			t.Errorf("after a restart: %+v", l)
		}
		if l := done(domain.CommandNone, false); l.Wanted {
			t.Errorf("after giving up: %+v", l)
		}
		steer(domain.EventStop)
		steer(domain.EventReset)
		if l := done(domain.CommandReset, false); l.Command != domain.CommandNone || l.Wanted {
			t.Errorf("after a reset: %+v", l)
		}
	})
}

func TestCommandDone_DoesNotOverruleALaterWish(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		steer := func(events ...domain.Event) {
			t.Helper()
			for _, e := range events {
				_, err := w.Tenants().Steer(t.Context(), w.tenant.ID, e)
				must(t, err)
			}
		}
		// A restart is acknowledged after the person pressed stop.
		steer(domain.EventRestart, domain.EventStop)
		must(t, w.Leases().CommandDone(t.Context(), w.tenure, domain.CommandRestart, true))
		if l := leaseOf(t, w.Store, w.tenant.ID); l.Wanted {
			t.Error("a stop was undone")
		}
		// A runner gives up after the person pressed start.
		steer(domain.EventStart)
		must(t, w.Leases().CommandDone(t.Context(), w.tenure, domain.CommandNone, false))
		if l := leaseOf(t, w.Store, w.tenant.ID); !l.Wanted {
			t.Error("a start was undone")
		}
	})
}

func TestCommandDone_RemovesATenantWhoseDeletionIsDone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		fill(t, w)
		done, err := w.Tenants().Delete(t.Context(), w.tenant.ID)
		if err != nil || done {
			t.Fatalf("an owned tenant: done %v, error %v", done, err)
		}
		if l := leaseOf(t, w.Store, w.tenant.ID); l.Command != domain.CommandDelete || l.Wanted {
			t.Errorf("the owner is told %+v", l)
		}
		must(t, w.Leases().CommandDone(t.Context(), w.tenure, domain.CommandDelete, false))
		wantGone(t, w)
	})
}

func TestCommandDone_IsRefusedWhenTheTenureIsOver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, tenure := range w.over() {
			wantUnchanged(t, w.Store, func() {
				for _, c := range []domain.Command{domain.CommandNone, domain.CommandRestart, domain.CommandDelete} {
					wantFenced(t, w.Leases().CommandDone(t.Context(), tenure, c, false))
				}
			})
		}
	})
}
