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
	t.Parallel()
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

func TestEgress_AReplicaThatCannotReachWhatsAppHandsItsTenantsOver(t *testing.T) {
	t.Parallel()
	const shops = 4
	w := newIdleWorld(t, postgresDatabase(t), setting{"FLOWHQ_LEASE_TTL", "1s"})
	cable := newProxy(t, w.settings["FLOWHQ_WHATSAPP_ADDR"])
	w.addKey(t)
	w.serve(t, setting{"FLOWHQ_WHATSAPP_ADDR", cable.addr()})
	asha := w.customer(t, "Asha")
	var all []*shop
	for range shops {
		all = append(all, w.opened(t, salon))
	}
	first := w.child
	defer first.kill()
	w.spawn(t, setting{"FLOWHQ_REPLICA_NAME", "second"})
	if err := w.child.await(readyWithin); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second replica serves some of them", patience, func() (bool, string) {
		n := w.count(t, "SELECT coalesce(sum(connected), 0) FROM replicas WHERE name = 'second' AND state <> 'dead'")
		return n > 0, fmt.Sprint(n)
	})

	cable.set(true)
	for _, s := range all {
		asha.writes(t, s, "menu")
	}
	eventually(t, "the second replica serves all of them", 2*patience, func() (bool, string) {
		held := w.holdings(t)
		return held["second"] == shops && held["e2e"] == 0, fmt.Sprint(held)
	})
	for _, s := range all {
		asha.reads(t, s)
		asha.asks(t, s, "menu")
		if n := asha.shown(s); n != 2 {
			t.Errorf("Asha sees %d answers to 2 messages", n)
		}
	}
	if n := w.wa.Ledger().CounterReuse; n != 0 {
		t.Errorf("%d message keys were used twice", n)
	}
}

func TestEgress_WhileWhatsAppIsDownForAllNothingMoves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, postgresDatabase(t), setting{"FLOWHQ_LEASE_TTL", "1s"})
	shop, asha := w.opened(t, salon), w.customer(t, "Asha")
	first := w.child
	defer first.kill()
	w.spawn(t, setting{"FLOWHQ_REPLICA_NAME", "second"})
	if err := w.child.await(readyWithin); err != nil {
		t.Fatal(err)
	}
	epoch := w.count(t, "SELECT epoch FROM leases WHERE tenant_id = $1", shop.id)
	w.wa.Faults().RefuseConnections("", true)
	w.wa.Faults().DropConnections(shop.owner.Number())
	planned := map[string]bool{} // the times of attempts to connect
	eventually(t, "it has tried to connect several times", 3*patience, func() (bool, string) {
		planned[w.rows(t, "SELECT coalesce(retry_at::text, '') FROM whatsapp_sessions WHERE tenant_id = $1", shop.id)[0][0]] = true
		return len(planned) > 3, fmt.Sprint(planned)
	})
	if now := w.count(t, "SELECT epoch FROM leases WHERE tenant_id = $1", shop.id); now != epoch {
		t.Error("the tenant was moved although nobody can reach WhatsApp")
	}
	w.wa.Faults().RefuseConnections("", false)
	asha.asks(t, shop, "menu")
}
