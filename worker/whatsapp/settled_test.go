package whatsapp_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/worker"
	"flowhq/worker/whatsapp"
)

// overtaken is a store in which the first answer gets its outcome at the last
// moment before it goes out.
type overtaken struct {
	worker.Ratchet
	outbox worker.Outbox
	spent  *atomic.Bool
	over   chan struct{}
}

func (o overtaken) Save(ctx context.Context, t domain.Tenure, w *domain.RatchetWrites, sending uuid.UUID) error {
	if sending != uuid.Nil && !o.spent.Swap(true) {
		defer close(o.over)
		err := o.outbox.Finish(ctx, []domain.Outcome{{Tenure: t, ID: sending, Status: domain.StatusDelivered, Attempts: 1, ServerAt: domain.Now(), RunAt: domain.Now()}})
		if err != nil {
			return err
		}
	}
	return o.Ratchet.Save(ctx, t, w, sending)
}

func TestSend_NothingGoesOutForAnAnswerThatHasAnOutcome(t *testing.T) {
	over := make(chan struct{})
	w := newWorld(t, whatsapp.Unsafe{}, func(s *worker.Services) { s.Ratchet = overtaken{s.Ratchet, s.Outbox, new(atomic.Bool), over} })
	owner, first, second := w.phone("+255754000001", "Amina"), w.phone("+255754000101", "Asha"), w.phone("+255754000102", "Neema")
	w.link(w.tenant(owner.Number()), owner)
	w.say(first, owner, "Habari")
	<-over
	w.say(second, owner, "Habari")
	w.answer(second, "Saluni ya Amina") // and with it whatever was sent before
	if shown := first.Messages(nil); len(shown) != 1 {
		t.Errorf("the phone shows %+v", shown)
	}
	w.say(first, owner, "Habari")
	w.answer(first, "Nikusaidie nini?")
	if l := w.sim.Ledger(); l.CounterReuse != 0 || l.DecryptErrors != 0 {
		t.Errorf("ledger: %+v", l.Counts)
	}
}
