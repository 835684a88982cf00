package e2e

import (
	"fmt"
	"testing"
	"time"
)

// partition is one way in which a replica loses the network.
type partition struct {
	name     string
	cut      func(*member)
	database bool // the database cannot be used
	whatsapp bool // nor WhatsApp
}

var partitions = []partition{
	{"cut off from the database", func(m *member) { m.db.set(true) }, true, false},
	{"cut off from WhatsApp", func(m *member) { m.wa.set(true) }, false, true},
	{"cut off from both", func(m *member) { m.db.set(true); m.wa.set(true) }, true, true},
	{"not heard by the database", func(m *member) { m.db.hold(true, outward) }, true, false},
	{"deaf to the database", func(m *member) { m.db.hold(true, inward) }, true, false},
	{"not heard by WhatsApp", func(m *member) { m.wa.hold(true, outward) }, false, true},
	{"deaf to WhatsApp", func(m *member) { m.wa.hold(true, inward) }, false, true},
}

// heal puts both networks of a member in order.
func (m *member) heal() {
	for _, p := range []*proxy{m.db, m.wa} {
		p.hold(false, outward, inward)
		p.set(false)
	}
}

// connections counts those that are open through the proxy.
func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) / 2
}

// closes waits until a member whose database is gone has closed its connections
// to WhatsApp, and returns how long that took.
func (m *member) closes(t *testing.T, limit time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	eventually(t, m.name+" closes its connections to WhatsApp", limit+5*time.Second, func() (bool, string) {
		n := m.wa.connections()
		return n == 0, fmt.Sprint(n, " are open")
	})
	return time.Since(began)
}

// emptied waits until others hold the tenants of a member, all of them.
func (f *fleet) emptied(t *testing.T, m *member, tenants int, limit time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	eventually(t, "the others hold the tenants of "+m.name, limit+10*time.Second, func() (bool, string) {
		held, others := f.w.holdings(t), 0
		for name, n := range held {
			if name != m.name {
				others += n
			}
		}
		return others == tenants, fmt.Sprint(held)
	})
	return time.Since(began)
}

// suffer takes one member through one partition, and the fleet back to health.
func (f *fleet) suffer(t *testing.T, s *storm, m *member, p partition, c chaos) (closed, moved time.Duration) {
	t.Helper()
	p.cut(m)
	s.struck(t, m)
	if p.database {
		closed = m.closes(t, c.ttl)
		moved = f.emptied(t, m, c.tenants, c.ttl)
	} else {
		moved = f.emptied(t, m, c.tenants, c.movesWithin())
	}
	m.heal()
	f.replace(t, m)
	if p.whatsapp && !p.database {
		m.child.stop(t) // else it would leave the tenants to the others for a while
		f.start(t, m)
	}
	eventually(t, m.name+" is given tenants again", time.Minute, func() (bool, string) {
		f.revive(t)
		held := f.w.holdings(t)
		return held[m.name] > 0 && len(held) == c.replicas, fmt.Sprint(held)
	})
	f.whole(t, s, time.Minute)
	return closed, moved
}

// movesWithin is a minute with the leases of production. Of shorter ones not
// every part scales: a first attempt to connect again comes after a second.
func (c chaos) movesWithin() time.Duration { return max(4*c.ttl, 10*time.Second) }

func TestPartition_AReplicaThatIsCutOffHarmsNothing(t *testing.T) {
	t.Parallel()
	runs := []chaos{{replicas: 2, tenants: 4, rounds: 1, ttl: 3 * time.Second, perSecond: 10, messages: 100}}
	if full() {
		runs = []chaos{
			chaos{replicas: 3, tenants: 15, rounds: 100, ttl: 3 * time.Second, perSecond: 10, messages: 8_000}.long(t),
			chaos{replicas: 3, tenants: 15, rounds: 20, ttl: 15 * time.Second, perSecond: 10, messages: 9_000}.long(t),
		}
	}
	for _, p := range partitions {
		for _, c := range runs {
			t.Run(fmt.Sprint(p.name, " ", c.ttl), func(t *testing.T) {
				t.Parallel()
				f, s, rng := c.open(t, true)
				var closed, moved []time.Duration
				for range c.rounds {
					a, b := f.suffer(t, s, f.members[rng.IntN(len(f.members))], p, c)
					closed, moved = append(closed, a), append(moved, b)
				}
				v := c.close(t, s, fmt.Sprintf("%d replicas, %d times one %s", c.replicas, c.rounds, p.name))
				v.Revived = f.revived
				v.MovedMax = quantile(moved, 1)
				t.Logf("moved: half within %.1f s, nine of ten within %.1f s", quantile(moved, 0.5), quantile(moved, 0.9))
				answered := c.movesWithin()
				if p.database {
					answered = c.ttl
				}
				if p.database && !p.whatsapp { // else they are not closed but cut
					v.SocketsMax = quantile(closed, 1)
					v.within(t, "connections to WhatsApp closed", v.SocketsMax, (c.ttl * 12 / 15).Seconds())
				}
				if !p.database {
					v.within(t, "moved", v.MovedMax, c.movesWithin().Seconds())
				}
				v.within(t, "longest wait for an answer after a fault", v.StruckMax, answered.Seconds()+5)
				v.report(t, "chaos.json")
			})
		}
	}
}
