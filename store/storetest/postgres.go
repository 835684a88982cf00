package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Variable names the setting with the address of a Postgres cluster.
const Variable = "FLOWHQ_TEST_POSTGRES"

// Databases of tests are named flowhq_test_<owner>_<n>. The owner, a random
// name for the life of the test binary, holds an advisory lock of its name, so
// that the leftovers of killed binaries can be told from what is in use.
const prefix = "flowhq_test_"

type cluster struct {
	admin  *sql.DB
	owner  string
	schema string // fingerprint of the template
	mu     sync.Mutex
	count  int
	spare  []string // clean clones of the template
}

// theCluster is connected once; its template is migrated once for the binary.
var theCluster = sync.OnceValues(func() (*cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), databaseDeadline)
	defer cancel()
	admin, err := adminPool()
	if err != nil {
		return nil, err
	}
	random := make([]byte, 6)
	_, _ = rand.Read(random)
	c := &cluster{admin: admin, owner: prefix + hex.EncodeToString(random)}
	hold, err := admin.Conn(ctx) // never given back: its session holds the lock
	if err != nil {
		return nil, err
	}
	if _, err := hold.ExecContext(ctx, "SELECT pg_advisory_lock(hashtext($1))", c.owner); err != nil {
		return nil, err
	}
	c.removeLeftovers(ctx)
	if err := c.exec(ctx, "CREATE DATABASE "+c.template()); err != nil {
		return nil, err
	}
	if err := migrated(c.url(c.template())); err != nil {
		return nil, fmt.Errorf("migrate template: %w", err)
	}
	c.schema, err = c.fingerprint(ctx, c.template())
	return c, err
})

func adminPool() (*sql.DB, error) {
	config, err := pgx.ParseConfig(os.Getenv(Variable))
	if err != nil {
		return nil, fmt.Errorf("%s is not a valid address", Variable)
	}
	return stdlib.OpenDB(*config), nil
}

func (c *cluster) template() string { return c.owner + "_template" }

func (c *cluster) url(database string) string {
	u, err := url.Parse(os.Getenv(Variable))
	if err != nil {
		return ""
	}
	u.Path = "/" + database
	return u.String()
}

// exec runs a statement about databases, which are names this package made.
func (c *cluster) exec(ctx context.Context, statement string) error {
	_, err := c.admin.ExecContext(ctx, statement)
	return err
}

// removeLeftovers drops the databases of binaries that are gone. What fails is
// left for the next one.
func (c *cluster) removeLeftovers(ctx context.Context) {
	found, err := c.admin.QueryContext(ctx, "SELECT datname FROM pg_database WHERE datname LIKE $1", strings.ReplaceAll(prefix, "_", `\_`)+"%")
	if err != nil {
		return
	}
	var names []string
	for found.Next() {
		var name string
		if found.Scan(&name) == nil {
			names = append(names, name)
		}
	}
	_ = found.Close()
	for _, name := range names {
		owner, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "_")
		c.dropIfOrphan(ctx, prefix+owner, name)
	}
}

func (c *cluster) dropIfOrphan(ctx context.Context, owner, database string) {
	conn, err := c.admin.Conn(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	var free bool
	if conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock(hashtext($1))", owner).Scan(&free) != nil || !free {
		return
	}
	_, _ = conn.ExecContext(ctx, "DROP DATABASE IF EXISTS "+database+" WITH (FORCE)")
	_, _ = conn.ExecContext(ctx, "SELECT pg_advisory_unlock(hashtext($1))", owner)
}

// create makes a database from a template, or hands out a clean one. Postgres
// copies a template for one at a time.
func (c *cluster) create(ctx context.Context, template string) (name string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.spare); n > 0 && template == c.template() {
		name, c.spare = c.spare[n-1], c.spare[:n-1]
		return name, nil
	}
	c.count++
	name = fmt.Sprintf("%s_%d", c.owner, c.count)
	return name, c.exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template)
}

// giveBack empties a database for the next test, which is faster than a new
// one. It is dropped instead when somebody still uses it or changed its tables.
func (c *cluster) giveBack(ctx context.Context, name string) error {
	if c.empty(ctx, name) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.spare = append(c.spare, name)
		return nil
	}
	return c.exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
}

func (c *cluster) empty(ctx context.Context, name string) bool {
	if !c.unused(ctx, name) {
		return false
	}
	if schema, err := c.fingerprint(ctx, name); err != nil || schema != c.schema {
		return false
	}
	return c.inside(ctx, name, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, `DO $$ DECLARE t text; BEGIN
			PERFORM set_config('flowhq.maintenance', 'on', true);
			FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
				AND relname NOT IN ('goose_db_version', 'whatsmeow_version') LOOP
				EXECUTE format('DELETE FROM %I', t) || CASE t WHEN 'settings' THEN ' WHERE key <> ''schema_needs''' ELSE '' END;
			END LOOP;
		END $$`)
		return err
	}) == nil
}

// unused waits a moment for the server to end connections that were closed.
func (c *cluster) unused(ctx context.Context, name string) bool {
	for range 100 {
		var users int
		err := c.admin.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = $1", name).Scan(&users)
		if err != nil || users == 0 {
			return err == nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return false
}

// fingerprint is equal for databases with the same tables, triggers, functions
// and version.
func (c *cluster) fingerprint(ctx context.Context, name string) (text string, err error) {
	err = c.inside(ctx, name, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, `SELECT md5(string_agg(x, ',' ORDER BY x)) FROM (
			SELECT relname || relkind::text || relnatts AS x FROM pg_class WHERE relnamespace = 'public'::regnamespace
			UNION ALL SELECT tgrelid::regclass || '.' || tgname || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
			UNION ALL SELECT proname || md5(prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
			UNION ALL SELECT 'version ' || version_id FROM goose_db_version) s`).Scan(&text)
	})
	return text, err
}

// inside runs fn on one connection to a database.
func (c *cluster) inside(ctx context.Context, name string, fn func(*sql.DB) error) error {
	config, err := pgx.ParseConfig(c.url(name))
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*config)
	defer db.Close()
	db.SetMaxOpenConns(1)
	return fn(db)
}

// Postgres returns the address of a migrated Postgres database without rows, of
// the test's own while it runs. Without a cluster the test is skipped.
func Postgres(t testing.TB) string {
	t.Helper()
	return postgres(t, (*cluster).template)
}

// EmptyPostgres is Postgres without any table.
func EmptyPostgres(t testing.TB) string {
	t.Helper()
	return postgres(t, func(*cluster) string { return "template0" })
}

func postgres(t testing.TB, template func(*cluster) string) string {
	t.Helper()
	if os.Getenv(Variable) == "" {
		t.Skipf("\n*** NOT TESTED ON POSTGRES: set %s=postgres://… to the address of a role that may create databases ***", Variable)
	}
	ctx, cancel := context.WithTimeout(context.Background(), databaseDeadline)
	defer cancel()
	c, err := theCluster()
	if err != nil {
		t.Fatalf("prepare the Postgres template: %v", err)
	}
	name, err := c.create(ctx, template(c))
	if err != nil {
		t.Fatalf("create a database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), databaseDeadline)
		defer cancel()
		if err := c.giveBack(ctx, name); err != nil {
			t.Errorf("drop %s: %v", name, err)
		}
	})
	return c.url(name)
}

const databaseDeadline = 2 * time.Minute
