package worker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

func TestStranded_OnlyWhileTheOthersHereAreConnectedAndAnotherReplicaIsWell(t *testing.T) {
	well := []domain.Replica{{State: domain.ReplicaAlive, Held: 10, Connected: 9}}
	for name, tt := range map[string]struct {
		others, online int
		peers          []domain.Replica
		want           bool
	}{
		"all others are connected":             {9, 9, well, true},
		"half of the others are connected":     {10, 5, well, true},
		"fewer are: it is the way out":         {10, 4, well, false},
		"there are no others":                  {0, 0, well, true},
		"no other replica":                     {9, 9, nil, false},
		"the other one is not well":            {9, 9, []domain.Replica{{State: domain.ReplicaAlive, Held: 10, Connected: 7}}, false},
		"the other one serves nobody":          {9, 9, []domain.Replica{{State: domain.ReplicaAlive}}, false},
		"the other one hands its tenants over": {9, 9, []domain.Replica{{State: domain.ReplicaDraining, Held: 10, Connected: 10}}, false},
	} {
		if got := fitElsewhere(tt.others, tt.online, tt.peers); got != tt.want {
			t.Errorf("%s: fit elsewhere is %v, want %v", name, got, tt.want)
		}
	}
}

func TestRestFor_GrowsToHalfAnHour(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: 10 * time.Second, 2: 10 * time.Second, 3: time.Minute, 4: 2 * time.Minute, 5: 4 * time.Minute,
		6: 8 * time.Minute, 7: 16 * time.Minute, 8: 30 * time.Minute, 9: 30 * time.Minute, 1000: 30 * time.Minute} {
		if got := restFor(failures, 15*time.Second); got != want {
			t.Errorf("after %d failures in a row it rests %s, want %s", failures, got, want)
		}
	}
}

// lease reads the row of a tenant.
func (f *fleet) lease(tenant uuid.UUID) leaseRow {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *f.rows[tenant]
}

// said is what was reported last of a tenant.
func (f *fleet) said(tenant uuid.UUID) domain.LinkReport {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reports[tenant][len(f.reports[tenant])-1]
}

// inPair runs a test in virtual time with two replicas that serve twenty
// tenants. victim is served by here, which has not fewer than the other one.
func inPair(t *testing.T, test func(t *testing.T, f *fleet, here, there *Pool, victim uuid.UUID)) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		for range 20 {
			f.tenant()
		}
		here, there := f.pool(DefaultSettings()), f.pool(DefaultSettings())
		runs(t, here, there)
		time.Sleep(3 * time.Minute) // virtual: they come to rest
		if a, _ := here.Held(); a < 10 {
			here, there = there, here
		}
		for id := range f.rows {
			if f.lease(id).Replica == here.self.ID {
				test(t, f, here, there, id)
				return
			}
		}
		t.Fatal("the first replica serves nobody")
	})
}

func TestPool_ATenantThatCannotConnectFromHereIsServedFromElsewhere(t *testing.T) {
	inPair(t, func(t *testing.T, f *fleet, here, there *Pool, victim uuid.UUID) {
		opened := len(f.opened)
		f.refuse(func(replica, tenant uuid.UUID) bool { return replica == here.self.ID && tenant == victim })
		time.Sleep(55 * time.Second)
		if l := f.lease(victim); l.Replica != here.self.ID {
			t.Errorf("it is given up within a minute: %+v", l)
		}
		time.Sleep(13 * time.Second)
		if l := f.lease(victim); l.Replica != uuid.Nil || l.Failures != 1 {
			t.Errorf("a minute later the lease is %+v, want it given up once", l)
		}
		if said := f.said(victim); said.Event != domain.EventLost || said.Reason != domain.ReasonUnavailable || said.RetryAt == nil {
			t.Errorf("people are told %+v, want why and when it is tried again", said)
		}
		time.Sleep(time.Minute)
		if l := f.lease(victim); l.Replica != there.self.ID || l.Failures != 0 {
			t.Errorf("two minutes later the lease is %+v, want it served by the other replica and its failures forgotten", l)
		}
		for _, o := range f.opened[opened:] {
			if o.tenant != victim {
				t.Errorf("another tenant was connected anew by %s", o.replica)
			}
		}
	})
}

func TestPool_ATenantThatCannotConnectFromAnywhereIsTriedEverMoreSeldom(t *testing.T) {
	inPair(t, func(t *testing.T, f *fleet, _, _ *Pool, victim uuid.UUID) {
		f.refuse(func(_, tenant uuid.UUID) bool { return tenant == victim })
		time.Sleep(12 * time.Hour)
		if l := f.lease(victim); !l.Wanted || l.Failures < 20 {
			t.Errorf("after a night the lease is %+v, want it wanted and tried again and again", l)
		}
		failed, gaps := 0, []time.Duration{}
		var last time.Time
		for _, r := range f.reports[victim] {
			if r.Reason == domain.ReasonUnreachable {
				if failed++; failed == 1 && r.RetryAt == nil {
					t.Errorf("people are told %+v, want the time of the next attempt", r)
				}
				if !last.IsZero() {
					gaps = append(gaps, r.RetryAt.Sub(last))
				}
				last = *r.RetryAt
			}
		}
		if len(gaps) < 10 || gaps[0] > 5*time.Minute || gaps[len(gaps)-1] < 30*time.Minute || gaps[len(gaps)-1] > 33*time.Minute {
			t.Errorf("the gaps between attempts are %v, want them to grow to half an hour", gaps)
		}

		f.refuse(func(uuid.UUID, uuid.UUID) bool { return false })
		time.Sleep(32 * time.Minute)
		if said := f.said(victim); said.Event != domain.EventConnected || f.lease(victim).Failures != 0 {
			t.Errorf("once it is let in people are told %+v and the lease is %+v", said, f.lease(victim))
		}
	})
}

func TestPool_AfterAnOutageNothingIsPassedOn(t *testing.T) {
	inPair(t, func(t *testing.T, f *fleet, here, there *Pool, _ uuid.UUID) {
		f.refuse(func(uuid.UUID, uuid.UUID) bool { return true })
		time.Sleep(30 * time.Minute)
		epochs := map[uuid.UUID]int64{}
		for id := range f.rows {
			epochs[id] = f.lease(id).Epoch
		}
		f.refuse(func(uuid.UUID, uuid.UUID) bool { return false })
		time.Sleep(10 * time.Minute)
		for id, epoch := range epochs {
			if l := f.lease(id); l.Epoch != epoch {
				t.Errorf("a tenant was moved: %+v", l)
			}
		}
		if _, a := here.Held(); a == 0 {
			t.Error("nobody is connected again")
		}
		if _, b := there.Held(); b == 0 {
			t.Error("nobody is connected again on the other replica")
		}
	})
}

func TestPool_ATenantWhoseSettingsCannotBeReadKeepsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fleetOf(19)
		victim := f.tenant()
		f.riddles = map[uuid.UUID]bool{victim: true}
		p := f.settled(t, DefaultSettings())
		if held, connected := p.Held(); held != 19 || connected != 19 {
			t.Errorf("%d tenants are held and %d connected, want the other 19", held, connected)
		}
		if l := f.lease(victim); l.Replica != uuid.Nil || l.Failures != 1 {
			t.Errorf("the lease is %+v, want it given up once", l)
		}
		if said := f.said(victim); said.Event != domain.EventLost || said.Reason != domain.ReasonUnreadable || said.RetryAt == nil {
			t.Errorf("people are told %+v, want why and when it is tried again", said)
		}
		time.Sleep(3 * time.Hour)
		if n := len(f.reports[victim]); n < 5 || n > 20 {
			t.Errorf("within three hours it was tried %d times, want it ever more seldom", n)
		}
		f.set(func() { f.riddles = nil })
		time.Sleep(32 * time.Minute)
		if said := f.said(victim); said.Event != domain.EventConnected {
			t.Errorf("once they are mended people are told %+v", said)
		}
	})
}

func TestPool_ATenantWhoseSettingsCannotBeReadCanBeDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		victim := f.tenant()
		f.riddles = map[uuid.UUID]bool{victim: true}
		f.rows[victim].Command, f.rows[victim].Wanted = domain.CommandDelete, false
		f.settled(t, DefaultSettings())
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.done[victim] != 1 || len(f.forgot) != 1 {
			t.Errorf("the order was carried out %d times and its keys deleted %d times, want once", f.done[victim], len(f.forgot))
		}
	})
}
