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
