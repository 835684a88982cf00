package e2e

import (
	"fmt"
	"testing"
)

// holdings counts the leases of each living replica by its name.
func (w *world) holdings(t *testing.T) map[string]int {
	t.Helper()
	held := map[string]int{}
	for _, row := range w.rows(t, "SELECT r.name, count(l.tenant_id) FROM replicas r LEFT JOIN leases l ON l.owner = r.id WHERE r.state <> 'dead' GROUP BY r.name") {
		n := 0
		_, _ = fmt.Sscan(row[1], &n)
		held[row[0]] = n
	}
	return held
}

func TestBalance_AReplicaThatJoinsIsGivenItsPartAndGivesItBackWhenItLeaves(t *testing.T) {
	const shops = 12
	w := newWorld(t, postgresDatabase(t), setting{"FLOWHQ_LEASE_TTL", "3s"})
	asha := w.customer(t, "Asha")
	var all []*shop
	for range shops {
		all = append(all, w.opened(t, salon))
	}
	asks := func() {
		for _, s := range all {
			asha.asks(t, s, "menu")
		}
	}
	asks()
	waiting := w.created(t, salon) // its phone is being linked: it stays where it is
	waiting.does(t, "POST", "/worker/start", nil)
	eventually(t, "a code is shown", patience, func() (bool, string) {
		n := w.count(t, "SELECT count(*) FROM whatsapp_sessions WHERE tenant_id = $1 AND state = 'QR_READY'", waiting.id)
		return n == 1, ""
	})
	code := w.rows(t, "SELECT qr FROM whatsapp_sessions WHERE tenant_id = $1", waiting.id)[0][0]

	first := w.child
	w.spawn(t, setting{"FLOWHQ_REPLICA_NAME", "second"})
	if err := w.child.await(readyWithin); err != nil {
		t.Fatal(err)
	}
	defer first.kill()
	second := w.child
	eventually(t, "the tenants are spread", 2*patience, func() (bool, string) {
		held := w.holdings(t)
		return held["second"] >= 5 && held["e2e"]+held["second"] == shops+1, fmt.Sprint(held)
	})
	asks()
	if now := w.rows(t, "SELECT qr FROM whatsapp_sessions WHERE tenant_id = $1", waiting.id)[0][0]; now != code {
		t.Error("the phone that is being linked was moved: its code changed")
	}

	w.child = first
	second.stop(t)
	eventually(t, "the first replica serves all of them again", patience, func() (bool, string) {
		held := w.holdings(t)
		return held["e2e"] == shops+1, fmt.Sprint(held)
	})
	asks()
	for _, s := range all {
		if n := asha.shown(s); n != 3 {
			t.Errorf("Asha sees %d answers to 3 messages", n)
		}
	}
	if n := w.wa.Ledger().CounterReuse; n != 0 {
		t.Errorf("%d message keys were used twice", n)
	}
}
