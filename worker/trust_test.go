package worker

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"flowhq/domain"
)

// clock is one whose two parts are set apart.
type clock struct {
	mu sync.Mutex
	at instant
}

func newClock() *clock { return &clock{at: instantNow()} }

func (c *clock) now() instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// pass lets time run as it does on a machine that runs.
func (c *clock) pass(d time.Duration) { c.set(d, d) }

func (c *clock) set(ran, wall time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = instant{c.at.ran + ran, c.at.wall.Add(wall)}
}

func TestTrust_EndsBetweenHeartbeatsAndComesBackWithTheNext(t *testing.T) {
	c := newClock()
	trust := newTrust(domain.DefaultLeaseTimings(), c.now)
	waits := func() bool {
		trust.mu.Lock()
		defer trust.mu.Unlock()
		return !trust.holds(trust.timings.Soft)
	}
	for _, step := range []struct {
		what  string
		pass  time.Duration
		renew bool
		waits bool
		left  time.Duration
	}{
		{"a heartbeat that has just begun", 0, true, false, 11 * time.Second},
		{"seven seconds without another", 7 * time.Second, false, false, 4 * time.Second},
		{"eight seconds", time.Second, false, true, 3 * time.Second},
		{"eleven seconds", 3 * time.Second, false, true, 0},
		{"the next heartbeat", 0, true, false, 11 * time.Second},
	} {
		c.pass(step.pass)
		if step.renew {
			trust.renew(c.now())
		}
		if got := waits(); got != step.waits {
			t.Errorf("%s: bytes wait: %v, want %v", step.what, got, step.waits)
		}
		if got := trust.left(); got != step.left {
			t.Errorf("%s: %s are left, want %s", step.what, got, step.left)
		}
	}
}

func TestTrust_ALeapOfTheClockAsksForAHeartbeat(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		c := newClock()
		trust := newTrust(domain.DefaultLeaseTimings(), c.now)
		c.set(time.Second, by)
		ended, end := context.WithCancelCause(t.Context())
		answer := make(chan error, 1)
		go func() { answer <- trust.Await(ended) }()
		<-trust.doubt
		trust.renew(c.now())
		if err := <-answer; err != nil {
			t.Errorf("after a leap of %s and a heartbeat: %v", by, err)
		}
		end(errShutdown)
	}
}

func TestTrust_WaitsNoLongerThanTheTenure(t *testing.T) {
	c := newClock()
	trust := newTrust(domain.DefaultLeaseTimings(), c.now)
	c.pass(time.Minute)
	ctx, end := context.WithCancelCause(t.Context())
	answer := make(chan error, 1)
	go func() { answer <- trust.Await(ctx) }()
	<-trust.doubt
	end(domain.ErrFenced)
	if err := <-answer; !errors.Is(err, domain.ErrFenced) {
		t.Errorf("the wait ended with %v, want the cause of the end of the tenure", err)
	}
}
