package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"flowhq/domain"
)

// finisher stores outcomes and ticks of all tenants of a replica together: one
// statement for what gathered while the previous one was under way. What a
// crash takes away here is harmless: a row without its outcome is sent again
// with the same id, a lost tick is a cosmetic loss.
type finisher struct {
	outbox Outbox
	logger *slog.Logger

	mu       sync.Mutex
	outcomes []domain.Outcome
	ticks    []domain.Tick
	waiting  []chan struct{} // closed when everything added before is stored
	running  bool
}

// finishBatch bounds one statement.
const finishBatch = 500

func newFinisher(outbox Outbox, logger *slog.Logger) *finisher {
	return &finisher{outbox: outbox, logger: logger}
}

func (f *finisher) outcome(o domain.Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outcomes = append(f.outcomes, o)
	f.start()
}

func (f *finisher) tick(t domain.Tick) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ticks) >= maxTicksWaiting {
		return // the database is away; a tick is not worth the memory
	}
	f.ticks = append(f.ticks, t)
	f.start()
}

const maxTicksWaiting = 20_000

// flush waits until everything added before is stored, or ctx ends.
func (f *finisher) flush(ctx context.Context) error {
	f.mu.Lock()
	if !f.running {
		f.mu.Unlock()
		return nil
	}
	done := make(chan struct{})
	f.waiting = append(f.waiting, done)
	f.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *finisher) start() {
	if !f.running {
		f.running = true
		go f.run()
	}
}

func (f *finisher) run() {
	delay := 50 * time.Millisecond
	for {
		outcomes, ticks, waiting, ok := f.take()
		if !ok {
			return
		}
		for {
			err := f.store(outcomes, ticks)
			if err == nil {
				delay = 50 * time.Millisecond
				break
			}
			f.logger.Warn("outcomes are not stored yet", "error", err, "outcomes", len(outcomes), "ticks", len(ticks))
			time.Sleep(jittered(delay))
			if delay = min(2*delay, 5*time.Second); domain.KindOf(err) != domain.KindUnavailable && delay >= 5*time.Second {
				break // not the database's absence: repeating the same statement does not help
			}
		}
		for _, done := range waiting {
			close(done)
		}
	}
}

// take returns what has gathered, or ok false when there is nothing and the
// goroutine must end. It pauses for a moment so that neighbours share a commit.
func (f *finisher) take() (outcomes []domain.Outcome, ticks []domain.Tick, waiting []chan struct{}, ok bool) {
	time.Sleep(finishGather)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.outcomes)+len(f.ticks)+len(f.waiting) == 0 {
		f.running = false
		return nil, nil, nil, false
	}
	n, m := min(len(f.outcomes), finishBatch), min(len(f.ticks), finishBatch)
	outcomes, ticks = f.outcomes[:n:n], f.ticks[:m:m]
	f.outcomes, f.ticks = f.outcomes[n:], f.ticks[m:]
	if len(f.outcomes)+len(f.ticks) == 0 {
		f.outcomes, f.ticks = nil, nil
		waiting, f.waiting = f.waiting, nil
	}
	return outcomes, ticks, waiting, true
}

// finishGather is how long outcomes may gather before they are stored.
const finishGather = 10 * time.Millisecond

func (f *finisher) store(outcomes []domain.Outcome, ticks []domain.Tick) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var errs []error
	if len(outcomes) > 0 {
		errs = append(errs, f.outbox.Finish(ctx, outcomes))
	}
	if len(ticks) > 0 {
		errs = append(errs, f.outbox.Ticks(ctx, ticks))
	}
	return errors.Join(errs...)
}
