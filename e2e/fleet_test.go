package e2e

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"flowhq/domain"
)

// fleet is several replicas of the program on one Postgres.
type fleet struct {
	w       *world
	members []*member
	revived int
}

// member is one place in the fleet: a name, the cables to what it needs, and
// the process that runs there now.
type member struct {
	name   string
	child  *child
	db, wa *proxy // nil: plugged in directly
}

// newFleetOn starts so many replicas. With cables each reaches the database and
// WhatsApp through proxies of its own.
func newFleetOn(t *testing.T, db database, size int, cables bool, more ...setting) *fleet {
	t.Helper()
	f := &fleet{w: newIdleWorld(t, db, more...)}
	f.w.addKey(t)
	for i := range size {
		f.join(t, fmt.Sprintf("replica-%d", i+1), cables)
	}
	t.Cleanup(f.kill)
	return f
}

// kill ends all processes, also those that are stopped.
func (f *fleet) kill() {
	for _, m := range f.members {
		_ = m.child.cmd.Process.Signal(syscall.SIGCONT)
		m.child.kill()
	}
}

// join adds a replica and waits until it serves.
func (f *fleet) join(t *testing.T, name string, cables bool) *member {
	t.Helper()
	m := &member{name: name}
	if cables {
		_, m.db = behindProxy(t, f.w.db)
		m.wa = newProxy(t, f.w.settings["FLOWHQ_WHATSAPP_ADDR"])
	}
	f.members = append(f.members, m)
	f.start(t, m)
	return m
}

// settings are those of one member.
func (f *fleet) settings(t *testing.T, m *member) []setting {
	own := []setting{{"FLOWHQ_REPLICA_NAME", m.name}}
	if m.db != nil {
		own = append(own, setting{"DATABASE_URL", through(t, f.w.db, m.db).url}, setting{"FLOWHQ_WHATSAPP_ADDR", m.wa.addr()})
	}
	return own
}

// start runs a process for the member and waits until it is ready.
func (f *fleet) start(t *testing.T, m *member) {
	t.Helper()
	f.w.serve(t, f.settings(t, m)...)
	m.child = f.w.child
}

// revive starts members anew that were buried, as a supervisor does. On a busy
// machine a lease of a second may run out without any fault; one of production
// may not, and a test then waits for that member in vain.
func (f *fleet) revive(t *testing.T) {
	t.Helper()
	if f.w.settings["FLOWHQ_LEASE_TTL"] == domain.DefaultLeaseTimings().TTL.String() {
		return
	}
	for _, m := range f.members {
		if m.child.gone(0) && m.child.cmd.ProcessState.ExitCode() == exitBuried {
			f.revived++
			f.start(t, m)
		}
	}
}

// whole waits until every tenant is connected.
func (f *fleet) whole(t *testing.T, s *storm, limit time.Duration) {
	t.Helper()
	eventually(t, "every tenant is connected", limit, func() (bool, string) {
		off := 0
		for _, shop := range s.shops {
			if !shop.online() {
				off++
			}
		}
		return off == 0, fmt.Sprintf("%d of %d tenants are offline; %v", off, len(s.shops), f.w.holdings(t))
	})
}

// spread waits until each of so many replicas holds its part within a tenth
// and one.
func (f *fleet) spread(t *testing.T, tenants, replicas int, limit time.Duration) {
	t.Helper()
	part := (tenants + replicas - 1) / replicas
	most := part + max(1, part/10)
	least := tenants/replicas - max(1, part/10)
	eventually(t, "the tenants are spread", limit, func() (bool, string) {
		f.revive(t)
		held, sum := f.w.holdings(t), 0
		if len(held) != replicas {
			return false, fmt.Sprint(held)
		}
		for _, n := range held {
			sum += n
			if n > most || n < least {
				return false, fmt.Sprint(held)
			}
		}
		return sum == tenants, fmt.Sprint(held)
	})
}

// online reports whether the tenant's device is connected, as WhatsApp sees it.
func (s *shop) online() bool {
	devices := s.owner.Devices()
	return len(devices) == 1 && devices[0].Connected
}

// watcher notes how long each tenant was without a connection.
type watcher struct {
	stop chan struct{}
	done sync.WaitGroup
	gaps []time.Duration
}

// watch looks at all tenants many times a second until it is ended.
func (s *storm) watch() *watcher {
	w := &watcher{stop: make(chan struct{})}
	w.done.Go(func() {
		since := make([]time.Time, len(s.shops))
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-w.stop:
				return
			case now := <-ticker.C:
				for i, shop := range s.shops {
					switch online := shop.online(); {
					case !online && since[i].IsZero():
						since[i] = now
					case online && !since[i].IsZero():
						w.gaps = append(w.gaps, now.Sub(since[i]))
						since[i] = time.Time{}
					}
				}
			}
		}
	})
	return w
}

// suffered ends the watching and notes how long tenants were without a connection.
func (v *verdict) suffered(w *watcher) {
	close(w.stop)
	w.done.Wait()
	v.OutageP95, v.OutageMax = quantile(w.gaps, 0.95), quantile(w.gaps, 1)
}

// quantile of durations in seconds; 0 of none.
func quantile(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)].Seconds()
}

// pour gives out tokens evenly, so many a second, until n are out and no fault
// comes any more: what happens while nobody writes proves nothing.
func (s *storm) pour(n int, perSecond float64) {
	ticker := time.NewTicker(time.Duration(float64(time.Second) / perSecond))
	defer ticker.Stop()
	faults := s.enough
	for given := 0; given < n || faults != nil; {
		select {
		case <-ticker.C:
			select {
			case s.tokens <- struct{}{}:
				given++
			default: // nobody takes more; the ticker comes again
			}
		case <-faults:
			faults = nil
		}
	}
}
