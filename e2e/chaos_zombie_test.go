package e2e

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// exitBuried is how a process ends that the others declared dead.
const exitBuried = 70

// freeze stops a process for longer than its lease lives, at a random moment,
// lets it go on, and replaces it once it has found out that it was buried. It
// reports whether it was.
func (f *fleet) freeze(t *testing.T, s *storm, m *member, ttl time.Duration, rng *rand.Rand) (buried bool) {
	t.Helper()
	moment := time.NewTimer(time.Duration(rng.Int64N(int64(ttl / 5))))
	<-moment.C
	if err := m.child.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatalf("stop %s: %v", m.name, err)
	}
	s.struck(t, m)
	<-time.After(ttl*6/5 + time.Duration(rng.Int64N(int64(ttl/2))))
	_ = m.child.cmd.Process.Signal(syscall.SIGCONT)
	return f.replace(t, m)
}

// replace starts a process anew once it has ended because it was buried, and
// reports that it did. One that was not buried, because nobody looked meanwhile,
// goes on.
func (f *fleet) replace(t *testing.T, m *member) (buried bool) {
	t.Helper()
	ended := false
	eventually(t, m.name+" lives or has ended", time.Minute, func() (bool, string) {
		ended = m.child.gone(0)
		_, alive := f.w.holdings(t)[m.name]
		return ended || alive, ""
	})
	if !ended {
		return false
	}
	if code := m.child.cmd.ProcessState.ExitCode(); code != exitBuried {
		t.Errorf("%s ended with code %d, want %d", m.name, code, exitBuried)
	}
	f.start(t, m)
	return true
}

// zombies freezes random replicas that serve somebody, one after the other, until
// so many were buried as there are rounds.
func (c chaos) zombies(t *testing.T, f *fleet, s *storm, rng *rand.Rand) {
	t.Helper()
	buried, most := 0, c.rounds+c.rounds/10+3
	for range most {
		f.revive(t)
		if f.freeze(t, s, f.busy(t, rng), c.ttl, rng) {
			buried++
		}
		if buried == c.rounds {
			return
		}
	}
	t.Errorf("of %d replicas that stood still for longer than their lease %d were buried", most, buried)
}

// busy is a random member that serves a tenant.
func (f *fleet) busy(t *testing.T, rng *rand.Rand) (m *member) {
	t.Helper()
	eventually(t, "a replica serves a tenant", time.Minute, func() (bool, string) {
		held := f.w.holdings(t)
		m = f.members[rng.IntN(len(f.members))]
		return held[m.name] > 0 && !m.child.gone(0), fmt.Sprint(held)
	})
	return m
}

func TestZombie_AReplicaThatWakesUpTooLateUsesNoKeyTwice(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		kick bool // WhatsApp closes the connection that a newer one replaces
	}{{"frozen", true}, {"frozen while WhatsApp keeps replaced connections", false}} {
		for _, c := range zombieRuns(t, tt.kick) {
			t.Run(fmt.Sprint(tt.name, " ", c.ttl), func(t *testing.T) {
				t.Parallel()
				f, s, rng := c.open(t, false)
				f.w.wa.Faults().KeepReplaced("", !tt.kick)
				c.zombies(t, f, s, rng)
				v := c.close(t, s, fmt.Sprintf("%d replicas, %d times %s", c.replicas, c.rounds, tt.name))
				v.Revived = f.revived
				v.within(t, "longest wait for an answer after a fault", v.StruckMax, c.ttl.Seconds()+5)
				v.report(t, "chaos.json")
			})
		}
	}
}

// zombieRuns are many rounds with short leases and, in full, some with those of
// production.
func zombieRuns(t *testing.T, kick bool) []chaos {
	t.Helper()
	if !full() {
		return []chaos{{replicas: 3, tenants: 6, rounds: 1, ttl: 3 * time.Second, perSecond: 20, messages: 150}}
	}
	short := chaos{replicas: 3, tenants: 30, rounds: 500, ttl: 3 * time.Second, perSecond: 20, messages: 60_000}
	if !kick {
		short.rounds, short.messages = 200, 24_000
	}
	return []chaos{short.long(t), chaos{replicas: 3, tenants: 30, rounds: 20, ttl: 15 * time.Second, perSecond: 20, messages: 9_000}.long(t)}
}
