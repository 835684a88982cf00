package worker

import (
	"slices"
	"time"

	"flowhq/domain"
)

// Balance between replicas: each has a fair share by its capacity. Whoever holds
// too much gives away, nobody takes from a living owner. What is given away must
// not come straight back, so a replica that has its share leaves free tenants to
// the others for a while.

const (
	// band is how far above its share a replica may be before it gives away.
	band = 0.1
	// shedPart of the excess goes with each heartbeat, at most shedMost at
	// once: the receivers connect at a pace.
	shedPart = 5
	shedMost = 20
	// shedAfter heartbeats above the band in a row something is given away: a
	// replica that has just come or gone is not yet what will be.
	shedAfter = 2
	// leaveFor heartbeats free tenants are left to others.
	leaveFor = 2
)

// atOnce is how many tenants a replica connects at once; 0: any number.
func atOnce(s Settings) int {
	if s.ConnectRate == 0 {
		return 0
	}
	return s.ConnectBurst
}

// share is what a replica knows of the balance since its last heartbeat.
type share struct {
	burst  int  // tenants that a replica connects at once; 0 = any number
	fair   int  // tenants of this replica if all held their part; 0 = nobody else is there
	goal   int  // tenants up to which it takes free ones now
	hungry bool // another replica is below the band
	above  int  // heartbeats in a row above the band
	unowed int  // heartbeats in a row that saw free tenants
}

// see takes the answer of a heartbeat in turn into account.
func (s *share) see(held, capacity int, v domain.ClusterView) {
	s.look(held, capacity, v)
	s.above = counted(s.above, s.fair > 0 && held > s.limit())
	s.unowed = counted(s.unowed, v.Free > 0)
}

// look takes that of any heartbeat into account.
func (s *share) look(held, capacity int, v domain.ClusterView) {
	total, capacities := held+v.Free, capacity
	for _, peer := range v.Peers {
		total += peer.Held
		if takesPart(peer) { // the tenants of all others come to us
			capacities += peer.Capacity
		}
	}
	s.fair, s.goal, s.hungry = 0, 0, false
	if takers(v.Peers) == 0 {
		return
	}
	s.fair = part(total, capacity, capacities)
	s.hungry = slices.ContainsFunc(v.Peers, func(peer domain.Replica) bool {
		fair := part(total, peer.Capacity, capacities)
		return takesPart(peer) && peer.Held < fair-tolerance(fair)
	})
	rush := rush{burst: s.burst}
	rush.add(held, s.fair)
	for _, peer := range v.Peers {
		if takesPart(peer) {
			rush.add(peer.Held, part(total, peer.Capacity, capacities))
		}
	}
	s.goal = s.fair + rush.shift(held, s.fair, v.Free)
}

// rush is what replicas would have to connect if each took its part of the free
// tenants. A replica that has just come would take nearly all of them, and most
// would wait for their turn there, while others could connect them at once. Those
// help, and give away what they have too much of later, one by one.
type rush struct {
	burst         int
	lacking, full int // replicas that lack more than a burst; that have their part
	waiting       int // tenants that would wait at the former
}

func (r *rush) add(held, fair int) {
	switch lacks := fair - held; {
	case lacks > r.burst:
		r.lacking++
		r.waiting += lacks - r.burst
	case lacks >= -tolerance(fair):
		r.full++
	}
}

// shift is by how much a replica takes more or less than its part.
func (r *rush) shift(held, fair, free int) int {
	lacks := fair - held
	switch {
	case r.burst == 0 || r.lacking == 0 || r.full == 0 || free <= r.burst*r.lacking:
		return 0
	case lacks > r.burst:
		return -min(lacks-r.burst, r.burst*r.full/r.lacking)
	case lacks >= -tolerance(fair):
		return min(r.burst, (r.waiting+r.full-1)/r.full)
	}
	return 0
}

func takesPart(peer domain.Replica) bool {
	return peer.State == domain.ReplicaAlive && peer.Capacity > 0
}

func takers(peers []domain.Replica) (n int) {
	for _, peer := range peers {
		if takesPart(peer) {
			n++
		}
	}
	return n
}

// part is the fair share of a replica: of all tenants as much as its capacity is
// of all capacities, and not more than it can serve.
func part(total, capacity, capacities int) int {
	return min((total*capacity+capacities-1)/capacities, capacity)
}

func counted(n int, again bool) int {
	if again {
		return n + 1
	}
	return 0
}

// tolerance is the width of the band; two replicas with one tenant are in balance.
func tolerance(fair int) int { return max(1, int(float64(fair)*band)) }

// limit is what a replica may hold before it gives away: the upper edge of the
// band, or its exact share while somebody is below the lower one.
func (s *share) limit() int {
	if s.hungry {
		return s.fair
	}
	return s.fair + tolerance(s.fair)
}

// room is how many more tenants a replica takes now.
func (s *share) room(held, capacity int) int {
	room := capacity - held
	if s.fair > 0 && s.unowed <= leaveFor {
		room = min(room, s.goal-held)
	}
	return room
}

// excess is how many tenants to give away now.
func (s *share) excess(held int) int {
	if s.above < shedAfter {
		return 0
	}
	over := held - s.fair
	return min(max(over/shedPart, 1), shedMost)
}

// shed gives tenants away. A phone that is being linked stays: its code would change.
func (p *Pool) shed() {
	held, _ := p.count()
	n := p.share.excess(held)
	if n == 0 {
		return
	}
	p.mu.Lock()
	quiet := make([]*runner, 0, len(p.runners))
	for _, r := range p.runners {
		if !r.linking.Load() && r.ctx.Err() == nil {
			quiet = append(quiet, r)
		}
	}
	p.mu.Unlock()
	slices.SortFunc(quiet, p.leavesFirst())
	quiet = quiet[:min(n, len(quiet))]
	for _, r := range quiet {
		r.cancel(errReleased)
	}
	if len(quiet) > 0 {
		p.svc.Logger.Info("tenants go to replicas that have fewer", "given", len(quiet), "held", held, "share", p.share.fair)
	}
}

// movedLately times to live of a lease a tenant is among the last to be moved again.
const movedLately = 4

// leavesFirst orders runners by how little their customers notice a move: those
// that have just come last, so that no tenant is passed around, and of the rest
// those first to whom nobody has written for the longest.
func (p *Pool) leavesFirst() func(a, b *runner) int {
	lately := time.Now().Add(-movedLately * p.svc.Settings.Timings.TTL)
	return func(a, b *runner) int {
		if here, there := a.began.After(lately), b.began.After(lately); here != there {
			if here {
				return 1
			}
			return -1
		}
		return a.lastHeard().Compare(b.lastHeard())
	}
}
