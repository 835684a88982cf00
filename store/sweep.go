package store

import (
	"context"
	"time"

	"flowhq/domain"
)

const (
	// seenLife is longer than WhatsApp keeps a message that was not acknowledged.
	seenLife = 45 * 24 * time.Hour

	sweepBatch   = 5000
	sweepBatches = 200 // the rest waits for the next time
)

// Sweep deletes what only had to be kept for a while, of all tenants: buffered
// hashes older than the age and the keys of messages that WhatsApp has
// forgotten. The contract is worker.Ratchet's.
func (r Ratchet) Sweep(ctx context.Context, age time.Duration) (err error) {
	defer translated("sweep", &err)
	_, err = r.s.writer.ExecContext(ctx, r.s.text(`DELETE FROM whatsmeow_event_buffer WHERE insert_timestamp < $1`), time.Now().Add(-age).UnixMilli())
	if err != nil {
		return err
	}
	return r.s.sweepSeen(ctx, domain.Now().Add(-seenLife))
}

// sweepSeen works in small steps, so that no statement takes long. In SQLite
// the oldest rows are the first ones.
func (s *Store) sweepSeen(ctx context.Context, before time.Time) error {
	text := `DELETE FROM inbound_seen WHERE ctid = ANY(ARRAY(SELECT ctid FROM inbound_seen WHERE seen_at < $1 LIMIT $2))`
	if s.dialect == sqlite {
		text = `DELETE FROM inbound_seen WHERE seen_at < ?1 AND rowid IN (SELECT rowid FROM inbound_seen ORDER BY rowid LIMIT ?2)`
	}
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
