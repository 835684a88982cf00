package e2e

import (
	"fmt"
	"syscall"
	"testing"
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

// sleeper stops a replica at a point of the message path, lets another one take
// over and write on, and wakes the first one up. It returns how many message
// keys were used twice.
func sleeper(t *testing.T, point string, fenced bool) int64 {
	t.Helper()
	settings := []setting{{"FLOWHQ_LEASE_TTL", "1s"}}
	if !fenced {
		settings = append(settings, setting{"FLOWHQ_UNSAFE", "blind-trust"})
	}
	w := newIdleWorld(t, postgresDatabase(t), settings...)
	w.addKey(t)
	if !fenced {
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
	if !fenced {
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
	if !fenced {
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
	for _, point := range crashPoints {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			if n := sleeper(t, point, true); n != 0 {
				t.Errorf("%d message keys were used twice", n)
			}
		})
	}
}

func TestZombie_WithoutTheFenceAKeyIsUsedTwice(t *testing.T) {
	t.Parallel()
	const tries = 10
	for range tries {
		if sleeper(t, "O2", false) > 0 {
			return
		}
	}
	t.Errorf("no key was used twice in %d tries without the fence, so the tests with it prove nothing", tries)
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
	if w.wa.Ledger().Repeats == 0 {
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
