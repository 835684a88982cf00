package worker

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"flowhq/domain"
)

// A replica may be alive in the database and dead towards WhatsApp: its way out
// is broken. While another one is well connected, its tenants are better off
// there. When nobody is, WhatsApp itself is down, and moving would only add to it.

const (
	// More than deafPart of its linked tenants out of reach make a replica deaf;
	// wellPart of them online makes another one fit to take over.
	deafPart = 0.5
	wellPart = 0.8
	// deafAfter times to live of a lease the replica gives up, so that its tenants
	// are served elsewhere within a minute. Where connections are open and nothing
	// comes back, finding out took up to forty seconds of that minute, and no wave
	// of reconnects can be the cause: then it is silentAfter. Where some are silent,
	// those that have tried for muteAfter count as well, for they were cut off while
	// they connected. It takes tenants again after restAfter more: the network may
	// have been repaired.
	deafAfter   = 3
	silentAfter = 0.5
	muteAfter   = 1
	restAfter   = 40
	// For so long after that it believes in the others whatever they say: they
	// hold its tenants and have yet to connect them.
	trustsAfter = 10
)

// egress is what a replica knows of its own way to WhatsApp.
type egress struct {
	deafAt time.Time   // when it gives up; zero while not too many tenants are out of reach
	gaveUp time.Time   // zero unless it did
	rests  atomic.Bool // it takes nothing for now; heartbeats beside the loop read it
}

// coverage is how far the linked tenants of a replica reach WhatsApp. Those that
// wait for their turn to connect are linked and nothing else.
type coverage struct {
	linked  int
	online  int
	silent  int // connected, but the last keepalive is unanswered; or given up for that, and trying
	failing int // try to connect in vain
	mute    int // those of them that have tried for muteAfter
}

// hear takes the state at a heartbeat into account. It reports true when the
// replica should hand everything over now.
func (e *egress) hear(now time.Time, c coverage, peers []domain.Replica, ttl time.Duration) bool {
	most := deafPart * float64(c.linked)
	if float64(c.failing+c.silent) <= most || !anyWell(peers) {
		e.deafAt = time.Time{}
		return false
	}
	patience := float64(deafAfter)
	if c.silent > 0 && float64(c.silent+c.mute) > most {
		patience = silentAfter
	}
	if at := now.Add(time.Duration(patience * float64(ttl))); e.deafAt.IsZero() || at.Before(e.deafAt) {
		e.deafAt = at
	}
	if now.Before(e.deafAt) {
		return false
	}
	e.deafAt, e.gaveUp = time.Time{}, now
	return true
}

func anyWell(peers []domain.Replica) bool {
	for _, p := range peers {
		if p.State == domain.ReplicaAlive && p.Connected > 0 && float64(p.Connected) >= wellPart*float64(p.Held) {
			return true
		}
	}
	return false
}

// resting reports whether the replica leaves tenants to others for now. Alone
// it does not: a bad way out is better than none.
func (e *egress) resting(now time.Time, peers []domain.Replica, ttl time.Duration) bool {
	since := now.Sub(e.gaveUp)
	if e.gaveUp.IsZero() || since >= restAfter*ttl {
		return false
	}
	return anyWell(peers) || since < trustsAfter*ttl && takers(peers) > 0
}

// errDeaf ends the tenures of a replica that cannot reach WhatsApp. No send under
// way comes to its end there, so nobody waits for it.
var errDeaf = errors.New("WhatsApp cannot be reached from this replica")

// deaf hands everything over when this replica cannot reach WhatsApp and
// another one can, and reports whether it takes nothing for now.
func (p *Pool) deaf(ctx context.Context, view domain.ClusterView, now time.Time) bool {
	c := p.reach(view.Peers)
	if p.egress.hear(now, c, view.Peers, p.svc.Settings.Timings.TTL) {
		p.svc.Logger.Error("WhatsApp cannot be reached from here but from elsewhere; the tenants go there", "linked", c.linked, "connected", c.online, "silent", c.silent)
		if err := p.handOver(ctx, math.Inf(1), errDeaf); err != nil {
			p.svc.Logger.Warn("not everything is handed over", "error", err)
		}
	}
	rests := p.egress.resting(now, view.Peers, p.svc.Settings.Timings.TTL)
	p.egress.rests.Store(rests)
	return rests
}

// offers is the capacity that others count on. While this replica rests it is
// none: they would give it its share, find it left, and take it back.
func (p *Pool) offers() int {
	if p.egress.rests.Load() {
		return 0
	}
	return p.self.Capacity
}

// reach counts the linked tenants of this replica. Trying counts only while
// another replica is well: after an outage some are connected sooner than others,
// and that is no reason to move.
func (p *Pool) reach(peers []domain.Replica) (c coverage) {
	well, long := anyWell(peers), instantNow().ran-muteAfter*p.svc.Settings.Timings.TTL
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.runners {
		if !well {
			r.tries.Store(0)
		}
		since := time.Duration(r.tries.Load())
		switch {
		case r.ctx.Err() != nil || !r.paired.Load():
			continue // it is leaving, or has nothing to connect
		case r.online.Load() && r.silent.Load():
			c.silent++
		case r.online.Load():
			c.online++
		case since == 0 || r.waits.Load():
		case r.silent.Load():
			c.silent++
		default:
			if c.failing++; since <= long {
				c.mute++
			}
		}
		c.linked++
	}
	return c
}
