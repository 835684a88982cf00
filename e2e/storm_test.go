package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flowhq/simulator"
)

// storm is a load of many chats and everything that is seen of it. Each text
// is one to which exactly one answer is due.
type storm struct {
	w       *world
	shops   []*shop
	chats   []*chat
	answers atomic.Int64  // shown so far, in all chats
	tokens  chan struct{} // each allows one message
	again   float64       // share of the messages that phones encrypt and send again under the same id
	writers sync.WaitGroup
	pours   sync.WaitGroup // who gives out tokens
	enough  chan struct{}  // closed when no fault comes any more
	failed  atomic.Pointer[error]
	strikes map[string][]time.Time // by tenant: when a fault hit the replica that served it
	started time.Time
}

// chat is one customer with one shop.
type chat struct {
	shop *shop
	who  *simulator.Phone

	mu      sync.Mutex
	written []string    // ids of messages in the order in which they were sent
	shown   []string    // ids of answers in the order in which the phone showed them
	sent    []time.Time // of written
	seen    []time.Time // of shown
	news    chan struct{}
}

// newStorm opens shops, a few at a time, with customers for each.
func newStorm(t *testing.T, w *world, shops, customers int) *storm {
	t.Helper()
	s := &storm{w: w, shops: openMany(t, w, shops), started: time.Now()}
	for _, shop := range s.shops {
		for range customers {
			s.chats = append(s.chats, s.newChat(t, shop))
		}
	}
	return s
}

// openMany opens shops, a few at a time.
func openMany(t *testing.T, w *world, n int) []*shop {
	t.Helper()
	all := make([]*shop, n)
	errs, turn := make(chan error, n), make(chan struct{}, 4)
	for i := range all {
		go func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			shop, err := w.open(salon)
			all[i] = shop
			errs <- err
		}()
	}
	for range all {
		if err := <-errs; err != nil {
			t.Fatalf("open the shops: %v", err)
		}
	}
	return all
}

func (s *storm) newChat(t *testing.T, shop *shop) *chat {
	t.Helper()
	p, err := s.w.phone("")
	if err != nil {
		t.Fatal(err)
	}
	return s.chatOf(shop, p)
}

// chatOf is the chat of a phone with a shop.
func (s *storm) chatOf(shop *shop, p *simulator.Phone) *chat {
	c := &chat{shop: shop, who: p, news: make(chan struct{}, 1)}
	p.Subscribe(func(m simulator.Message) {
		if m.From != shop.owner.Number() {
			return
		}
		c.mu.Lock()
		c.shown, c.seen = append(c.shown, m.ID), append(c.seen, time.Now())
		c.mu.Unlock()
		s.answers.Add(1)
		select {
		case c.news <- struct{}{}:
		default:
		}
	})
	return c
}

// behind is how many messages of the chat have no answer yet.
func (c *chat) behind() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.written) - len(c.shown)
}

// begin lets the customers write as tokens are given out. Each has at most a
// few unanswered messages, as many as a seeded draw says, up to window.
func (s *storm) begin(seed uint64, messages, window int) {
	s.tokens, s.enough = make(chan struct{}, messages), make(chan struct{})
	for i, c := range s.chats {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		s.writers.Go(func() { s.write(c, rng, window) })
	}
}

// stalled is how long a customer waits for answers before he writes on.
const stalled = 20 * time.Second

func (s *storm) write(c *chat, rng *rand.Rand, window int) {
	for range s.tokens {
		patience := time.NewTimer(stalled)
		for limit := 1 + rng.IntN(window); c.behind() >= limit; {
			select {
			case <-c.news:
				continue
			case <-patience.C:
			}
			break
		}
		patience.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), stalled)
		id := fmt.Sprintf("AC%s-%05d", c.who.Number()[1:], len(c.written))
		// The id is noted first: an answer may be faster than the return of the call.
		c.mu.Lock()
		c.written, c.sent = append(c.written, id), append(c.sent, time.Now())
		c.mu.Unlock()
		_, err := c.who.SendText(ctx, c.shop.owner, "menu", simulator.WithID(id))
		if err == nil && rng.Float64() < s.again {
			_, err = c.who.SendText(ctx, c.shop.owner, "menu", simulator.WithID(id), simulator.ViaPN())
		}
		cancel()
		if err != nil {
			err = fmt.Errorf("message %s could not be sent: %w", id, err)
			s.failed.Store(&err)
		}
	}
}

// allow gives out tokens.
func (s *storm) allow(n int) {
	for range n {
		s.tokens <- struct{}{}
	}
}

// settle waits until every message has an answer on a phone, or nothing has
// moved for a long time.
func (s *storm) settle(t *testing.T) {
	t.Helper()
	s.pours.Wait()
	close(s.tokens)
	s.writers.Wait()
	if err := s.failed.Load(); err != nil {
		t.Fatal(*err)
	}
	const quiet = 45 * time.Second // longer than any wait of the program for one message
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	last, moved := s.answers.Load(), time.Now()
	for range ticker.C {
		missing := 0
		for _, c := range s.chats {
			missing += max(c.behind(), 0)
		}
		if missing == 0 {
			return
		}
		if now := s.answers.Load(); now != last {
			last, moved = now, time.Now()
		}
		if time.Since(moved) > quiet {
			t.Errorf("%d messages have no answer on a phone and nothing has moved for %s; %d wait at WhatsApp", missing, quiet, s.unacked())
			return
		}
	}
}

// rests waits until the bots have nothing under way, and a little longer: the
// last fault may have left an answer behind that comes a second time.
func (s *storm) rests(t *testing.T) {
	t.Helper()
	eventually(t, "nothing is under way", patience, func() (bool, string) {
		open, queued := s.w.count(t, "SELECT count(*) FROM outbox WHERE open"), s.unacked()
		return open+queued == 0, fmt.Sprintf("%d answers are to be sent, %d messages wait at WhatsApp", open, queued)
	})
	<-time.After(afterglow)
}

// afterglow is longer than an answer takes.
const afterglow = 2 * time.Second

// unacked counts the messages that no bot has acknowledged.
func (s *storm) unacked() int {
	n := 0
	for _, shop := range s.shops {
		n += len(s.w.wa.Unacked(shop.owner.Number()))
	}
	return n
}

// messages counts what was written.
func (s *storm) messages() int {
	n := 0
	for _, c := range s.chats {
		c.mu.Lock()
		n += len(c.written)
		c.mu.Unlock()
	}
	return n
}
