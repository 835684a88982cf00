package e2e

import (
	"net/http"
	"os"
	"testing"
	"time"
)

// TestDeploy_TwoVersionsServeSideBySide needs the program as it was before the
// last migration, see scripts/previous.sh; make chaos builds it.
func TestDeploy_TwoVersionsServeSideBySide(t *testing.T) {
	previous := os.Getenv("FLOWHQ_PREVIOUS_BINARY")
	if previous == "" {
		t.Skip("FLOWHQ_PREVIOUS_BINARY names no program of an earlier version")
	}
	c := chaos{replicas: 2, tenants: 8, rounds: 1, ttl: 3 * time.Second, perSecond: 10, messages: 400}
	w := newIdleWorld(t, postgresDatabase(t), setting{"FLOWHQ_LEASE_TTL", c.ttl.String()})
	w.file = previous
	w.addKey(t)
	f := &fleet{w: w}
	t.Cleanup(f.kill)
	f.join(t, "replica-1", false)
	f.join(t, "replica-2", false)
	s := newStorm(t, w, c.tenants, 1)
	s.begin(chaosSeed(t), c.messages, 2)
	s.pours.Go(func() { s.pour(c.messages, c.perSecond) })

	newer, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	w.file = newer
	f.join(t, "replica-3", false) // migrates under the two that run
	f.spread(t, c.tenants, 3, patience)
	f.whole(t, s, patience)
	for _, m := range f.members {
		w.child = m.child
		if status, body := w.get("/readyz"); status != http.StatusOK {
			t.Errorf("%s answers %d %s on /readyz", m.name, status, body)
		}
	}
	for _, m := range f.members[:2] {
		m.child.stop(t)
		f.start(t, m)
	}
	v := c.close(t, s, "a deploy over a migration, both versions side by side")
	v.report(t, "chaos.json")
}
