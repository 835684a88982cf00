package e2e

import (
	"fmt"
	"testing"
)

// at makes the world ask one of its processes.
func (w *world) at(c *child) *world {
	w.child = c
	return w
}

func TestReplicas_AnyOfThemAnswersForATenantOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, postgresDatabase(t), setting{"FLOWHQ_REPLICA_NAME", "owner"})
	owner := w.child
	shop, asha := w.created(t, salon), w.customer(t, "Asha")
	shop.does(t, "POST", "/worker/start", nil)
	w.spawn(t, setting{"FLOWHQ_REPLICA_NAME", "other"})
	if err := w.child.await(readyWithin); err != nil {
		t.Fatal(err)
	}
	other := w.child
	t.Cleanup(owner.kill)

	link := func() (view linkView) {
		if err := shop.ask("GET", "/session", nil, &view); err != nil {
			t.Fatal(err)
		}
		return view
	}
	eventually(t, "both show the same code", patience, func() (bool, string) {
		w.at(owner)
		here := link().QR
		w.at(other)
		there := link().QR
		return here != "" && here == there, fmt.Sprint(here, " ", there)
	})
	shop.does(t, "POST", "/worker/restart", nil) // a command for a tenant of the owner
	if err := shop.scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := shop.awaitStatus(t.Context(), "ACTIVE"); err != nil {
		t.Fatal(err)
	}
	asha.asks(t, shop, "menu")
	shop.sends(t, asha.Number(), "sent through the other")
	asha.reads(t, shop)
	for _, c := range []*child{owner, other} {
		w.at(c)
		if log := shop.log(t); len(log) != 3 {
			t.Errorf("it shows %d messages, want 3: %+v", len(log), log)
		}
	}
	w.at(other)
	shop.does(t, "POST", "/worker/stop", nil)
	shop.unserved(t)
	if held := w.holdings(t); held["other"] != 0 {
		t.Errorf("the other replica took the tenant: %v", held)
	}
}
