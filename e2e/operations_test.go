package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSecondServer_OnTheSameFileRefuses(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	oneLine(t, w.settings, "in use by process", "stop that process first")
	if status, body := w.get("/readyz"); status != http.StatusOK {
		t.Errorf("the first server answers %d %s after the attempt, want 200", status, body)
	}
}

func TestSecondServer_OnPostgresSharesTheWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, postgresDatabase(t))
	shop, asha := w.opened(t, salon), w.customer(t, "Asha")
	asha.asks(t, shop, "hello")
	first := w.child
	w.spawn(t, setting{"FLOWHQ_REPLICA_NAME", "second"})
	if err := w.child.await(readyWithin); err != nil {
		t.Fatal(err)
	}
	defer first.kill()
	if v := shop.tenant(t); v.Worker.Replica != "e2e" {
		t.Errorf("the second replica took the tenant away from a living one: %+v", v)
	}
	asha.asks(t, shop, "menu")
	first.stop(t)
	eventually(t, "the second replica serves the tenant", patience, func() (bool, string) {
		v := shop.tenant(t)
		return v.Worker.Replica == "second" && v.Session.State == "CONNECTED", fmt.Sprintf("%+v", v)
	})
	asha.asks(t, shop, "menu")
	if n := asha.shown(shop); n != 3 {
		t.Errorf("the customer sees %d answers to 3 messages", n)
	}
}

func TestSecondServer_TakesOverFromAKilledOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, postgresDatabase(t), setting{"FLOWHQ_LEASE_TTL", "3s"})
	shop, asha := w.opened(t, salon), w.customer(t, "Asha")
	asha.asks(t, shop, "hello")
	first := w.child
	defer first.kill()
	w.spawn(t, setting{"FLOWHQ_REPLICA_NAME", "second"})
	if err := w.child.await(readyWithin); err != nil {
		t.Fatal(err)
	}
	asha.writes(t, shop, "menu")
	first.kill()
	asha.writes(t, shop, "menu")
	for range 2 {
		asha.reads(t, shop)
	}
	asha.asks(t, shop, "menu")
	if n := asha.shown(shop); n != 4 {
		t.Errorf("the customer sees %d answers to 4 messages", n)
	}
	if v := shop.tenant(t); v.Worker.Replica != "second" {
		t.Errorf("the tenant is served by %q, want the second replica", v.Worker.Replica)
	}
}

func TestDrainedServer_HandsItsTenantsOverAndTakesNoneUntilItServesAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, postgresDatabase(t))
	shop, asha := w.opened(t, salon), w.customer(t, "Asha")
	asha.asks(t, shop, "hello")
	first := w.child
	defer first.kill()
	w.spawn(t, setting{"FLOWHQ_REPLICA_NAME", "second"})
	if err := w.child.await(readyWithin); err != nil {
		t.Fatal(err)
	}
	servedBy := func(name string) {
		t.Helper()
		eventually(t, name+" serves the tenant", patience, func() (bool, string) {
			v := shop.tenant(t)
			return v.Worker.Replica == name && v.Session.State == "CONNECTED", fmt.Sprintf("%+v", v)
		})
	}
	w.change(t, "UPDATE replicas SET state = 'draining' WHERE name = 'e2e'")
	servedBy("second")
	asha.asks(t, shop, "menu")
	w.change(t, "UPDATE replicas SET state = CASE name WHEN 'e2e' THEN 'alive' ELSE 'draining' END WHERE state <> 'dead'")
	servedBy("e2e")
	asha.asks(t, shop, "menu")
	if n := asha.shown(shop); n != 3 {
		t.Errorf("the customer sees %d answers to 3 messages", n)
	}
	if n := w.wa.Ledger().CounterReuse; n != 0 {
		t.Errorf("%d message keys were used twice by a process that lost the tenant and got it back", n)
	}
}

func TestMetrics_CountWhatHappened(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		asha.asks(t, shop, "hello")
		shop.settles(t, shop.sends(t, asha.Number(), "by hand").ID, "read")
		status, body := w.get("/metrics")
		if status != http.StatusOK {
			t.Fatalf("/metrics answers %d", status)
		}
		for _, line := range []string{
			`flowhq_messages_in_total{kind="text"} 1`, `flowhq_messages_out_total{lane="reply"} 1`, `flowhq_messages_out_total{lane="manual"} 1`,
			`flowhq_reply_seconds_count 1`, `flowhq_tenants{status="ACTIVE"} 1`, `flowhq_outbox_depth 0`, `flowhq_outbox_age_seconds 0`,
			`flowhq_quarantine_depth 0`, `flowhq_replicas 1`, `flowhq_tenants_unserved 0`, `flowhq_tenants_linked 1`, `flowhq_leases_held 1`, `flowhq_connected 1`, `flowhq_duplicates_total 0`,
			`flowhq_old_counter_total 0`, `flowhq_undecryptable_total 0`, `flowhq_panics_total 0`, `flowhq_dead_letters_total 0`, `flowhq_heartbeat_failures_total 0`, `flowhq_cuts_total 0`,
			`flowhq_fence_rejections_total 0`, `flowhq_quarantined_total 0`, `flowhq_retry_receipts_total 0`,
		} {
			if !strings.Contains(body, "\n"+line+"\n") {
				t.Errorf("/metrics lacks the line %s", line)
			}
		}
		if t.Failed() {
			for line := range strings.Lines(body) {
				if strings.HasPrefix(line, "flowhq_") {
					t.Log(strings.TrimSpace(line))
				}
			}
		}
		r, err := w.try(http.MethodGet, "/metrics", "", nil, "X-Forwarded-For", "203.0.113.9")
		if err != nil || r.status != http.StatusUnauthorized {
			t.Errorf("/metrics through a proxy answers %d (%v), want 401", r.status, err)
		}
	})
}

func TestStart_OnAnExistingDatabaseIsQuick(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		var shops []*shop
		for range 3 {
			shops = append(shops, w.opened(t, salon))
		}
		w.child.stop(t)
		w.serve(t)
		ready := w.child.took
		for _, s := range shops {
			s.becomesConnected(t)
		}
		t.Logf("from start to ready %s, until 3 tenants are connected %s", ready.Round(time.Millisecond), time.Since(w.child.started).Round(time.Millisecond))
		if ready > 5*time.Second {
			t.Errorf("it took %s from start to ready, want less than 5 s", ready)
		}
	})
}

func TestCheck_WorksBesideARunningServer(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		stdout, stderr, code, err := run(w.settings, "check")
		if err != nil || code != 0 || !strings.Contains(stdout, "the database answers") {
			t.Errorf("flowhq check ended with code %d (%v): %s%s", code, err, stdout, stderr)
		}
	})
}

func TestCheck_LeavesADatabaseAsItIs(t *testing.T) {
	t.Parallel()
	url := filepath.Join(t.TempDir(), "flowhq.db")
	stdout, stderr, code, err := run(map[string]string{"DATABASE_URL": "file:" + url}, "check")
	if err != nil || code != 0 || !strings.Contains(stdout, `"flowhq migrate"`) {
		t.Fatalf("flowhq check ended with code %d (%v): %s%s", code, err, stdout, stderr)
	}
	if strings.Contains(stdout, "Stop all") {
		t.Errorf("nobody uses an empty database, and yet somebody is to be stopped: %s", stdout)
	}
	stdout, _, _, _ = run(map[string]string{"DATABASE_URL": "file:" + url}, "check")
	if !strings.Contains(stdout, "It has version 0") {
		t.Errorf("the second check finds a migrated database: %s", stdout)
	}
}

func TestCheck_SaysWhenOlderReplicasMustStopFirst(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.change(t, "DELETE FROM goose_db_version WHERE version_id > 2") // 0003 says that older programs cannot go on
		stdout, stderr, code, err := run(w.settings, "check")
		if err != nil || code != 0 || !strings.Contains(stdout, "Stop all running replicas") || !strings.Contains(stdout, "version 3 ") {
			t.Errorf("flowhq check ended with code %d (%v): %s%s", code, err, stdout, stderr)
		}
	})
}

func TestLog_HoldsNoSecretsNumbersOrTexts(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		asha.asks(t, shop, "a very private question")
		w.child.stop(t)
		log := w.log.String()
		for what, text := range map[string]string{"the API key": w.key, "the customer's number": asha.Number()[1:], "a message": "private question"} {
			if strings.Contains(log, text) {
				t.Errorf("the log shows %s", what)
			}
		}
	})
}
