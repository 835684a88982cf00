package worker

import (
	"testing"

	"flowhq/domain"
)

func peers(held ...int) (all []domain.Replica) {
	for _, h := range held {
		all = append(all, domain.Replica{State: "alive", Held: h, Capacity: 5000})
	}
	return all
}

func TestShare_ANewReplicaIsGivenItsPartAndNobodySwings(t *testing.T) {
	held := []int{500, 500, 0, 0}
	shares := make([]share, len(held))
	beats := 0
	for ; beats < 100; beats++ {
		free := 0
		for i := range held { // every replica sees the others as they are now
			var others []int
			for j, h := range held {
				if j != i {
					others = append(others, h)
				}
			}
			shares[i].see(held[i], domain.ClusterView{Free: free, Peers: peers(others...)})
			give := shares[i].excess(held[i])
			held[i], free = held[i]-give, free+give
			take := min(max(shares[i].room(held[i], 5000), 0), free)
			held[i], free = held[i]+take, free-take
		}
		for i := range held { // what is still free is taken on a hint
			take := min(max(shares[i].room(held[i], 5000), 0), free)
			held[i], free = held[i]+take, free-take
		}
		if free > 0 {
			t.Fatalf("nobody takes %d free tenants: %v", free, held)
		}
	}
	for _, h := range held {
		if h < 225 || h > 275 {
			t.Errorf("after %d heartbeats the replicas hold %v, want each within a tenth of 250", beats, held)
		}
	}
	for i := range held {
		if shares[i].excess(held[i]) != 0 {
			t.Errorf("a balanced replica still gives away: %v", held)
		}
	}
}

func TestShare_SettlesWithinThreeMinutes(t *testing.T) {
	var s share
	held, beats := 500, 0
	for ; held > 275 && beats < 1000; beats++ {
		s.see(held, domain.ClusterView{Peers: peers(500, 1000-500-held+0, 0)})
		held -= s.excess(held)
	}
	if limit := 60; beats > limit { // of three seconds each
		t.Errorf("it takes %d heartbeats to give 225 of 500 tenants away, want at most %d", beats, limit)
	}
}

func TestShare_AloneTakesEverything(t *testing.T) {
	var s share
	s.see(0, domain.ClusterView{Free: 900})
	if room := s.room(0, 5000); room != 5000 {
		t.Errorf("room is %d, want all", room)
	}
	s.see(10, domain.ClusterView{Peers: []domain.Replica{{State: "draining", Held: 10, Capacity: 5000}}})
	if room := s.room(10, 5000); room != 4990 || s.excess(10) != 0 {
		t.Errorf("beside one that hands over, room is %d and excess %d", room, s.excess(10))
	}
}

func TestShare_WhatNobodyElseTakesIsTakenBeyondTheShare(t *testing.T) {
	var s share
	for range leaveFor {
		s.see(100, domain.ClusterView{Free: 10, Peers: peers(80)})
	}
	if room := s.room(100, 5000); room > 0 {
		t.Errorf("it takes %d although the other has fewer", room)
	}
	s.see(100, domain.ClusterView{Free: 10, Peers: peers(80)})
	if room := s.room(100, 5000); room != 4900 {
		t.Errorf("room is %d after the other left them, want all", room)
	}
}

func TestShare_OneTenantStaysWhereItIs(t *testing.T) {
	var s share
	for range 10 {
		s.see(1, domain.ClusterView{Peers: peers(0)})
		if s.excess(1) != 0 {
			t.Fatal("a single tenant is passed around")
		}
	}
}
