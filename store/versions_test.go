package store_test

import (
	"testing"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

// marks checks for each step whether it changes a mark.
func marks(t testing.TB, mark func() (string, error)) func(what string, changes bool, step func()) {
	read := func() string {
		t.Helper()
		v, err := mark()
		must(t, err)
		if len(v) == 0 || len(v) > 64 {
			t.Errorf("mark %q", v)
		}
		return v
	}
	return func(what string, changes bool, step func()) {
		t.Helper()
		before := read()
		if step(); (read() != before) != changes {
			t.Errorf("%s: the mark changed %v, want %v", what, !changes, changes)
		}
	}
}

func TestTenantsVersion_ChangesWithWhatAListShows(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		step := marks(t, func() (string, error) { return w.Versions().TenantsVersion(ctx) })
		steer := func(e domain.Event) func() {
			return func() { _, err := w.Tenants().Steer(ctx, w.tenant.ID, e); must(t, err) }
		}
		step("nothing", false, func() {})
		step("a new tenant", true, func() { storetest.NewTenant(t, w.Store) })
		step("a report", true, func() { w.report(domain.LinkReport{Event: domain.EventConnected, JID: jid}) })
		step("a name", true, func() {
			_, err := w.Tenants().Update(ctx, w.tenant.ID, func(v *domain.TenantView) error { v.Name, v.UpdatedAt = "Duka", domain.Now(); return nil })
			must(t, err)
		})
		step("stop", true, steer(domain.EventStop))
		step("start", true, steer(domain.EventStart))
		step("release", true, func() { must(t, w.Leases().Release(ctx, []domain.Tenure{w.tenure}, 0)) })
		step("acquisition", true, func() {
			taken, err := w.Leases().Acquire(ctx, w.self.ID, 10)
			must(t, err)
			w.tenure = taken[0].Tenure
		})
		step("a heartbeat", false, func() {
			_, err := w.Leases().Heartbeat(ctx, w.self, nil, []byte("n"), ttl)
			must(t, err)
		})
		w.mustReceive(incoming("A", "habari"), answer("karibu"))
		step("statistics", true, func() { must(t, w.Upkeep().Rollup(ctx, domain.Now())) })
		step("the same statistics", false, func() { must(t, w.Upkeep().Rollup(ctx, domain.Now())) })
		step("removal", true, func() {
			_, err := w.Tenants().Delete(ctx, storetest.NewTenant(t, w.Store).ID)
			must(t, err)
			storetest.NewTenant(t, w.Store)
		})
	})
}

func TestTenantVersion_ChangesWithThePageOfATenant(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		other := storetest.NewTenant(t, w.Store).ID
		step := marks(t, func() (string, error) { return w.Versions().TenantVersion(ctx, w.tenant.ID) })
		step("nothing", false, func() {})
		step("another tenant", false, func() { start(t, w.Store, other) })
		step("a report", true, func() { w.report(domain.LinkReport{Event: domain.EventConnected, JID: jid}) })
		step("a message in", true, func() { w.mustReceive(incoming("A", "habari"), silent) })
		var m domain.Outbound
		step("a message out", true, func() { m = w.queue(neema, domain.LaneManual, domain.Now()) })
		step("sent", true, func() { w.finish(m, domain.StatusSent) })
		step("read", true, func() {
			must(t, w.Outbox().Ticks(ctx, []domain.Tick{{TenantID: w.tenant.ID, WAID: m.WAID, Status: domain.StatusRead}}))
		})
		step("a command", true, func() { _, err := w.Tenants().Steer(ctx, w.tenant.ID, domain.EventRestart); must(t, err) })
		step("release", true, func() { must(t, w.Leases().Release(ctx, []domain.Tenure{w.tenure}, 0)) })
		_, err := w.Versions().TenantVersion(ctx, domain.NewID())
		wantKind(t, err, domain.KindNotFound)
	})
}

func TestReplicasVersion_ChangesWithTheListOfReplicas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		step := marks(t, func() (string, error) { return s.Versions().ReplicasVersion(ctx) })
		var self domain.Replica
		step("a replica", true, func() { self = storetest.Replica(t, s, "a") })
		nonce := [][]byte(nil)
		beat := func(fresh string) func() {
			return func() {
				view, err := s.Leases().Heartbeat(ctx, self, nonce, []byte(fresh), ttl)
				must(t, err)
				if nonce = [][]byte{[]byte(fresh)}; view.State == "" {
					t.Error("the heartbeat is refused")
				}
			}
		}
		step("a heartbeat", false, beat("1"))
		self.Held = 1
		step("a tenant more", true, beat("2"))
		step("draining", true, func() { must(t, s.Operations().Drain(ctx, self.ID, true)) })
		step("a late heartbeat", true, func() {
			exec(t, s, "UPDATE replicas SET heartbeat_at = $1", domain.Now().Add(-2*domain.AlertReplicaAfter))
		})
		step("death", true, func() { must(t, s.Leases().Retire(ctx, self.ID)) })
	})
}
