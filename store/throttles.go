package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Throttles count failed attempts to sign in.
type Throttles struct{ s *Store }

// Throttles returns the store as the throttles of signing in.
func (s *Store) Throttles() Throttles { return Throttles{s} }

type throttleRow struct {
	bun.BaseModel `bun:"table:auth_throttle,alias:th"`

	Key      []byte     `bun:"key,pk"`
	Failures int        `bun:"failures"`
	Since    time.Time  `bun:"since"`
	Until    *time.Time `bun:"blocked_until"`
}

func (r *throttleRow) throttle() domain.Throttle {
	t := domain.Throttle{Failures: r.Failures, Since: r.Since.UTC()}
	if r.Until != nil {
		t.Until = r.Until.UTC()
	}
	return t
}

// Throttled returns the longest wait of the keys.
func (t Throttles) Throttled(ctx context.Context, keys [][]byte, now time.Time) (longest time.Duration, err error) {
	defer translated("read throttles", &err)
	if len(keys) == 0 {
		return 0, nil
	}
	var rows []throttleRow
	err = t.s.read.NewSelect().Model(&rows).Where("key IN (?)", bun.List(keys)).Scan(ctx)
	for i := range rows {
		longest = max(longest, rows[i].throttle().Wait(now))
	}
	return longest, err
}

// NoteFailure counts one more failure. The contract is handlers.Throttles'.
func (t Throttles) NoteFailure(ctx context.Context, key []byte, p domain.ThrottlePolicy, now time.Time) (err error) {
	defer translated("note a failure", &err)
	return t.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		row := &throttleRow{Key: key, Since: stamp(now)}
		// An update that changes nothing locks the row and returns it.
		_, err := tx.NewInsert().Model(row).On("CONFLICT (key) DO UPDATE").Set("failures = th.failures").Returning("*").Exec(ctx)
		if err != nil {
			return err
		}
		next := row.throttle().Fail(p, now)
		row.Failures, row.Since, row.Until = next.Failures, stamp(next.Since), stampOrNil(&next.Until)
		_, err = tx.NewUpdate().Model(row).Column("failures", "since", "blocked_until").WherePK().Exec(ctx)
		return err
	})
}

// ClearFailures forgets the failures of a key.
func (t Throttles) ClearFailures(ctx context.Context, key []byte) (err error) {
	defer translated("clear failures", &err)
	_, err = t.s.write.NewDelete().Model((*throttleRow)(nil)).Where("key = ?", key).Exec(ctx)
	return err
}
