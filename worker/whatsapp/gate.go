package whatsapp

import (
	"context"
	"errors"
	"sync"
	"time"

	"flowhq/domain"
)

// gate is the door of one connection: it counts what is under way, refuses
// entry once it is shut, and lets the closer wait until everybody has left.
type gate struct {
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	shut  bool
	count int
	empty chan struct{}
}

var errClosed = errors.New("the connection is closed")

func newGate(ctx context.Context) *gate {
	ctx, cancel := context.WithCancelCause(ctx)
	return &gate{ctx: ctx, cancel: cancel, empty: make(chan struct{})}
}

func (g *gate) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut || g.ctx.Err() != nil {
		return &storeError{errClosed}
	}
	g.count++
	return nil
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count--
	if g.shut && g.count == 0 {
		close(g.empty)
	}
}

// close shuts the gate and waits for those inside, at most for the deadline.
func (g *gate) close(deadline time.Duration) {
	g.cancel(errClosed)
	g.mu.Lock()
	if !g.shut {
		g.shut = true
		if g.count == 0 {
			close(g.empty)
		}
	}
	g.mu.Unlock()
	select {
	case <-g.empty:
	case <-time.After(deadline):
	}
}

// poison ends the connection because its state can no longer be trusted. It
// must be called before the failing call returns to whatsmeow.
func (g *gate) poison(cause error) { g.cancel(cause) }

// storeError is how every failure of the store reaches whatsmeow. It is a
// cancellation: whatsmeow then neither acknowledges the message nor asks for a
// retry nor sends an empty message, all of which it does for any other error
// of its store (message.go and send.go of whatsmeow).
type storeError struct{ err error }

func (e *storeError) Error() string { return "store: " + e.err.Error() }

func (e *storeError) Unwrap() error { return e.err }

func (e *storeError) Is(target error) bool { return target == context.Canceled }

// retryStore is how long a call is repeated while the database is away.
const retryStore = 5 * time.Second

// callDeadline bounds a call with all its repetitions. whatsmeow's contexts have
// no end, and a connection to the database that was cut without a word answers
// only when TCP gives up. It is longer than the database's own limit for a
// statement and shorter than the wait of Close.
const callDeadline = retryStore + time.Second

// guarded runs one call of the store: it is refused when the connection is
// closed and repeated while the database is away; any other failure, and one
// that outlasts callDeadline, poisons the connection first and is then returned
// as a cancellation. Every call is an upsert, a keyed delete or a read, so
// repeating one is safe.
func guarded[T any](ctx context.Context, g *gate, fn func(context.Context) (T, error)) (T, error) {
	var zero T
	if err := g.enter(); err != nil {
		return zero, err
	}
	defer g.leave()
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	give := time.Now().Add(retryStore)
	for wait := 20 * time.Millisecond; ; wait *= 2 {
		v, err := fn(ctx)
		if err == nil {
			return v, nil
		}
		if domain.KindOf(err) != domain.KindUnavailable || time.Now().Add(wait).After(give) || g.ctx.Err() != nil {
			g.poison(err)
			return zero, &storeError{err}
		}
		select {
		case <-time.After(wait):
		case <-g.ctx.Done():
		}
	}
}

func guardedDo(ctx context.Context, g *gate, fn func(context.Context) error) error {
	_, err := guarded(ctx, g, func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) })
	return err
}
