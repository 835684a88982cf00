package store_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

func TestMigrate_TwiceChangesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		fill(t, w)
		wantUnchanged(t, w.Store, func() { must(t, w.Migrate(t.Context(), storetest.Upgrade)) })
		current, target, err := w.Version(t.Context())
		if err != nil || current == 0 || current != target {
			t.Errorf("version %d of %d, error %v", current, target, err)
		}
	})
}

func TestMigrate_BySeveralAtOnceTakesTurns(t *testing.T) {
	storetest.EachEmpty(t, func(t *testing.T, url string) {
		var all sync.WaitGroup
		for range 4 {
			s := storetest.Open(t, url)
			all.Go(func() {
				if err := s.Migrate(t.Context(), storetest.Upgrade); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		storetest.NewTenant(t, storetest.Open(t, url))
	})
}

func TestMigrate_UsesTheDatabaseOfANewerProgramUnlessThatNeedsIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		db, _ := s.DBForWhatsApp()
		_, err := db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
		must(t, err)
		must(t, s.Settings().PutSetting(t.Context(), "schema_needs", "1"))
		wantUnchanged(t, s, func() { must(t, s.Migrate(t.Context(), storetest.Upgrade)) })
		must(t, s.Settings().PutSetting(t.Context(), "schema_needs", "9999"))
		wantUnchanged(t, s, func() {
			err = s.Migrate(t.Context(), storetest.Upgrade)
			wantKind(t, err, domain.KindConflict)
			if err != nil && !strings.Contains(err.Error(), "9999") {
				t.Errorf("error is %v, want one that names the version", err)
			}
			_, _, err = s.Version(t.Context())
			wantKind(t, err, domain.KindConflict)
		})
	})
}

// The last of its migrations fails, as if it were killed there.
func TestMigrate_InterruptedKeepsOutProgramsThatCannotUseWhatIsDone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, older *store.Store) {
		migrations := fstest.MapFS{
			"9998_more.sql": {Data: []byte("-- +goose Up\n-- needs 9998: an older program does not know these rows.\nCREATE TABLE more (id text);\n")},
			"9999_bad.sql":  {Data: []byte("-- +goose Up\nINSERT INTO nowhere VALUES (1);\n")},
		}
		files, err := fs.Glob(storetest.Migrations(), "*.sql")
		must(t, err)
		for _, name := range files {
			text, err := fs.ReadFile(storetest.Migrations(), name)
			must(t, err)
			migrations[name] = &fstest.MapFile{Data: text}
		}
		options := storetest.Options(storetest.URL(older))
		options.Migrations = migrations
		newer, err := store.Open(t.Context(), options)
		must(t, err)
		defer newer.Close()
		if err := newer.Migrate(t.Context(), storetest.Upgrade); err == nil {
			t.Fatal("the migration did not fail")
		}
		if n := count(t, older, "SELECT count(*) FROM more"); n != 0 {
			t.Fatal("its first step is not done")
		}
		wantKind(t, older.Migrate(t.Context(), storetest.Upgrade), domain.KindConflict)
		_, _, err = older.Version(t.Context())
		wantKind(t, err, domain.KindConflict)
	})
}

func TestOpen_ExplainsWhatIsWrongWithoutThePassword(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	nobody := closed.Addr().String()
	must(t, closed.Close())
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for name, c := range map[string]struct {
		url  string
		kind domain.Kind
		says string
	}{
		"nobody listens":       {"postgres://amina:siri%21@" + nobody + "/flowhq", domain.KindUnavailable, nobody},
		"not an address":       {"postgres://amina:siri%21@host:port/flowhq", domain.KindInvalid, "DATABASE_URL"},
		"a broken escape":      {"postgres://amina:siri!%zz@host/flowhq", domain.KindInvalid, "DATABASE_URL"},
		"another database":     {"mysql://amina:siri!@host/flowhq", domain.KindInvalid, "postgres://"},
		"no address":           {"", domain.KindInvalid, "DATABASE_URL"},
		"a file without name":  {"file:", domain.KindInvalid, "path"},
		"a database in memory": {"file::memory:", domain.KindInvalid, "path"},
		"a folder in the way":  {"file:" + filepath.Join(file, "x", "flowhq.db"), domain.KindUnavailable, "folder"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(t.Context(), store.Options{URL: c.url, Migrations: storetest.Migrations()})
			if err == nil {
				_ = s.Close()
				t.Fatal("it opened")
			}
			wantKind(t, err, c.kind)
			var e *domain.Error
			if !errors.As(err, &e) || !strings.Contains(e.Message, c.says) {
				t.Errorf("message %q, want one with %q", err, c.says)
			}
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), e.Message} {
				if strings.Contains(text, "siri") {
					t.Errorf("the password is in %q", text)
				}
			}
		})
	}
}

func TestOpen_NamesADatabaseThatDoesNotExist(t *testing.T) {
	url := strings.Replace(storetest.Postgres(t), "flowhq_test_", "flowhq_absent_", 1)
	_, err := store.Open(t.Context(), storetest.Options(url))
	wantKind(t, err, domain.KindUnavailable)
	if err != nil && !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("error is %v", err)
	}
}

func TestOpen_MakesAPrivateFolderAndADurableFile(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data with 100%? #1", "deep")
	s := storetest.Open(t, "file:"+filepath.Join(folder, "flowhq.db"))
	info, err := os.Stat(folder)
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v", info.Mode())
	}
	if _, err := os.Stat(filepath.Join(folder, "flowhq.db")); err != nil {
		t.Error(err)
	}
	db, _ := s.DBForWhatsApp()
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
		if got := column(t, db, "PRAGMA "+pragma); got[0] != want {
			t.Errorf("%s is %v, want %s", pragma, got, want)
		}
	}
}

func TestOpen_GivesPostgresConnectionsANameAndBounds(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	db, _ := s.DBForWhatsApp()
	for setting, want := range map[string]string{"application_name": "fhq/" + s.ReplicaID().String(), "flowhq.replica": s.ReplicaID().String(),
		"statement_timeout": "5s", "lock_timeout": "3s", "idle_in_transaction_session_timeout": "5s"} {
		if got := column(t, db, "SELECT current_setting($1)", setting); got[0] != want {
			t.Errorf("%s is %v, want %s", setting, got, want)
		}
	}
}

func TestLock_LetsOneProcessServeAFile(t *testing.T) {
	url := storetest.SQLite(t)
	first, err := store.Open(t.Context(), storetest.Options(url))
	must(t, err)
	must(t, first.Lock())
	must(t, first.Lock()) // it has it already
	second := storetest.Open(t, url)
	err = second.Lock()
	wantKind(t, err, domain.KindConflict)
	for _, part := range []string{strings.TrimPrefix(url, "file:"), fmt.Sprint(os.Getpid()), "Postgres"} {
		if err != nil && !strings.Contains(err.Error(), part) {
			t.Errorf("error is %v, want one with %q", err, part)
		}
	}
	storetest.NewTenant(t, second) // a command needs no lock
	must(t, first.Close())
	if err := second.Lock(); err != nil {
		t.Errorf("after the first has gone: %v", err)
	}
}

func TestLock_IsNotNeededOnPostgres(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	must(t, s.Lock())
	must(t, storetest.Another(t, s).Lock())
}

// On SQLite the inbox, the portals, the runners and whatsmeow all write.
func TestStore_ManyWritersAtOnceNeverMeetABusyDatabase(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		db, _ := w.DBForWhatsApp()
		var all sync.WaitGroup
		run := func(call func(i int) error) {
			all.Go(func() {
				for i := range 25 {
					if err := call(i); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for k := range 3 {
			run(func(i int) error {
				_, err := w.receive(incoming(fmt.Sprint(k, "-", i), "x"), answer("y"))
				return err
			})
			run(func(i int) error {
				return w.Ratchet().Save(t.Context(), w.tenure, ratchetOf(fmt.Sprint(k, i)), uuid.Nil)
			})
			run(func(i int) error {
				_, err := w.Tenants().Update(t.Context(), w.tenant.ID, func(v *domain.TenantView) error { v.Name = fmt.Sprint(i); return nil })
				return err
			})
			run(func(i int) error {
				_, err := db.ExecContext(t.Context(), "UPDATE whatsmeow_device SET push_name = $1 WHERE jid = $2", fmt.Sprint(i), jid)
				return err
			})
			run(func(int) error {
				_, err := w.Messages().ListMessages(t.Context(), w.tenant.ID, domain.MessageFilter{}, domain.PageQuery{})
				return err
			})
		}
		all.Wait()
		if n := count(t, w.Store, "SELECT count(*) FROM message_logs WHERE direction = 'IN'"); n != 75 {
			t.Errorf("%d messages are stored, want 75", n)
		}
	})
}

func TestStore_ComesBackAfterItsConnectionsAreCut(t *testing.T) {
	w := onPostgres(t)
	w.mustReceive(incoming("before", "x"), silent)
	other := storetest.Another(t, w.Store)
	if n := count(t, other, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1", "fhq/"+w.ReplicaID().String()); n == 0 {
		t.Fatal("no connection was cut")
	}
	waitFor(t, "a message is stored again", func() bool {
		_, err := w.receive(incoming("after", "x"), silent)
		if err != nil && domain.KindOf(err) != domain.KindUnavailable {
			t.Fatalf("error is %v, want kind unavailable", err)
		}
		return err == nil
	})
}

func TestStore_KeepsNothingOpenWhenACallIsCancelled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 20 {
			ctx, cancel := contextThatEnds(t, time.Duration(i)*200*time.Microsecond)
			_, _ = w.Inbox().Receive(ctx, w.tenure, incoming(fmt.Sprint("c", i), "x"), ratchetOf(fmt.Sprint(i)), answer("y"))
			cancel()
		}
		// Nobody holds the lease row: a change of owner does not wait.
		must(t, w.Leases().Release(t.Context(), []domain.Tenure{w.tenure}, 0))
		in, out := count(t, w.Store, "SELECT count(*) FROM message_logs WHERE direction = 'IN'"), count(t, w.Store, "SELECT count(*) FROM outbox")
		if in != out {
			t.Errorf("%d messages but %d answers: something was stored by half", in, out)
		}
	})
}

// One text makes the tables of both databases, so they must have the same columns.
func TestMigrations_MakeTheSameTablesOnBoth(t *testing.T) {
	lite := storetest.Open(t, storetest.SQLite(t))
	pg := storetest.Open(t, storetest.Postgres(t))
	liteDB, _ := lite.DBForWhatsApp()
	pgDB, _ := pg.DBForWhatsApp()
	want := column(t, pgDB, `SELECT table_name || '.' || column_name || ' ' || (is_nullable = 'YES') FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name NOT LIKE 'whatsmeow%' AND table_name NOT LIKE 'goose%' ORDER BY 1`)
	got := column(t, liteDB, `SELECT m.name || '.' || p.name || ' ' || CASE WHEN p."notnull" OR (p.pk > 0) THEN 'false' ELSE 'true' END
		FROM sqlite_master m JOIN pragma_table_info(m.name) p
		WHERE m.type = 'table' AND m.name NOT LIKE 'whatsmeow%' AND m.name NOT LIKE 'goose%' AND m.name NOT LIKE 'sqlite%' ORDER BY 1`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-postgres +sqlite):\n%s", diff)
	}
}
