package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// backup copies the database of a world as docs/operate.md says, and returns
// how to put the copy back.
func (w *world) backup(t *testing.T) (restore func()) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "backup")
	if w.db.kind == "sqlite" {
		file := strings.TrimPrefix(w.db.url, "file:")
		w.change(t, "VACUUM INTO '"+copied+"'")
		return func() {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if err := os.Remove(file + suffix); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
			if err := os.Rename(copied, file); err != nil {
				t.Fatal(err)
			}
		}
	}
	run := func(program string, args ...string) {
		found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
		if err != nil || len(found) == 0 {
			t.Skipf("there is no %s", program)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if out, err := exec.CommandContext(ctx, found[len(found)-1], args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", program, err, out)
		}
	}
	run("pg_dump", "--format=custom", "--file="+copied, w.db.url)
	return func() {
		u, err := url.Parse(w.db.url)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(u.Path, "/")
		administer(t, os.Getenv(postgresVariable), "DROP DATABASE "+name+" WITH (FORCE)")
		administer(t, os.Getenv(postgresVariable), "CREATE DATABASE "+name)
		run("pg_restore", "--exit-on-error", "--no-owner", "--dbname="+w.db.url, copied)
	}
}

func TestRestore_AnOldBackupGoesOnAfterResettingTheSessions(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		w := newWorld(t, db, setting{"FLOWHQ_LEASE_TTL", "1s"})
		shop, asha, juma := w.opened(t, salon), w.customer(t, "Asha"), w.customer(t, "Juma")
		for range 3 {
			asha.asks(t, shop, "menu")
		}
		// A message waits at the time of the backup and goes out afterwards.
		w.wa.Faults().DelayAcks(shop.owner.Number(), 2*time.Second)
		news := shop.sends(t, asha.Number(), "news of today")
		restore := w.backup(t)
		w.wa.Faults().DelayAcks(shop.owner.Number(), 0)
		asha.reads(t, shop)
		for range 5 { // the ratchets of the phones go on; the backup does not know
			asha.asks(t, shop, "menu")
			juma.asks(t, shop, "menu")
		}
		shown := asha.shown(shop)

		w.child.kill()
		_ = w.tables.Close()
		restore()
		w.tables = reopened(t, db)
		var out string
		eventually(t, "the sessions are reset once the leases of the killed process have run out", patience, func() (bool, string) {
			stdout, stderr, code, err := run(w.settings, "reset-sessions")
			out = stdout
			return err == nil && code == 0, fmt.Sprint(stdout, stderr, err)
		})
		if !strings.Contains(out, "1 tenants are reset") {
			t.Errorf("reset-sessions says %q", out)
		}
		w.serve(t)
		shop.becomesConnected(t)

		for range 10 {
			asha.asks(t, shop, "menu")
			juma.asks(t, shop, "menu")
		}
		if n := asha.shown(shop); n != shown+10 {
			t.Errorf("Asha sees %d answers after ten more questions, had %d before", n, shown)
		}
		if n := w.wa.Ledger().CounterReuse; n != 0 {
			t.Errorf("%d message keys were used twice", n)
		}
		if got := w.count(t, "SELECT count(*) FROM outbox WHERE id = $1 AND open", news.ID); got != 0 {
			t.Error("the message that waited at the time of the backup goes out again by itself")
		}
	})
}

func TestRestore_RefusesWhileAReplicaIsAlive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, postgresDatabase(t))
	_, stderr, code, err := run(w.settings, "reset-sessions")
	if err != nil || code != 1 || !strings.Contains(stderr, "replicas are alive") {
		t.Errorf("beside a live replica reset-sessions ends with code %d (%v) and says %q", code, err, stderr)
	}
}

func reopened(t *testing.T, db database) *sql.DB {
	t.Helper()
	return db.open(t)
}

func TestRestore_AMessageThatNobodyCanReadIsNotTakenForSent(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		asha.asks(t, shop, "hello")
		w.child.stop(t)
		if stdout, stderr, code, err := run(w.settings, "reset-sessions"); err != nil || code != 0 {
			t.Fatalf("flowhq reset-sessions ended with code %d (%v): %s%s", code, err, stdout, stderr)
		}
		w.wa.Faults().NoPreKeys(shop.owner.Number(), true) // so that no session can be begun
		w.serve(t)
		shop.becomesConnected(t)
		news := shop.sends(t, asha.Number(), "news")
		eventually(t, "the message waits for another attempt", patience, func() (bool, string) {
			n := w.count(t, "SELECT count(*) FROM outbox WHERE id = $1 AND open AND attempts > 0", news.ID)
			return n == 1, shop.message(t, news.ID).Status
		})
		w.wa.Faults().NoPreKeys(shop.owner.Number(), false)
		asha.reads(t, shop)
	})
}
