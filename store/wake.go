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
func (w Waker) Wake(ctx context.Context, tenant uuid.UUID) (err error) {
	defer translated("wake", &err)
	w.s.hints.send(tenant)
	if w.s.dialect == sqlite {
		return nil
	}
	// The sender's id keeps it from hearing its own hint twice. A hint need not
	// survive a crash, and Postgres lets hints commit only one after another.
	_, err = w.s.writer.ExecContext(ctx, "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)",
		wakeChannel, tenant.String()+" "+w.s.replica.String())
	return err
}

// hint is Wake for our own writes: those are stored already, so a failure is
// only noted, and the caller's deadline does not count any more.
func (s *Store) hint(ctx context.Context, tenant uuid.UUID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hintDeadline)
	defer cancel()
	if err := s.Waker().Wake(ctx, tenant); err != nil {
		s.logger.Warn("hint is lost; the owner finds the change by itself", "tenant", tenant, "error", err)
	}
}

// hintTo is hint when the owner is known: a hint to this process stays in it.
func (s *Store) hintTo(ctx context.Context, owner, tenant uuid.UUID) {
	if owner == s.replica {
		s.hints.send(tenant)
		return
	}
	s.hint(ctx, tenant)
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
	tenant, sender, _ := strings.Cut(payload, " ")
	if sender == s.replica.String() {
		return
	}
	if id, err := uuid.Parse(tenant); err == nil {
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
