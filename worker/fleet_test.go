package worker

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

func TestEgress_WhileAReplicaRestsNothingIsMovedToItAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tenants = 200
		f := fleetOf(tenants)
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
		f := fleetOf(tenants)
		f.silent = true
		p := f.pool(DefaultSettings())
		runs(t, p)
		time.Sleep(15 * time.Second)
		if held, connected := p.Held(); held != tenants || connected != tenants {
			t.Errorf("15 s later %d of %d tenants are held and %d connected", held, tenants, connected)
		}
	})
}

func TestPool_LeavingGivesAwayNoMoreThanOthersConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tenants = 400
		f := fleetOf(tenants)
		stays, leaves := f.pool(DefaultSettings()), f.pool(DefaultSettings())
		runs(t, stays)
		ctx, leave := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { gone <- leaves.Run(ctx) }()
		time.Sleep(2 * time.Minute)
		if held, _ := leaves.Held(); held < tenants/3 {
			t.Fatalf("the replica that leaves holds %d of %d tenants", held, tenants)
		}
		leave()
		// Nobody is woken here: what is given away is seen with a heartbeat.
		settings := stays.svc.Settings
		most := int(settings.ConnectRate * (settings.Timings.Tick.Seconds()*1.1 + 2))
		for end := time.After(2 * graceOfHandOver); ; {
			select {
			case err := <-gone:
				if err != nil {
					t.Error(err)
				}
				time.Sleep(10 * time.Second)
				if _, connected := stays.Held(); connected != tenants {
					t.Errorf("%d of %d tenants are connected in the end", connected, tenants)
				}
				return
			case <-end:
				t.Fatal("it does not come to an end")
			default:
				time.Sleep(50 * time.Millisecond)
			}
			_, here := stays.Held()
			_, there := leaves.Held()
			if unserved := tenants - here - there; unserved > most {
				t.Fatalf("%d tenants are served by nobody, want at most %d", unserved, most)
			}
		}
	})
}

func TestPool_AReadThatNeverEndsHoldsUpNoHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		tenant := f.tenant()
		p := f.settled(t, DefaultSettings())
		f.set(func() { f.hangs = true })
		f.wakes <- tenant
		time.Sleep(2 * time.Minute) // several times the poll behind the hints
		if n := f.openings(p.self.ID); n != 1 || p.cut.Load() {
			t.Errorf("the tenant was connected %d times, want once; cut off: %v", n, p.cut.Load())
		}
		f.set(func() { f.hangs = false })
	})
}

func TestPool_LivesOnWhileItsWorkTakesLongerThanItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fleetOf(3)
		p := f.settled(t, DefaultSettings())
		f.set(func() { f.slow = 4 * time.Second })
		for range 10 { // each is taken in vain, because nobody reads its settings in time
			f.tenant()
			time.Sleep(10 * time.Second)
			if _, connected := p.Held(); connected != 3 {
				t.Fatalf("%d of the 3 tenants that were served before are connected", connected)
			}
		}
		f.set(func() { f.slow = 0 })
		time.Sleep(20 * time.Second)
		if held, connected := p.Held(); held != 13 || connected != 13 {
			t.Errorf("once the database is quick again %d are held and %d connected, want 13", held, connected)
		}
	})
}

func TestPool_DoesNotThrowTheNextOwnerOutAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		tenant := f.tenant()
		p := f.settled(t, DefaultSettings())
		var lost PhoneHandler
		f.set(func() {
			f.rows[tenant].Replica = domain.NewID() // buried, and taken over
			f.rows[tenant].Epoch += 2
			lost = f.online[tenant]
		})
		lost.Gone(domain.ReasonNetwork, "")
		time.Sleep(time.Minute)
		if n := f.openings(p.self.ID); n != 1 {
			t.Errorf("the tenant was connected %d times from here, want once", n)
		}
	})
}

func TestPool_LivesThroughAnOutageOfTheDatabase(t *testing.T) {
	for name, kind := range map[string]outage{"that refuses": refused, "that takes what it does not answer": unanswered} {
		for _, length := range []time.Duration{5 * time.Second, 12 * time.Second, 10 * time.Minute} {
			t.Run(fmt.Sprint(name, " for ", length), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := fleetOf(3)
					p := f.settled(t, DefaultSettings()) // fails if the pool believes to be buried
					f.set(func() { f.away = kind })
					time.Sleep(length)
					f.set(func() { f.away = none })
					time.Sleep(10 * time.Second)
					if held, connected := p.Held(); held != 3 || connected != 3 {
						t.Errorf("ten seconds later %d are held and %d connected of 3", held, connected)
					}
					if n := tally(t, p.svc.Metrics.Missed); n == 0 {
						t.Error("no missed heartbeat is counted")
					}
					cuts := 0.0
					if length > p.svc.Settings.Timings.Hard {
						cuts = 1
					}
					if n := tally(t, p.svc.Metrics.Cuts); n != cuts {
						t.Errorf("%v times all connections are said to be closed, want %v", n, cuts)
					}
				})
			})
		}
	}
}

func TestPool_GivesAwayWhateverIsHinted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tenants = 100
		f := fleetOf(tenants)
		elsewhere := f.tenant()
		f.rows[elsewhere].Wanted = false
		first, second := f.pool(DefaultSettings()), f.pool(DefaultSettings())
		runs(t, first)
		time.Sleep(10 * time.Second)
		runs(t, second)
		for end := time.After(5 * time.Minute); ; time.Sleep(time.Second) {
			select {
			case <-end:
				if held, _ := second.Held(); held < tenants*2/5 {
					t.Errorf("the second replica holds %d of %d tenants", held, tenants)
				}
				return
			case f.wakes <- elsewhere: // of no concern to either
			}
		}
	})
}

func TestPool_RestartsATenantOnceHoweverOftenItIsHinted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		tenant := f.tenant()
		settings := DefaultSettings()
		settings.ConnectRate, settings.ConnectBurst = 0.01, 1 // a line in which one waits for minutes
		p := f.settled(t, settings)
		f.set(func() { f.rows[tenant].Command = domain.CommandRestart })
		for range 3 {
			f.wakes <- tenant
		}
		time.Sleep(10 * time.Minute)
		n, restarts := f.openings(p.self.ID), 0
		f.set(func() { restarts = f.done[tenant] })
		if n != 2 || restarts != 1 {
			t.Errorf("the tenant was connected %d times and restarted %d times, want 2 and 1", n, restarts)
		}
	})
}

// Between the first reset and the second a person may have started the tenant again.
func TestRunner_ResetsATenantOnceHoweverManyOrdersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		tenant, p := f.tenant(), f.pool(DefaultSettings())
		lease := domain.Lease{Tenure: domain.Tenure{TenantID: tenant}, Command: domain.CommandReset}
		f.rows[tenant].Command = domain.CommandReset
		r := newRunner(p.svc, p.fin, lease, domain.TenantProfile{}, p.turns)
		for range cap(r.orders) {
			r.orders <- order{lease: lease}
		}
		r.run()
		if said := f.reports[tenant]; len(said) != 1 || said[0].Event != domain.EventReset || f.done[tenant] != 1 {
			t.Errorf("the reset was carried out %d times, and reported as %+v", f.done[tenant], said)
		}
	})
}

func TestPool_StopsATenantThatWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fleetOf(2)
		settings := DefaultSettings()
		settings.ConnectRate, settings.ConnectBurst = 0.001, 1
		p := f.settled(t, settings)
		var waiting uuid.UUID
		f.set(func() {
			for id, row := range f.rows {
				if f.online[id] == nil {
					waiting, row.Wanted = id, false
				}
			}
		})
		f.wakes <- waiting
		time.Sleep(time.Second)
		if held, connected := p.Held(); held != 1 || connected != 1 {
			t.Errorf("a second later %d are held and %d connected, want 1", held, connected)
		}
	})
}

func TestPool_HearsOfTenantsThatItIsAboutToHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tenants = 200
		f := fleetOf(tenants)
		stays, leaves := f.pool(DefaultSettings()), f.pool(DefaultSettings())
		ctx, leave := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { gone <- leaves.Run(ctx) }()
		time.Sleep(time.Minute)
		f.set(func() {
			f.replicas[stays.self.ID] = &domain.Replica{ID: stays.self.ID, State: domain.ReplicaAlive, Capacity: tenants}
		})
		time.Sleep(4 * time.Second) // now it knows whom it leaves to, and at what pace
		leave()
		time.Sleep(time.Second)
		order := leaves.leavingOrder()
		last := order[len(order)-1].tenure.TenantID
		f.set(func() { f.rows[last].Command = domain.CommandRestart })
		f.wakes <- last
		time.Sleep(time.Second)
		f.set(func() {
			if f.done[last] != 1 {
				t.Error("a tenant that is still served here is not restarted")
			}
		})
		if err := <-gone; err != nil {
			t.Error(err)
		}
	})
}
