package worker

import (
	"context"
	"testing"
	"time"

	"flowhq/domain"
)

func TestSender_GoesOnAfterASendThatFoundALivingConnectionEnded(t *testing.T) {
	opened(t, hurried(), func(t *testing.T, d *desk) {
		d.phone.saying(func(domain.Outbound) error { return &SendError{Kind: SendPaused, Err: context.Canceled} })
		first := d.answers("a")
		time.Sleep(time.Second)
		d.phone.saying(nil)
		second := d.answers("b")
		time.Sleep(2 * pausedFor)
		if d.phone.delivered(first).IsZero() || d.phone.delivered(second).IsZero() {
			t.Error("nothing is sent although the connection lives")
		}
	})
}

func TestSender_GivesUpWhatIsTooOldAndGoesOnWithTheChat(t *testing.T) {
	opened(t, hurried(), func(t *testing.T, d *desk) {
		d.connected(nil)
		until := time.Now().Add(domain.ReplyLife)
		late, second := outbound("a", domain.LaneReply), outbound("a", domain.LaneReply)
		late.ExpiresAt = &until
		d.ordered(late, second)
		time.Sleep(domain.ReplyLife + time.Second)
		d.connected(d.phone)
		time.Sleep(time.Minute)
		if !d.phone.delivered(late).IsZero() || d.phone.delivered(second).IsZero() {
			t.Error("want the second answer alone on the phone")
		}
		if n := tally(t, d.svc.Metrics.Expired); n != 1 {
			t.Errorf("%v expired messages are counted, want 1", n)
		}
	})
}

// becomesKnown leaves an answer waiting for another attempt when the number of its
// customer becomes known.
func (d *desk) becomesKnown(lid, number string) domain.Outbound {
	d.phone.saying(func(domain.Outbound) error { return &SendError{Kind: SendRetry, Reason: "Not now."} })
	row := d.answers(lid)
	time.Sleep(time.Second)
	d.phone.saying(nil)
	d.moved(lid, number)
	return row
}

func TestSender_KeepsTheOrderWhenTheNumberOfACustomerBecomesKnown(t *testing.T) {
	opened(t, hurried(), func(t *testing.T, d *desk) {
		first := d.becomesKnown("lid:1", "+255754000101")
		second := d.answers("+255754000101")
		time.Sleep(time.Minute)
		a, b := d.phone.delivered(first), d.phone.delivered(second)
		if a.IsZero() || !b.After(a) {
			t.Errorf("the first answer goes at %v, the second at %v", a, b)
		}
	})
}

func TestSender_WhatWaitsUnderTheOldNameOfACustomerIsSilencedToo(t *testing.T) {
	opened(t, hurried(), func(t *testing.T, d *desk) {
		row := d.becomesKnown("lid:1", "+255754000101")
		d.silence("+255754000101")
		time.Sleep(time.Minute)
		if !d.phone.delivered(row).IsZero() {
			t.Error("an answer is sent after the owner has taken over")
		}
	})
}

func TestSender_ALateFailureOfTheLastConnectionDoesNotHoldUpThePresentOne(t *testing.T) {
	opened(t, hurried(), func(t *testing.T, d *desk) {
		hangs := make(chan struct{})
		d.phone.saying(func(domain.Outbound) error { <-hangs; return &SendError{Kind: SendPaused} })
		row := d.answers("a")
		time.Sleep(time.Second)
		next := &wire{}
		d.connected(nil)
		d.connected(next)
		d.catchUp()
		time.Sleep(time.Minute) // whatever receipts could prove has been proven
		close(hangs)
		time.Sleep(pausedFor / 2)
		if next.delivered(row).IsZero() {
			t.Error("the present connection rests because of the last one")
		}
	})
}

func TestSender_LeavesAloneWhatHasAnOutcomeAlready(t *testing.T) {
	opened(t, hurried(), func(t *testing.T, d *desk) {
		attempts := 0
		d.phone.saying(func(m domain.Outbound) error {
			attempts++
			return &SendError{Kind: SendSettled, Err: domain.ErrSettled}
		})
		d.answers("a")
		time.Sleep(time.Minute)
		d.phone.saying(nil)
		second := d.answers("a")
		time.Sleep(time.Minute)
		if attempts != 1 || d.phone.delivered(second).IsZero() {
			t.Errorf("%d attempts, want 1, and the next answer of the chat on the phone", attempts)
		}
	})
}
