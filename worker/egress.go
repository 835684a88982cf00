package worker

import (
	"context"
	"math"
	"time"

	"flowhq/domain"
)

// A replica may be alive in the database and dead towards WhatsApp: its way out
// is broken. While another one is well connected, its tenants are better off
// there. When nobody is, WhatsApp itself is down, and moving would only add to it.

const (
	// More than deafPart of its linked tenants that try to connect in vain make a
	// replica deaf; wellPart of them online makes another one fit to take over.
	deafPart = 0.5
	wellPart = 0.8
	// deafAfter times to live of a lease the replica gives up, so that its tenants
	// are served elsewhere within a minute. It takes tenants again after restAfter
	// more: the network may have been repaired.
	deafAfter = 3
	restAfter = 40
)

// egress is what a replica knows of its own way to WhatsApp.
type egress struct {
	deafSince time.Time // zero while not too many tenants try in vain
	restUntil time.Time // zero unless it gave up
	rests     bool      // it takes nothing for now
}

// hear takes the state at a heartbeat into account. It reports true when the
// replica should hand everything over now.
func (e *egress) hear(now time.Time, linked, failing int, peers []domain.Replica, ttl time.Duration) bool {
	if float64(failing) <= deafPart*float64(linked) || !anyWell(peers) {
		e.deafSince = time.Time{}
		return false
	}
	if e.deafSince.IsZero() {
		e.deafSince = now
	}
	if now.Sub(e.deafSince) < deafAfter*ttl {
		return false
	}
	e.deafSince, e.restUntil = time.Time{}, now.Add(restAfter*ttl)
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
func (e *egress) resting(now time.Time, peers []domain.Replica) bool {
	return now.Before(e.restUntil) && anyWell(peers)
}

// deaf hands everything over when this replica cannot reach WhatsApp and
// another one can, and reports whether it takes nothing for now.
func (p *Pool) deaf(ctx context.Context, view domain.ClusterView, now time.Time) bool {
	linked, online, failing := p.reach(view.Peers)
	if p.egress.hear(now, linked, failing, view.Peers, p.svc.Settings.Timings.TTL) {
		p.svc.Logger.Error("WhatsApp cannot be reached from here but from elsewhere; the tenants go there", "linked", linked, "connected", online)
		if err := p.handOver(ctx, math.Inf(1)); err != nil {
			p.svc.Logger.Warn("not everything is handed over", "error", err)
		}
	}
	p.egress.rests = p.egress.resting(now, view.Peers)
	return p.egress.rests
}

// offers is the capacity that others count on. While this replica rests it is
// none: they would give it its share, find it left, and take it back.
func (p *Pool) offers() int {
	if p.egress.rests {
		return 0
	}
	return p.self.Capacity
}

// reach counts the linked tenants of this replica, those that are connected, and
// those that try to connect in vain. Who waits for a turn or for the next attempt
// does not count, and trying counts only while another replica is well: after an
// outage some are connected sooner than others, and that is no reason to move.
func (p *Pool) reach(peers []domain.Replica) (linked, online, failing int) {
	well := anyWell(peers)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.runners {
		if !well {
			r.tries.Store(0)
		}
		switch {
		case r.ctx.Err() != nil || !r.paired.Load():
			continue // it is leaving, or has nothing to connect
		case r.online.Load():
			online++
		case r.tries.Load() != 0 && !r.waits.Load():
			failing++
		}
		linked++
	}
	return linked, online, failing
}
