package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// restart ends all replicas at once, starts them at the same time with another
// pace, and returns when each tenant was seen connected, in the order of the shops
// and counted from the first start.
func (f *fleet) restart(t *testing.T, s *storm, end syscall.Signal, burst int, perSecond float64) []time.Duration {
	t.Helper()
	for _, m := range f.members {
		if err := m.child.cmd.Process.Signal(end); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range f.members {
		if !m.child.gone(time.Minute) {
			t.Fatalf("%s did not end", m.name)
		}
	}
	eventually(t, "nobody is connected", patience, func() (bool, string) {
		return !slices.ContainsFunc(s.shops, (*shop).online), ""
	})
	f.w.settings["FLOWHQ_CONNECT_RATE"], f.w.settings["FLOWHQ_CONNECT_BURST"] = fmt.Sprint(perSecond), strconv.Itoa(burst)
	began := time.Now()
	for _, m := range f.members {
		f.w.spawn(t, f.settings(t, m)...)
		m.child = f.w.child
	}
	after := make([]time.Duration, len(s.shops))
	eventually(t, "every tenant was connected", time.Minute, func() (bool, string) {
		missing := 0
		for i, shop := range s.shops {
			switch {
			case after[i] > 0:
			case shop.online():
				after[i] = time.Since(began)
			default:
				missing++
			}
		}
		return missing == 0, fmt.Sprintf("%d of %d were not; %v", missing, len(s.shops), f.w.holdings(t))
	})
	return after
}

func TestFleet_RestartedAsAWholeConnectsAtItsPace(t *testing.T) {
	t.Parallel()
	const replicas, tenants, burst, perSecond = 2, 40, 3, 2
	f := newFleetOn(t, postgresDatabase(t), replicas, false)
	s := newStorm(t, f.w, tenants, 0)
	f.spread(t, tenants, replicas, time.Minute)
	f.whole(t, s, time.Minute)
	after := f.restart(t, s, syscall.SIGKILL, burst, perSecond)
	f.whole(t, s, time.Minute)

	// No process has its first turn before it starts, and a login is only ever seen
	// later than its turn: a slow machine cannot make it look too early.
	for n, seen := range slices.Sorted(slices.Values(after)) {
		turns := float64(n + 1 - replicas*burst)
		if earliest := time.Duration(turns / (replicas * perSecond) * float64(time.Second)); seen < earliest {
			t.Errorf("login %d came %s after the start, want %s at least: each of %d replicas may make %d at once and %d a second",
				n+1, seen.Round(time.Millisecond), earliest.Round(time.Millisecond), replicas, burst, perSecond)
		}
	}
	if n := f.w.wa.Ledger().CounterReuse; n != 0 {
		t.Errorf("%d message keys were used twice", n)
	}
}

func TestFleet_RestartedConnectsThoseFirstToWhomCustomersWroteLast(t *testing.T) {
	t.Parallel()
	for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(end.String(), func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, db database) { restartsInOrder(t, db, end) })
		})
	}
}

func restartsInOrder(t *testing.T, db database, end syscall.Signal) {
	t.Helper()
	const tenants, burst, perSecond = 20, 5, 3
	f := newFleetOn(t, db, 1, false)
	s := newStorm(t, f.w, tenants, 0)
	asha := f.w.customer(t, "Asha")
	for _, shop := range s.shops {
		asha.asks(t, shop, "hello")
	}
	recent := []int{2, 9, 16} // of all ages, so that no other order puts them first
	for _, i := range recent {
		asha.asks(t, s.shops[i], "menu")
	}
	after := f.restart(t, s, end, burst, perSecond)
	var others []time.Duration
	for i := range after {
		if !slices.Contains(recent, i) {
			others = append(others, after[i])
		}
	}
	slices.Sort(others)
	for _, i := range recent {
		if half := others[len(others)/2]; after[i] > half {
			t.Errorf("tenant %d, to which a customer wrote last, was connected after %s, half of the others within %s", i, after[i], half)
		}
	}
}
