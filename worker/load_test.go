package worker

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// restricted is what WhatsApp says while it refuses new chats.
func restricted(r domain.Outbound) error {
	if !strings.HasPrefix(r.Contact, "bulk") {
		return nil
	}
	return &SendError{Kind: SendRetry, Reason: "refused", Note: domain.ReasonRestricted}
}

// refused lets more messages wait for another attempt than have room in memory.
func (d *desk) refused() {
	d.phone.saying(restricted)
	d.ordered(bulk(3 * maxQueued)...)
	time.Sleep(5 * time.Minute)
}

func (d *desk) wantsDelivered(t *testing.T, what string, r domain.Outbound) {
	t.Helper()
	if d.phone.delivered(r).IsZero() {
		t.Errorf("%s is not sent", what)
	}
}

func TestSender_AnswersWhileMoreMessagesThanItHoldsWaitForAnotherAttempt(t *testing.T) {
	opened(t, hurried(), func(t *testing.T, d *desk) {
		d.refused()
		for i := range 20 {
			answer := d.answers(fmt.Sprint("customer ", i))
			time.Sleep(time.Second)
			d.wantsDelivered(t, "the answer to a customer", answer)
		}
		person := outbound("customer 1", domain.LaneManual)
		d.ordered(person)
		time.Sleep(2 * time.Second)
		d.wantsDelivered(t, "a message of the owner to a customer", person)
	})
}

func TestSender_AnswersAfterAHandoverWhileManyMessagesWaitForAnotherAttempt(t *testing.T) {
	opened(t, hurried(), func(t *testing.T, d *desk) {
		d.refused()
		d.connected(nil)
		time.Sleep(time.Second)
		next := newDesk(hurried())
		defer next.closes()
		next.phone.saying(restricted)
		d.rows.Lock()
		next.stored(slices.Collect(maps.Values(d.open))...)
		d.rows.Unlock()
		campaign := outbound("customer", domain.LaneCampaign)
		next.stored(campaign)
		next.connected(next.phone)
		next.catchUp()
		answer := next.answers("customer")
		time.Sleep(5 * time.Second)
		next.wantsDelivered(t, "an answer", answer)
		next.wantsDelivered(t, "what waits behind all of them", campaign)
	})
}

func TestSender_RepeatsOnTimeWhatWaitsInTheDatabase(t *testing.T) {
	opened(t, hurried(), func(t *testing.T, d *desk) {
		d.phone.saying(func(r domain.Outbound) error {
			if r.Contact == "customer" {
				return &SendError{Kind: SendRetry}
			}
			return restricted(r)
		})
		first := d.answers("customer")
		d.ordered(bulk(3 * maxQueued)...)
		time.Sleep(30 * time.Second) // two attempts; the third is due after a minute
		second := d.answers("customer")
		d.phone.saying(restricted)
		time.Sleep(time.Second)
		if !d.phone.delivered(second).IsZero() {
			t.Error("an answer goes before an older one that waits")
		}
		time.Sleep(90 * time.Second)
		d.wantsDelivered(t, "what waited", first)
		d.wantsDelivered(t, "what waited behind it", second)
	})
}

func TestSender_AnAnswerThatWasTakenBackHoldsUpNoOther(t *testing.T) {
	d := newDesk(hurried())
	load(t, d.sender)
	d.shelf["customer"] = place(outbound("customer", domain.LaneReply))
	d.silence("customer")
	answer := d.answers("customer")
	if !d.known[answer.ID] || !d.reload {
		t.Errorf("the next answer is queued: %v, the database is read again: %v; want both", d.known[answer.ID], d.reload)
	}
}

func TestSender_SaysThatARestrictionIsOverWhenWhatWasRefusedGoesOut(t *testing.T) {
	opened(t, hurried(), func(t *testing.T, d *desk) {
		var noted atomic.Value
		d.noted = func(r domain.Reason) { noted.Store(r) }
		d.refused()
		d.answers("customer")
		time.Sleep(time.Second)
		if last := noted.Load(); last != domain.ReasonRestricted {
			t.Errorf("the note is %q while new chats are refused", last)
		}
		d.phone.saying(nil)
		time.Sleep(domain.ManualLife)
		if last := noted.Load(); last != domain.ReasonNone || d.phone.count() != 3*maxQueued+1 {
			t.Errorf("the note is %q after %d messages went out", last, d.phone.count())
		}
	})
}

// Whatever is refused and however much waits, nobody gets a message before an
// older one of its lane, or twice, or not at all.
func TestSender_KeepsTheOrderOfEachChatHoweverMuchWaits(t *testing.T) {
	for seed := range uint64(2) {
		opened(t, hurried(), func(t *testing.T, d *desk) {
			draw := rand.New(rand.NewPCG(seed, 0))
			contact := func() string { return fmt.Sprint("contact ", draw.IntN(80)) }
			refusals := rand.New(rand.NewPCG(seed, 1)) // of the sender's goroutine
			d.phone.saying(func(r domain.Outbound) error {
				if r.Attempts < domain.MaxSendAttempts/2 && refusals.IntN(3) == 0 {
					return &SendError{Kind: SendRetry}
				}
				return nil
			})
			var rows []domain.Outbound
			for range 300 {
				for range draw.IntN(20) {
					r := outbound(contact(), domain.Lane(1+draw.IntN(3)))
					rows = append(rows, r)
					d.stored(r)
				}
				d.wake()
				rows = append(rows, d.answers(contact()))
				time.Sleep(time.Duration(draw.IntN(1000)) * time.Millisecond)
			}
			time.Sleep(domain.ManualLife)
			d.wantsInOrder(t, rows)
		})
	}
}

// wantsBounded fails when more rows are in memory than there is room for.
func (d *desk) wantsBounded(t *testing.T) {
	t.Helper()
	d.sender.mu.Lock()
	defer d.sender.mu.Unlock()
	if len(d.queue) > maxQueued {
		t.Fatalf("%d rows are in memory", len(d.queue))
	}
}

func (d *desk) wantsInOrder(t *testing.T, rows []domain.Outbound) {
	t.Helper()
	type queueOf struct {
		contact string
		lane    domain.Lane
	}
	want, got := map[queueOf][]uuid.UUID{}, map[queueOf][]uuid.UUID{}
	for _, r := range rows {
		q := queueOf{r.Contact, r.Lane}
		want[q] = append(want[q], r.ID)
	}
	d.phone.mu.Lock()
	defer d.phone.mu.Unlock()
	for _, s := range d.phone.sent {
		q := queueOf{s.Contact, s.Lane}
		got[q] = append(got[q], s.ID)
	}
	for q, ids := range want {
		if !slices.Equal(ids, got[q]) {
			t.Errorf("%s got %d messages of lane %d, want %d in their order", q.contact, len(got[q]), q.lane, len(ids))
		}
	}
}
