package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

// named stores a tenant with a name and a number of its own.
func named(t testing.TB, s *store.Store, name string) uuid.UUID {
	t.Helper()
	v := storetest.NewTenant(t, s)
	_, err := s.Tenants().Update(t.Context(), v.ID, func(v *domain.TenantView) error { v.Name = name; return nil })
	must(t, err)
	return v.ID
}

func exec(t testing.TB, s *store.Store, query string, args ...any) {
	t.Helper()
	db, _ := s.DBForWhatsApp()
	_, err := db.ExecContext(t.Context(), query, args...)
	must(t, err)
}

// listed reads all pages of a list and checks that a page continues exactly.
func listed(t testing.TB, s *store.Store, f domain.TenantFilter, size int) (names []string) {
	t.Helper()
	f.Scope = everywhere
	for q := (domain.PageQuery{Limit: size}); ; {
		page, err := s.Operations().Rows(t.Context(), f, domain.Now(), q)
		must(t, err)
		for _, row := range page.Items {
			names = append(names, row.Name)
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return names
		}
	}
}

func TestRows_AreInTheOrderAskedForOnEveryPage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		states := []domain.TenantStatus{domain.TenantActive, domain.TenantNew, domain.TenantError, domain.TenantPaused, domain.TenantQRPending, domain.TenantNew}
		for i, name := range []string{"delta", "Bravo", "alpha", "bravo", "Écho", "Charlie"} {
			id := named(t, s, name)
			exec(t, s, "UPDATE tenants SET status = $1 WHERE id = $2", string(states[i]), id)
			if i%2 == 0 { // delta is seen last, then alpha, then Écho
				exec(t, s, "UPDATE whatsapp_sessions SET last_seen_at = $1 WHERE tenant_id = $2", domain.Now().Add(-time.Duration(i)*time.Hour), id)
			}
		}
		for sort, want := range map[domain.TenantSort][]string{
			domain.SortNewest:   {"Charlie", "Écho", "bravo", "alpha", "Bravo", "delta"},
			domain.SortName:     {"alpha", "Bravo", "bravo", "Charlie", "delta", "Écho"},
			domain.SortStatus:   {"alpha", "Écho", "Bravo", "Charlie", "bravo", "delta"},
			domain.SortLastSeen: {"Écho", "alpha", "delta", "Bravo", "bravo", "Charlie"},
		} {
			for _, size := range []int{1, 2, 5, 6, 50} {
				if diff := cmp.Diff(want, listed(t, s, domain.TenantFilter{Sort: sort}, size)); diff != "" {
					t.Errorf("by %q, pages of %d (-want +got):\n%s", sort, size, diff)
				}
			}
			slices.Reverse(want)
			if diff := cmp.Diff(want, listed(t, s, domain.TenantFilter{Sort: sort, Reverse: true}, 2)); diff != "" {
				t.Errorf("by %q reversed (-want +got):\n%s", sort, diff)
			}
			var each []string
			must(t, s.Operations().EachTenant(t.Context(), domain.TenantFilter{Scope: everywhere, Sort: sort, Reverse: true}, domain.Now(), func(r domain.TenantRow) error {
				each = append(each, r.Name)
				return nil
			}))
			if diff := cmp.Diff(want, each); diff != "" {
				t.Errorf("each by %q (-want +got):\n%s", sort, diff)
			}
		}
	})
}

func TestRows_RefuseAWrongCursor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for range 2 {
			storetest.NewTenant(t, s)
		}
		cursors := []string{"x", "!", uuid.NewString()}
		byName, err := s.Operations().Rows(t.Context(), domain.TenantFilter{Scope: everywhere, Sort: domain.SortName}, domain.Now(), domain.PageQuery{Limit: 1})
		must(t, err)
		for sort, wrong := range map[domain.TenantSort][]string{
			domain.SortNewest: cursors, domain.SortName: cursors,
			domain.SortStatus: append(cursors, byName.NextCursor), domain.SortLastSeen: append(cursors, byName.NextCursor),
		} {
			for _, cursor := range wrong {
				_, err := s.Operations().Rows(t.Context(), domain.TenantFilter{Scope: everywhere, Sort: sort}, domain.Now(), domain.PageQuery{Cursor: cursor})
				wantKind(t, err, domain.KindInvalid)
			}
		}
	})
}

func TestRows_AreNarrowed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		exec(t, w.Store, "UPDATE tenants SET name = 'Salon' WHERE id = $1", w.tenant.ID)
		other := named(t, w.Store, "Hoteli 100%")
		exec(t, w.Store, "UPDATE tenant_configs SET template_type = 'HOTEL' WHERE tenant_id = $1", other)
		exec(t, w.Store, "UPDATE tenants SET phone_number = '+255799123456' WHERE id = $1", other)
		for name, c := range map[string]struct {
			filter domain.TenantFilter
			want   []string
		}{
			"status":           {domain.TenantFilter{Status: domain.TenantQRPending}, []string{"Salon"}},
			"template":         {domain.TenantFilter{Template: domain.TemplateHotel}, []string{"Hoteli 100%"}},
			"replica":          {domain.TenantFilter{Replica: "a"}, []string{"Salon"}},
			"unknown replica":  {domain.TenantFilter{Replica: "b"}, nil},
			"nobody":           {domain.TenantFilter{Replica: "-"}, []string{"Hoteli 100%"}},
			"name":             {domain.TenantFilter{Search: "SAL"}, []string{"Salon"}},
			"special":          {domain.TenantFilter{Search: "0%"}, []string{"Hoteli 100%"}},
			"number":           {domain.TenantFilter{Search: "0799 123"}, []string{"Hoteli 100%"}},
			"name and replica": {domain.TenantFilter{Search: "hotel", Replica: "a"}, nil},
		} {
			for _, sort := range []domain.TenantSort{domain.SortNewest, domain.SortName, domain.SortLastSeen} {
				c.filter.Sort = sort
				if diff := cmp.Diff(c.want, listed(t, w.Store, c.filter, 10)); diff != "" {
					t.Errorf("%s by %q (-want +got):\n%s", name, sort, diff)
				}
			}
		}
		page, err := w.Operations().Rows(t.Context(), domain.TenantFilter{Scope: domain.Scope{TenantID: other}}, domain.Now(), domain.PageQuery{})
		if err != nil || len(page.Items) != 1 || page.Items[0].ID != other {
			t.Errorf("of a scope: %+v %v", page.Items, err)
		}
		page, err = w.Operations().Rows(t.Context(), domain.TenantFilter{}, domain.Now(), domain.PageQuery{})
		if err != nil || len(page.Items) != 0 {
			t.Errorf("of no scope: %+v %v", page.Items, err)
		}
	})
}

func TestRows_ShowTheTenantAndItsMessagesSinceMidnight(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		storetest.NewTenant(t, w.Store)
		w.mustReceive(incoming("A", "habari"), answer("karibu"))
		w.finish(w.queue(neema, domain.LaneManual, domain.Now()), domain.StatusSent)
		must(t, w.Upkeep().Rollup(t.Context(), domain.Now()))
		want, err := w.Tenants().Get(t.Context(), w.tenant.ID)
		must(t, err)
		hour := domain.Now().Truncate(time.Hour)
		for midnight, counts := range map[time.Time][2]int{hour: {1, 1}, hour.Add(-24 * time.Hour): {1, 1}, hour.Add(time.Hour): {0, 0}} {
			page, err := w.Operations().Rows(t.Context(), domain.TenantFilter{Scope: everywhere}, midnight, domain.PageQuery{})
			must(t, err)
			if len(page.Items) != 2 {
				t.Fatalf("%d rows", len(page.Items))
			}
			if diff := cmp.Diff(domain.TenantRow{TenantView: want, InToday: counts[0], OutToday: counts[1]}, page.Items[1]); diff != "" {
				t.Errorf("since %v (-want +got):\n%s", midnight, diff)
			}
			if page.Items[0].InToday != 0 || page.Items[0].OutToday != 0 {
				t.Errorf("a tenant without messages: %+v", page.Items[0])
			}
		}
	})
}

func TestCountTenants_CountsByStatusWhateverTheStatus(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for range 3 {
			storetest.NewTenant(t, w.Store)
		}
		for name, c := range map[string]struct {
			filter domain.TenantFilter
			want   map[domain.TenantStatus]int
		}{
			"all":     {domain.TenantFilter{Scope: everywhere, Status: domain.TenantNew}, map[domain.TenantStatus]int{domain.TenantNew: 3, domain.TenantQRPending: 1}},
			"replica": {domain.TenantFilter{Scope: everywhere, Replica: "a"}, map[domain.TenantStatus]int{domain.TenantQRPending: 1}},
			"none":    {domain.TenantFilter{}, map[domain.TenantStatus]int{}},
		} {
			got, err := w.Operations().CountTenants(t.Context(), c.filter)
			must(t, err)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	})
}

func TestEachTenant_EndsWithTheErrorOfItsFunction(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for range 3 {
			storetest.NewTenant(t, s)
		}
		calls := 0
		err := s.Operations().EachTenant(t.Context(), domain.TenantFilter{Scope: everywhere}, domain.Now(), func(domain.TenantRow) error {
			calls++
			return errProbe
		})
		if err != errProbe || calls != 1 {
			t.Errorf("%d calls, error %v", calls, err)
		}
	})
}

func TestReplicas_ShowTheLivingAndTheLatelyDead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ids := map[string]uuid.UUID{}
		for _, name := range []string{"dead", "c", "draining", "b", "long dead"} {
			ids[name] = domain.NewID()
			must(t, s.Leases().Register(t.Context(), domain.Replica{ID: ids[name], Name: name, Version: "v", Capacity: 7}, time.Minute))
		}
		must(t, s.Leases().Retire(t.Context(), ids["dead"]))
		must(t, s.Leases().Retire(t.Context(), ids["long dead"]))
		exec(t, s, "UPDATE replicas SET heartbeat_at = $1 WHERE id = $2", domain.Now().Add(-2*time.Hour), ids["long dead"])
		must(t, s.Operations().Drain(t.Context(), ids["draining"], true))
		all, err := s.Operations().Replicas(t.Context())
		must(t, err)
		var got []string
		for _, r := range all {
			got = append(got, fmt.Sprint(r.Name, " ", r.State, " ", r.Capacity))
		}
		if diff := cmp.Diff([]string{"b alive 7", "c alive 7", "draining draining 7", "dead dead 7"}, got); diff != "" {
			t.Errorf("replicas (-want +got):\n%s", diff)
		}
		if names, err := s.Operations().ReplicaNames(t.Context()); err != nil || len(names) != 0 {
			t.Errorf("names of those that hold tenants: %v %v", names, err)
		}
	})
}

func TestReplicaNames_AreThoseThatHoldTenants(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, name := range []string{"b", "a"} {
			foreign(t, s, name, time.Minute)
		}
		storetest.Replica(t, s, "idle")
		names, err := s.Operations().ReplicaNames(t.Context())
		must(t, err)
		if diff := cmp.Diff([]string{"a", "b"}, names); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
	})
}

func TestDrain_LetsAReplicaTakeNothingUntilItServesAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		self := storetest.Replica(t, s, "a")
		start(t, s, storetest.NewTenant(t, s).ID)
		state := func(want domain.ReplicaState) {
			t.Helper()
			var accepted [][]byte
			if nonces := column(t, dbOf(s), "SELECT coalesce(nonce, '') FROM replicas"); nonces[0] != "" {
				accepted = [][]byte{[]byte(nonces[0])}
			}
			view, err := s.Leases().Heartbeat(t.Context(), self, accepted, []byte(want), ttl)
			if err != nil || view.State != want {
				t.Errorf("heartbeat says %q, error %v, want %q", view.State, err, want)
			}
		}
		acquire := func(want int) {
			t.Helper()
			if taken, err := s.Leases().Acquire(t.Context(), self.ID, 10); err != nil || len(taken) != want {
				t.Errorf("took %d leases, error %v, want %d", len(taken), err, want)
			}
		}
		must(t, s.Operations().Drain(t.Context(), self.ID, true))
		must(t, s.Operations().Drain(t.Context(), self.ID, true))
		state(domain.ReplicaDraining)
		acquire(0)
		must(t, s.Operations().Drain(t.Context(), self.ID, false))
		state(domain.ReplicaAlive)
		acquire(1)
		must(t, s.Leases().Retire(t.Context(), self.ID))
		for _, id := range []uuid.UUID{self.ID, domain.NewID()} {
			wantKind(t, s.Operations().Drain(t.Context(), id, true), domain.KindNotFound)
			wantKind(t, s.Operations().Drain(t.Context(), id, false), domain.KindNotFound)
		}
	})
}
