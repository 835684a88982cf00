package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"syscall"

	"github.com/google/uuid"
	"github.com/pressly/goose/v3"

	"flowhq/domain"
)

// Upgrade brings foreign tables in the same database up to date: whatsmeow's.
// dialect is what whatsmeow calls the database.
type Upgrade func(ctx context.Context, db *sql.DB, dialect string) error

// Migrate brings all tables up to date: ours, then those that upgrade makes,
// then the fence around them. Several processes may call it at once; they take
// turns. A database that a newer program has changed is used as it is, unless
// one of its migrations says that older programs no longer can.
func (s *Store) Migrate(ctx context.Context, upgrade Upgrade) error {
	if s.dialect == postgres {
		return s.migratePostgres(ctx, upgrade)
	}
	release, err := flock(ctx, s.path+".migrate")
	if err != nil {
		return err
	}
	defer release()
	return s.migrate(ctx, s.writer, upgrade, atOnce)
}

// migrationLock is the advisory lock under which one process migrates.
const migrationLock = 0x666c6f776871 // "flowhq"

// migratePostgres uses connections of its own, without the short timeouts.
func (s *Store) migratePostgres(ctx context.Context, upgrade Upgrade) error {
	config, err := parsePostgres(s.url)
	if err != nil {
		return err
	}
	db := postgresPool(config, uuid.Nil, 4, migrationParams)
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return unreachable(config, err)
	}
	defer conn.Close() // ends the session and with it the lock
	if err := takeTurn(ctx, conn, s.logger); err != nil {
		return err
	}
	defer func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(migrationLock))
	}()
	step := steps{db: db, logger: s.logger}.run
	if err := s.migrate(ctx, db, upgrade, step); err != nil {
		return err
	}
	return step(ctx, "the lease fence", func() error { return installFence(ctx, db) })
}

// atOnce runs a step of a migration that nobody can be in the way of.
func atOnce(_ context.Context, _ string, fn func() error) error { return fn() }

func (s *Store) migrate(ctx context.Context, db *sql.DB, upgrade Upgrade, step func(ctx context.Context, what string, fn func() error) error) error {
	provider, err := s.provider(db)
	if err != nil {
		return err
	}
	current, target, err := s.versions(ctx, db, provider)
	if err != nil {
		return err
	}
	if current <= target {
		if err := step(ctx, "the tables of Flow HQ", func() error { return s.up(ctx, db, provider, current) }); err != nil {
			return err
		}
	}
	if upgrade == nil {
		return nil
	}
	return step(ctx, "the WhatsApp tables", func() error {
		return translate("upgrade the WhatsApp tables", upgrade(ctx, db, s.whatsappDialect()))
	})
}

// settingNeeds keeps the newest version that a program must know to use this
// database. Migrations only add, so an older program can run beside a newer one
// or in its place. One that cannot be used without says so in a comment,
// "-- needs N", with its own number.
const settingNeeds = "schema_needs"

var needsLine = regexp.MustCompile(`(?m)^-- needs (\d+)\b`)

// newer decides about a database that a newer program has changed.
func (s *Store) newer(ctx context.Context, db *sql.DB, current, target int64) error {
	var needs int64
	err := db.QueryRowContext(ctx, "SELECT CAST(value AS integer) FROM settings WHERE key = '"+settingNeeds+"'").Scan(&needs)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return translate("read the version that the database needs", err)
	}
	if err != nil || needs > target {
		return domain.Errorf(domain.KindConflict, "the database has version %d and this program knows versions up to %d: use the newer program", current, target)
	}
	s.logger.Warn("a newer program has changed the database; this one can still use it", "database", current, "program", target)
	return nil
}

// up migrates, and notes which programs can use the database from now on: before
// that, too, or one that is killed in between leaves tables that an older program
// takes for usable.
func (s *Store) up(ctx context.Context, db *sql.DB, provider *goose.Provider, current int64) error {
	if current > 0 { // the first migration makes the table
		if err := s.noteNeeds(ctx, db); err != nil {
			return err
		}
	}
	if _, err := provider.Up(ctx); err != nil {
		return translate("migrate the database", err)
	}
	return s.noteNeeds(ctx, db)
}

func (s *Store) noteNeeds(ctx context.Context, db *sql.DB) error {
	needs, err := s.Needs()
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf(`INSERT INTO settings (key, value, updated_at) VALUES ('%s', '%d', flowhq_after(0))
		ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE settings.value <> excluded.value`, settingNeeds, needs))
	return translate("note the version that the database needs", err)
}

// Needs is the oldest version that a program must know to use the database once
// this program has migrated it. Older ones have to be stopped before that.
func (s *Store) Needs() (needs int64, err error) {
	needs = 1
	files, err := fs.Glob(s.migrations, "*.sql")
	if err != nil {
		return 0, err
	}
	for _, name := range files {
		text, err := fs.ReadFile(s.migrations, name)
		if err != nil {
			return 0, fmt.Errorf("read migrations: %w", err)
		}
		if m := needsLine.FindSubmatch(text); m != nil {
			n, _ := strconv.ParseInt(string(m[1]), 10, 64)
			needs = max(needs, n)
		}
	}
	return needs, nil
}

func (s *Store) provider(db *sql.DB) (*goose.Provider, error) {
	name := goose.DialectSQLite3
	if s.dialect == postgres {
		name = goose.DialectPostgres
	}
	provider, err := goose.NewProvider(name, db, render(s.migrations, s.dialect),
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(s.logger))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return provider, nil
}

// Version returns the version of the database and the newest that this program
// knows; they are equal when nothing is to be migrated. It is an error of
// KindConflict when a newer program has changed the database so that this one
// cannot use it.
func (s *Store) Version(ctx context.Context) (current, target int64, err error) {
	provider, err := s.provider(s.writer)
	if err != nil {
		return 0, 0, err
	}
	return s.versions(ctx, s.writer, provider)
}

func (s *Store) versions(ctx context.Context, db *sql.DB, provider *goose.Provider) (current, target int64, err error) {
	current, target, err = provider.GetVersions(ctx)
	if err != nil {
		return 0, 0, translate("read the version of the database", err)
	}
	if current > target {
		err = s.newer(ctx, db, current, target)
	}
	return current, target, err
}

// flock waits for the lock on a file. It does not remove the file: two
// processes would then lock different files of one name.
func flock(ctx context.Context, name string) (release func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	for attempt := 1; ; attempt++ {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return func() { _ = f.Close() }, nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
		}
		if err := pause(ctx, min(attempt, 10)); err != nil {
			return nil, errors.Join(fmt.Errorf("wait for another migration: %w", err), f.Close())
		}
	}
}
