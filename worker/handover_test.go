package worker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"flowhq/domain"
)

// busy is a pool in the middle of a send that WhatsApp acknowledges after a second.
func busy(t *testing.T) (f *fleet, p *Pool, leave func(), gone chan error) {
	f = newFleet()
	f.sendFor = time.Second
	f.due[f.tenant()] = domain.Outbound{ID: domain.NewID()}
	settings := DefaultSettings()
	settings.HumanPace = false
	p = f.pool(settings)
	ctx, cancel := context.WithCancel(t.Context())
	gone = make(chan error, 1)
	go func() { gone <- p.Run(ctx) }()
	t.Cleanup(func() { time.Sleep(time.Second) }) // what stores outcomes looks once more before it ends
	time.Sleep(500 * time.Millisecond)
	return f, p, cancel, gone
}

func TestPool_LeavingLetsASendUnderWayComeToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _, leave, gone := busy(t)
		leave()
		if err := <-gone; err != nil {
			t.Error(err)
		}
		if f.cutOff != 0 || len(f.due) != 0 {
			t.Errorf("%d sends were cut off, %d rows are unsent", f.cutOff, len(f.due))
		}
	})
}

func TestPool_ThatCannotBeSureClosesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p, leave, gone := busy(t)
		p.expire()
		synctest.Wait()
		if f.cutOff != 1 {
			t.Errorf("%d sends were cut off, want 1", f.cutOff)
		}
		leave()
		if err := <-gone; err != nil {
			t.Error(err)
		}
	})
}
