package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// A statement that waits for a table keeps everybody waiting who comes to that
// table after it, be it only to read. Behind a pg_dump or a forgotten transaction
// a migration of leases would so stop every heartbeat, and after some seconds the
// fleet. Each step of a migration therefore waits for a moment only (lock_timeout
// in migrationParams), steps aside, and tries again.

const (
	// migrationPatience bounds how long a step is tried while others are in its way.
	migrationPatience = 5 * time.Minute
	// lookEvery finds out whom a step waits for before its lock_timeout ends the wait.
	lookEvery = 500 * time.Millisecond
)

// steps are those of one migration on Postgres.
type steps struct {
	db     *sql.DB
	logger *slog.Logger
}

// run repeats a step while others hold locks that it needs. fn must be fit to
// run again where it was interrupted. The error at last names who was in the way.
func (m steps) run(ctx context.Context, what string, fn func() error) error {
	var since time.Time
	var held string
	for attempt := 1; ; attempt++ {
		now, err := m.watched(ctx, fn)
		if now != "" {
			held = now
		}
		if since.IsZero() {
			since = time.Now()
		}
		switch expired := errors.Is(ctx.Err(), context.DeadlineExceeded); {
		case err == nil || !expired && !contended(err):
			return err
		case held != "" && (expired || time.Since(since) > migrationPatience):
			return inTheWay(what, held, err)
		case expired || time.Since(since) > migrationPatience:
			return err
		}
		m.logger.Warn("the migration waits for locks that others hold, and lets everybody else pass meanwhile", "step", what, "held_by", held)
		_ = rest(ctx, time.Duration(min(attempt, 4))*(500*time.Millisecond+rand.N(500*time.Millisecond))) // fn fails when ctx has ended
	}
}

// contended reports that a step was not done because of what others do.
func contended(err error) bool { return sqlState(err) == "55P03" || undone(err) }

func inTheWay(what, held string, err error) error {
	return &domain.Error{Kind: domain.KindUnavailable, Err: err, Message: fmt.Sprintf("The database is not migrated (%s): others hold locks that this needs: %s. "+
		"Wait until they have ended, or end them (a backup, a forgotten transaction: SELECT pg_terminate_backend(pid)), and start again. What is done so far is kept.", what, held)}
}

// watched runs fn and tells whom it has waited for.
func (m steps) watched(ctx context.Context, fn func() error) (held string, err error) {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case err := <-done:
			return held, err
		case <-look.C:
			if now, err := m.blockers(ctx); err == nil && now != "" {
				held = now
			}
		}
	}
}

// blockers names the sessions that the migration waits for at this moment. The
// text of what they run may hold what customers wrote, so it is not shown.
func (m steps) blockers(ctx context.Context) (held string, err error) {
	err = m.db.QueryRowContext(ctx, `SELECT coalesce(string_agg(DISTINCT format('pid %s (%s, %s, in a transaction since %s)', b.pid,
			coalesce(nullif(b.application_name, ''), b.backend_type, 'unnamed'), coalesce(b.state, 'state unknown'), coalesce(to_char(b.xact_start, 'HH24:MI:SS TZ'), 'unknown')), ', '), '')
		FROM pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) AS blocking JOIN pg_stat_activity b ON b.pid = blocking
		WHERE a.datname = current_database() AND a.application_name = $1 AND a.wait_event_type = 'Lock' AND b.application_name <> $1`,
		applicationName(uuid.Nil)).Scan(&held)
	return held, err
}

// takeTurn waits until no other process migrates. It asks again and again instead
// of waiting in a statement, which would hold a snapshot and so keep the other from
// building an index beside writers.
func takeTurn(ctx context.Context, conn *sql.Conn, logger *slog.Logger) error {
	for began := time.Now(); ; {
		var ours bool
		if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", int64(migrationLock)).Scan(&ours); err != nil {
			return translate("wait for another migration", err)
		}
		if ours {
			return nil
		}
		if time.Since(began) > migrationPatience {
			return domain.Errorf(domain.KindUnavailable, "Another process has been migrating this database for %s. Wait until it is done, and start again.", migrationPatience)
		}
		logger.Debug("another process migrates the database; waiting for it")
		if err := rest(ctx, 50*time.Millisecond+rand.N(100*time.Millisecond)); err != nil {
			return translate("wait for another migration", err)
		}
	}
}
