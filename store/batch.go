package store

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// query is one prepared statement of the message path in both dialects.
type query struct{ postgres, sqlite string }

// queries are all of them: SQLite prepares them before the first transaction,
// because its one writing connection is busy within one.
var queries []*query

// statement makes a query of one text for both dialects: $1 placeholders; row
// locks, which SQLite neither has nor needs, are left out there.
func statement(text string) *query { return statements(text, sqliteText(text)) }

// statements makes a query that differs between the dialects.
func statements(postgres, sqlite string) *query {
	q := &query{postgres: postgres, sqlite: sqlite}
	queries = append(queries, q)
	return q
}

// once makes a query that is not kept prepared on SQLite.
func once(text string) *query { return &query{postgres: text, sqlite: sqliteText(text)} }

var (
	dollar   = regexp.MustCompile(`\$(\d+)`)
	rowLocks = regexp.MustCompile(`\bFOR (NO KEY UPDATE|UPDATE|SHARE|KEY SHARE)( OF \w+)?( SKIP LOCKED)?`)
)

func sqliteText(text string) string {
	return dollar.ReplaceAllString(rowLocks.ReplaceAllString(text, ""), "?$1")
}

// begin and commit are steps of a batch like any other, so that they cost no
// round trip of their own. A batch outside of a transaction is one by itself.
var (
	begin  = &query{postgres: "BEGIN"}
	commit = &query{postgres: "COMMIT"}
)

// rows is what pgx.Rows and *sql.Rows have in common.
type rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
}

// step is one statement of a batch with what becomes of its result.
type step struct {
	query *query
	args  []any
	scan  func(rows) error // nil: the result is not read
	count *int64           // when set, grows by the number of rows changed
}

// batch is a list of statements that Postgres gets in one round trip and SQLite
// runs one after another. The first failure ends it and undoes the transaction.
type batch struct{ steps []step }

func (b *batch) add(q *query, args ...any) { b.steps = append(b.steps, step{query: q, args: args}) }

func (b *batch) counted(n *int64, q *query, args ...any) {
	b.steps = append(b.steps, step{query: q, args: args, count: n})
}

func (b *batch) read(scan func(rows) error, q *query, args ...any) {
	b.steps = append(b.steps, step{query: q, args: args, scan: scan})
}

// session is one connection that runs batches.
type session interface {
	run(ctx context.Context, b *batch) error
}

// session runs fn on one connection. A transaction that fn leaves open is
// undone. When nothing of it was stored for a passing reason, fn runs again.
func (s *Store) session(ctx context.Context, fn func(session) error) error {
	return s.sessionOn(ctx, s.writer, fn)
}

func (s *Store) sessionOn(ctx context.Context, pool *sql.DB, fn func(session) error) error {
	for attempt := 1; ; attempt++ {
		err := s.sessionOnce(ctx, pool, fn)
		if attempt == maxAttempts || !undone(err) {
			return err
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
}

func (s *Store) sessionOnce(ctx context.Context, pool *sql.DB, fn func(session) error) error {
	if s.dialect == sqlite {
		return s.sqliteSession(ctx, fn)
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(driverConn any) error {
		c := postgresSession{driverConn.(*stdlib.Conn).Conn()}
		defer c.settle()
		return fn(c)
	})
}

// runBatch runs a batch that is a transaction by itself. What it counts begins
// anew when it runs again: what was undone does not count.
func (s *Store) runBatch(ctx context.Context, b *batch) error {
	return s.session(ctx, func(c session) error {
		for _, step := range b.steps {
			if step.count != nil {
				*step.count = 0
			}
		}
		return c.run(ctx, b)
	})
}

// beat runs a batch by which a replica shows that it lives or judges others. On
// Postgres it has a connection of its own: behind a crowd of messages it would
// come too late, and the crowd would be the reason why everything is closed.
// When that connection is lost, those of the crowd serve until there is another:
// to make one takes longer than a heartbeat may.
func (s *Store) beat(ctx context.Context, b *batch) error {
	pool := s.pulse
	if s.dialect == postgres && s.pulse.Stats().Idle == 0 {
		pool = s.writer
		s.warmPulse()
	}
	return s.sessionOn(ctx, pool, func(c session) error { return c.run(ctx, b) })
}

// warmPulse opens the connection of the heartbeat beside whatever else happens.
func (s *Store) warmPulse() {
	if s.warming.Swap(true) {
		return
	}
	go func() {
		defer s.warming.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), openDeadline)
		defer cancel()
		if err := s.pulse.PingContext(ctx); err != nil {
			s.logger.Debug("the heartbeat has no connection of its own yet", "error", err)
		}
	}()
}

type postgresSession struct{ conn *pgx.Conn }

func (c postgresSession) run(ctx context.Context, b *batch) error {
	var queue pgx.Batch
	for _, s := range b.steps {
		queue.Queue(s.query.postgres, binary(s.args)...)
	}
	results := c.conn.SendBatch(ctx, &queue)
	for i := range b.steps {
		if err := b.steps[i].take(results); err != nil {
			_ = results.Close() // reports the same error
			return err
		}
	}
	return results.Close()
}

// binary gives pgx ids as the bytes they are; it would take their text form,
// which is a fifth of the work of a message.
func binary(args []any) []any {
	for i, arg := range args {
		switch v := arg.(type) {
		case uuid.UUID:
			args[i] = [16]byte(v)
		case []any:
			args[i] = binary(v)
		}
	}
	return args
}

func (s *step) take(results pgx.BatchResults) error {
	if s.scan == nil {
		tag, err := results.Exec()
		if s.count != nil {
			*s.count += tag.RowsAffected()
		}
		return err
	}
	found, err := results.Query()
	if err != nil {
		return err
	}
	defer found.Close()
	if err := s.scan(found); err != nil {
		return err
	}
	found.Close()
	return found.Err()
}

// settle makes the connection fit for its next user.
func (c postgresSession) settle() {
	if c.conn.IsClosed() || c.conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := c.conn.Exec(ctx, "ROLLBACK"); err != nil {
		_ = c.conn.Close(ctx) // the pool notices and opens another
	}
}

// sqliteSession is a transaction, or several in a row, on the writing connection.
type sqliteSession struct {
	store *Store
	tx    *sql.Tx
}

func (s *Store) sqliteSession(ctx context.Context, fn func(session) error) error {
	if err := s.prepared.ensure(ctx, s.writer); err != nil {
		return err
	}
	c := &sqliteSession{store: s}
	defer c.rollback()
	return fn(c)
}

func (c *sqliteSession) rollback() {
	if c.tx != nil {
		_ = c.tx.Rollback() // nothing is left to do about it
		c.tx = nil
	}
}

func (c *sqliteSession) run(ctx context.Context, b *batch) error {
	alone := c.tx == nil && (len(b.steps) == 0 || b.steps[0].query != begin)
	if alone {
		if err := c.step(ctx, &step{query: begin}); err != nil {
			return err
		}
	}
	for i := range b.steps {
		if err := c.step(ctx, &b.steps[i]); err != nil {
			c.rollback()
			return err
		}
	}
	if alone {
		return c.step(ctx, &step{query: commit})
	}
	return nil
}

func (c *sqliteSession) step(ctx context.Context, s *step) (err error) {
	switch s.query {
	case begin:
		c.tx, err = c.store.writer.BeginTx(ctx, nil)
		return err
	case commit:
		tx := c.tx
		c.tx = nil
		return tx.Commit()
	}
	// The transaction ends with ctx as a whole; watching it for each statement
	// would cost a goroutine every time.
	ctx = context.WithoutCancel(ctx)
	stmt, err := c.statement(ctx, s.query)
	if err != nil {
		return err
	}
	if s.scan == nil {
		res, err := stmt.ExecContext(ctx, s.args...)
		if err != nil || s.count == nil {
			return err
		}
		n, err := res.RowsAffected()
		*s.count += n
		return err
	}
	found, err := stmt.QueryContext(ctx, s.args...)
	if err != nil {
		return err
	}
	defer found.Close()
	if err := s.scan(found); err != nil {
		return err
	}
	return found.Err()
}

func (c *sqliteSession) statement(ctx context.Context, q *query) (*sql.Stmt, error) {
	if stmt := c.store.prepared.stmts[q]; stmt != nil {
		return c.tx.StmtContext(ctx, stmt), nil
	}
	return c.tx.PrepareContext(ctx, q.sqlite) // closed with the transaction
}

// prepared are the statements of the message path on the writing connection.
type prepared struct {
	mu    sync.Mutex
	stmts map[*query]*sql.Stmt
}

func (p *prepared) ensure(ctx context.Context, db *sql.DB) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stmts != nil {
		return nil
	}
	stmts := make(map[*query]*sql.Stmt, len(queries))
	for _, q := range queries {
		stmt, err := db.PrepareContext(ctx, q.sqlite)
		if err != nil {
			return fmt.Errorf("prepare %q: %w", q.sqlite, err)
		}
		stmts[q] = stmt
	}
	p.stmts = stmts
	return nil
}

// stamp is a time as both databases keep it: UTC, whole microseconds.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func stampOrNil(t *time.Time) *time.Time {
	if t == nil || t.IsZero() {
		return nil
	}
	cut := stamp(*t)
	return &cut
}

// utc brings a time that was read to UTC; Postgres answers in local time.
func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

func textOrNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
