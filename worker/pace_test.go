package worker

import (
	"fmt"
	"testing"
	"time"

	"flowhq/domain"
)

// bulk are messages of the API, each to another contact.
func bulk(n int) []domain.Outbound {
	rows := make([]domain.Outbound, n)
	for i := range rows {
		rows[i] = outbound(fmt.Sprint("bulk ", i), domain.LaneManual)
	}
	return rows
}

// paced fails when more went out in any stretch of time than a person writes.
func (w *wire) paced(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, first := range w.sent {
		for n, last := range w.sent[i:] {
			most := tenantBurst + tenantPerSecond*last.at.Sub(first.at).Seconds() + 1e-6
			if float64(n+1) > most {
				t.Fatalf("%d messages within %s, want %.0f at most", n+1, last.at.Sub(first.at), most)
			}
		}
	}
}

func TestPace_AnAnswerGoesBeforeAllThatWaits(t *testing.T) {
	opened(t, DefaultSettings(), func(t *testing.T, d *desk) {
		d.ordered(bulk(3 * maxQueued)...)
		time.Sleep(time.Minute)
		for i := range 20 {
			before := time.Now()
			answer := d.answers(fmt.Sprint("customer ", i))
			time.Sleep(5 * time.Second)
			if at := d.phone.delivered(answer); at.IsZero() || at.Sub(before) > 4*time.Second {
				t.Fatalf("answer %d has gone out: %v, want within four seconds", i, !at.IsZero())
			}
			d.wantsBounded(t)
		}
		d.phone.paced(t)
		const most = tenantBurst + 60 + 100
		if n := d.phone.count(); n < most-5 || n > most {
			t.Errorf("%d messages went out in 160 seconds, want %d: the pace is not used", n, most)
		}
	})
}

func TestPace_ManyAnswersAtOnceGoBeforeAllThatFillsTheQueue(t *testing.T) {
	opened(t, DefaultSettings(), func(t *testing.T, d *desk) {
		const customers = 100
		d.ordered(bulk(3 * maxQueued)...)
		time.Sleep(time.Second)
		var last domain.Outbound
		for i := range customers {
			last = d.answers(fmt.Sprint("customer ", i))
			d.wantsBounded(t)
		}
		time.Sleep((customers + 10) * time.Second)
		d.wantsDelivered(t, "the last answer", last)
		d.phone.paced(t)
	})
}

func TestPace_WhatIsNoAnswerGoesOnAtItsPace(t *testing.T) {
	opened(t, DefaultSettings(), func(t *testing.T, d *desk) {
		rows := bulk(200)
		d.ordered(rows...)
		time.Sleep(175 * time.Second)
		if n := d.phone.count(); n != len(rows) {
			t.Errorf("%d of %d went out in 175 seconds", n, len(rows))
		}
		d.phone.paced(t)
		d.phone.mu.Lock()
		defer d.phone.mu.Unlock()
		if n := len(d.phone.typed); n > 0 {
			t.Errorf("typing is shown for %d messages that answer nobody", n)
		}
	})
}

func TestPace_AnswersToManyGoOutInTheirOrderAndAreTypedShortlyBefore(t *testing.T) {
	opened(t, DefaultSettings(), func(t *testing.T, d *desk) {
		const customers = 200
		rows := make([]domain.Outbound, customers)
		for i := range rows {
			rows[i] = d.answers(fmt.Sprint("customer ", i))
		}
		time.Sleep((customers - tenantBurst + 5) * time.Second)
		d.phone.paced(t)
		if n := d.phone.count(); n != customers {
			t.Fatalf("%d of %d answers went out", n, customers)
		}
		d.phone.mu.Lock()
		defer d.phone.mu.Unlock()
		typed := map[string]time.Time{}
		for _, x := range d.phone.typed {
			typed[x.ChatJID] = x.at
		}
		for i, x := range d.phone.sent {
			if x.ID != rows[i].ID {
				t.Fatalf("answer %d is to %s", i, x.Contact)
			}
			if ahead := x.at.Sub(typed[x.ChatJID]); ahead < typingMin || ahead > typingMax+time.Second {
				t.Errorf("answer %d is typed for %s, want %s to %s", i, ahead, typingMin, typingMax)
			}
		}
	})
}

func TestPace_AChatThatWritesMuchHoldsUpNoOther(t *testing.T) {
	opened(t, DefaultSettings(), func(t *testing.T, d *desk) {
		for range domain.MaxOutboxPerChat {
			d.answers("a")
		}
		time.Sleep(time.Minute) // only the pace of the chat holds it up from here on
		other := d.answers("b")
		time.Sleep(typingMax)
		if d.phone.delivered(other).IsZero() {
			t.Error("an answer waits behind those of another chat")
		}
		d.phone.paced(t)
	})
}
