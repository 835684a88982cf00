package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store/storetest"
)

// queue adds an outbox row for a contact in a lane that falls due at a time.
func (w *world) queue(contact string, lane domain.Lane, at time.Time) domain.Outbound {
	w.t.Helper()
	m, err := w.Messages().Enqueue(w.t.Context(), domain.Outbound{TenantID: w.tenant.ID, Contact: contact, ChatJID: contact, Lane: lane, Text: "habari", RunAt: at})
	must(w.t, err)
	return m
}

func (w *world) due(limit int) (due []uuid.UUID, next time.Time) {
	w.t.Helper()
	rows, next, err := w.Outbox().Due(w.t.Context(), w.tenant.ID, limit, nil)
	must(w.t, err)
	for _, r := range rows {
		due = append(due, r.ID)
	}
	return due, next
}

func TestDue_OrdersByLaneAndThenByAge(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		now := domain.Now()
		campaign := w.queue("a", domain.LaneCampaign, now)
		manual := w.queue("b", domain.LaneManual, now)
		manual2 := w.queue("a", domain.LaneManual, now)
		answer := w.mustReceive(incoming("A", "habari"), answer("karibu")).Replies[0]
		later := w.queue("c", domain.LaneManual, now.Add(2*time.Hour))
		w.queue("c", domain.LaneManual, now.Add(3*time.Hour))

		due, next := w.due(10)
		if diff := cmp.Diff([]uuid.UUID{answer.ID, manual.ID, manual2.ID, campaign.ID}, due); diff != "" {
			t.Errorf("due (-want +got):\n%s", diff)
		}
		if !next.Equal(later.RunAt) {
			t.Errorf("next is %v, want %v", next, later.RunAt)
		}
		if due, _ := w.due(2); len(due) != 2 || due[0] != answer.ID {
			t.Errorf("with a limit: %v", due)
		}
		for after, want := range map[domain.Outbound][]uuid.UUID{answer: {manual.ID, manual2.ID, campaign.ID}, manual: {manual2.ID, campaign.ID}, campaign: nil} {
			rows, _, err := w.Outbox().Due(t.Context(), w.tenant.ID, 10, &after)
			must(t, err)
			var due []uuid.UUID
			for _, r := range rows {
				due = append(due, r.ID)
			}
			if diff := cmp.Diff(want, due); diff != "" {
				t.Errorf("behind one of lane %d (-want +got):\n%s", after.Lane, diff)
			}
		}
	})
}

// A younger message must not be sent before the one that waits for its retry,
// whoever reads the queue next.
func TestDue_NamesARowThatWaitsForItsRetryBeforeTheYoungerOnesOfItsChat(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		now := domain.Now()
		older := w.queue("a", domain.LaneManual, now)
		younger := w.queue("a", domain.LaneManual, now)
		planned := w.queue("a", domain.LaneManual, now.Add(2*time.Hour))
		retry := now.Add(time.Hour)
		must(t, w.Outbox().Finish(t.Context(), []domain.Outcome{
			{Tenure: w.tenure, ID: older.ID, Status: domain.StatusQueued, RunAt: retry, Attempts: 1, Error: "timeout"},
		}))
		rows, next, err := w.Outbox().Due(t.Context(), w.tenant.ID, 10, nil)
		must(t, err)
		if len(rows) != 2 || rows[0].ID != older.ID || !rows[0].RunAt.Equal(retry) || rows[1].ID != younger.ID {
			t.Errorf("due is %+v, want the older row with its retry, then the younger one", rows)
		}
		if !next.Equal(planned.RunAt) {
			t.Errorf("next is %v, want %v", next, planned.RunAt)
		}
		if due, _ := w.due(1); !slices.Equal(due, []uuid.UUID{older.ID}) {
			t.Errorf("with a limit: %v, want the older row", due)
		}
	})
}

func TestDue_NamesAnAnswerThatIsToWaitBeforeTheYoungerOnesOfItsChat(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.queue(neema, domain.LaneReply, domain.Now().Add(3*time.Second)) // to a message from before an outage
		second := w.queue(neema, domain.LaneReply, domain.Now())
		due, next := w.due(10)
		if diff := cmp.Diff([]uuid.UUID{first.ID, second.ID}, due); diff != "" || !next.IsZero() {
			t.Errorf("next %v; due (-want +got):\n%s", next, diff)
		}
	})
}

func TestDue_LeavesFinishedRowsOutAndNamesNoNext(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, status := range []domain.MessageStatus{domain.StatusSent, domain.StatusFailed, domain.StatusExpired} {
			w.finish(w.queue("a", domain.LaneManual, domain.Now()), status)
		}
		open := w.queue("a", domain.LaneManual, domain.Now())
		must(t, w.Ratchet().Save(t.Context(), w.tenure, nil, open.ID)) // of unknown outcome
		due, next := w.due(10)
		if diff := cmp.Diff([]uuid.UUID{open.ID}, due); diff != "" || !next.IsZero() {
			t.Errorf("next %v, due (-want +got):\n%s", next, diff)
		}
		n, err := w.Outbox().Pending(t.Context(), w.tenant.ID)
		must(t, err)
		if n != 1 {
			t.Errorf("%d rows pending", n)
		}
	})
}

func TestFinish_StoresEachOutcome(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		now := domain.Now()
		sent, again, dead := w.queue("a", domain.LaneManual, now), w.queue("b", domain.LaneManual, now), w.queue("c", domain.LaneManual, now)
		retry := now.Add(time.Minute)
		must(t, w.Outbox().Finish(t.Context(), []domain.Outcome{
			{Tenure: w.tenure, ID: sent.ID, Status: domain.StatusSent, ServerAt: now, Attempts: 1},
			{Tenure: w.tenure, ID: again.ID, Status: domain.StatusQueued, RunAt: retry, Attempts: 2, Error: "timeout"},
			{Tenure: w.tenure, ID: dead.ID, Status: domain.StatusFailed, Attempts: 8, Error: "not on WhatsApp"},
		}))
		if r := w.row(sent.WAID); r.Status != domain.StatusSent || r.Attempts != 1 {
			t.Errorf("sent: %+v", r)
		}
		if r := w.row(again.WAID); r.Status != domain.StatusQueued || r.Attempts != 2 || !r.RunAt.Equal(retry) || r.LastError != "timeout" {
			t.Errorf("again: %+v", r)
		}
		m, err := w.Messages().Message(t.Context(), w.tenant.ID, dead.ID)
		must(t, err)
		if m.Status != domain.StatusFailed || m.Reason != "not on WhatsApp" {
			t.Errorf("dead: %+v", m)
		}
		if due, next := w.due(10); !slices.Equal(due, []uuid.UUID{again.ID}) || !next.IsZero() {
			t.Errorf("due %v, next %v", due, next)
		}
	})
}

func TestFinish_DropsOutcomesWhoseTenureIsOver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.queue("a", domain.LaneManual, domain.Now())
		for name, tenure := range w.over() {
			wantUnchanged(t, w.Store, func() {
				err := w.Outbox().Finish(t.Context(), []domain.Outcome{{Tenure: tenure, ID: m.ID, Status: domain.StatusSent, ServerAt: domain.Now()}})
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
	})
}

func TestFinish_OfManyTenantsDropsOnlyWhatIsOver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		mine := w.queue("a", domain.LaneManual, domain.Now())
		other := storetest.NewTenant(t, w.Store)
		tenure := storetest.Serve(t, w.Store, other)
		theirs, err := w.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: other.ID, Contact: "a", ChatJID: "a", Text: "x"})
		must(t, err)
		tenure.Epoch++
		must(t, w.Outbox().Finish(t.Context(), []domain.Outcome{
			{Tenure: tenure, ID: theirs.ID, Status: domain.StatusSent, ServerAt: domain.Now()},
			{Tenure: w.tenure, ID: mine.ID, Status: domain.StatusSent, ServerAt: domain.Now()},
			{Tenure: w.tenure, ID: theirs.ID, Status: domain.StatusSent, ServerAt: domain.Now()}, // not a row of this tenant
		}))
		row, _, err := w.Outbox().ForRetry(t.Context(), other.ID, theirs.WAID)
		must(t, err)
		if w.row(mine.WAID).Status != domain.StatusSent || row.Status != domain.StatusQueued {
			t.Errorf("mine %s, theirs %s", w.row(mine.WAID).Status, row.Status)
		}
	})
}

func TestFinish_TakesTheLastOfSeveralOutcomesOfARow(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.queue("a", domain.LaneManual, domain.Now())
		must(t, w.Outbox().Finish(t.Context(), []domain.Outcome{
			{Tenure: w.tenure, ID: m.ID, Status: domain.StatusQueued, RunAt: domain.Now(), Attempts: 1, Error: "timeout"},
			{Tenure: w.tenure, ID: m.ID, Status: domain.StatusSent, ServerAt: domain.Now(), Attempts: 2},
		}))
		if r := w.row(m.WAID); r.Status != domain.StatusSent || r.Attempts != 2 {
			t.Errorf("stored %+v", r)
		}
	})
}

// What an owner of an earlier term reports must not undo what the present one did.
func TestFinish_DoesNotTouchARowThatALaterTermIsSending(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.queue("a", domain.LaneManual, domain.Now())
		old := w.tenure
		must(t, w.Leases().Release(t.Context(), []domain.Tenure{old}, 0))
		next, err := w.Leases().Acquire(t.Context(), w.ReplicaID(), 1)
		must(t, err)
		must(t, w.Ratchet().Save(t.Context(), next[0].Tenure, nil, m.ID))
		wantUnchanged(t, w.Store, func() {
			must(t, w.Outbox().Finish(t.Context(), []domain.Outcome{{Tenure: old, ID: m.ID, Status: domain.StatusQueued, RunAt: domain.Now()}}))
		})
	})
}

func TestOutbox_NeverGoesBack(t *testing.T) {
	finish := func(s domain.MessageStatus) func(*world, domain.Outbound) {
		return func(w *world, m domain.Outbound) { w.finish(m, s) }
	}
	tick := func(s domain.MessageStatus) func(*world, domain.Outbound) {
		return func(w *world, m domain.Outbound) {
			must(w.t, w.Outbox().Ticks(w.t.Context(), []domain.Tick{{TenantID: w.tenant.ID, WAID: m.WAID, Status: s}}))
		}
	}
	sending := func(w *world, m domain.Outbound) { must(w.t, w.Ratchet().Save(w.t.Context(), w.tenure, nil, m.ID)) }
	refused := func(w *world, m domain.Outbound) {
		if err := w.Ratchet().Save(w.t.Context(), w.tenure, nil, m.ID); !errors.Is(err, domain.ErrSettled) {
			w.t.Errorf("it may be sent again: %v", err)
		}
	}
	silence := func(w *world, m domain.Outbound) {
		w.mustReceive(from(m.Contact, uuid.NewString()), func(domain.InboxView) (domain.Decision, error) { return domain.Decision{SilenceChat: true}, nil })
	}
	type steps = []func(*world, domain.Outbound)
	cases := []struct {
		name  string
		steps steps
		want  domain.MessageStatus
	}{
		{"the usual way", steps{sending, finish("sent"), tick("delivered"), tick("read")}, "read"},
		{"read before delivered", steps{sending, finish("sent"), tick("read"), tick("delivered")}, "read"},
		{"delivered before the outcome", steps{sending, tick("delivered"), finish("sent")}, "delivered"},
		{"a late failure", steps{sending, finish("sent"), finish("failed")}, "sent"},
		{"a late retry", steps{sending, finish("sent"), finish("queued")}, "sent"},
		{"a retry after the receipt", steps{sending, tick("delivered"), finish("queued")}, "delivered"},
		{"an expiry after the receipt", steps{sending, tick("read"), finish("expired")}, "read"},
		{"marked again after it was sent", steps{sending, finish("sent"), refused}, "sent"},
		{"a failure stays", steps{finish("failed"), finish("queued"), refused}, "failed"},
		{"cancelled stays", steps{silence, finish("queued"), refused}, "cancelled"},
		{"cancelled, but it was on its way", steps{sending, silence, finish("sent")}, "sent"},
		{"cancelled, but the receipt came", steps{sending, silence, tick("delivered")}, "delivered"},
		{"given up, but the receipt came", steps{sending, finish("failed"), tick("delivered")}, "delivered"},
		{"a receipt of our own server", steps{sending, tick("sent")}, "sent"},
		{"a status that is no receipt", steps{sending, tick("queued"), tick("failed")}, "sending"},
	}
	inWorld(t, func(t *testing.T, w *world) {
		for i, c := range cases {
			contact := fmt.Sprintf("+2557000001%02d", i)
			m := w.mustReceive(from(contact, c.name), func(v domain.InboxView) (domain.Decision, error) {
				r := reply("karibu", v)
				r.Contact = contact
				return domain.Decision{Replies: []domain.Outbound{r}}, nil
			}).Replies[0]
			for _, step := range c.steps {
				step(w, m)
			}
			if got := w.row(m.WAID).Status; got != c.want {
				t.Errorf("%s: the row is %s, want %s", c.name, got, c.want)
			}
			due, _ := w.due(1000)
			wantOpen := c.want == domain.StatusSending || c.want == domain.StatusQueued
			if slices.Contains(due, m.ID) != wantOpen {
				t.Errorf("%s: due %v, want it open: %v", c.name, due, wantOpen)
			}
		}
	})
}

// from is a message of a customer of its own.
func from(contact, waID string) domain.Incoming {
	in := incoming(waID, "habari")
	in.Contact, in.ChatJID = contact, contact[1:]+"@s.whatsapp.net"
	return in
}

func TestOverdue_NamesTheTenantsOfAReplicaWithAMessageThatWaits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		now := domain.Now()
		w.queue("a", domain.LaneManual, now.Add(-time.Hour))
		w.queue("b", domain.LaneManual, now.Add(-2*time.Hour))
		future := storetest.NewTenant(t, w.Store)
		storetest.Serve(t, w.Store, future)
		_, err := w.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: future.ID, Contact: "a", ChatJID: "a", Text: "x", RunAt: now.Add(time.Hour)})
		must(t, err)
		nobodys := storetest.NewTenant(t, w.Store)
		_, err = w.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: nobodys.ID, Contact: "a", ChatJID: "a", Text: "x", RunAt: now.Add(-time.Hour)})
		must(t, err)
		for _, c := range []struct {
			replica uuid.UUID
			before  time.Time
			want    []uuid.UUID
		}{
			{w.ReplicaID(), now, []uuid.UUID{w.tenant.ID}},
			{w.ReplicaID(), now.Add(-3 * time.Hour), nil},
			{domain.NewID(), now, nil},
		} {
			got, err := w.Outbox().Overdue(t.Context(), c.replica, c.before)
			must(t, err)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("overdue (-want +got):\n%s", diff)
			}
		}
	})
}

func TestTicks_StoreTheBestOfSeveralAndIgnoreUnknownMessages(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.queue("a", domain.LaneManual, domain.Now())
		other := storetest.NewTenant(t, w.Store).ID
		must(t, w.Outbox().Ticks(t.Context(), []domain.Tick{
			{TenantID: other, WAID: m.WAID, Status: domain.StatusRead}, // another tenant's id does not reach the row
			{TenantID: w.tenant.ID, WAID: "unknown", Status: domain.StatusRead},
			{TenantID: w.tenant.ID, WAID: m.WAID, Status: domain.StatusDelivered},
			{TenantID: w.tenant.ID, WAID: m.WAID, Status: domain.StatusSent},
		}))
		if got := w.row(m.WAID).Status; got != domain.StatusDelivered {
			t.Errorf("the row is %s", got)
		}
		must(t, w.Outbox().Ticks(t.Context(), nil))
		must(t, w.Outbox().Finish(t.Context(), nil))
	})
}

func TestFinishAndTicks_TakeManyRowsAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var outcomes []domain.Outcome
		var ticks []domain.Tick
		for i := range 300 {
			m := w.queue(fmt.Sprint(i), domain.LaneManual, domain.Now())
			outcomes = append(outcomes, domain.Outcome{Tenure: w.tenure, ID: m.ID, Status: domain.StatusSent, ServerAt: domain.Now(), Attempts: 1})
			ticks = append(ticks, domain.Tick{TenantID: w.tenant.ID, WAID: m.WAID, Status: domain.StatusRead})
		}
		must(t, w.Outbox().Finish(t.Context(), outcomes))
		if n := count(t, w.Store, "SELECT count(*) FROM outbox WHERE status = 'sent'"); n != 300 {
			t.Errorf("%d rows are sent", n)
		}
		must(t, w.Outbox().Ticks(t.Context(), ticks))
		if n := count(t, w.Store, "SELECT count(*) FROM outbox WHERE status = 'read'"); n != 300 {
			t.Errorf("%d rows are read", n)
		}
	})
}

func TestForRetry_KnowsOnlyTheTenantsOwnRows(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.queue("a", domain.LaneManual, domain.Now())
		for _, c := range []struct {
			tenant uuid.UUID
			waID   string
			want   bool
		}{{w.tenant.ID, m.WAID, true}, {w.tenant.ID, "3EB0FF", false}, {domain.NewID(), m.WAID, false}} {
			if _, ok, err := w.Outbox().ForRetry(t.Context(), c.tenant, c.waID); err != nil || ok != c.want {
				t.Errorf("%s: found %v, error %v, want %v", c.waID, ok, err, c.want)
			}
		}
	})
}

func TestOverdue_NamesTheOwnersTenantsWhoseMessagesWait(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.queue("a", domain.LaneManual, domain.Now().Add(-time.Minute))
		overdue := func(replica uuid.UUID, before time.Time) []uuid.UUID {
			found, err := w.Outbox().Overdue(t.Context(), replica, before)
			must(t, err)
			return found
		}
		if diff := cmp.Diff([]uuid.UUID{w.tenant.ID}, overdue(w.tenure.Replica, domain.Now())); diff != "" {
			t.Errorf("overdue (-want +got):\n%s", diff)
		}
		if found := overdue(domain.NewID(), domain.Now()); len(found) != 0 {
			t.Errorf("another replica sees %v", found)
		}
		if found := overdue(w.tenure.Replica, domain.Now().Add(-time.Hour)); len(found) != 0 {
			t.Errorf("a message that has not waited yet counts: %v", found)
		}
	})
}
