package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

// hears waits until a hint for the tenant arrives. Until somebody listens hints
// are lost, so it is given again.
func hears(t testing.TB, c <-chan uuid.UUID, from *store.Store, tenant uuid.UUID) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	must(t, from.Waker().Wake(t.Context(), tenant))
	for {
		select {
		case got := <-c:
			if got == tenant {
				return
			}
		case <-again.C:
			must(t, from.Waker().Wake(t.Context(), tenant))
		case <-deadline:
			t.Fatal("no hint arrived")
		}
	}
}

func TestWake_ReachesTheSameProcess(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		c := s.Waker().Wakes(t.Context())
		id := domain.NewID()
		must(t, s.Waker().Wake(t.Context(), id))
		if got := <-c; got != id {
			t.Errorf("hint for %s, want %s", got, id)
		}
	})
}

func TestWake_ReachesOtherReplicas(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	other := storetest.Another(t, s)
	hears(t, other.Waker().Wakes(t.Context()), s, domain.NewID())
}

func TestWake_OfAServedTenantReachesItsOwnerAlone(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	owner, stranger := storetest.Another(t, s), storetest.Another(t, s)
	storetest.Replica(t, owner, "owner")
	tenant := storetest.NewTenant(t, s)
	storetest.Serve(t, owner, tenant)
	toOwner, toStranger := owner.Waker().Wakes(t.Context()), stranger.Waker().Wakes(t.Context())
	first := domain.NewID()
	hears(t, toOwner, s, first)
	hears(t, toStranger, s, first)
	_, err := s.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: tenant.ID, Contact: "255754000009", Text: "karibu"})
	must(t, err)
	last := domain.NewID()
	must(t, s.Waker().Wake(t.Context(), last)) // hints arrive in order
	until := func(c <-chan uuid.UUID) (concerned bool) {
		for got := range c {
			if got == last {
				return concerned
			}
			concerned = concerned || got == tenant.ID
		}
		return concerned
	}
	if !until(toOwner) || until(toStranger) {
		t.Error("the hint must reach the owner and nobody else")
	}
}

func TestWakes_ListensAgainAfterItsConnectionIsCut(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	other := storetest.Another(t, s)
	c := other.Waker().Wakes(t.Context())
	hears(t, c, s, domain.NewID())
	if n := count(t, s, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND application_name = $1", "fhq/"+other.ReplicaID().String()); n != 1 {
		t.Fatalf("%d listening connections were cut", n)
	}
	hears(t, c, s, domain.NewID())
}

func TestWake_NeverBlocksOnAListenerThatIsBehind(t *testing.T) {
	s := storetest.Open(t, storetest.SQLite(t))
	c := s.Waker().Wakes(t.Context())
	for range 2000 {
		must(t, s.Waker().Wake(t.Context(), domain.NewID()))
	}
	if len(c) == 0 || len(c) == 2000 {
		t.Errorf("%d hints wait", len(c))
	}
}

func TestWakes_EndsWithItsContext(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		c := s.Waker().Wakes(ctx)
		cancel()
		// The end is noticed a moment later; from then on nothing arrives.
		waitFor(t, "hints stop", func() bool {
			for len(c) > 0 {
				<-c
			}
			must(t, s.Waker().Wake(t.Context(), domain.NewID()))
			return len(c) == 0
		})
	})
}

func TestEveryWriteThatARunnerMustSeeGivesAHint(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		idle := storetest.NewTenant(t, w.Store)
		for _, c := range []struct {
			name string
			call func() error
		}{
			{"Steer", func() error {
				_, err := w.Tenants().Steer(t.Context(), w.tenant.ID, domain.EventRestart)
				return err
			}},
			{"Update", func() error {
				_, err := w.Tenants().Update(t.Context(), w.tenant.ID, func(*domain.TenantView) error { return nil })
				return err
			}},
			{"Enqueue", func() error {
				_, err := w.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: w.tenant.ID, Contact: "a", ChatJID: "a", Text: "x"})
				return err
			}},
			{"AskPairingCode", func() error { return w.Links().AskPairingCode(t.Context(), idle.ID, "+255754000009") }},
			{"Delete", func() error {
				_, err := w.Tenants().Delete(t.Context(), w.tenant.ID)
				return err
			}},
			{"Release", func() error { return w.Leases().Release(t.Context(), []domain.Tenure{w.tenure}, 0) }},
		} {
			ctx, cancel := context.WithCancel(t.Context())
			hints := w.Waker().Wakes(ctx)
			must(t, c.call())
			if len(hints) == 0 {
				t.Errorf("%s gave no hint", c.name)
			}
			cancel()
		}
	})
}
