package store_test

import (
	"context"
	"testing"
	"time"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

// serveHistory makes a tenant with so many messages and keys of each kind, and
// returns its tenure.
func serveHistory(t testing.TB, s *store.Store, messages, keys int) domain.Tenure {
	t.Helper()
	tenant := storetest.NewTenant(t, s)
	tenure, device := storetest.Serve(t, s, tenant), tenant.ID.String()+":1@s.whatsapp.net"
	storetest.Device(t, s, tenure, device)
	manyKeys(t, s, device, keys)
	id := "gen_random_uuid()"
	if _, dialect := s.DBForWhatsApp(); dialect == "sqlite" {
		id = "lower(hex(randomblob(16)))"
	}
	exec(t, s, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
		INSERT INTO message_logs (tenant_id, id, direction, contact, from_number, to_number, message_text, kind, wa_message_id, status, reason, from_phone, created_at)
		SELECT $1, `+id+`, 'IN', '+255700000001', '', '', 'habari', 'text', '', '', '', false, $3 FROM n`, tenure.TenantID, messages, domain.Now())
	return tenure
}

func TestCommandDone_RemovesALongHistoryInManyShortAttempts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		messages, keys := 10_000, 20_000
		if _, dialect := s.DBForWhatsApp(); dialect == "pgx" {
			messages, keys = 20_000, 40_000 // it is faster
		}
		storetest.Replica(t, s, "a")
		alike, tenure := serveHistory(t, s, messages, keys), serveHistory(t, s, messages, keys)
		began := time.Now()
		must(t, s.Leases().CommandDone(t.Context(), alike, domain.CommandDelete, false))
		patience := time.Since(began) / 3

		attempts, done := 0, false
		for ; !done && attempts < 40; attempts++ {
			// The last ones have two thirds of the time of the whole: the end of it is one step.
			ctx, cancel := context.WithTimeout(t.Context(), patience*time.Duration(1+attempts/20))
			err := s.Leases().CommandDone(ctx, tenure, domain.CommandDelete, false)
			cancel()
			done = err == nil
		}
		left, sessions := count(t, s, "SELECT count(*) FROM message_logs"), count(t, s, "SELECT count(*) FROM whatsmeow_sessions")
		if !done || left != 0 || sessions != 0 {
			t.Errorf("after %d attempts of %v %d of %d messages and %d of %d sessions are left", attempts, patience, left, messages, sessions, keys)
		}
		_, err := s.Tenants().Get(t.Context(), tenure.TenantID)
		wantKind(t, err, domain.KindNotFound)
	})
}

// Its rows have no foreign key, so nothing else would ever delete them.
func TestCommandDone_TakesWithItWhatIsAcceptedMeanwhile(t *testing.T) {
	w := onPostgres(t)
	waiting := func(n int) func() bool {
		return func() bool {
			return count(t, w.Store, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()") == n
		}
	}
	// The same request, not stored yet, holds up the one that is accepted.
	same, err := db(w).BeginTx(t.Context(), nil)
	must(t, err)
	defer same.Rollback() //nolint:errcheck // done below
	_, err = same.ExecContext(t.Context(), `INSERT INTO outbox (tenant_id, id, contact, chat_jid, lane, wa_id, dedup_key, in_reply_to, body, open, status, attempts, epoch, run_at, last_error, created_at)
		VALUES ($1, $2, 'a', 'a', 1, 'x', 'once', '', 'habari', true, 'queued', 0, 0, now(), '', now())`, w.tenant.ID, domain.NewID())
	must(t, err)
	accepted, removed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := w.Messages().Enqueue(context.Background(), domain.Outbound{TenantID: w.tenant.ID, Contact: "a", ChatJID: "a", Lane: domain.LaneManual, Text: "habari", DedupKey: "once"})
		accepted <- err
	}()
	waitFor(t, "the message is about to be stored", waiting(1))
	go func() {
		removed <- w.Leases().CommandDone(context.Background(), w.tenure, domain.CommandDelete, false)
	}()
	waitFor(t, "the removal waits for it", waiting(2))
	must(t, same.Rollback())
	must(t, <-accepted)
	must(t, <-removed)
	wantGone(t, w)
}

func TestDelete_LeavesALongHistoryToAReplica(t *testing.T) {
	t.Run("messages", func(t *testing.T) { leavesToAReplica(t, 10_001, 1) })
	t.Run("keys", func(t *testing.T) { leavesToAReplica(t, 1, 10_001) })
}

func leavesToAReplica(t *testing.T, messages, keys int) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		storetest.Replica(t, s, "a")
		tenure := serveHistory(t, s, messages, keys)
		must(t, s.Leases().Release(t.Context(), []domain.Tenure{tenure}, 0))
		done, err := s.Tenants().Delete(t.Context(), tenure.TenantID)
		if err != nil || done {
			t.Fatalf("done %v, error %v", done, err)
		}
		taken, err := s.Leases().Acquire(t.Context(), s.ReplicaID(), 10)
		must(t, err)
		if len(taken) != 1 || taken[0].Command != domain.CommandDelete {
			t.Fatalf("leases %+v", taken)
		}
		must(t, s.Leases().CommandDone(t.Context(), taken[0].Tenure, domain.CommandDelete, false))
		_, err = s.Tenants().Get(t.Context(), tenure.TenantID)
		wantKind(t, err, domain.KindNotFound)
	})
}
