package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Waker carries hints within a process and, on Postgres, between processes. A
// lost hint costs time, never correctness.
type Waker struct{ s *Store }

// Waker returns the store as the waker of the worker and of the handlers. Every
// method of this package that changes what a runner must see gives its hint
// itself, after the commit.
func (s *Store) Waker() Waker { return Waker{s} }

const (
	wakeChannel  = "flowhq_wake"
	wakeBuffer   = 256
	hintDeadline = 2 * time.Second

	listenPing   = 15 * time.Second // how long a silent connection is trusted
	listenAnswer = 5 * time.Second
	listenAgain  = 5 * time.Second // longest pause before listening anew
)

// Wake gives a hint that something changed for a tenant.
func (w Waker) Wake(ctx context.Context, tenant uuid.UUID) error {
	return w.s.wake(ctx, uuid.Nil, tenant)
}

// wake tells the owner, or everybody when it is not known. A hint names the
// tenant, the sender, which keeps it from hearing its own hint twice, and the
// owner. It need not survive a crash, and Postgres lets hints commit only one
// after another.
func (s *Store) wake(ctx context.Context, owner, tenant uuid.UUID) (err error) {
	defer translated("wake", &err)
	payload := tenant.String() + " " + s.replica.String()
	switch owner {
	case s.replica:
		s.hints.send(tenant)
		return nil
	case uuid.Nil:
		s.hints.send(tenant)
	default:
		payload += " " + owner.String()
	}
	if s.dialect == sqlite {
		return nil
	}
	_, err = s.writer.ExecContext(ctx, "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)", wakeChannel, payload)
	return err
}

// hint is Wake for our own writes: those are stored already, so a failure is
// only noted, and the caller's deadline does not count any more.
func (s *Store) hint(ctx context.Context, tenant uuid.UUID) { s.hintTo(ctx, uuid.Nil, tenant) }

// hintTo is hint when the owner is known: nobody else has to look.
func (s *Store) hintTo(ctx context.Context, owner, tenant uuid.UUID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hintDeadline)
	defer cancel()
	if err := s.wake(ctx, owner, tenant); err != nil {
		s.logger.Warn("hint is lost; the owner finds the change by itself", "tenant", tenant, "error", err)
	}
}

// Wakes delivers hints until ctx ends. The contract is worker.Waker's.
func (w Waker) Wakes(ctx context.Context) <-chan uuid.UUID {
	c := w.s.hints.subscribe(ctx)
	if w.s.dialect == postgres {
		go w.s.listen(ctx)
	}
	return c
}

// listen passes the hints of other processes on until ctx ends.
func (s *Store) listen(ctx context.Context) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		if attempt > 0 {
			delay := min(listenAgain, 50*time.Millisecond<<min(attempt, 8))
			wait(ctx, delay/2+rand.N(delay/2))
		}
		connected, err := s.listenOnce(ctx)
		if connected {
			attempt = 0
		}
		if ctx.Err() == nil {
			s.logger.Warn("hints of other replicas are not heard for a moment", "error", err)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// listenOnce uses a connection of its own: LISTEN belongs to a session.
func (s *Store) listenOnce(ctx context.Context) (connected bool, err error) {
	config, err := parsePostgres(s.url)
	if err != nil {
		return false, err
	}
	config.RuntimeParams["application_name"] = applicationName(s.replica)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), hintDeadline)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+wakeChannel); err != nil {
		return false, fmt.Errorf("listen: %w", err)
	}
	for {
		if err := s.hear(ctx, conn); err != nil {
			return true, err
		}
	}
}

// hear waits for one hint. After a silence it asks whether the connection is
// still alive: a broken one is silent too.
func (s *Store) hear(ctx context.Context, conn *pgx.Conn) error {
	quiet, cancel := context.WithTimeout(ctx, listenPing)
	defer cancel()
	n, err := conn.WaitForNotification(quiet)
	switch {
	case err == nil:
		s.heard(n.Payload)
		return nil
	case quiet.Err() == nil || ctx.Err() != nil || conn.IsClosed():
		return err
	}
	asking, cancel := context.WithTimeout(ctx, listenAnswer)
	defer cancel()
	return conn.Ping(asking)
}

func (s *Store) heard(payload string) {
	parts := strings.Fields(payload)
	if len(parts) < 2 || parts[1] == s.replica.String() || len(parts) > 2 && parts[2] != s.replica.String() {
		return
	}
	if id, err := uuid.Parse(parts[0]); err == nil {
		s.hints.send(id)
	}
}

// broadcaster passes hints to everybody in this process who wants them.
type broadcaster struct {
	mu        sync.Mutex
	listeners map[chan uuid.UUID]bool
}

func newBroadcaster() *broadcaster { return &broadcaster{listeners: map[chan uuid.UUID]bool{}} }

func (b *broadcaster) subscribe(ctx context.Context) <-chan uuid.UUID {
	c := make(chan uuid.UUID, wakeBuffer)
	b.mu.Lock()
	b.listeners[c] = true
	b.mu.Unlock()
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listeners, c)
	})
	return c
}

func (b *broadcaster) send(id uuid.UUID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.listeners {
		select {
		case c <- id:
		default: // it is behind and polls anyway
		}
	}
}
