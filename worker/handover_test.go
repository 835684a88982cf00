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

func TestPool_DrainsInSeveralHeartbeatsWhatOthersCannotConnectInOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tenants = 300
		f := fleetOf(tenants)
		settings := DefaultSettings()
		settings.ConnectRate = 5
		stays, drains := f.pool(settings), f.pool(settings)
		runs(t, stays, drains)
		time.Sleep(3 * time.Minute)
		held, _ := drains.Held()
		f.set(func() { f.replicas[drains.self.ID].State = domain.ReplicaDraining })
		time.Sleep(10 * time.Second)
		if still, _ := drains.Held(); still < held/2 {
			t.Errorf("after ten seconds %d of %d tenants are left, more are gone than others can connect", still, held)
		}
		time.Sleep(2 * time.Minute)
		if all, connected := stays.Held(); all != tenants || connected != tenants {
			t.Errorf("in the end the other replica holds %d and has connected %d of %d", all, connected, tenants)
		}
	})
}
