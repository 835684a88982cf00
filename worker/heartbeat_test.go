package worker

import (
	"testing"
	"time"

	"flowhq/domain"
)

func TestHeartbeat_LooksAtTheOthersWhenTheFirstMayBeBuried(t *testing.T) {
	now := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		ages []time.Duration // of the heartbeats of the others
		want time.Duration
	}{
		{"nobody else", nil, time.Hour},
		{"one that has just given its heartbeat", []time.Duration{0}, 3750 * time.Millisecond},
		{"the oldest heartbeat counts", []time.Duration{time.Second, 3 * time.Second, 2 * time.Second}, 750 * time.Millisecond},
		{"one that has missed it and still has connections: it may hang", []time.Duration{5 * time.Second}, 10 * time.Second},
		{"one that hangs and one that lives", []time.Duration{14 * time.Second, time.Second}, time.Second},
		{"one that is expired", []time.Duration{20 * time.Second}, time.Hour},
		{"a heartbeat of before the clock was set back", []time.Duration{-time.Hour}, time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			view := domain.ClusterView{At: now}
			for _, age := range tt.ages {
				view.Peers = append(view.Peers, domain.Replica{HeartbeatAt: now.Add(-age)})
			}
			if got := nextDeath(view, domain.DefaultLeaseTimings()); got != tt.want {
				t.Errorf("the next look is in %s, want %s", got, tt.want)
			}
		})
	}
}
