package store

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"flowhq/domain"
)

// runtimeParams bound what a forgotten or stopped replica can hold: no
// statement and no open transaction of it outlives them. And they keep planning
// short, which on young connections is more work than the statements are: one
// plan for each prepared statement, all of them lookups by key, and joins in the
// order in which they are written.
var runtimeParams = map[string]string{
	"statement_timeout":                   "5s",
	"lock_timeout":                        "3s",
	"idle_in_transaction_session_timeout": "5s",
	"plan_cache_mode":                     "force_generic_plan",
	"join_collapse_limit":                 "1",
}

// migrationParams let a migration take its time, but none of it while others
// wait behind it: see patience.go. The fence of the WhatsApp tables lets
// connections with this mark pass: schema changes belong to no tenant.
var migrationParams = map[string]string{
	"statement_timeout":   "0",
	"lock_timeout":        "1500ms",
	"flowhq.maintenance":  "on",
	"client_min_messages": "warning",
}

// silentFor is how long a connection to Postgres may be cut without a word until
// the kernel ends it, whether it waits for an answer or for a hint.
const silentFor = 10 * time.Second

var databaseDialer = &net.Dialer{Control: giveUpOnSilence,
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silentFor / 2, Interval: silentFor / 5, Count: 2}}

func parsePostgres(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil { // its text may quote the address with the password
		return nil, domain.Errorf(domain.KindInvalid, "DATABASE_URL is not a valid Postgres address (postgres://user:password@host:5432/name)")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	config.DialFunc = databaseDialer.DialContext
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	config.StatementCacheCapacity = 512
	return config, nil
}

// postgresPool opens a pool whose connections carry the replica's id: the
// fence compares it, and others end these connections when the replica is dead.
func postgresPool(config *pgx.ConnConfig, replica uuid.UUID, conns int, params map[string]string) *sql.DB {
	c := config.Copy()
	maps.Copy(c.RuntimeParams, params)
	c.RuntimeParams["application_name"] = applicationName(replica)
	c.RuntimeParams["flowhq.replica"] = replica.String()
	db := stdlib.OpenDB(*c)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db
}

func applicationName(replica uuid.UUID) string { return "fhq/" + replica.String() }

// unreachable says in one sentence which database does not answer and why.
func unreachable(config *pgx.ConnConfig, err error) error {
	return &domain.Error{Kind: domain.KindUnavailable, Err: err, Message: fmt.Sprintf("The database %q at %s cannot be used: %s.",
		config.Database, net.JoinHostPort(config.Host, fmt.Sprint(config.Port)), rootCause(err))}
}

func rootCause(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Message
	}
	for {
		if many, ok := err.(interface{ Unwrap() []error }); ok && len(many.Unwrap()) > 0 {
			err = many.Unwrap()[0]
			continue
		}
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}
