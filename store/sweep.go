package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// seenLife is longer than WhatsApp keeps a message that was not acknowledged.
	seenLife = 45 * 24 * time.Hour

	sweepBatch   = 5000
	sweepBatches = 200 // the rest waits for the next time

	// sweepPages of a Postgres table are looked through by one statement, and at
	// least sweepPart of them by one sweep.
	sweepPages = 128
	sweepPart  = 8192
	// sweepsForAll sweeps look through a whole table, however large it is.
	sweepsForAll = 24
)

// aged is a table of which only the young rows are needed.
type aged struct{ table, column string }

var (
	agedHashes = aged{"whatsmeow_event_buffer", "insert_timestamp"}
	agedSeen   = aged{"inbound_seen", "seen_at"}
)

// Sweep deletes what only had to be kept for a while, of all tenants: buffered
// hashes older than the age and the keys of messages that WhatsApp has
// forgotten. The contract is worker.Ratchet's.
func (r Ratchet) Sweep(ctx context.Context, age time.Duration) (err error) {
	defer translated("sweep", &err)
	now, err := r.s.now(ctx)
	if err != nil {
		return err
	}
	return errors.Join(
		r.s.sweep(ctx, agedHashes, now.Add(-age).UnixMilli()),
		r.s.sweep(ctx, agedSeen, now.Add(-seenLife)))
}

// sweep works in small steps, so that no statement takes long.
func (s *Store) sweep(ctx context.Context, a aged, before any) error {
	if s.dialect == postgres {
		return s.sweepPages(ctx, a, before)
	}
	// The oldest rows are the first ones.
	text := `DELETE FROM ` + a.table + ` WHERE ` + a.column + ` < ?1 AND rowid IN (SELECT rowid FROM ` + a.table + ` ORDER BY rowid LIMIT ?2)`
	for range sweepBatches {
		res, err := s.writer.ExecContext(ctx, text, before, sweepBatch)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n < sweepBatch {
			return err
		}
	}
	return nil
}

// sweepPages walks through the table by the places of its rows, a part of it with
// each sweep. Its oldest rows are nowhere in particular: new ones take the room of
// those that were deleted, and from then on an index by blocks (BRIN) leads to
// all of the table for each batch.
func (s *Store) sweepPages(ctx context.Context, a aged, before any) error {
	var pages int64
	if err := s.writer.QueryRowContext(ctx, `SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint`, a.table).Scan(&pages); err != nil {
		return err
	}
	text := a.deletePages()
	steps := min(max(sweepPart, pages/sweepsForAll), pages)/sweepPages + 2 // where the walk begins, and at the end, steps are cut
	for range steps {
		from := s.swept.next(a.table, pages)
		if _, err := s.writer.ExecContext(ctx, text, startOf(from), startOf(from+sweepPages), before); err != nil {
			return err
		}
	}
	return nil
}

// deletePages deletes old rows between two places. The comparison is written so
// that no index fits it.
func (a aged) deletePages() string {
	return `DELETE FROM ` + a.table + ` WHERE ctid >= $1::text::tid AND ctid < $2::text::tid AND (` + a.column + ` < $3) IS TRUE`
}

// startOf is the place before the first row of a page.
func startOf(page int64) string { return fmt.Sprintf("(%d,0)", page) }

// swept remembers how far each table was walked through. A process begins
// somewhere, so that many short lives see all of a table too.
type swept struct {
	mu sync.Mutex
	at map[string]int64
}

// next returns the first page of the next step.
func (w *swept) next(table string, pages int64) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, known := w.at[table]
	if !known {
		at = rand.Int64N(pages + 1)
	}
	if at >= pages {
		at = 0
	}
	if w.at == nil {
		w.at = map[string]int64{}
	}
	w.at[table] = at + sweepPages
	return at
}
