package worker

import (
	"context"
	cryptorand "crypto/rand"
	"math/rand/v2"
	"time"

	"flowhq/domain"
)

// heartbeat renews the replica's row once. It carries a number that was never
// used before, by which the database tells a copy of this process from it.
func (p *Pool) heartbeat(ctx context.Context) (domain.ClusterView, error) {
	ctx, cancel := context.WithTimeout(ctx, p.svc.Settings.Timings.Tick*2/3)
	defer cancel()
	if p.pending == nil {
		p.pending = make([]byte, 16)
		_, _ = cryptorand.Read(p.pending)
	}
	self := p.self
	self.Held, self.Connected = p.count()
	self.Capacity = p.offers()
	p.relief.look(self.Connected)
	began := time.Now()
	accepted := [][]byte{p.pending} // an earlier try may have written it
	if p.nonce != nil {
		accepted = append(accepted, p.nonce)
	}
	view, err := p.svc.Leases.Heartbeat(ctx, self, accepted, p.pending, p.svc.Settings.Timings.TTL)
	if err != nil {
		p.svc.Metrics.Missed.Inc()
		return view, err
	}
	took := time.Since(began)
	p.svc.Metrics.Heartbeats.Observe(took.Seconds())
	if view.State != "" {
		p.compareClocks(view.At, began.Add(took/2))
	}
	p.nonce, p.pending = p.pending, nil
	return view, nil
}

// look renews the replica's row, buries who is dead, and says who is left: with
// the dead in view it would leave a part of their tenants to them.
func (p *Pool) look(ctx context.Context) (domain.ClusterView, error) {
	view, err := p.heartbeat(ctx)
	if err != nil || view.State == "" {
		return view, err
	}
	p.renewed(p.beaten)
	if p.cut.Load() {
		return view, nil // it gives everything back first
	}
	var freed int
	p.alive(ctx, func() { freed = p.bury(ctx) })
	if freed == 0 {
		return view, nil
	}
	return p.heartbeat(ctx)
}

// badClock is how far the clocks of a replica and of the database may be apart
// before people are told: the age of messages is by the first, and what was
// written by other replicas is by theirs.
const badClock = time.Minute

// compareClocks tells when the clock of this machine goes wrong, once.
func (p *Pool) compareClocks(database, own time.Time) {
	skew := own.Round(0).Sub(database)
	p.svc.Metrics.ClockSkew.Set(skew.Seconds())
	wrong := skew.Abs() > badClock
	if wrong && !p.skewed {
		p.svc.Logger.Error("the clocks of this machine and of the database differ; answers may be taken for old or be late until both are right", "by", skew.Round(time.Second).String())
	}
	p.skewed = wrong
}

// bury frees the leases of replicas that are dead, and says how many. The
// database wakes all who may take them.
func (p *Pool) bury(ctx context.Context) (freed int) {
	if p.cut.Load() {
		return 0 // nobody judges others while nobody can say whether it lives itself
	}
	ctx, cancel := context.WithTimeout(ctx, p.svc.Settings.Timings.Tick)
	defer cancel()
	freed, err := p.svc.Leases.Bury(ctx, p.self, p.seesOthers())
	if err != nil {
		p.svc.Logger.Warn("dead replicas are not buried to the end; the next heartbeat goes on", "error", err)
	}
	if freed > 0 {
		p.svc.Logger.Info("took over from a dead replica", "leases", freed)
	}
	return freed
}

// inspectAt looks at the others again at the moment when the first of them may
// be buried: one that is killed or hangs is noticed then, not a tick later.
func (p *Pool) inspectAt(view domain.ClusterView) {
	p.inspect.Reset(nextDeath(view, p.svc.Settings.Timings) + p.svc.Settings.Timings.Tick/20)
}

// nextDeath is how long it takes until a peer that gives no heartbeat any more
// has missed one, or until its row expires.
func nextDeath(view domain.ClusterView, t domain.LeaseTimings) time.Duration {
	missed, next := time.Duration(domain.MissedHeartbeat*float64(t.TTL)), time.Hour
	for _, peer := range view.Peers {
		age := view.At.Sub(peer.HeartbeatAt)
		for _, end := range []time.Duration{missed, t.TTL} {
			if age >= 0 && age < end {
				next = min(next, end-age)
			}
		}
	}
	return next
}

// nextTick spreads the heartbeats of the replicas, and tries again soon after a
// failure. It counts from the beginning of the last one, as trust does.
func (p *Pool) nextTick(began instant, err error) time.Duration {
	tick, passed := p.svc.Settings.Timings.Tick, instantNow().ran-began.ran
	if err != nil {
		tick, passed = tick/5, 0
	}
	return max(tick*9/10+rand.N(tick/5+1)-passed, 0)
}

// sooner is the wait before a heartbeat out of turn.
func (p *Pool) sooner() time.Duration {
	return max(p.svc.Settings.Timings.Tick/20-(instantNow().ran-p.beaten.ran), 0)
}
