package worker

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"flowhq/domain"
)

func peers(held ...int) (all []domain.Replica) {
	for _, h := range held {
		all = append(all, domain.Replica{State: domain.ReplicaAlive, Held: h, Capacity: 5000})
	}
	return all
}

// balanced plays heartbeats of replicas that see each other, and returns what
// each holds once none of them gives anything away for twenty heartbeats.
func balanced(t *testing.T, capacities, held []int, free int) []int {
	t.Helper()
	held = slices.Clone(held)
	shares := make([]share, len(held))
	for beats, quiet := 0, 0; quiet < 20; beats++ {
		if beats > 200 {
			t.Fatalf("tenants are still moved after %d heartbeats: %v, %d free", beats, held, free)
		}
		quiet++
		take := func(i int) {
			n := min(max(shares[i].room(held[i], capacities[i]), 0), free)
			held[i], free = held[i]+n, free-n
		}
		for i := range held {
			var others []domain.Replica
			for j, h := range held {
				if j != i {
					others = append(others, domain.Replica{State: domain.ReplicaAlive, Held: h, Capacity: capacities[j]})
				}
			}
			shares[i].see(held[i], capacities[i], domain.ClusterView{Free: free, Peers: others})
			if give := shares[i].excess(held[i]); give > 0 {
				held[i], free, quiet = held[i]-give, free+give, 0
			}
			take(i)
		}
		for i := range held { // what is still free is taken on a hint
			take(i)
		}
	}
	if free > 0 {
		t.Errorf("nobody takes %d free tenants: %v", free, held)
	}
	return held
}

func TestShare_IsByCapacityAndComesToRest(t *testing.T) {
	for name, tt := range map[string]struct {
		capacities, held []int
		free             int
		want             []int // within the band
	}{
		"two new replicas":               {[]int{5000, 5000, 5000, 5000}, []int{500, 500, 0, 0}, 0, []int{250, 250, 250, 250}},
		"a large one beside a small":     {[]int{1000, 3000}, []int{800, 0}, 0, []int{200, 600}},
		"a small one beside a large":     {[]int{1000, 3000}, []int{0, 800}, 0, []int{200, 600}},
		"both start on free tenants":     {[]int{1000, 3000}, []int{0, 0}, 800, []int{200, 600}},
		"one of three is gone":           {[]int{1000, 3000}, []int{100, 300}, 400, []int{200, 600}},
		"more tenants than one can take": {[]int{100, 3000}, []int{0, 0}, 2900, []int{94, 2806}},
		"a few":                          {[]int{1000, 3000}, []int{4, 0}, 0, []int{2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			got := balanced(t, tt.capacities, tt.held, tt.free)
			for i, want := range tt.want {
				if off := got[i] - want; max(off, -off) > tolerance(want) {
					t.Errorf("the replicas hold %v, want about %v", got, tt.want)
				}
			}
		})
	}
}

func TestShare_TenantsOfADeadReplicaDoNotAllWaitForTheOneThatHasJustCome(t *testing.T) {
	old, fresh := share{burst: 50}, share{burst: 50}
	look := func(holdsOld, holdsFresh, free int) (takesOld, takesFresh int) {
		old.look(holdsOld, 5000, domain.ClusterView{Free: free, Peers: peers(holdsFresh)})
		fresh.look(holdsFresh, 5000, domain.ClusterView{Free: free, Peers: peers(holdsOld)})
		return max(old.room(holdsOld, 5000), 0), max(fresh.room(holdsFresh, 5000), 0)
	}
	for _, tt := range []struct {
		name                 string
		old, fresh, free     int
		takesOld, takesFresh int
	}{
		{"most would wait", 150, 0, 150, 50, 100},
		{"all can be connected at once", 150, 0, 40, 0, 95},
		{"both lack some", 100, 100, 100, 50, 50},
		{"what was given away is not taken back", 480, 20, 50, 0, 255},
		{"given away at once, more than one can connect", 300, 20, 80, 0, 180},
	} {
		if a, b := look(tt.old, tt.fresh, tt.free); a != tt.takesOld || b != tt.takesFresh {
			t.Errorf("%s: they take %d and %d, want %d and %d", tt.name, a, b, tt.takesOld, tt.takesFresh)
		}
	}
}

func TestShed_MovesNobodyTwiceAndDisturbsTheQuietFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFleet().pool(DefaultSettings())
		runs := func(heard time.Duration) *runner {
			r := newRunner(p.svc, nil, domain.Lease{}, domain.TenantProfile{}, p.turns)
			r.heard.Store(time.Now().Add(-heard).UnixNano())
			return r
		}
		busy, quiet := runs(time.Minute), runs(time.Hour)
		time.Sleep(movedLately*p.svc.Settings.Timings.TTL + time.Second)
		order := []*runner{runs(24 * time.Hour), busy, runs(48 * time.Hour), quiet}
		want := []*runner{quiet, busy, order[2], order[0]}
		slices.SortFunc(order, p.leavesFirst())
		if !slices.Equal(order, want) {
			t.Errorf("the order is not: quiet, busy, and at last those that have just come")
		}
	})
}

func TestShare_WithTooFewPlacesEachIsFullAndNobodyGivesAway(t *testing.T) {
	shares := make([]share, 2)
	for range 10 {
		shares[0].see(10, 10, domain.ClusterView{Free: 20, Peers: []domain.Replica{{State: domain.ReplicaAlive, Held: 30, Capacity: 30}}})
		shares[1].see(30, 30, domain.ClusterView{Free: 20, Peers: []domain.Replica{{State: domain.ReplicaAlive, Held: 10, Capacity: 10}}})
	}
	if a, b := shares[0].excess(10), shares[1].excess(30); a+b > 0 {
		t.Errorf("%d and %d tenants are given away although both are full", a, b)
	}
}

func TestShare_SettlesWithinThreeMinutes(t *testing.T) {
	var s share
	held, beats := 500, 0
	for ; held > 275 && beats < 1000; beats++ {
		s.see(held, 5000, domain.ClusterView{Peers: peers(500, 1000-500-held+0, 0)})
		held -= s.excess(held)
	}
	if limit := 60; beats > limit { // of three seconds each
		t.Errorf("it takes %d heartbeats to give 225 of 500 tenants away, want at most %d", beats, limit)
	}
}

func TestShare_AloneTakesEverything(t *testing.T) {
	var s share
	s.see(0, 5000, domain.ClusterView{Free: 900})
	if room := s.room(0, 5000); room != 5000 {
		t.Errorf("room is %d, want all", room)
	}
	s.see(10, 5000, domain.ClusterView{Peers: []domain.Replica{{State: domain.ReplicaDraining, Held: 10, Capacity: 5000}}})
	if room := s.room(10, 5000); room != 4990 || s.excess(10) != 0 {
		t.Errorf("beside one that hands over, room is %d and excess %d", room, s.excess(10))
	}
}

func TestShare_WhatNobodyElseTakesIsTakenBeyondTheShare(t *testing.T) {
	var s share
	for range leaveFor {
		s.see(100, 5000, domain.ClusterView{Free: 10, Peers: peers(80)})
	}
	if room := s.room(100, 5000); room > 0 {
		t.Errorf("it takes %d although the other has fewer", room)
	}
	s.see(100, 5000, domain.ClusterView{Free: 10, Peers: peers(80)})
	if room := s.room(100, 5000); room != 4900 {
		t.Errorf("room is %d after the other left them, want all", room)
	}
}

func TestShare_OneTenantStaysWhereItIs(t *testing.T) {
	var s share
	for range 10 {
		s.see(1, 5000, domain.ClusterView{Peers: peers(0)})
		if s.excess(1) != 0 {
			t.Fatal("a single tenant is passed around")
		}
	}
}
