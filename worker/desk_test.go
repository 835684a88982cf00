package worker

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"flowhq/domain"
)

// desk is one tenant's sender between an outbox and a phone, in memory, for
// tests in virtual time.
type desk struct {
	Outbox
	*sender

	rows  sync.Mutex
	open  map[uuid.UUID]domain.Outbound
	phone *wire
}

// newDesk makes a sender that is not connected yet.
func newDesk(settings Settings) *desk {
	d := &desk{open: map[uuid.UUID]domain.Outbound{}, phone: &wire{}}
	svc := &Services{Outbox: d, Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry()), Settings: settings}
	d.sender = newSender(svc, newFinisher(d, svc.Logger), domain.Tenure{}, func(error) {}, func(domain.Reason) {})
	return d
}

// opened runs a test in virtual time at a desk whose phone is connected.
func opened(t *testing.T, settings Settings, test func(t *testing.T, d *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(settings)
		d.connected(d.phone)
		d.catchUp()
		defer d.closes()
		test(t, d)
	})
}

// closes waits until nothing runs any more.
func (d *desk) closes() {
	d.stop()
	time.Sleep(time.Second) // the outcomes are stored
}

// hurried are settings without the human pace.
func hurried() Settings {
	s := DefaultSettings()
	s.HumanPace = false
	return s
}

// stored puts rows into the database, as the API does.
func (d *desk) stored(rows ...domain.Outbound) {
	d.rows.Lock()
	defer d.rows.Unlock()
	for _, r := range rows {
		d.open[r.ID] = r
	}
}

// ordered stores rows of others and gives the hint.
func (d *desk) ordered(rows ...domain.Outbound) {
	d.stored(rows...)
	d.wake()
}

// answers stores a reply to a customer and hands it over, as the inbox does.
func (d *desk) answers(contact string) domain.Outbound {
	r := outbound(contact, domain.LaneReply)
	d.stored(r)
	d.offer([]domain.Outbound{r})
	return r
}

func (d *desk) Due(_ context.Context, _ uuid.UUID, limit int, after *domain.Outbound) (due []domain.Outbound, next time.Time, _ error) {
	d.rows.Lock()
	defer d.rows.Unlock()
	now := time.Now()
	for _, r := range d.open {
		switch {
		case r.Attempts == 0 && r.Lane != domain.LaneReply && r.RunAt.After(now):
			if next.IsZero() || r.RunAt.Before(next) {
				next = r.RunAt
			}
		case after == nil || before(&queued{Outbound: *after}, &queued{Outbound: r}):
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b domain.Outbound) int { return precedence(&queued{Outbound: a}, &queued{Outbound: b}) })
	return due[:min(limit, len(due))], next, nil
}

func (d *desk) Finish(_ context.Context, outcomes []domain.Outcome) error {
	d.rows.Lock()
	defer d.rows.Unlock()
	for _, o := range outcomes {
		if o.Status != domain.StatusQueued {
			delete(d.open, o.ID)
			continue
		}
		r := d.open[o.ID]
		r.Attempts, r.RunAt, r.LastError = o.Attempts, o.RunAt, o.Error
		d.open[o.ID] = r
	}
	return nil
}

// tally is what a counter has counted, all its labels together.
func tally(t *testing.T, c prometheus.Collector) (n float64) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			n += m.GetCounter().GetValue()
		}
	}
	return n
}

// wire is a phone that notes what it is given.
type wire struct {
	Phone

	mu    sync.Mutex
	says  func(domain.Outbound) error // what WhatsApp says to a message; nil: it takes all
	sent  []delivery
	typed []delivery // of which only the chat is known
}

type delivery struct {
	domain.Outbound
	at time.Time
}

// saying lets WhatsApp say something else from here on.
func (w *wire) saying(says func(domain.Outbound) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.says = says
}

func (w *wire) Send(_ context.Context, r domain.Outbound) (time.Time, error) {
	time.Sleep(10 * time.Millisecond) // WhatsApp's answer is on its way
	w.mu.Lock()
	says := w.says
	w.mu.Unlock()
	if says != nil {
		if err := says(r); err != nil {
			return time.Time{}, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, delivery{r, time.Now()})
	return time.Now(), nil
}

func (w *wire) Typing(_ context.Context, chatJID string, _ bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.typed = append(w.typed, delivery{domain.Outbound{ChatJID: chatJID}, time.Now()})
}

// delivered says when a row went out; zero if it has not.
func (w *wire) delivered(r domain.Outbound) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		if s.ID == r.ID {
			return s.at
		}
	}
	return time.Time{}
}

// count is how many messages went out.
func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sent)
}
