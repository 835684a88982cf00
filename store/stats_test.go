package store_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

// noon is a full hour; the tests of statistics have a clock of their own.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// sentAfter stores an answer of the bot that was sent a while after a time.
func sentAfter(t testing.TB, s *store.Store, tenant uuid.UUID, at time.Time, d time.Duration) {
	t.Helper()
	m, err := s.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: tenant, Contact: domain.NewID().String(), ChatJID: "c", Lane: domain.LaneReply, Text: "x", CreatedAt: at})
	must(t, err)
	exec(t, s, "UPDATE outbox SET status = 'sent', open = false, sent_at = $1 WHERE id = $2", at.Add(d), m.ID)
}

// received stores an inbound message of a time.
func received(t testing.TB, s *store.Store, tenant uuid.UUID, at time.Time, status domain.MessageStatus) {
	t.Helper()
	exec(t, s, `INSERT INTO message_logs (tenant_id, id, direction, contact, from_number, to_number, message_text, kind, wa_message_id, status, reason, from_phone, created_at)
		VALUES ($1, $2, 'IN', 'c', '', '', 'x', 'text', $3, $4, '', false, $5)`, tenant, domain.NewID(), domain.NewID().String(), string(status), at)
}

func hours(t testing.TB, s *store.Store, tenant uuid.UUID) []domain.HourStat {
	t.Helper()
	stats, err := s.Operations().Stats(t.Context(), tenant, noon.Add(-1000*time.Hour), noon.Add(1000*time.Hour))
	must(t, err)
	return stats
}

func TestRollup_CountsEachTenantAndAllTogetherByHour(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		a, b := storetest.NewTenant(t, s).ID, storetest.NewTenant(t, s).ID
		storetest.NewTenant(t, s)
		received(t, s, a, noon, domain.StatusReceived)
		received(t, s, a, noon.Add(time.Hour-time.Microsecond), domain.StatusReceived)
		received(t, s, a, noon, domain.StatusPlaceholder)
		received(t, s, a, noon.Add(-time.Microsecond), domain.StatusReceived)
		sentAfter(t, s, a, noon, 100*time.Millisecond)
		sentAfter(t, s, a, noon, 700*time.Millisecond)
		sentAfter(t, s, b, noon, 2*time.Hour)
		m, err := s.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: b, Contact: neema, ChatJID: "c", Lane: domain.LaneManual, Text: "x", CreatedAt: noon})
		must(t, err)
		exec(t, s, "UPDATE outbox SET status = 'failed', open = false WHERE id = $1", m.ID)
		_, err = s.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: b, Contact: neema, ChatJID: "c", Lane: domain.LaneManual, Text: "x", CreatedAt: noon})
		must(t, err) // still waiting

		now := noon.Add(20 * time.Minute)
		must(t, s.Upkeep().Rollup(t.Context(), now))
		before := everything(t, s)["hourly_stats"]
		must(t, s.Upkeep().Rollup(t.Context(), now))
		if diff := cmp.Diff(before, everything(t, s)["hourly_stats"]); diff != "" {
			t.Errorf("again (-first +second):\n%s", diff)
		}
		early := domain.HourStat{TenantID: a, Hour: noon.Add(-time.Hour), In: 1}
		ofA := domain.HourStat{TenantID: a, Hour: noon, In: 2, Out: 2, Replies: domain.ReplyCounts{0: 1, 3: 1}}
		ofB := domain.HourStat{TenantID: b, Hour: noon, Out: 1, Failed: 1, Replies: domain.ReplyCounts{12: 1}}
		all := domain.HourStat{Hour: noon, In: 2, Out: 3, Failed: 1, Replies: domain.ReplyCounts{0: 1, 3: 1, 12: 1}}
		allEarly := early
		allEarly.TenantID = uuid.Nil
		for tenant, want := range map[uuid.UUID][]domain.HourStat{a: {early, ofA}, b: {ofB}, uuid.Nil: {allEarly, all}} {
			if diff := cmp.Diff(want, hours(t, s, tenant)); diff != "" {
				t.Errorf("tenant %s (-want +got):\n%s", tenant, diff)
			}
		}
		some, err := s.Operations().Stats(t.Context(), a, noon.Add(-time.Hour), noon)
		must(t, err)
		if diff := cmp.Diff([]domain.HourStat{early}, some); diff != "" {
			t.Errorf("until noon (-want +got):\n%s", diff)
		}
		if done, err := s.Tenants().Delete(t.Context(), a); !done || err != nil {
			t.Fatalf("done %v, error %v", done, err)
		}
		if left := hours(t, s, a); len(left) != 0 {
			t.Errorf("statistics of a removed tenant: %+v", left)
		}
	})
}

func TestRollup_SeesOutcomesThatComeLate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		tenant := storetest.NewTenant(t, s).ID
		m, err := s.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: tenant, Contact: neema, ChatJID: "c", Lane: domain.LaneManual, Text: "x", CreatedAt: noon})
		must(t, err)
		must(t, s.Upkeep().Rollup(t.Context(), noon.Add(time.Minute)))
		if got := hours(t, s, tenant); len(got) != 0 {
			t.Errorf("hours without messages are shown: %+v", got)
		}
		exec(t, s, "UPDATE outbox SET status = 'expired', open = false WHERE id = $1", m.ID)
		must(t, s.Upkeep().Rollup(t.Context(), noon.Add(24*time.Hour)))
		if got := hours(t, s, tenant); len(got) != 1 || got[0].Failed != 1 || !got[0].Hour.Equal(noon) {
			t.Errorf("hours %+v", got)
		}
	})
}

func TestRollup_CatchesUpAfterADowntimeOfUpToTwoDays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		tenant := storetest.NewTenant(t, s).ID
		must(t, s.Upkeep().Rollup(t.Context(), noon.Add(-100*time.Hour)))
		for _, ago := range []time.Duration{0, 2, 30, 47, 48, 49, 80} {
			received(t, s, tenant, noon.Add(-ago*time.Hour), domain.StatusReceived)
		}
		must(t, s.Upkeep().Rollup(t.Context(), noon))
		var got []time.Duration
		for _, h := range hours(t, s, tenant) {
			got = append(got, noon.Sub(h.Hour)/time.Hour)
		}
		if diff := cmp.Diff([]time.Duration{48, 47, 30, 2, 0}, got); diff != "" {
			t.Errorf("hours ago (-want +got):\n%s", diff)
		}
	})
}

func TestClaimRollup_LetsOneReplicaThroughPerInterval(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		replicas := []store.Upkeep{s.Upkeep(), storetest.Another(t, s).Upkeep(), storetest.Another(t, s).Upkeep()}
		claim := func(now time.Time) (mine int) {
			t.Helper()
			results := make(chan bool, len(replicas))
			var all sync.WaitGroup
			for _, u := range replicas {
				all.Go(func() {
					ok, err := u.ClaimRollup(t.Context(), now, time.Minute)
					if err != nil {
						t.Error(err)
					}
					results <- ok
				})
			}
			all.Wait()
			close(results)
			for ok := range results {
				if ok {
					mine++
				}
			}
			return mine
		}
		for _, c := range []struct {
			after time.Duration
			want  int
		}{{0, 1}, {59 * time.Second, 0}, {time.Minute, 1}, {2 * time.Minute, 1}, {-time.Hour, 1}} { // at last the clock was set back
			if got := claim(noon.Add(c.after)); got != c.want {
				t.Errorf("after %v: %d replicas, want %d", c.after, got, c.want)
			}
		}
	})
}

func TestHousekeep_KeepsWhatIsYoungOrUnderWay(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s, day := w.Store, 24*time.Hour
		now := domain.Now()
		for _, age := range []time.Duration{29 * day, 31 * day, 89 * day, 91 * day, 399 * day, 401 * day} {
			at := now.Add(-age)
			must(t, s.Audits().Record(t.Context(), domain.AuditEntry{Action: domain.AuditSignIn, At: at}))
			exec(t, s, "INSERT INTO tenant_events (tenant_id, id, at, event, reason, detail, replica) VALUES ($1, $2, $3, 'stop', '', '', '')", w.tenant.ID, domain.NewID(), at)
			exec(t, s, "INSERT INTO lease_terms (tenant_id, epoch, replica, acquired_at, released_at, why) VALUES ($1, $2, 'a', $3, $3, 'released')", w.tenant.ID, -int(age/day), at)
			for i, finished := range []*time.Time{&at, nil} {
				job := domain.NewID()
				exec(t, s, "INSERT INTO bulk_jobs (id, event, total, done, failed, created_by, created_at, finished_at) VALUES ($1, 'stop', 1, 0, 0, $1, $2, $3)", job, at, finished)
				exec(t, s, "INSERT INTO bulk_items (job_id, tenant_id, name, state, error) VALUES ($1, $2, 'x', 'pending', '')", job, w.tenant.ID)
				_ = i
			}
		}
		visitor := domain.WithVisitor(t.Context(), domain.Visitor{})
		must(t, s.WebSessions().CommitCtx(visitor, "old", []byte("x"), now.Add(-time.Second)))
		must(t, s.WebSessions().CommitCtx(visitor, "new", []byte("x"), now.Add(time.Hour)))
		newLink(t, s, domain.LinkInvite, "new")
		exec(t, s, "UPDATE one_time_links SET expires_at = $1 WHERE id = $2", now, newLink(t, s, domain.LinkInvite, "old").ID)
		for key, at := range map[string]time.Time{"old": now.Add(-25 * time.Hour), "new": now} {
			_, err := s.Throttles().Attempt(t.Context(), []byte(key), domain.ThrottleAccount, at)
			must(t, err)
		}
		before := len(everything(t, s)["tenant_events"])

		must(t, s.Upkeep().Housekeep(t.Context()))
		after := everything(t, s)
		for table, want := range map[string]int{"audit_log": 5, "tenant_events": before - 3, "lease_terms": 1 + 3, "bulk_jobs": 6 + 1, "bulk_items": 6 + 1,
			"sessions": 1, "one_time_links": 1, "auth_throttle": 1} {
			if got := len(after[table]); got != want {
				t.Errorf("%s has %d rows, want %d", table, got, want)
			}
		}
		wantUnchanged(t, s, func() { must(t, s.Upkeep().Housekeep(t.Context())) })
	})
}

// Another replica's clock may be right.
func TestHousekeep_DeletesNothingThatIsYoungByTheClockOfTheDatabase(t *testing.T) {
	w := onPostgres(t)
	exec(t, w.Store, "INSERT INTO tenant_events (tenant_id, id, at, event, reason, detail, replica) VALUES ($1, $2, $3, 'stop', '', '', '')",
		w.tenant.ID, domain.NewID(), domain.Now().Add(-91*24*time.Hour))
	passes(t, w.Store, -2*24*time.Hour)
	wantUnchanged(t, w.Store, func() { must(t, w.Upkeep().Housekeep(t.Context())) })
	passes(t, w.Store, 0)
	before := count(t, w.Store, "SELECT count(*) FROM tenant_events")
	must(t, w.Upkeep().Housekeep(t.Context()))
	if after := count(t, w.Store, "SELECT count(*) FROM tenant_events"); after != before-1 {
		t.Errorf("of %d events %d are left, want all but one", before, after)
	}
}

func TestHousekeep_GoesOnAfterATableThatFails(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		exec(t, w.Store, "INSERT INTO lease_terms (tenant_id, epoch, replica, acquired_at, released_at, why) VALUES ($1, -1, 'a', $2, $2, 'released')",
			w.tenant.ID, domain.Now().Add(-91*24*time.Hour))
		exec(t, w.Store, "ALTER TABLE one_time_links RENAME TO elsewhere")
		if err := w.Upkeep().Housekeep(t.Context()); err == nil || !strings.Contains(err.Error(), "one_time_links") {
			t.Errorf("error is %v, want one that names the table", err)
		}
		if n := count(t, w.Store, "SELECT count(*) FROM lease_terms WHERE epoch = -1"); n != 0 {
			t.Errorf("%d old terms are left", n)
		}
	})
}
