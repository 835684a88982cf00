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
		cut := false
		f.refuses = func(replica, _ uuid.UUID) bool { return cut && replica == deaf.self.ID }
		runs(t, deaf, well)
		time.Sleep(time.Minute)
		f.cut(func() { cut = true }, deaf.self.ID)
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
