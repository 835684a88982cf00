package e2e

import (
	"fmt"
	"testing"
	"time"
)

// setClock moves the database's clock, by which replicas are declared dead.
func (w *world) setClock(t *testing.T, by time.Duration) {
	t.Helper()
	w.change(t, fmt.Sprintf(`CREATE OR REPLACE FUNCTION flowhq_after(seconds double precision) RETURNS timestamptz LANGUAGE sql STABLE
		AS 'SELECT now() + (seconds + %d) * interval ''1 second'''`, int(by.Seconds())))
}

// settles waits until every replica has given a heartbeat by the new clock, or
// was buried by it and is replaced.
func (f *fleet) settles(t *testing.T, ttl time.Duration) {
	t.Helper()
	eventually(t, "all heartbeats are by the new clock", time.Minute, func() (bool, string) {
		n := f.w.count(t, "SELECT count(*) FROM replicas WHERE state <> 'dead' AND abs(extract(epoch FROM heartbeat_at - flowhq_after(0))) > $1", ttl.Seconds())
		return n == 0, fmt.Sprint(n)
	})
	for _, m := range f.members {
		f.replace(t, m)
	}
}

func TestClock_OfTheDatabaseJumpsByAnHourAndBack(t *testing.T) {
	t.Parallel()
	runs := []chaos{{replicas: 3, tenants: 9, rounds: 1, ttl: 3 * time.Second, perSecond: 20, messages: 300}}
	if full() {
		runs = []chaos{
			chaos{replicas: 3, tenants: 30, rounds: 20, ttl: 3 * time.Second, perSecond: 30, messages: 12_000}.long(t),
			chaos{replicas: 3, tenants: 30, rounds: 20, ttl: 15 * time.Second, perSecond: 30, messages: 12_000}.long(t),
		}
	}
	for _, c := range runs {
		t.Run(c.ttl.String(), func(t *testing.T) {
			t.Parallel()
			f, s, rng := c.open(t, false)
			for range c.rounds {
				for _, by := range []time.Duration{time.Hour, 0} {
					f.w.setClock(t, by)
					f.settles(t, c.ttl)
					victim := f.busy(t, rng)
					victim.child.kill()
					f.emptied(t, victim, c.tenants, c.ttl)
					f.start(t, victim)
				}
			}
			v := c.close(t, s, fmt.Sprintf("%d times the clock of the database jumps by an hour and back", c.rounds))
			v.report(t, "chaos.json")
		})
	}
}
