package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

// inTheWay are transactions that keep a step of a migration waiting, and what
// makes that step necessary.
var inTheWay = map[string]struct{ needed, lock string }{
	"a backup reads the leases":                       {lock: "LOCK TABLE leases IN ACCESS SHARE MODE"},
	"a forgotten transaction wrote to a fenced table": {"DROP TRIGGER flowhq_fence ON whatsmeow_sessions", "LOCK TABLE whatsmeow_sessions IN ROW EXCLUSIVE MODE"},
}

// newerProgram opens the database of w with a migration more, of the leases.
func newerProgram(t testing.TB, w *world) *store.Store {
	t.Helper()
	files := fstest.MapFS{"9000_later.sql": {Data: []byte("-- +goose Up\nALTER TABLE leases ADD COLUMN later text;\n")}}
	known, err := fs.Glob(storetest.Migrations(), "*.sql")
	must(t, err)
	for _, name := range known {
		text, err := fs.ReadFile(storetest.Migrations(), name)
		must(t, err)
		files[name] = &fstest.MapFile{Data: text}
	}
	o := storetest.Options(storetest.URL(w.Store))
	o.Migrations = files
	s, err := store.Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// hold begins a transaction of somebody else's with a lock; end ends it.
func hold(t testing.TB, w *world, lock string) (end func()) {
	t.Helper()
	db, err := sql.Open("pgx", storetest.URL(w.Store)+"&application_name=backup")
	must(t, err)
	tx, err := db.BeginTx(t.Context(), nil)
	must(t, err)
	_, err = tx.ExecContext(t.Context(), lock)
	must(t, err)
	end = func() { _ = tx.Rollback(); _ = db.Close() }
	t.Cleanup(end)
	return end
}

// waits reports whether the migration waits for a table at this moment.
func waits(t testing.TB, w *world) bool {
	return count(t, w.Store, `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE NOT l.granted AND a.datname = current_database() AND a.application_name = 'fhq/00000000-0000-0000-0000-000000000000'`) > 0
}

func TestMigrate_LetsTheFleetLiveWhileItWaitsForALock(t *testing.T) {
	for name, c := range inTheWay {
		t.Run(name, func(t *testing.T) {
			w := onPostgres(t)
			if c.needed != "" {
				exec(t, w.Store, c.needed)
			}
			end := hold(t, w, c.lock)
			newer, done := newerProgram(t, w), make(chan error, 1)
			go func() { done <- newer.Migrate(t.Context(), storetest.Upgrade) }()
			for i := range 2 {
				waitFor(t, "the migration waits", func() bool { return waits(t, w) })
				began := time.Now()
				_, err := w.Leases().Heartbeat(t.Context(), w.self, nil, nil, ttl)
				if took := time.Since(began); err != nil || took > 2500*time.Millisecond {
					t.Errorf("heartbeat %d took %v: %v", i, took, err)
				}
				_, err = w.receive(incoming(fmt.Sprint(i), "habari"), silent)
				if err != nil {
					t.Errorf("message %d: %v", i, err)
				}
				waitFor(t, "the migration steps aside", func() bool { return !waits(t, w) })
			}
			end()
			if err := <-done; err != nil {
				t.Errorf("the way is free, but the migration fails: %v", err)
			}
			must(t, w.CheckFence(t.Context()))
			if n := count(t, w.Store, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'leases'::regclass AND attname = 'later'"); n != 1 {
				t.Error("the migration is not done")
			}
		})
	}
}

func TestMigrate_NamesWhoIsInTheWayWhenItsTimeIsOver(t *testing.T) {
	w := onPostgres(t)
	hold(t, w, "LOCK TABLE leases IN ACCESS SHARE MODE")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	err := newerProgram(t, w).Migrate(ctx, storetest.Upgrade)
	wantKind(t, err, domain.KindUnavailable)
	holder := column(t, dbOf(w.Store), "SELECT 'pid ' || pid || ' (backup, idle in transaction' FROM pg_stat_activity WHERE application_name = 'backup' AND datname = current_database()")
	if err == nil || len(holder) != 1 || !strings.Contains(err.Error(), holder[0]) {
		t.Errorf("error is %v, want one that names %v", err, holder)
	}
}
