package worker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
)

func TestEgress_WhileAReplicaRestsNothingIsMovedToItAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tenants = 200
		f := newFleet()
		for range tenants {
			f.tenant()
		}
		deaf, well := f.pool(DefaultSettings()), f.pool(DefaultSettings())
		runs(t, deaf, well)
		time.Sleep(time.Minute)
		f.refuse(func(replica, _ uuid.UUID) bool { return replica == deaf.self.ID })
		time.Sleep(2 * time.Minute)
		if held, connected := well.Held(); held != tenants || connected != tenants {
			t.Errorf("after two minutes the other replica holds %d and has connected %d of %d", held, connected, tenants)
		}
		before := f.openings(well.self.ID)
		time.Sleep(5 * time.Minute)
		if again := f.openings(well.self.ID) - before; again > 0 {
			t.Errorf("tenants were given to the resting replica and taken back %d times", again)
		}
	})
}

func TestEgress_ALongLineOfThoseThatConnectIsNotDeafness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		f.tenant()
		settings := DefaultSettings()
		settings.Capacity = 1
		well := f.pool(settings)
		settings.Capacity, settings.ConnectRate, settings.ConnectBurst = 5000, 5, 1
		busy := f.pool(settings)
		runs(t, well)
		time.Sleep(time.Minute)
		const tenants = 600 // two minutes at the pace of connecting
		for range tenants {
			f.tenant()
		}
		runs(t, busy)
		time.Sleep(3 * time.Minute)
		if held, connected := busy.Held(); held != tenants || connected != tenants || f.openings(busy.self.ID) != tenants {
			t.Errorf("of %d tenants %d are held and %d connected after %d attempts", tenants, held, connected, f.openings(busy.self.ID))
		}
	})
}

func TestPool_ServesWhatItAcquiredWithoutHearingOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tenants = 20
		f := newFleet()
		for range tenants {
			f.tenant()
		}
		f.silent = true
		p := f.pool(DefaultSettings())
		runs(t, p)
		time.Sleep(15 * time.Second)
		if held, connected := p.Held(); held != tenants || connected != tenants {
			t.Errorf("15 s later %d of %d tenants are held and %d connected", held, tenants, connected)
		}
	})
}
