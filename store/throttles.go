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

// Attempt counts an attempt unless it has to wait. The contract is handlers.Throttles'.
func (t Throttles) Attempt(ctx context.Context, key []byte, p domain.ThrottlePolicy, now time.Time) (wait time.Duration, err error) {
	defer translated("count an attempt", &err)
	err = t.change(ctx, key, now, func(old domain.Throttle) domain.Throttle {
		if wait = old.Wait(now); wait > 0 {
			return old
		}
		return old.Fail(p, now)
	})
	return wait, err
}

// Forgive takes one counted failure back.
func (t Throttles) Forgive(ctx context.Context, key []byte) (err error) {
	defer translated("forgive an attempt", &err)
	return t.change(ctx, key, domain.Now(), domain.Throttle.Forgive)
}

// change replaces the throttle of a key under a row lock.
func (t Throttles) change(ctx context.Context, key []byte, now time.Time, next func(domain.Throttle) domain.Throttle) error {
	return t.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		row := &throttleRow{Key: key, Since: stamp(now)}
		// An update that changes nothing locks the row and returns it.
		_, err := tx.NewInsert().Model(row).On("CONFLICT (key) DO UPDATE").Set("failures = th.failures").Returning("*").Exec(ctx)
		if err != nil {
			return err
		}
		changed := next(row.throttle())
		row.Failures, row.Since, row.Until = changed.Failures, stamp(changed.Since), nil
		if !changed.Until.IsZero() {
			row.Until = stampOrNil(&changed.Until)
		}
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
