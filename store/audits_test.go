package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

func TestAudit_ComesBackNewestFirstAndNarrowed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		actor, tenant, other := domain.NewID(), domain.NewID(), domain.NewID()
		entries := []domain.AuditEntry{
			{Action: domain.AuditSignIn, ActorID: &actor, Actor: "asha@example.com", Address: "192.0.2.1"},
			{Action: domain.AuditTenantStop, ActorID: &actor, Actor: "asha@example.com", TenantID: &tenant, Tenant: "Duka la Amina", Before: `{"status":"ACTIVE"}`, After: `{"status":"PAUSED"}`},
			{Action: domain.AuditTenantStart, Actor: "key: 100%_shop", TenantID: &other, Tenant: "SALUNI"},
			{Action: domain.AuditBulk, ActorID: &actor, Actor: "asha@example.com"},
		}
		for i := range entries {
			entries[i].ID, entries[i].At = domain.NewID(), domain.Now()
			must(t, s.Audits().Record(t.Context(), entries[i]))
		}
		for name, c := range map[string]struct {
			filter domain.AuditFilter
			want   []int
		}{
			"all":              {domain.AuditFilter{Scope: everywhere}, []int{3, 2, 1, 0}},
			"of a scope":       {domain.AuditFilter{Scope: domain.Scope{TenantID: tenant}}, []int{1}},
			"of nothing":       {domain.AuditFilter{}, nil},
			"of a tenant":      {domain.AuditFilter{Scope: everywhere, TenantID: other}, []int{2}},
			"outside of scope": {domain.AuditFilter{Scope: domain.Scope{TenantID: tenant}, TenantID: other}, nil},
			"of an actor":      {domain.AuditFilter{Scope: everywhere, ActorID: actor}, []int{3, 1, 0}},
			"of an area":       {domain.AuditFilter{Scope: everywhere, Area: "tenant"}, []int{2, 1}},
			"named":            {domain.AuditFilter{Scope: everywhere, Search: "ASHA"}, []int{3, 1, 0}},
			"tenant named":     {domain.AuditFilter{Scope: everywhere, Search: "saluni"}, []int{2}},
			"special letters":  {domain.AuditFilter{Scope: everywhere, Search: "0%_"}, []int{2}},
		} {
			page, err := s.Audits().Audit(t.Context(), c.filter, domain.PageQuery{})
			must(t, err)
			var want []domain.AuditEntry
			for _, i := range c.want {
				want = append(want, entries[i])
			}
			if diff := cmp.Diff(want, page.Items); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		page, err := s.Audits().Audit(t.Context(), domain.AuditFilter{Scope: everywhere}, domain.PageQuery{Limit: 3})
		must(t, err)
		rest, err := s.Audits().Audit(t.Context(), domain.AuditFilter{Scope: everywhere}, domain.PageQuery{Limit: 3, Cursor: page.NextCursor})
		must(t, err)
		if len(page.Items) != 3 || len(rest.Items) != 1 || rest.Items[0].ID != entries[0].ID || rest.NextCursor != "" {
			t.Errorf("pages %d and %d", len(page.Items), len(rest.Items))
		}
	})
}

func TestAudit_OutlivesTheTenantAndMakesWhatIsMissing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		must(t, w.Leases().Release(t.Context(), []domain.Tenure{w.tenure}, 0))
		must(t, w.Audits().Record(t.Context(), domain.AuditEntry{Action: domain.AuditTenantDeleted, TenantID: &w.tenant.ID, Tenant: "Duka\x00"}))
		if done, err := w.Tenants().Delete(t.Context(), w.tenant.ID); !done || err != nil {
			t.Fatalf("done %v, error %v", done, err)
		}
		page, err := w.Audits().Audit(t.Context(), domain.AuditFilter{Scope: everywhere}, domain.PageQuery{})
		must(t, err)
		if len(page.Items) != 1 || page.Items[0].ID == uuid.Nil || page.Items[0].At.IsZero() || page.Items[0].Tenant != "Duka" {
			t.Errorf("entries %+v", page.Items)
		}
	})
}

func TestAudit_EntriesAreOnlyEverAdded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		must(t, s.Audits().Record(t.Context(), domain.AuditEntry{Action: domain.AuditSignIn}))
		db, dialect := s.DBForWhatsApp()
		changes := []string{"UPDATE audit_log SET actor = 'x'"}
		if dialect != "sqlite" {
			changes = append(changes, "DELETE FROM audit_log", "TRUNCATE audit_log")
		}
		wantUnchanged(t, s, func() {
			for _, change := range changes {
				if _, err := db.ExecContext(t.Context(), change); err == nil {
					t.Errorf("%s is not refused", change)
				}
			}
		})
	})
}
