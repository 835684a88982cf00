package worker

import (
	"container/list"
	"context"
	"sync"

	"golang.org/x/time/rate"
)

// turns lets runners connect at a pace, in the order in which they joined the
// line. Only the first of the line takes from the limiter: thousands that leave
// together, because the leases are lost, must not leave their places behind.
type turns struct {
	pace *rate.Limiter

	mu   sync.Mutex
	line list.List // of chan struct{}, closed once it is the first
}

// newTurns makes a line with so many turns a second, 0 for no limit, of which
// burst may be taken at once.
func newTurns(perSecond float64, burst int) *turns {
	limit := rate.Inf
	if perSecond > 0 {
		limit = rate.Limit(perSecond)
	}
	return &turns{pace: rate.NewLimiter(limit, max(burst, 1))}
}

// join takes the last place of the line until ctx ends. wait returns when it is
// this one's turn; call it once, and soon: all others wait behind.
func (t *turns) join(ctx context.Context) (wait func() error) {
	first := make(chan struct{})
	t.mu.Lock()
	place := t.line.PushBack(first)
	if t.line.Len() == 1 {
		close(first)
	}
	t.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { t.leave(place) })
	return func() error {
		defer t.leave(place)
		defer stop()
		select {
		case <-first:
			return t.pace.Wait(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// leave gives a place up; a second time it does nothing.
func (t *turns) leave(place *list.Element) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := t.line.Front() == place
	t.line.Remove(place)
	if next := t.line.Front(); first && next != nil {
		close(next.Value.(chan struct{}))
	}
}
