package e2e

import (
	"fmt"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"
)

// strandedWorld has two replicas that share some shops: "e2e" reaches WhatsApp
// through a proxy from the given address, "second" directly. The victim is a shop
// that "e2e" serves beside others.
func strandedWorld(t *testing.T, source string) (w *world, victim *shop) {
	t.Helper()
	const shops = 6
	w = newIdleWorld(t, postgresDatabase(t), setting{"FLOWHQ_LEASE_TTL", "1s"})
	cable := newProxyFrom(t, w.settings["FLOWHQ_WHATSAPP_ADDR"], &net.TCPAddr{IP: net.ParseIP(source)})
	w.addKey(t)
	w.serve(t, setting{"FLOWHQ_WHATSAPP_ADDR", cable.addr()})
	var all []*shop
	for range shops {
		all = append(all, w.opened(t, salon))
	}
	first := w.child
	t.Cleanup(first.kill)
	w.spawn(t, setting{"FLOWHQ_REPLICA_NAME", "second"})
	if err := w.child.await(readyWithin); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both replicas have connected several", patience, func() (bool, string) {
		n := w.count(t, "SELECT count(*) FROM replicas WHERE state <> 'dead' AND connected >= 2 AND connected = held")
		return n == 2, fmt.Sprint(w.holdings(t))
	})
	for _, s := range all {
		if w.ownerOf(t, s) == "e2e" {
			return w, s
		}
	}
	t.Fatal("the first replica serves nobody")
	return nil, nil
}

// ownerOf is the name of the replica that serves a shop, empty when none does.
func (w *world) ownerOf(t *testing.T, s *shop) string {
	t.Helper()
	for _, row := range w.rows(t, "SELECT r.name FROM leases l JOIN replicas r ON r.id = l.owner WHERE l.tenant_id = $1", s.id) {
		return row[0]
	}
	return ""
}

func TestStranded_ATenantThatCannotConnectFromOneReplicaIsServedByAnother(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has addresses beside 127.0.0.1 on the loopback interface without setup")
	}
	const source = "127.0.0.2"
	w, victim := strandedWorld(t, source)
	asha := w.customer(t, "Asha")
	asha.asks(t, victim, "menu")
	w.wa.Faults().RefuseConnectionsFrom(victim.owner.Number(), source)
	asha.writes(t, victim, "menu")
	eventually(t, "the second replica serves it", 2*patience, func() (bool, string) {
		owner := w.ownerOf(t, victim)
		return owner == "second", owner
	})
	asha.reads(t, victim)
	asha.asks(t, victim, "menu")
	if n := asha.shown(victim); n != 3 {
		t.Errorf("Asha sees %d answers to 3 messages", n)
	}
	if held := w.holdings(t); held["e2e"] == 0 {
		t.Errorf("the first replica, to which the others are connected, holds nothing any more: %v", held)
	}
	if n := w.count(t, "SELECT fail_count FROM leases WHERE tenant_id = $1", victim.id); n != 0 {
		t.Errorf("%d failures count although it is connected", n)
	}
	if n := w.wa.Ledger().CounterReuse; n != 0 {
		t.Errorf("%d message keys were used twice", n)
	}
}

func TestStranded_ATenantThatNoReplicaCanConnectRestsAndPeopleAreTold(t *testing.T) {
	t.Parallel()
	w, victim := strandedWorld(t, "127.0.0.1")
	w.wa.Faults().RefuseConnections(victim.owner.Number(), true)
	var link linkView
	eventually(t, "people are told that it is unreachable", 2*patience, func() (bool, string) {
		link = victim.session(t)
		return link.Reason == "unreachable", fmt.Sprintf("%+v", link)
	})
	if link.RetryAt == nil || time.Until(*link.RetryAt) < 30*time.Second || time.Until(*link.RetryAt) > time.Minute {
		t.Errorf("the next attempt is shown as %v, want it in about a minute", link.RetryAt)
	}
	b := newTab(t, w)
	b.signedUp()
	b.open(victim.adminPath(""))
	b.sees("Other numbers connect to WhatsApp, this one does not.")
	b.shows("banner-unreachable")
	if v := victim.tenant(t); v.Worker.Status != "RUNNING" || v.Status != "ACTIVE" {
		t.Errorf("the tenant is %+v, want it to go on by itself", v)
	}
	w.wa.Faults().RefuseConnections(victim.owner.Number(), false)
	victim.does(t, http.MethodPost, "/worker/restart", nil)
	victim.becomesConnected(t)
	if n := w.count(t, "SELECT fail_count FROM leases WHERE tenant_id = $1 AND avoid IS NULL", victim.id); n != 0 {
		t.Errorf("%d failures count although it is connected", n)
	}
}
