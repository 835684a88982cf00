package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"flowhq/domain"
)

// chaos is the size of a run with several replicas. Timings follow from the
// time to live of a lease: 15 s in production.
type chaos struct {
	replicas, tenants, rounds int
	ttl                       time.Duration
	perSecond                 float64 // messages
	messages                  int
}

// long is the full form of a run. FLOWHQ_CHAOS_ROUNDS makes it shorter, for a
// first look.
func (c chaos) long(t *testing.T) chaos {
	t.Helper()
	raw := os.Getenv("FLOWHQ_CHAOS_ROUNDS")
	if raw == "" {
		return c
	}
	rounds, err := strconv.Atoi(raw)
	if err != nil || rounds < 1 {
		t.Fatalf("FLOWHQ_CHAOS_ROUNDS must be a number of rounds, not %q", raw)
	}
	c.messages, c.rounds = c.messages*rounds/c.rounds, rounds
	return c
}

// open starts the fleet with its tenants spread, and customers who write until
// all messages are given out and the rounds are over.
func (c chaos) open(t *testing.T, cables bool, more ...setting) (*fleet, *storm, *rand.Rand) {
	t.Helper()
	return c.openOn(t, postgresDatabase(t), cables, more...)
}

func (c chaos) openOn(t *testing.T, db database, cables bool, more ...setting) (*fleet, *storm, *rand.Rand) {
	t.Helper()
	settings := append([]setting{{"FLOWHQ_LEASE_TTL", c.ttl.String()}, {"FLOWHQ_CONNECT_RATE", "20"}, {"FLOWHQ_CONNECT_BURST", "50"}}, more...)
	if c.ttl < domain.DefaultLeaseTimings().TTL { // a process starts every few seconds, and each connection costs a fork and its first plans
		settings = append(settings, setting{"FLOWHQ_DB_CONNS", "6"})
	}
	f := newFleetOn(t, db, c.replicas, cables, settings...)
	s := newStorm(t, f.w, c.tenants, 1)
	f.spread(t, c.tenants, c.replicas, 3*time.Minute)
	f.whole(t, s, time.Minute)
	seed := chaosSeed(t)
	s.begin(seed, c.messages, 2)
	s.pours.Go(func() { s.pour(c.messages, c.perSecond) })
	return f, s, rand.New(rand.NewPCG(seed, 0xf1ee7))
}

// close ends the writing of a run whose rounds are over, waits for the answers
// and says what became of it.
func (c chaos) close(t *testing.T, s *storm, name string) verdict {
	t.Helper()
	close(s.enough)
	s.settle(t)
	s.rests(t)
	v := s.judge(t, fmt.Sprintf("%s, leases of %s", name, c.ttl))
	v.Seed, v.Replicas, v.Rounds, v.LeaseTTL = chaosSeed(t), c.replicas, c.rounds, c.ttl.String()
	return v
}

// within notes a limit of a run, and fails the test when a figure is above it.
// The short forms share their machine with other tests and are not measured.
func (v *verdict) within(t *testing.T, what string, figure, limit float64) {
	t.Helper()
	if v.Limits != "" {
		v.Limits += ", "
	}
	v.Limits += fmt.Sprintf("%s ≤ %g s", what, limit)
	if full() && figure > limit {
		v.Exceeded = strings.TrimPrefix(v.Exceeded+", "+what, ", ")
		t.Errorf("%s is %.2f s, want at most %g s", what, figure, limit)
	}
}

func TestFleet_ReplicasAreKilledOneAfterAnother(t *testing.T) {
	t.Parallel()
	c := chaos{replicas: 3, tenants: 9, rounds: 2, ttl: 3 * time.Second, perSecond: 20, messages: 200}
	pause := 3 * time.Second
	if full() {
		c = chaos{replicas: 3, tenants: 300, rounds: 100, ttl: 15 * time.Second, perSecond: 30, messages: 60_000}.long(t)
		pause = 20 * time.Second
	}
	f, s, rng := c.open(t, false)
	watch := s.watch()
	turn := time.NewTicker(pause)
	defer turn.Stop()
	for range c.rounds {
		victim := f.members[rng.IntN(len(f.members))]
		victim.child.kill()
		// Half of them come back at once, as under a supervisor; the others are
		// gone for so long that the rest must take over.
		if rng.IntN(2) == 0 {
			<-turn.C
			f.start(t, victim)
			continue
		}
		f.start(t, victim)
		<-turn.C
	}
	v := c.close(t, s, fmt.Sprintf("%d replicas, %d kills", c.replicas, c.rounds))
	v.Kills = c.rounds
	v.suffered(watch)
	v.within(t, "outage p95", v.OutageP95, 6)
	v.within(t, "outage max", v.OutageMax, 20)
	v.report(t, "chaos.json")
}

func TestFleet_ADeployReplacesOneReplicaAfterAnother(t *testing.T) {
	t.Parallel()
	c := chaos{replicas: 4, tenants: 8, rounds: 1, ttl: 3 * time.Second, perSecond: 20, messages: 160}
	settles := time.Millisecond
	if full() {
		c = chaos{replicas: 4, tenants: 200, rounds: 20, ttl: 15 * time.Second, perSecond: 50, messages: 40_000}.long(t)
		settles = 10 * time.Second // less than minReadySeconds of deploy/kubernetes.yaml; the interval of the checks in fly.toml
	}
	f, s, _ := c.open(t, false)
	watch := s.watch()
	for range c.rounds {
		for _, m := range f.members {
			ready := time.NewTimer(settles)
			m.child.stop(t)
			f.start(t, m)
			f.whole(t, s, time.Minute)
			<-ready.C
		}
	}
	v := c.close(t, s, fmt.Sprintf("%d replicas, %d rolling restarts", c.replicas, c.rounds))
	v.suffered(watch)
	v.within(t, "answer p99", v.AnswerP99, 2)
	v.report(t, "chaos.json")
}
