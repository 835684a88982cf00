package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// cluster is a Postgres of a test's own, which it may kill.
type cluster struct{ address, restart string }

// newCluster starts one, with options for its server; it ends with the test.
func newCluster(t *testing.T, options string) cluster {
	t.Helper()
	postgresDatabase(t) // skips where there is no Postgres
	cmd := exec.Command("../scripts/with-postgres.sh", "sh", "-c", `echo "$FLOWHQ_TEST_POSTGRES"; echo "$FLOWHQ_TEST_POSTGRES_RESTART"; exec cat >/dev/null`)
	cmd.Env = append(os.Environ(), "FLOWHQ_TEST_POSTGRES_OPTIONS="+options)
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = hold.Close()
		_ = cmd.Wait()
	})
	var c cluster
	for in, line := bufio.NewScanner(out), 0; line < 2 && in.Scan(); line++ {
		if line == 0 {
			c.address = in.Text()
		} else {
			c.restart = in.Text()
		}
	}
	if c.restart == "" {
		t.Fatal("the cluster did not start")
	}
	return c
}

func TestDatabase_KilledAgainAndAgainWhileCustomersWrite(t *testing.T) {
	t.Parallel()
	c := chaos{replicas: 2, tenants: 6, rounds: 2, ttl: 15 * time.Second, perSecond: 20, messages: 200}
	if full() {
		c = chaos{replicas: 2, tenants: 20, rounds: 50, ttl: 15 * time.Second, perSecond: 30, messages: 9_000}.long(t)
	}
	own := newCluster(t, "")
	f, s, rng := c.openOn(t, databaseAt(t, own.address), false)
	for round := range c.rounds {
		pause := time.NewTimer(time.Second + time.Duration(rng.Int64N(int64(4*time.Second))))
		<-pause.C
		if out, err := exec.Command(own.restart).CombinedOutput(); err != nil {
			t.Fatalf("restart %d of Postgres: %v\n%s", round+1, err, out)
		}
		for _, m := range f.members {
			select {
			case <-m.child.exited:
				t.Fatalf("%s ended because Postgres was restarted", m.name)
			default:
			}
		}
	}
	v := c.close(t, s, fmt.Sprintf("%d immediate restarts of Postgres under %d replicas", c.rounds, c.replicas))
	if v.RetriesFromBot != 0 {
		t.Errorf("the bots asked for %d messages again; each is a risk of loss", v.RetriesFromBot)
	}
	v.report(t, "chaos.json")
}
