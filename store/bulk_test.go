package store_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

func several(t testing.TB, s *store.Store, n int) (ids []uuid.UUID) {
	t.Helper()
	for range n {
		ids = append(ids, storetest.NewTenant(t, s).ID)
	}
	return ids
}

func startBulk(t testing.TB, s *store.Store, e domain.Event, tenants ...uuid.UUID) domain.BulkJob {
	t.Helper()
	job, err := s.Bulk().StartBulk(t.Context(), domain.BulkJob{Event: e, CreatedBy: domain.NewID()}, tenants)
	must(t, err)
	return job
}

func jobOf(t testing.TB, s *store.Store, id uuid.UUID) domain.BulkJob {
	t.Helper()
	job, err := s.Bulk().BulkJob(t.Context(), id)
	must(t, err)
	return job
}

func statusOf(t testing.TB, s *store.Store, id uuid.UUID) domain.WorkerStatus {
	t.Helper()
	v, err := s.Tenants().Get(t.Context(), id)
	must(t, err)
	return v.Worker.Status
}

func TestStartBulk_LeavesUnknownTenantsOut(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		tenants := several(t, s, 3)
		job := startBulk(t, s, domain.EventStart, append(tenants, domain.NewID(), tenants[0])...)
		want := domain.BulkJob{ID: job.ID, Event: domain.EventStart, Total: 3, CreatedBy: job.CreatedBy, CreatedAt: job.CreatedAt}
		if diff := cmp.Diff(want, job); diff != "" || job.ID == uuid.Nil || job.CreatedAt.IsZero() {
			t.Errorf("returned (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, jobOf(t, s, job.ID)); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
		_, err := s.Bulk().BulkJob(t.Context(), domain.NewID())
		wantKind(t, err, domain.KindNotFound)
	})
}

func TestStartBulk_RefusesWhatCannotBeDone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		some := several(t, s, 1)
		wantUnchanged(t, s, func() {
			for name, c := range map[string]struct {
				event   domain.Event
				tenants []uuid.UUID
			}{
				"nobody":   {domain.EventStart, nil},
				"unknown":  {domain.EventStart, []uuid.UUID{domain.NewID()}},
				"reset":    {domain.EventReset, some},
				"too many": {domain.EventStop, make([]uuid.UUID, domain.MaxBulk+1)},
			} {
				_, err := s.Bulk().StartBulk(t.Context(), domain.BulkJob{Event: c.event}, c.tenants)
				wantKind(t, err, domain.KindInvalid)
				_ = name
			}
		})
	})
}

func TestRunBulk_SteersEachTenantAndNotesWhatWasRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		tenants := several(t, s, 4)
		_, err := s.Tenants().Steer(t.Context(), tenants[1], domain.EventReset)
		must(t, err) // a reset is under way: it cannot be started
		job := startBulk(t, s, domain.EventStart, tenants...)
		if done, err := s.Tenants().Delete(t.Context(), tenants[2]); !done || err != nil {
			t.Fatalf("done %v, error %v", done, err)
		}
		for _, want := range []bool{true, false} {
			if worked, err := s.Bulk().RunBulk(t.Context()); worked != want || err != nil {
				t.Errorf("worked %v, error %v, want %v", worked, err, want)
			}
		}
		if got := jobOf(t, s, job.ID); got.Total != 4 || got.Done != 2 || got.Failed != 2 || got.FinishedAt == nil {
			t.Errorf("job %+v", got)
		}
		for i, want := range map[int]domain.WorkerStatus{0: domain.WorkerRunning, 1: domain.WorkerStopped, 3: domain.WorkerRunning} {
			if got := statusOf(t, s, tenants[i]); got != want {
				t.Errorf("tenant %d is %s, want %s", i, got, want)
			}
		}
		failed, err := s.Bulk().BulkFailures(t.Context(), job.ID, 10)
		must(t, err)
		want := []domain.BulkItem{
			{JobID: job.ID, TenantID: tenants[1], Name: "Duka la Amina", State: domain.BulkFailed, Error: "The link of this tenant is still being reset. Try again in a moment."},
			{JobID: job.ID, TenantID: tenants[2], Name: "Duka la Amina", State: domain.BulkFailed, Error: "There is no such tenant."},
		}
		if diff := cmp.Diff(want, failed, cmpopts.SortSlices(func(a, b domain.BulkItem) bool { return a.TenantID.String() < b.TenantID.String() })); diff != "" {
			t.Errorf("failures (-want +got):\n%s", diff)
		}
		if one, err := s.Bulk().BulkFailures(t.Context(), job.ID, 1); err != nil || len(one) != 1 {
			t.Errorf("one failure: %v %v", one, err)
		}
	})
}

func TestRunBulk_GoesOnWhereAnInterruptedOneStopped(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		tenants := several(t, s, 5)
		job := startBulk(t, s, domain.EventStart, tenants...)
		ctx, cancel := context.WithCancel(t.Context())
		wakes := s.Waker().Wakes(t.Context())
		go func() {
			<-wakes
			<-wakes
			cancel()
		}()
		if worked, err := s.Bulk().RunBulk(ctx); !worked {
			t.Errorf("worked %v, error %v", worked, err)
		}
		for worked := true; worked; {
			var err error
			worked, err = storetest.Another(t, s).Bulk().RunBulk(t.Context())
			must(t, err)
		}
		if got := jobOf(t, s, job.ID); got.Done != 5 || got.Failed != 0 || got.FinishedAt == nil {
			t.Errorf("job %+v", got)
		}
		for _, id := range tenants {
			if got := statusOf(t, s, id); got != domain.WorkerRunning {
				t.Errorf("tenant is %s", got)
			}
		}
	})
}

func TestRunBulk_WaitsForTheClaimOfALivingReplicaAndTakesOverFromADeadOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		job := startBulk(t, s, domain.EventStop, several(t, s, 2)...)
		exec(t, s, "UPDATE bulk_jobs SET claim = $1, claimed_until = $2", domain.NewID(), domain.Now().Add(ttl/4))
		if worked, err := s.Bulk().RunBulk(t.Context()); worked || err != nil {
			t.Errorf("worked %v, error %v on a claimed job", worked, err)
		}
		exec(t, s, "UPDATE bulk_jobs SET claimed_until = $1", domain.Now().Add(-ttl))
		if worked, err := s.Bulk().RunBulk(t.Context()); !worked || err != nil {
			t.Errorf("worked %v, error %v on an abandoned job", worked, err)
		}
		if got := jobOf(t, s, job.ID); got.Done != 2 || got.FinishedAt == nil {
			t.Errorf("job %+v", got)
		}
	})
}

func TestRunBulk_ByManyAtOnceCountsEachTenantOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		jobs := []domain.BulkJob{startBulk(t, s, domain.EventStart, several(t, s, 6)...), startBulk(t, s, domain.EventStart, several(t, s, 6)...)}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for worked := true; worked; {
					var err error
					if worked, err = s.Bulk().RunBulk(t.Context()); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		for _, job := range jobs {
			if got := jobOf(t, s, job.ID); got.Done != 6 || got.Failed != 0 || got.FinishedAt == nil {
				t.Errorf("job %+v", got)
			}
		}
	})
}
