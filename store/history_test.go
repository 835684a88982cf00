package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

func (w *world) events() []domain.TenantEvent {
	w.t.Helper()
	page, err := w.History().Events(w.t.Context(), w.tenant.ID, domain.PageQuery{})
	must(w.t, err)
	return page.Items
}

func TestEvents_TellWhatPeopleAskedForAndReplicasReported(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.report(domain.LinkReport{Event: domain.EventQR, QR: "1"})
		w.report(domain.LinkReport{Event: domain.EventQR, QR: "2"}) // the code was renewed
		w.report(domain.LinkReport{Event: domain.EventConnected, JID: jid})
		w.report(domain.LinkReport{Event: domain.EventLost, Reason: domain.ReasonNetwork, Detail: "reset"})
		w.report(domain.LinkReport{Event: domain.EventLost, Reason: domain.ReasonNetwork, Detail: "again"})
		w.report(domain.LinkReport{Event: domain.EventLost, Reason: domain.ReasonUnavailable})
		for _, e := range []domain.Event{domain.EventStart, domain.EventStop, domain.EventRestart} { // it runs: the start changes nothing
			_, err := w.Tenants().Steer(t.Context(), w.tenant.ID, e)
			must(t, err)
		}
		want := []domain.TenantEvent{
			{Event: domain.EventRestart}, {Event: domain.EventStop},
			{Event: domain.EventLost, Reason: domain.ReasonUnavailable, Replica: "a"}, {Event: domain.EventLost, Reason: domain.ReasonNetwork, Detail: "reset", Replica: "a"},
			{Event: domain.EventConnected, Replica: "a"}, {Event: domain.EventQR, Replica: "a"}, {Event: domain.EventStart},
		}
		if diff := cmp.Diff(want, w.events(), cmpopts.IgnoreFields(domain.TenantEvent{}, "ID", "TenantID", "At")); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		first, err := w.History().Events(t.Context(), w.tenant.ID, domain.PageQuery{Limit: 5})
		must(t, err)
		rest, err := w.History().Events(t.Context(), w.tenant.ID, domain.PageQuery{Limit: 5, Cursor: first.NextCursor})
		if err != nil || len(first.Items) != 5 || len(rest.Items) != 2 || rest.NextCursor != "" {
			t.Errorf("pages of %d and %d, error %v", len(first.Items), len(rest.Items), err)
		}
		_, err = w.History().Events(t.Context(), domain.NewID(), domain.PageQuery{})
		wantKind(t, err, domain.KindNotFound)
	})
}

func TestEvents_HaveNoEntryForWhatWasRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, err := w.Tenants().Steer(t.Context(), w.tenant.ID, domain.EventStop)
		must(t, err)
		before := w.events()
		wantKind(t, w.Reports().Report(t.Context(), w.tenure, domain.LinkReport{Event: domain.EventConnected, JID: jid}), domain.KindConflict)
		for _, over := range w.over() {
			wantFenced(t, w.Reports().Report(t.Context(), over, domain.LinkReport{Event: domain.EventConnected, JID: jid}))
		}
		if diff := cmp.Diff(before, w.events()); diff != "" {
			t.Errorf("events (-before +after):\n%s", diff)
		}
	})
}

func TestEvents_TellThatAPairingCodeStartedATenant(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		idle := storetest.NewTenant(t, w.Store).ID
		for range 2 {
			must(t, w.Links().AskPairingCode(t.Context(), idle, "+255754000009"))
		}
		page, err := w.History().Events(t.Context(), idle, domain.PageQuery{})
		if err != nil || len(page.Items) != 1 || page.Items[0].Event != domain.EventStart {
			t.Errorf("events %+v %v", page.Items, err)
		}
	})
}

func TestTerms_TellWhoServedATenantUntilWhenAndWhy(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		self := storetest.Replica(t, s, "a")
		doomed, lease := foreign(t, s, "b", time.Minute)
		tenant := lease.TenantID
		_, err := s.Leases().Bury(t.Context(), self, true) // nobody is dead yet
		must(t, err)
		must(t, s.Leases().Retire(t.Context(), doomed.ID))
		if freed, err := s.Leases().Bury(t.Context(), self, true); freed != 1 || err != nil {
			t.Fatalf("freed %d, error %v", freed, err)
		}
		take := func() domain.Tenure {
			t.Helper()
			taken, err := s.Leases().Acquire(t.Context(), self.ID, 10)
			must(t, err)
			if len(taken) != 1 {
				t.Fatalf("took %d leases", len(taken))
			}
			return taken[0].Tenure
		}
		second := take()
		must(t, s.Leases().Release(t.Context(), []domain.Tenure{second}, 0))
		third := take()
		want := []domain.Term{
			{Epoch: third.Epoch, Replica: "a"},
			{Epoch: second.Epoch, Replica: "a", Why: domain.TermReleased},
			{Epoch: lease.Epoch, Replica: "b", Why: domain.TermBuried},
		}
		terms, err := s.History().Terms(t.Context(), tenant, 10)
		must(t, err)
		if diff := cmp.Diff(want, terms, cmpopts.IgnoreFields(domain.Term{}, "TenantID", "AcquiredAt", "ReleasedAt")); diff != "" {
			t.Errorf("terms (-want +got):\n%s", diff)
		}
		for i, term := range terms {
			if term.AcquiredAt.IsZero() || (term.ReleasedAt == nil) != (i == 0) || term.ReleasedAt != nil && term.ReleasedAt.Before(term.AcquiredAt) || term.TenantID != tenant {
				t.Errorf("term %+v", term)
			}
		}
		if last, err := s.History().Terms(t.Context(), tenant, 1); err != nil || len(last) != 1 || last[0].Epoch != third.Epoch {
			t.Errorf("the last: %+v %v", last, err)
		}
		_, err = s.History().Terms(t.Context(), domain.NewID(), 1)
		wantKind(t, err, domain.KindNotFound)
	})
}

func TestTerms_AreNotTouchedByARefusedRelease(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		over := w.over()
		wantUnchanged(t, w.Store, func() {
			for _, tenure := range over {
				must(t, w.Leases().Release(t.Context(), []domain.Tenure{tenure}, 0))
			}
		})
	})
}
