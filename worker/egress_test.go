package worker

import (
	"testing"
	"time"

	"flowhq/domain"
)

func TestEgress_MovesOnlyWhatIsBetterOffElsewhere(t *testing.T) {
	const ttl = 15 * time.Second
	well := []domain.Replica{{State: domain.ReplicaAlive, Held: 10, Connected: 9}}
	start := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name            string
		linked, failing int
		peers           []domain.Replica
		after           time.Duration
		want            bool
	}{
		{"cut off for three times to live while another is well", 10, 10, well, 45 * time.Second, true},
		{"not yet three times to live", 10, 10, well, 44 * time.Second, false},
		{"half of them try in vain", 10, 5, well, time.Hour, false},
		{"WhatsApp is down for all", 10, 10, []domain.Replica{{State: domain.ReplicaAlive, Held: 10, Connected: 1}}, time.Hour, false},
		{"alone", 10, 10, nil, time.Hour, false},
		{"the other one is handing over", 10, 10, []domain.Replica{{State: domain.ReplicaDraining, Held: 10, Connected: 10}}, time.Hour, false},
		{"nothing is linked here", 0, 0, well, time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var e egress
			e.hear(start, tt.linked, tt.failing, tt.peers, ttl)
			now := start.Add(tt.after)
			if got := e.hear(now, tt.linked, tt.failing, tt.peers, ttl); got != tt.want {
				t.Errorf("it moves: %v, want %v", got, tt.want)
			}
			if got := e.resting(now.Add(time.Minute), tt.peers); got != tt.want {
				t.Errorf("it rests afterwards: %v, want %v", got, tt.want)
			}
			if e.resting(now.Add(11*time.Minute), tt.peers) {
				t.Error("it rests for ever")
			}
			if e.resting(now.Add(time.Minute), nil) {
				t.Error("it rests although nobody else is left")
			}
		})
	}
}

func TestEgress_TheTimeOfAnOutageForAllDoesNotCount(t *testing.T) {
	var e egress
	start, ttl := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC), 15*time.Second
	e.hear(start, 10, 10, []domain.Replica{{State: domain.ReplicaAlive, Held: 10}}, ttl)
	well := []domain.Replica{{State: domain.ReplicaAlive, Held: 10, Connected: 10}}
	if e.hear(start.Add(time.Hour), 10, 8, well, ttl) {
		t.Error("it hands everything over because another one recovered sooner")
	}
	if !e.hear(start.Add(time.Hour+time.Minute), 10, 8, well, ttl) {
		t.Error("a minute later it still keeps everything")
	}
}

func TestEgress_AMomentOnlineBeginsTheWaitAnew(t *testing.T) {
	var e egress
	well := []domain.Replica{{State: domain.ReplicaAlive, Held: 10, Connected: 10}}
	start := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	e.hear(start, 10, 10, well, 15*time.Second)
	e.hear(start.Add(50*time.Second), 10, 0, well, 15*time.Second)
	if e.hear(start.Add(70*time.Second), 10, 10, well, 15*time.Second) {
		t.Error("it gives up although it was connected twenty seconds ago")
	}
}
