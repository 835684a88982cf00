package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// takenBy acquires for a replica and reports whether the world's tenant is among it.
func (w *world) takenBy(replica uuid.UUID) bool {
	w.t.Helper()
	taken, err := w.Leases().Acquire(w.t.Context(), replica, 10)
	must(w.t, err)
	for _, l := range taken {
		if l.TenantID == w.tenant.ID {
			w.tenure = l.Tenure
			return true
		}
	}
	return false
}

// freeFor is how many tenants a replica's heartbeat sees as free.
func (w *world) freeFor(r domain.Replica) int {
	w.t.Helper()
	exec(w.t, w.Store, "UPDATE replicas SET nonce = NULL")
	view, err := w.Leases().Heartbeat(w.t.Context(), r, nil, []byte("n"), ttl)
	must(w.t, err)
	return view.Free
}

func TestPassOn_LeavesATenantToTheOthers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := domain.Replica{ID: domain.NewID(), Name: "b", Capacity: 1000}
		must(t, w.Leases().Register(t.Context(), other, ttl))
		must(t, w.Leases().PassOn(t.Context(), w.tenure, time.Hour, time.Hour))
		if l := leaseOf(t, w.Store, w.tenant.ID); l.Replica != uuid.Nil || l.Epoch != w.tenure.Epoch+1 || !l.Wanted || l.Failures != 1 || l.DeviceJID != jid {
			t.Errorf("passed on, the lease is %+v", l)
		}
		if w.takenBy(other.ID) || w.takenBy(w.self.ID) {
			t.Error("it is taken during the pause")
		}
		exec(t, w.Store, "UPDATE leases SET not_before = flowhq_after(-1)")
		if mine, others := w.freeFor(w.self), w.freeFor(other); mine != 0 || others != 1 {
			t.Errorf("%d tenants are free for the replica that passed it on, %d for the other; want 0 and 1", mine, others)
		}
		if w.takenBy(w.self.ID) {
			t.Error("it is taken by the replica that passed it on")
		}
		if !w.takenBy(other.ID) {
			t.Fatal("the other replica cannot take it")
		}

		must(t, w.Leases().PassOn(t.Context(), w.tenure, 0, time.Hour))
		if l := leaseOf(t, w.Store, w.tenant.ID); l.Failures != 2 {
			t.Errorf("%d failures after the second time", l.Failures)
		}
		if !w.takenBy(w.self.ID) {
			t.Error("the first replica does not take it when the second has passed it on")
		}
	})
}

func TestPassOn_NobodyStarvesWhenOnlyTheAvoidedReplicaIsLeft(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		must(t, w.Leases().PassOn(t.Context(), w.tenure, 0, time.Hour))
		if w.takenBy(w.self.ID) {
			t.Error("it is taken at once")
		}
		exec(t, w.Store, "UPDATE leases SET avoid_until = flowhq_after(0)")
		if !w.takenBy(w.self.ID) {
			t.Error("it is not taken although nobody else has")
		}
	})
}

func TestPassOn_IsForgottenOnceTheTenantIsConnected(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := domain.Replica{ID: domain.NewID(), Name: "b", Capacity: 1000}
		must(t, w.Leases().Register(t.Context(), other, ttl))
		must(t, w.Leases().PassOn(t.Context(), w.tenure, 0, time.Hour))
		if !w.takenBy(other.ID) {
			t.Fatal("the other replica cannot take it")
		}
		w.report(domain.LinkReport{Event: domain.EventLost, Reason: domain.ReasonNetwork})
		if l := leaseOf(t, w.Store, w.tenant.ID); l.Failures != 1 {
			t.Errorf("%d failures before it is connected", l.Failures)
		}
		w.report(domain.LinkReport{Event: domain.EventConnected, JID: jid})
		if l := leaseOf(t, w.Store, w.tenant.ID); l.Failures != 0 {
			t.Errorf("%d failures after it was connected", l.Failures)
		}
		must(t, w.Leases().Release(t.Context(), []domain.Tenure{w.tenure}, 0))
		if !w.takenBy(w.self.ID) {
			t.Error("it is still kept from the first replica")
		}
	})
}

func TestPassOn_APersonsWishEndsIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		must(t, w.Leases().PassOn(t.Context(), w.tenure, time.Hour, time.Hour))
		_, err := w.Tenants().Steer(t.Context(), w.tenant.ID, domain.EventRestart)
		must(t, err)
		if l := leaseOf(t, w.Store, w.tenant.ID); l.Failures != 0 || !w.takenBy(w.self.ID) {
			t.Errorf("it waits on although somebody asked for it: %+v", l)
		}
	})
}

func TestPassOn_SkipsATermThatIsOver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for name, term := range w.over() {
			wantUnchanged(t, w.Store, func() {
				if err := w.Leases().PassOn(t.Context(), term, 0, 0); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
	})
}

func TestLease_WaitsForNothingOnceTheClockWasSetBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		must(t, w.Leases().PassOn(t.Context(), w.tenure, 0, time.Hour))
		// As it would stand there had the clock been an hour ahead.
		exec(t, w.Store, "UPDATE leases SET released_at = flowhq_after(3600), not_before = flowhq_after(3600), avoid_until = flowhq_after(7200)")
		if !w.takenBy(w.self.ID) {
			t.Error("a tenant is served by nobody until the clock has caught up")
		}
	})
}
