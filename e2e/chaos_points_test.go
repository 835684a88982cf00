package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"flowhq/domain"
)

// unguarded is a database that lets everybody write, whoever holds the lease,
// and ends nobody's connections.
func unguarded(t *testing.T, w *world) {
	t.Helper()
	w.change(t, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$`)
	w.change(t, `CREATE FUNCTION public.pg_terminate_backend(pid integer) RETURNS boolean LANGUAGE sql AS 'SELECT true'`)
}

// noFence is put in the place of what raises the error; every start of the
// program repairs it.
const noFence = `CREATE OR REPLACE FUNCTION flowhq_over(what text) RETURNS text LANGUAGE sql AS 'SELECT what'`

// guards are those that stand between a former owner and the keys.
type guards int

const (
	allGuards  guards = iota
	fenceAlone        // it trusts blindly, keeps its connections to the database and to WhatsApp
	noGuards          // and the database takes what it writes
)

// sleeper stops a replica at a point of the message path, lets another one take
// over and write on, and wakes the first one up. It returns how many message
// keys were used twice.
func sleeper(t *testing.T, point string, on guards) int64 {
	t.Helper()
	settings := []setting{{"FLOWHQ_LEASE_TTL", "1s"}}
	if on != allGuards {
		settings = append(settings, setting{"FLOWHQ_UNSAFE", "blind-trust"})
	}
	w := newIdleWorld(t, postgresDatabase(t), settings...)
	w.addKey(t)
	if on != allGuards {
		unguarded(t, w)
		w.wa.Faults().KeepReplaced("", true)
	}
	pass, answers := 2, 7
	if point == "O4" { // it is passed with each frame of a message
		pass, answers = 1, 6
	}
	w.serve(t, setting{"FLOWHQ_CRASH_AT", fmt.Sprintf("%s:%d:stop", point, pass)})
	first := w.child
	t.Cleanup(first.kill)
	shop, asha := w.opened(t, salon), w.customer(t, "Asha")
	if pass == 2 {
		asha.asks(t, shop, "hello")
	}
	w.spawn(t, setting{"FLOWHQ_REPLICA_NAME", "second"})
	if err := w.child.await(readyWithin); err != nil {
		t.Fatal(err)
	}
	if on == noGuards {
		w.change(t, noFence)
	}

	asha.writes(t, shop, "menu")
	eventually(t, "the other replica holds the tenant", patience, func() (bool, string) {
		held := w.holdings(t)
		return held["second"] == 1, fmt.Sprint(held)
	})
	asha.reads(t, shop)
	for range 3 {
		asha.asks(t, shop, "menu")
	}
	if err := first.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	switch on {
	case fenceAlone:
		return harmless(t, w, first, shop, asha, pass, answers)
	case noGuards:
		return damage(t, w, first, shop, asha)
	}
	if !first.gone(patience) {
		t.Fatal("a replica that was buried does not end")
	}
	if code := first.cmd.ProcessState.ExitCode(); code != exitBuried {
		t.Errorf("it ended with code %d, want %d", code, exitBuried)
	}
	for range 2 {
		asha.asks(t, shop, "menu")
	}
	if n := asha.shown(shop); n != answers {
		t.Errorf("Asha sees %d answers to %d messages", n, answers)
	}
	return w.wa.Ledger().CounterReuse
}

func TestZombie_StoppedAtAnyPointOfTheMessagePathUsesNoKeyTwice(t *testing.T) {
	t.Parallel()
	harmlessAtEveryPoint(t, allGuards)
}

func TestZombie_TheFenceAloneKeepsKeysFromBeingUsedTwice(t *testing.T) {
	t.Parallel()
	harmlessAtEveryPoint(t, fenceAlone)
}

func harmlessAtEveryPoint(t *testing.T, on guards) {
	t.Helper()
	for _, point := range crashPoints {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			if n := sleeper(t, point, on); n != 0 {
				t.Errorf("%d message keys were used twice", n)
			}
		})
	}
}

func TestZombie_WithoutTheFenceAKeyIsUsedTwice(t *testing.T) {
	t.Parallel()
	const tries = 10
	for range tries {
		if sleeper(t, "O2", noGuards) > 0 {
			return
		}
	}
	t.Errorf("no key was used twice in %d tries without the fence, so the tests with it prove nothing", tries)
}

// harmless lets a former owner that does not know it go on until it has run into
// the fence, or has sent what it had encrypted before it was stopped. Then the
// owner reads the ratchet anew: had it been set back, keys would be used again.
func harmless(t *testing.T, w *world, zombie *child, shop *shop, asha *customer, pass, answers int) int64 {
	t.Helper()
	owner := w.child
	eventually(t, "the former owner is refused or has sent its message", patience, func() (bool, string) {
		_, body := w.at(zombie).get("/metrics")
		refused, sent := metric(body, "flowhq_fence_rejections_total"), metric(body, `flowhq_messages_out_total{lane="reply"}`)
		return refused > 0 || sent >= pass, fmt.Sprintf("refused %d, sent %d", refused, sent)
	})
	w.at(owner)
	if zombie.gone(0) {
		t.Error("the former owner ended by itself: something else than the fence has stopped it")
	}
	zombie.kill()
	w.wa.Faults().DropConnections(shop.owner.Number())
	for range 2 {
		asha.asks(t, shop, "menu")
	}
	if n := asha.shown(shop); n != answers {
		t.Errorf("Asha sees %d answers to %d messages", n, answers)
	}
	return w.wa.Ledger().CounterReuse
}

// metric is the value of one line of /metrics, 0 when it is not there.
func metric(body, name string) (n int) {
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			_, _ = fmt.Sscan(rest, &n)
		}
	}
	return n
}

// damage shows what a write of a former owner does: the ratchet is set back, and
// whoever reads it next uses its keys again. Phones drop such messages.
func damage(t *testing.T, w *world, zombie *child, shop *shop, asha *customer) int64 {
	t.Helper()
	eventually(t, "the former owner has sent its message or given it up", patience, func() (bool, string) {
		l := w.wa.Ledger()
		return l.Repeats > 0 || w.log.contains("message not sent"), fmt.Sprintf("%+v", l.Counts)
	})
	zombie.kill()
	// What it had encrypted has an outcome by now and does not go out; its keys are stored all the same.
	if w.wa.Ledger().Repeats == 0 && !w.log.contains(domain.ErrSettled.Error()) {
		return 0 // it heard of the new owner in time
	}
	w.wa.Faults().DropConnections(shop.owner.Number())
	shop.becomesConnected(t)
	asha.writes(t, shop, "menu")
	eventually(t, "a phone has dropped an answer", patience, func() (bool, string) {
		l := w.wa.Ledger()
		return l.CounterReuse > 0, fmt.Sprintf("%+v", l.Counts)
	})
	return w.wa.Ledger().CounterReuse
}
