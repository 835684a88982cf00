package worker

import (
	"context"
	"sync"
	"time"

	"flowhq/domain"
)

// Trust says whether this process may still act for its tenants: it counts from
// the start of the last heartbeat that the database confirmed. The fence in the
// database is what makes a mistake harmless; trust stops early what would run
// into it, and keeps the wire quiet while the process does not know better.
//
// Between Soft and Hard, and after a leap of the clock, which tells of a machine
// that was paused or copied, bytes for WhatsApp wait for the next heartbeat. At
// Hard everything ends.
type Trust struct {
	timings domain.LeaseTimings
	now     func() instant
	blind   bool

	mu      sync.Mutex
	since   instant
	renewed chan struct{} // closed with the next renewal
	doubt   chan struct{} // holds one item when somebody waits for a heartbeat
}

// NewTrust begins with the trust of a heartbeat that starts now.
func NewTrust(t domain.LeaseTimings) *Trust { return newTrust(t, instantNow) }

func newTrust(t domain.LeaseTimings, now func() instant) *Trust {
	return &Trust{timings: t, now: now, since: now(), renewed: make(chan struct{}), doubt: make(chan struct{}, 1)}
}

// NewBlindTrust is for the tests that prove that trust and fence matter: the
// process believes to hold its leases whatever the database answers.
func NewBlindTrust() *Trust {
	t := NewTrust(domain.LeaseTimings{Soft: time.Hour, Hard: time.Hour})
	t.blind = true
	return t
}

// instant is a moment on both clocks: the one that only runs, and the one that
// people set.
type instant struct {
	ran  time.Duration // since the process started
	wall time.Time
}

var processStart = time.Now()

// steady is the moment on a clock that nobody sets, for what is to last so long
// whatever people do to the wall clock.
func (i instant) steady() time.Time { return processStart.Add(i.ran) }

func instantNow() instant {
	now := time.Now()
	return instant{ran: now.Sub(processStart), wall: now.Round(0)}
}

// leap is how far wall clock and monotonic clock may drift apart between two
// heartbeats. More is a clock that was set, or a machine that did not run.
const leap = 2 * time.Second

// Await returns at once while the process is trusted, and otherwise when it is
// again. Once ctx has ended it returns the cause of that.
func (t *Trust) Await(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t.mu.Lock()
		ok, renewed := t.holds(t.timings.Soft), t.renewed
		t.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case t.doubt <- struct{}{}:
		default:
		}
		select {
		case <-renewed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// holds must be called with the lock held.
func (t *Trust) holds(limit time.Duration) bool {
	now := t.now()
	ran, showed := now.ran-t.since.ran, now.wall.Sub(t.since.wall)
	return ran < limit && (showed-ran).Abs() < leap
}

// renew is called when a heartbeat that started then was confirmed.
func (t *Trust) renew(started instant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.since = started
	close(t.renewed)
	t.renewed = make(chan struct{})
}

// left is how long the process may still act without another heartbeat.
func (t *Trust) left() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.timings.Hard - (t.now().ran - t.since.ran)
}
