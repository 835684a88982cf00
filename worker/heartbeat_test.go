package worker

import (
	"log/slog"
	"strings"
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

func TestHeartbeat_TellsOnceThatAClockIsWrong(t *testing.T) {
	var log strings.Builder
	p := newFleet().pool(DefaultSettings())
	p.svc.Logger = slog.New(slog.NewTextHandler(&log, nil))
	at := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	for _, own := range []time.Time{at, at.Add(time.Hour), at.Add(time.Hour), at.Add(-time.Hour)} {
		p.compareClocks(at, own)
	}
	if n := strings.Count(log.String(), "clocks"); n != 1 {
		t.Errorf("it is told %d times that a clock is wrong, want once", n)
	}
	p.compareClocks(at, at)
	p.compareClocks(at, at.Add(time.Hour))
	if n := strings.Count(log.String(), "clocks"); n != 2 {
		t.Errorf("it is told %d times, want again when it is wrong again", n)
	}
}
