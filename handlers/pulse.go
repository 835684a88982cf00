package handlers

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// pulse shares answers of the database between all viewers of this process:
// each key is asked for at most once per period, whoever wants to know.
type pulse struct {
	mu    sync.Mutex
	beats map[string]*beat
	now   func() time.Time
}

// Keys of what changes through the portal; whoever changes it forgets the answer.
const (
	sessionsKey = "sessions"
	tenantsKey  = "tenants"
	replicasKey = "replicas"
)

func tenantMark(id uuid.UUID) string { return "tenant " + id.String() }

type beat struct {
	mu    sync.Mutex // held while the question is asked; the others wait for the answer
	at    time.Time
	value any
}

func newPulse() *pulse { return &pulse{beats: map[string]*beat{}, now: time.Now} }

// maxBeats bounds the keys; tenants come and go.
const maxBeats = 20_000

func (p *pulse) beat(key string) *beat {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.beats[key]
	if b == nil {
		if len(p.beats) >= maxBeats {
			clear(p.beats)
		}
		b = new(beat)
		p.beats[key] = b
	}
	return b
}

// forget makes the next question about a key go to the database.
func (p *pulse) forget(key string) {
	b := p.beat(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = time.Time{}
}

// note puts an answer to a key that came along with another.
func note[T any](p *pulse, key string, value T) {
	b := p.beat(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.value, b.at = value, p.now()
}

// askDeadline bounds one question. It is asked for everybody who waits, so it
// does not end with the request that happened to come first.
const askDeadline = 10 * time.Second

// remember returns the answer to a key that is younger than period, or asks.
// Errors are not remembered.
func remember[T any](ctx context.Context, p *pulse, key string, period time.Duration, ask func(context.Context) (T, error)) (T, error) {
	b := p.beat(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	if old, ok := b.value.(T); ok && p.now().Sub(b.at) < period {
		return old, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askDeadline)
	defer cancel()
	fresh, err := ask(ctx)
	if err != nil {
		return fresh, err
	}
	b.value, b.at = fresh, p.now()
	return fresh, nil
}
