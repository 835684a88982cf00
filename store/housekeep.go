package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// How long things are kept.
const (
	throttleLife = 24 * time.Hour // longer than any window of a policy
	historyLife  = 90 * 24 * time.Hour
	bulkLife     = 30 * 24 * time.Hour
	auditLife    = 400 * 24 * time.Hour
)

// outdated are the rows of a table whose time is over: those that meet the
// condition, $1 being the end of the time that they are kept.
type outdated struct {
	table, condition string
	life             time.Duration
	batch            int
}

var outdatedRows = []outdated{
	{"sessions", "expires_at <= $1", 0, sweepBatch},
	{"one_time_links", "expires_at <= $1", 0, sweepBatch},
	{"auth_throttle", "since < $1 AND coalesce(blocked_until, since) < $1", throttleLife, sweepBatch},
	{"tenant_events", "at < $1", historyLife, sweepBatch},
	{"lease_terms", "acquired_at < $1 AND released_at < $1", historyLife, sweepBatch},
	{"bulk_jobs", "finished_at < $1", bulkLife, 10}, // their items go with them
	{"audit_log", "at < $1", auditLife, sweepBatch},
}

// Housekeep deletes what was kept long enough, in small steps. A table where that
// fails keeps no other.
func (u Upkeep) Housekeep(ctx context.Context) (err error) {
	defer translated("housekeep", &err)
	now, err := u.s.now(ctx)
	if err != nil {
		return err
	}
	for _, o := range outdatedRows {
		if failed := u.s.prune(ctx, o, stamp(now.Add(-o.life))); failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", o.table, failed))
		}
	}
	return err
}

func (s *Store) prune(ctx context.Context, o outdated, before time.Time) error {
	for range sweepBatches { // the rest waits for the next time
		n, err := s.pruneSome(ctx, o, before)
		if err != nil || n < int64(o.batch) {
			return err
		}
	}
	return nil
}

// pruneSome deletes one batch. Only under maintenance may entries of the audit
// log be deleted; the setting ends with the transaction.
func (s *Store) pruneSome(ctx context.Context, o outdated, before time.Time) (n int64, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if s.dialect == postgres {
			if _, err := tx.ExecContext(ctx, "SET LOCAL flowhq.maintenance = 'on'"); err != nil {
				return err
			}
		}
		res, err := tx.Tx.ExecContext(ctx, s.pruneText(o), before, o.batch)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	return n, err
}

func (s *Store) pruneText(o outdated) string {
	if s.dialect == sqlite {
		return sqliteText(fmt.Sprintf(`DELETE FROM %s WHERE rowid IN (SELECT rowid FROM %s WHERE %s LIMIT $2)`, o.table, o.table, o.condition))
	}
	return fmt.Sprintf(`DELETE FROM %s WHERE ctid = ANY(ARRAY(SELECT ctid FROM %s WHERE %s LIMIT $2))`, o.table, o.table, o.condition)
}
