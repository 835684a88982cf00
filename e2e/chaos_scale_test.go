package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFleet_ReplicasJoinAndLeaveUnnoticed(t *testing.T) {
	t.Parallel()
	c := chaos{replicas: 2, tenants: 12, rounds: 1, ttl: 3 * time.Second, perSecond: 20, messages: 200}
	if full() {
		c = chaos{replicas: 2, tenants: 1000, rounds: 1, ttl: 15 * time.Second, perSecond: 20, messages: 6_000}
	}
	f, s, _ := c.open(t, false)
	began := time.Now()
	third, fourth := f.join(t, "replica-3", false), f.join(t, "replica-4", false)
	f.spread(t, c.tenants, 4, 5*time.Minute)
	joined := time.Since(began)
	began = time.Now()
	third.child.stop(t)
	fourth.child.stop(t)
	f.spread(t, c.tenants, 2, 5*time.Minute)
	f.whole(t, s, time.Minute)
	left := time.Since(began)
	v := c.close(t, s, "2 → 4 → 2 replicas")
	v.SpreadMax = max(joined, left).Seconds()
	v.within(t, "spread within a tenth after", v.SpreadMax, 180)
	v.within(t, "longest wait for an answer", v.AnswerMax, 2)
	v.report(t, "chaos.json")
}

// idle is what tenants cost that nobody writes to.
type idle struct {
	Name       string     `json:"name"`
	Replicas   int        `json:"replicas"`
	Tenants    [2]int     `json:"tenants"`
	Statements [2]float64 `json:"statements_per_second"`   // of all replicas together
	Within10ms float64    `json:"heartbeats_within_10_ms"` // part of all
	Difference float64    `json:"difference"`
	Seconds    float64    `json:"seconds"`
	Limits     string     `json:"limits"`
}

// kept reports whether the figures are within their limits.
func (v idle) kept() bool { return v.Difference <= 0.1 && v.Within10ms >= 0.99 }

func TestFleet_IdleTenantsCostTheDatabaseNothing(t *testing.T) {
	t.Parallel()
	sizes, window := [2]int{4, 40}, 6*time.Second
	ttl := 3 * time.Second
	if full() {
		sizes, window, ttl = [2]int{1000, 10_000}, 2*time.Minute, 15*time.Second
	}
	own := newCluster(t, "-c shared_preload_libraries=pg_stat_statements")
	f := newFleetOn(t, databaseAt(t, own.address), 4, false, setting{"FLOWHQ_CONNECT_RATE", "0"}, setting{"FLOWHQ_LEASE_TTL", ttl.String()})
	f.w.change(t, "CREATE EXTENSION pg_stat_statements")
	if full() {
		onAnotherMachine(t)
	}
	began := time.Now()
	v := idle{Name: fmt.Sprintf("idle cost of %d and %d tenants", sizes[0], sizes[1]), Replicas: len(f.members), Tenants: sizes,
		Limits: "difference ≤ 0.1, heartbeats within 10 ms ≥ 0.99"}
	s := &storm{w: f.w}
	for i, size := range sizes {
		s.shops = append(s.shops, openMany(t, f.w, size-len(s.shops))...)
		f.spread(t, size, len(f.members), 10*time.Minute)
		f.whole(t, s, time.Minute)
		if full() {
			f.w.atRest(t)
		}
		quick, all := f.heartbeats(t)
		v.Statements[i] = f.w.statements(t, window)
		quickThen, allThen := f.heartbeats(t)
		v.Within10ms = (quickThen - quick) / (allThen - all)
	}
	v.Difference = math.Abs(v.Statements[1]/v.Statements[0] - 1)
	v.Seconds = time.Since(began).Seconds()
	line, _ := json.Marshal(v)
	fmt.Printf("%s\n", line)
	if full() && !v.kept() {
		t.Errorf("ten times the tenants change the statements a second from %.1f to %.1f; %.3f of the heartbeats take 10 ms at most", v.Statements[0], v.Statements[1], v.Within10ms)
	}
	if full() {
		if err := keep(filepath.Join("..", "bench", "results", "idle.json"), v, func(old idle) bool { return old.Name == v.Name }); err != nil {
			t.Error(err)
		}
		writeProof(t)
	}
}

// atRest waits until nothing is left to do of connecting: thousands of tenants that
// come at once leave the database tables to vacuum and pages to write, and the
// replicas memory to give back.
func (w *world) atRest(t *testing.T) {
	t.Helper()
	w.change(t, "VACUUM ANALYZE")
	w.change(t, "CHECKPOINT")
	<-time.After(time.Minute)
}

// statements counts those of the program a second for a while. The questions of
// this test are its own.
func (w *world) statements(t *testing.T, window time.Duration) float64 {
	t.Helper()
	calls := func() int {
		return w.count(t, "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'")
	}
	before, began := calls(), time.Now()
	<-time.After(window)
	return float64(calls()-before) / time.Since(began).Seconds()
}

// heartbeats counts those that took 10 ms at most, and all.
func (f *fleet) heartbeats(t *testing.T) (quick, all float64) {
	t.Helper()
	for _, m := range f.members {
		f.w.child = m.child
		_, body := f.w.get("/metrics")
		for line := range strings.Lines(body) {
			var n float64
			if _, err := fmt.Sscanf(line, `flowhq_heartbeat_seconds_bucket{le="0.01"} %g`, &n); err == nil {
				quick += n
			}
			if _, err := fmt.Sscanf(line, "flowhq_heartbeat_seconds_count %g", &n); err == nil {
				all += n
			}
		}
	}
	if all == 0 {
		t.Fatal("/metrics tells nothing of heartbeats")
	}
	return quick, all
}
