package worker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"flowhq/domain"
)

// answering is an inbox in which every message has one answer.
type answering struct{ Inbox }

func (answering) Receive(_ context.Context, _ domain.Tenure, in domain.Incoming, _ *domain.RatchetWrites,
	_ func(domain.InboxView) (domain.Decision, error)) (domain.Receipt, error) {
	return domain.Receipt{Replies: []domain.Outbound{outbound(in.Contact, domain.LaneReply)}}, nil
}

// writing is a connection on which customers write and whose answers wait in a
// sender that has no phone yet.
func writing() (*attempt, *desk) {
	d := newDesk(hurried())
	d.svc.Inbox = answering{}
	r := &runner{svc: d.svc, sender: d.sender}
	r.profile.Store(&domain.TenantProfile{})
	r.online.Store(true)
	return &attempt{runner: r, closed: make(chan struct{})}, d
}

// stores takes a message and says how long that took and how long the next one
// is held back.
func (a *attempt) stores(t *testing.T, contact string) (took, held time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), InboxDeadline)
	defer cancel()
	began := time.Now()
	if err := a.Message(ctx, domain.Incoming{Contact: contact}, nil); err != nil {
		t.Fatal(err)
	}
	took = time.Since(began)
	a.HoldBack(ctx, contact)
	return took, time.Since(began) - took
}

func TestAttempt_HoldsTheNextMessageBackWhileManyAnswersWaitButNotTheStoredOne(t *testing.T) {
	for name, c := range map[string]struct {
		waiting int
		contact func(int) string
		want    time.Duration
	}{
		"one below the bound of a chat": {domain.MaxOutboxPerChat - 2, func(int) string { return "a" }, 0},
		"at the bound of a chat":        {domain.MaxOutboxPerChat - 1, func(int) string { return "a" }, InboxDeadline},
		"at the bound of all chats":     {maxQueued - 1, func(i int) string { return string(rune('b' + i)) }, InboxDeadline},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, d := writing()
				load(t, d.sender)
				for i := range c.waiting {
					d.answers(c.contact(i))
				}
				if took, held := a.stores(t, "a"); took != 0 || held != c.want {
					t.Errorf("it is stored after %s, and the next one held back for %s; want 0 and %s", took, held, c.want)
				}
			})
		})
	}
}

func TestAttempt_TakesTheNextMessageAsSoonAsThereIsRoomForItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := writing()
		defer d.closes()
		load(t, d.sender)
		for range domain.MaxOutboxPerChat {
			d.answers("a")
		}
		time.AfterFunc(time.Second, func() { d.connected(d.phone); d.catchUp() })
		if _, held := a.stores(t, "a"); held < time.Second || held > 2*time.Second {
			t.Errorf("it is held back for %s, want a second", held)
		}
	})
}

func TestAttempt_HoldsNobodyBackForMessagesThatAnswerNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := writing()
		rows := bulk(maxQueued)
		for i := range domain.MaxOutboxPerChat {
			rows[i].Contact = "a"
		}
		d.stored(rows...)
		load(t, d.sender)
		if _, held := a.stores(t, "a"); held != 0 {
			t.Errorf("a customer's next message is held back for %s", held)
		}
	})
}

// repeating is an inbox that has seen every message before.
type repeating struct{ Inbox }

func (repeating) Receive(context.Context, domain.Tenure, domain.Incoming, *domain.RatchetWrites,
	func(domain.InboxView) (domain.Decision, error)) (domain.Receipt, error) {
	return domain.Receipt{Duplicate: true}, nil
}

func TestAttempt_HoldsNobodyBackForAMessageThatComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := writing()
		load(t, d.sender)
		for range domain.MaxOutboxPerChat {
			d.answers("a")
		}
		d.svc.Inbox = repeating{}
		if _, held := a.stores(t, "a"); held != 0 {
			t.Errorf("what follows a message that comes again is held back for %s", held)
		}
	})
}
