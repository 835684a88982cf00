package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// slowLease is so long that whatever happens within seconds did not wait for it.
// Heartbeats come every 12 s then, and a killed replica expires 48 to 60 s later.
const slowLease = time.Minute

// twoOfSlowLease starts "e2e", which serves a shop, and then "second".
func twoOfSlowLease(t *testing.T) (w *world, shop *shop, first *child) {
	t.Helper()
	w = newWorld(t, postgresDatabase(t), setting{"FLOWHQ_LEASE_TTL", slowLease.String()})
	first = w.child
	t.Cleanup(first.kill)
	shop = w.opened(t, salon)
	w.spawn(t, setting{"FLOWHQ_REPLICA_NAME", "second"})
	if err := w.child.await(readyWithin); err != nil {
		t.Fatal(err)
	}
	return w, shop, first
}

// answeredWithin fails unless a customer who writes now has an answer so soon.
func (c *customer) answeredWithin(t *testing.T, limit time.Duration, shop *shop) {
	t.Helper()
	asked := time.Now()
	c.asks(t, shop, "menu")
	took := time.Since(asked)
	t.Logf("the answer came after %s", took.Round(time.Millisecond))
	if took > limit {
		t.Errorf("the answer came after %s, want %s at most", took, limit)
	}
}

// movedUnharmed fails unless the second replica serves the shop and its customer
// has seen as many answers as messages were written, with no key used twice.
func (w *world) movedUnharmed(t *testing.T, shop *shop, c *customer, messages int) {
	t.Helper()
	if name := w.ownerOf(t, shop); name != "second" {
		t.Errorf("the tenant is served by %q, want the second replica", name)
	}
	if n := c.shown(shop); n != messages {
		t.Errorf("the customer sees %d answers to %d messages", n, messages)
	}
	if n := w.wa.Ledger().CounterReuse; n != 0 {
		t.Errorf("%d message keys were used twice", n)
	}
}

func TestKilledServer_IsNoticedLongBeforeItsLeaseExpires(t *testing.T) {
	t.Parallel()
	w, shop, first := twoOfSlowLease(t)
	asha := w.customer(t, "Asha")
	asha.asks(t, shop, "menu")
	eventually(t, "the second replica knows the first for two heartbeats and may judge it", slowLease, func() (bool, string) {
		age := w.rows(t, "SELECT heartbeat_at - started_at, heartbeat_at - started_at > $1::interval FROM replicas WHERE name = 'second'", (2 * slowLease / 5).String())[0]
		return age[1] == "true", "it has had heartbeats for " + age[0]
	})
	if name := w.ownerOf(t, shop); name != "e2e" {
		t.Fatalf("the tenant is served by %q, which will not be killed", name)
	}
	first.kill()
	// Its next heartbeat is missed after 15 s, a quarter of the lease; expiry would
	// come after 48 s at the earliest.
	asha.answeredWithin(t, 30*time.Second, shop)
	w.movedUnharmed(t, shop, asha, 2)
}

func TestStoppedServer_HandsOverWithoutWaitingForItsLease(t *testing.T) {
	t.Parallel()
	w, shop, first := twoOfSlowLease(t)
	asha := w.customer(t, "Asha")
	asha.asks(t, shop, "menu")
	if err := first.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// Less than one heartbeat: nobody has to notice anything, it is handed over.
	asha.answeredWithin(t, 10*time.Second, shop)
	if !first.gone(patience) {
		t.Fatal("SIGTERM did not end the process")
	}
	if code := first.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the process ended with code %d after SIGTERM, want 0", code)
	}
	asha.asks(t, shop, "menu")
	w.movedUnharmed(t, shop, asha, 3)
}

func TestStoppedServer_WhileAPhoneIsBeingLinkedTheNextOneShowsACode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, postgresDatabase(t), setting{"FLOWHQ_LEASE_TTL", slowLease.String()})
	first := w.child
	t.Cleanup(first.kill)
	shop, asha := w.created(t, salon), w.customer(t, "Asha")
	shop.does(t, "POST", "/worker/start", nil)
	var old linkView
	eventually(t, "the first replica shows a code", patience, func() (bool, string) {
		old = shop.session(t)
		return old.QR != "", fmt.Sprintf("%+v", old)
	})
	w.spawn(t, setting{"FLOWHQ_REPLICA_NAME", "second"})
	if err := w.child.await(readyWithin); err != nil {
		t.Fatal(err)
	}
	if now := shop.session(t); now.QR != old.QR || w.ownerOf(t, shop) != "e2e" {
		t.Fatalf("before the first replica ends, %q shows %+v, want the first and its code", w.ownerOf(t, shop), now)
	}
	first.stop(t)
	eventually(t, "the second replica shows a code of its own", patience, func() (bool, string) {
		now, name := shop.session(t), w.ownerOf(t, shop)
		return name == "second" && now.QR != "" && now.QR != old.QR, fmt.Sprintf("%q shows %+v", name, now)
	})
	shop.scanned(t)
	shop.becomes(t, "ACTIVE")
	asha.asks(t, shop, "menu")
	w.movedUnharmed(t, shop, asha, 1)
}
