package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

func alerts(t testing.TB, s *store.Store, now time.Time, limit int) []domain.Alert {
	t.Helper()
	all, err := s.Operations().Alerts(t.Context(), now, limit)
	must(t, err)
	return all
}

func wantAlerts(t testing.TB, s *store.Store, now time.Time, want ...domain.Alert) {
	t.Helper()
	if diff := cmp.Diff(want, alerts(t, s, now, 10)); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

// at is a time of the database as a test reads it.
func at(t testing.TB, s *store.Store, query string, args ...any) (v time.Time) {
	t.Helper()
	must(t, dbOf(s).QueryRowContext(t.Context(), query, args...).Scan(&v))
	return v.UTC()
}

// alive keeps the replicas from looking late.
func alive(t testing.TB, s *store.Store, now time.Time) {
	t.Helper()
	exec(t, s, "UPDATE replicas SET heartbeat_at = $1", now)
}

func TestAlerts_AreNoneWhileAllIsWell(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.report(domain.LinkReport{Event: domain.EventConnected, JID: jid})
		w.queue(neema, domain.LaneManual, domain.Now())
		storetest.NewTenant(t, w.Store)
		wantAlerts(t, w.Store, domain.Now())
		later := domain.Now().Add(time.Minute)
		alive(t, w.Store, later)
		wantAlerts(t, w.Store, later)
	})
}

func TestAlerts_NameATenantThatNeedsSomebody(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		v := w.report(domain.LinkReport{Event: domain.EventFailed, Reason: domain.ReasonBanned})
		wantAlerts(t, w.Store, domain.Now(), domain.Alert{Kind: domain.AlertTenantError, TenantID: w.tenant.ID, Tenant: w.tenant.Name, Reason: domain.ReasonBanned,
			Replica: "a", Since: v.Session.UpdatedAt})
	})
}

func TestAlerts_NameATenantThatIsSilentAndThenOffline(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.report(domain.LinkReport{Event: domain.EventConnected, JID: jid})
		v := w.report(domain.LinkReport{Event: domain.EventLost, Reason: domain.ReasonNetwork})
		alert := domain.Alert{TenantID: w.tenant.ID, Tenant: w.tenant.Name, Reason: domain.ReasonNetwork, Replica: "a", Since: *v.Session.LastSeenAt}
		for after, kind := range map[time.Duration]domain.AlertKind{time.Minute: "", 3 * time.Minute: domain.AlertTenantSilent, 25 * time.Hour: domain.AlertTenantOffline} {
			now := v.Session.LastSeenAt.Add(after)
			alive(t, w.Store, now)
			if alert.Kind = kind; kind == "" {
				wantAlerts(t, w.Store, now)
				continue
			}
			wantAlerts(t, w.Store, now, alert)
		}
		// Stopped on purpose, and started again after days: it gets its time to connect.
		stopped, err := w.Tenants().Steer(t.Context(), w.tenant.ID, domain.EventStop)
		must(t, err)
		alive(t, w.Store, stopped.UpdatedAt.Add(time.Hour))
		wantAlerts(t, w.Store, stopped.UpdatedAt.Add(time.Hour))
		exec(t, w.Store, "UPDATE whatsapp_sessions SET last_seen_at = $1", domain.Now().Add(-48*time.Hour))
		start(t, w.Store, w.tenant.ID)
		alive(t, w.Store, domain.Now())
		wantAlerts(t, w.Store, domain.Now())
	})
}

func TestAlerts_CountTenantsThatNobodyServes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, id := range several(t, s, 2) {
			start(t, s, id)
		}
		wantAlerts(t, s, domain.Now())
		wantAlerts(t, s, domain.Now().Add(3*time.Minute), domain.Alert{Kind: domain.AlertTenantUnserved, Count: 2, Since: at(t, s, "SELECT not_before FROM leases ORDER BY not_before LIMIT 1")})
	})
}

func TestAlerts_NameAReplicaThatIsLate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		storetest.Replica(t, s, "a")
		gone := domain.Replica{ID: domain.NewID(), Name: "gone"}
		must(t, s.Leases().Register(t.Context(), gone, ttl))
		must(t, s.Leases().Retire(t.Context(), gone.ID))
		since := at(t, s, "SELECT heartbeat_at FROM replicas WHERE name = 'a'")
		wantAlerts(t, s, since.Add(19*time.Second))
		wantAlerts(t, s, since.Add(21*time.Second), domain.Alert{Kind: domain.AlertReplicaLate, Replica: "a", Since: since})
	})
}

func TestAlerts_CountWaitingDeadAndQuarantinedMessages(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.report(domain.LinkReport{Event: domain.EventConnected, JID: jid})
		now := domain.Now()
		old := now.Add(-10 * time.Minute)
		for created, status := range map[time.Time]domain.MessageStatus{old: domain.StatusFailed, old.Add(time.Minute): domain.StatusExpired,
			now.Add(-25 * time.Hour): domain.StatusFailed} {
			m, err := w.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: w.tenant.ID, Contact: neema, ChatJID: "c", Text: "x", CreatedAt: created})
			must(t, err)
			w.finish(m, status)
		}
		for _, created := range []time.Time{old, old.Add(time.Minute), now} {
			_, err := w.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: w.tenant.ID, Contact: neema, ChatJID: "c", Text: "x", CreatedAt: created})
			must(t, err)
		}
		must(t, w.Inbox().Quarantine(t.Context(), w.tenure, incoming("long ago", "x"), nil, "bug"))
		exec(t, w.Store, "UPDATE inbound_quarantine SET created_at = $1", now.Add(-8*24*time.Hour))
		must(t, w.Inbox().Quarantine(t.Context(), w.tenure, incoming("bad", "x"), nil, "bug"))
		alert := func(kind domain.AlertKind, n int, since time.Time) domain.Alert {
			return domain.Alert{Kind: kind, TenantID: w.tenant.ID, Tenant: w.tenant.Name, Count: n, Since: since}
		}
		wantAlerts(t, w.Store, now, alert(domain.AlertOutboxOld, 2, old), alert(domain.AlertDeadLetters, 2, old),
			alert(domain.AlertQuarantine, 1, at(t, w.Store, "SELECT created_at FROM inbound_quarantine ORDER BY created_at DESC LIMIT 1")))
	})
}

func TestAlerts_AreBoundedForEachKindAndBeginWithTheOldest(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var want []uuid.UUID
		for i, id := range several(t, s, 4) {
			exec(t, s, "UPDATE tenants SET status = 'ERROR' WHERE id = $1", id)
			exec(t, s, "UPDATE whatsapp_sessions SET updated_at = $1 WHERE tenant_id = $2", domain.Now().Add(-time.Duration(i)*time.Hour), id)
			want = append([]uuid.UUID{id}, want...)
		}
		exec(t, s, "UPDATE leases SET wanted = true, not_before = $1", domain.Now().Add(-time.Hour))
		var got []uuid.UUID
		for i, a := range alerts(t, s, domain.Now(), 2) {
			if (i == 0) != (a.Kind == domain.AlertTenantUnserved) {
				t.Errorf("alert %d is %q", i, a.Kind)
			}
			if i > 0 {
				got = append(got, a.TenantID)
			}
		}
		if diff := cmp.Diff(want[:2], got); diff != "" {
			t.Errorf("tenants (-want +got):\n%s", diff)
		}
	})
}
