// Package store keeps everything in Postgres or in SQLite. Both hold the same
// tables, made by the same migrations, and every test of this package runs on both.
//
// The message path (Inbox, Outbox, Ratchet) is written for few round trips and
// with prepared statements; everything else uses Bun.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"flowhq/domain"
)

// Options say which database to use and as whom.
type Options struct {
	// URL is file:PATH for SQLite or postgres://… for Postgres.
	URL string
	// ReplicaID is this process incarnation; the fence of the database compares
	// it with the owner of a lease. The zero id may write no WhatsApp keys.
	ReplicaID uuid.UUID
	// MaxConns bounds the Postgres connections for everything but heartbeats,
	// which have one more; 0 means 20. SQLite ignores it.
	MaxConns int
	Logger   *slog.Logger
	// Migrations holds NNNN_name.sql at its root.
	Migrations fs.FS
}

const (
	defaultMaxConns = 20
	openDeadline    = 15 * time.Second
)

// Store is an open database.
type Store struct {
	dialect    dialect
	url        string
	replica    uuid.UUID
	logger     *slog.Logger
	migrations fs.FS

	writer, reader *sql.DB // the same pool on Postgres
	pulse          *sql.DB // for beat; the writer on SQLite
	warming        atomic.Bool
	write, read    *bun.DB
	prepared       prepared // SQLite only
	hints          *broadcaster
	swept          swept // Postgres only

	path string // of the SQLite file
	mu   sync.Mutex
	lock *os.File
}

type dialect string

const (
	postgres dialect = "postgres"
	sqlite   dialect = "sqlite"
)

// Open connects to the database and checks that it answers. The tables may
// still be missing: Migrate makes them. Errors are sentences for the operator
// and never contain a password.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{url: o.URL, replica: o.ReplicaID, logger: o.Logger, migrations: o.Migrations, hints: newBroadcaster()}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(ctx, openDeadline)
	defer cancel()
	var err error
	switch scheme, rest, _ := strings.Cut(o.URL, ":"); scheme {
	case "file":
		s.dialect = sqlite
		err = s.openSQLite(ctx, rest)
	case "postgres", "postgresql":
		s.dialect = postgres
		err = s.openPostgres(ctx, o)
	default:
		err = domain.Errorf(domain.KindInvalid, "DATABASE_URL must begin with file: (SQLite) or postgres:// (Postgres)")
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openSQLite opens one connection that writes and several that only read, so
// that no writer of this process ever meets another.
func (s *Store) openSQLite(ctx context.Context, rest string) error {
	path := strings.TrimPrefix(rest, "//")
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return domain.Errorf(domain.KindInvalid, "DATABASE_URL file:PATH needs the path of a file")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("resolve %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return domain.Errorf(domain.KindUnavailable, "the folder of the database cannot be made: %w", err)
	}
	s.path = path
	if s.writer, err = sql.Open("sqlite", sqliteDSN(path, "_txlock=immediate", "_pragma=journal_mode(WAL)", "_pragma=synchronous(FULL)")); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	s.writer.SetMaxOpenConns(1)
	s.writer.SetMaxIdleConns(1)
	if err := s.writer.PingContext(ctx); err != nil {
		return domain.Errorf(domain.KindUnavailable, "the database file %s cannot be opened: %w", path, err)
	}
	if s.reader, err = sql.Open("sqlite", sqliteDSN(path, "_query_only=1")); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	s.reader.SetMaxOpenConns(sqliteReaders)
	s.reader.SetMaxIdleConns(sqliteReaders)
	s.pulse = s.writer
	s.write = bun.NewDB(s.writer, sqlitedialect.New())
	s.read = bun.NewDB(s.reader, sqlitedialect.New())
	return nil
}

const sqliteReaders = 4

// sqliteDSN names a file with what every connection needs. The busy timeout
// matters only beside other processes, such as the command line.
func sqliteDSN(path string, more ...string) string {
	escaped := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	params := append([]string{"_pragma=busy_timeout(5000)", "_pragma=foreign_keys(1)", "_time_format=sqlite", "_timezone=UTC"}, more...)
	return "file:" + escaped + "?" + strings.Join(params, "&")
}

func (s *Store) openPostgres(ctx context.Context, o Options) error {
	config, err := parsePostgres(o.URL)
	if err != nil {
		return err
	}
	conns := o.MaxConns
	if conns <= 0 {
		conns = defaultMaxConns
	}
	s.writer = postgresPool(config, s.replica, conns, runtimeParams)
	s.pulse = postgresPool(config, s.replica, 1, runtimeParams)
	s.reader = s.writer
	s.write = bun.NewDB(s.writer, pgdialect.New())
	s.read = s.write
	for _, db := range []*sql.DB{s.writer, s.pulse} {
		if err := db.PingContext(ctx); err != nil {
			return unreachable(config, err)
		}
	}
	return nil
}

// Close gives every connection and the file lock back.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.reader, s.writer, s.pulse} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, s.unlock())...)
}

// ReplicaID returns the id under which this process writes.
func (s *Store) ReplicaID() uuid.UUID { return s.replica }

// Ping checks that the database answers and takes writes: a standby of Postgres
// is an error of KindUnavailable.
func (s *Store) Ping(ctx context.Context) (err error) {
	defer translated("ping database", &err)
	if s.dialect != postgres {
		return s.writer.PingContext(ctx)
	}
	var standby bool
	if err := s.writer.QueryRowContext(ctx, "SELECT pg_is_in_recovery()").Scan(&standby); err != nil {
		return err
	}
	if standby {
		return domain.Errorf(domain.KindUnavailable, "DATABASE_URL leads to a standby, which takes no writes")
	}
	return nil
}

// DBForWhatsApp returns the pool for whatsmeow's own store, with the name of
// its dialect there. On Postgres every write through it is fenced by triggers.
func (s *Store) DBForWhatsApp() (db *sql.DB, dialect string) { return s.writer, s.whatsappDialect() }

func (s *Store) whatsappDialect() string {
	if s.dialect == postgres {
		return "pgx"
	}
	return "sqlite"
}
