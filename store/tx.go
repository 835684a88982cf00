package store

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/uptrace/bun"

	"flowhq/domain"
)

// maxAttempts bounds how often a transaction runs when others undo it.
const maxAttempts = 4

// pause waits between two attempts, longer each time and never twice the same.
func pause(ctx context.Context, attempt int) error {
	return rest(ctx, time.Duration(attempt)*(time.Millisecond+rand.N(10*time.Millisecond)))
}

// rest waits for so long, or fails as soon as ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tx runs fn in a transaction; beside session it is the only place that opens
// one. fn may run more than once and must not touch anything but the database.
func (s *Store) tx(ctx context.Context, fn func(ctx context.Context, tx bun.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := s.write.RunInTx(ctx, nil, fn)
		if attempt == maxAttempts || !undone(err) {
			return err
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
}

// orNotFound turns an empty result into a KindNotFound error.
func orNotFound(err error, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return domain.NotFound(what)
	}
	return err
}
