package e2e

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// database is one empty database of a test's own.
type database struct {
	kind string // "sqlite" or "postgres"
	url  string // as DATABASE_URL
}

const postgresVariable = "FLOWHQ_TEST_POSTGRES"

// onBoth runs a test on a SQLite file and on a Postgres database.
func onBoth(t *testing.T, run func(*testing.T, database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { run(t, sqliteDatabase(t)) })
	t.Run("postgres", func(t *testing.T) { run(t, postgresDatabase(t)) })
}

// inWorld runs a test in a world of its own on both databases.
func inWorld(t *testing.T, run func(*testing.T, *world)) {
	t.Helper()
	onBoth(t, func(t *testing.T, db database) { run(t, newWorld(t, db)) })
}

func sqliteDatabase(t *testing.T) database {
	t.Helper()
	return database{"sqlite", "file:" + filepath.Join(t.TempDir(), "flowhq.db")}
}

func postgresDatabase(t *testing.T) database {
	t.Helper()
	address := os.Getenv(postgresVariable)
	if address == "" {
		t.Skipf("\n*** NOT TESTED ON POSTGRES: set %s=postgres://… to the address of a role that may create databases ***", postgresVariable)
	}
	return databaseAt(t, address)
}

// databaseAt makes an empty database in a cluster.
func databaseAt(t *testing.T, address string) database {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	random := make([]byte, 6)
	_, _ = rand.Read(random)
	name := "flowhq_e2e_" + hex.EncodeToString(random)
	administer(t, address, "CREATE DATABASE "+name)
	t.Cleanup(func() { administer(t, address, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	u.Path = "/" + name
	return database{"postgres", u.String()}
}

func administer(t *testing.T, address, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatalf("open %s: %v", address, err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// open connects to look, beside the program.
func (d database) open(t *testing.T) *sql.DB {
	t.Helper()
	driver, source := "pgx", d.url
	if d.kind == "sqlite" {
		driver, source = "sqlite", d.url+"?_pragma=busy_timeout(10000)&_pragma=query_only(1)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatalf("open %s: %v", d.url, err)
	}
	db.SetMaxOpenConns(2)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// rows reads a table, every value as text. Placeholders are $1, $2, …
func (w *world) rows(t *testing.T, query string, args ...any) [][]string {
	t.Helper()
	if w.db.kind == "sqlite" {
		query = strings.ReplaceAll(query, "$", "?")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	found, err := w.tables.QueryContext(ctx, query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var out [][]string
	for found.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := found.Scan(into...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		row := make([]string, len(columns))
		for i, v := range values {
			row[i] = v.String
		}
		out = append(out, row)
	}
	if err := found.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}

// change writes to a table as an operator would with a database client.
func (w *world) change(t *testing.T, statement string, args ...any) {
	t.Helper()
	driver, source := "pgx", w.db.url
	if w.db.kind == "sqlite" {
		driver, source, statement = "sqlite", w.db.url+"?_pragma=busy_timeout(10000)", strings.ReplaceAll(statement, "$", "?")
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// count runs a query that counts.
func (w *world) count(t *testing.T, query string, args ...any) int {
	t.Helper()
	n, err := strconv.Atoi(w.rows(t, query, args...)[0][0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
