// Package storetest gives every test a migrated database of its own, on both
// dialects. Postgres is used when FLOWHQ_TEST_POSTGRES holds the address of a
// role that may create databases; without it those tests are skipped, loudly.
package storetest

import (
	"context"
	"database/sql"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"go.mau.fi/whatsmeow/store/sqlstore"

	"flowhq/domain"
	"flowhq/store"
)

// Each runs a test on SQLite and on Postgres, each with an empty database that
// has all tables, whatsmeow's included.
func Each(t *testing.T, run func(t *testing.T, s *store.Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { run(t, Open(t, SQLite(t))) })
	t.Run("postgres", func(t *testing.T) { run(t, Open(t, Postgres(t))) })
}

// EachEmpty runs a test with the address of a database without any table.
func EachEmpty(t *testing.T, run func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { run(t, "file:"+filepath.Join(t.TempDir(), "flowhq.db")) })
	t.Run("postgres", func(t *testing.T) { run(t, EmptyPostgres(t)) })
}

var urls sync.Map // *store.Store → its address

// Open opens a database under a new replica id and closes it after the test.
func Open(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), Options(url))
	if err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
	urls.Store(s, url)
	t.Cleanup(func() {
		urls.Delete(s)
		if err := s.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return s
}

// Another opens the database of s a second time, as another replica would.
func Another(t testing.TB, s *store.Store) *store.Store {
	t.Helper()
	return Open(t, URL(s))
}

// URL returns the address of a store that this package opened.
func URL(s *store.Store) string {
	url, _ := urls.Load(s)
	return url.(string)
}

// Options opens a database quietly under a new replica id.
func Options(url string) store.Options {
	return store.Options{URL: url, ReplicaID: domain.NewID(), MaxConns: 8, Migrations: Migrations(), Logger: slog.New(slog.DiscardHandler)}
}

// Migrations are the files of the source tree.
func Migrations() fs.FS {
	_, here, _, _ := runtime.Caller(0)
	return os.DirFS(filepath.Join(filepath.Dir(here), "..", "..", "migrations"))
}

// Upgrade makes whatsmeow's tables.
func Upgrade(ctx context.Context, db *sql.DB, dialect string) error {
	return sqlstore.NewWithDB(db, dialect, nil).Upgrade(ctx)
}

// migrated makes all tables in an empty database.
func migrated(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), databaseDeadline)
	defer cancel()
	s, err := store.Open(ctx, Options(url))
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Migrate(ctx, Upgrade)
}
