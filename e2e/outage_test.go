package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// oneLine fails unless the program ended with one sentence for its operator.
func oneLine(t *testing.T, settings map[string]string, want ...string) {
	t.Helper()
	started := time.Now()
	stdout, stderr, code, err := run(settings, "serve")
	if err != nil {
		t.Fatal(err)
	}
	if code != 1 || stdout != "" {
		t.Errorf("the program ended with code %d and wrote %q on stdout, want code 1 and nothing", code, stdout)
	}
	var plain []string
	for line := range strings.Lines(stderr) {
		if !strings.HasPrefix(line, "time=") {
			plain = append(plain, strings.TrimSpace(line))
		}
	}
	if len(plain) != 1 || !strings.HasPrefix(plain[0], "flowhq: ") {
		t.Errorf("beside log lines it wrote %q, want one line that begins with flowhq:", plain)
	}
	for _, w := range want {
		if !strings.Contains(strings.Join(plain, " "), w) {
			t.Errorf("the complaint is %q, want it to speak of %q", plain, w)
		}
	}
	if strings.Contains(stderr, "goroutine ") || strings.Contains(stderr, "geheim") {
		t.Errorf("it shows a stack trace or a password:\n%s", stderr)
	}
	if took := time.Since(started); took > 40*time.Second {
		t.Errorf("it took %s to say so", took)
	}
}

func TestStart_SaysInOneLineWhyTheDatabaseCannotBeUsed(t *testing.T) {
	w := newIdleWorld(t, sqliteDatabase(t))
	settings := func(url string) map[string]string {
		s := map[string]string{}
		for k, v := range w.settings {
			s[k] = v
		}
		s["DATABASE_URL"] = url
		return s
	}
	t.Run("Postgres is down", func(t *testing.T) {
		oneLine(t, settings("postgres://flowhq:geheim@127.0.0.1:1/flowhq?sslmode=disable"), "database")
	})
	t.Run("the file is no database", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "letter.txt")
		if err := os.WriteFile(file, []byte(strings.Repeat("Dear Asha, this is not a database. ", 100)), 0o600); err != nil {
			t.Fatal(err)
		}
		oneLine(t, settings("file:"+file), "letter.txt")
	})
	t.Run("the path is a folder", func(t *testing.T) {
		oneLine(t, settings("file:"+t.TempDir()), "database")
	})
	t.Run("no such kind of database", func(t *testing.T) {
		_, stderr, code, err := run(settings("mysql://x"), "serve")
		if err != nil || code != 1 || !strings.Contains(stderr, "DATABASE_URL") {
			t.Errorf("it ended with code %d (%v) and wrote %q, want code 1 and a word about DATABASE_URL", code, err, stderr)
		}
	})
}

func TestDatabaseOutage_AReplicaThatWasLedToAStandbyIsNotReady(t *testing.T) {
	t.Parallel()
	own := newCluster(t, "")
	w := newWorld(t, database{"postgres", own.address})
	signal := filepath.Join(w.rows(t, "SHOW data_directory")[0][0], "standby.signal")
	if err := os.WriteFile(signal, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(own.restart).CombinedOutput(); err != nil {
		t.Fatalf("restart Postgres as a standby: %v\n%s", err, out)
	}
	eventually(t, "/readyz answers 503 and says why", patience, func() (bool, string) {
		status, body := w.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "standby"), fmt.Sprint(status, body)
	})
}

func TestDatabaseOutage_NothingIsLostAndAllGoesOn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		lease string
		until string // a line of the log that tells that the outage has lasted long enough
	}{
		{"a moment: calls of the store are repeated", "15s", ""},
		{"seconds: the connections to WhatsApp are given up", "15s", "reason=database"},
		{"long: the leases run out", "3s", "all connections are closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db, cable := behindProxy(t, postgresDatabase(t))
			w := newWorld(t, db, setting{"FLOWHQ_LEASE_TTL", tt.lease})
			shop, other := w.opened(t, salon), w.opened(t, salon)
			asha, juma := w.customer(t, "Asha"), w.customer(t, "Juma")
			asha.asks(t, shop, "hello")
			juma.asks(t, other, "hello")

			cable.set(true)
			eventually(t, "/readyz answers 503", patience, func() (bool, string) {
				status, body := w.get("/readyz")
				return status == http.StatusServiceUnavailable, fmt.Sprint(status, body)
			})
			if status, _ := w.get("/healthz"); status != http.StatusOK {
				t.Errorf("/healthz answers %d while the database is away, want 200", status)
			}
			w.refused(t, http.MethodGet, shop.path(""), w.key, nil, http.StatusServiceUnavailable, "unavailable")
			w.refused(t, http.MethodPost, shop.path("/messages"), w.key, input{"to": asha.Number(), "text": "x"}, http.StatusServiceUnavailable, "unavailable")
			for range 3 {
				asha.writes(t, shop, "menu")
				juma.writes(t, other, "menu")
			}
			eventually(t, "the log says "+tt.until, patience, func() (bool, string) { return w.log.contains(tt.until), "" })
			cable.set(false)

			eventually(t, "/readyz answers 200", patience, func() (bool, string) {
				status, body := w.get("/readyz")
				return status == http.StatusOK, fmt.Sprint(status, body)
			})
			for range 3 {
				asha.reads(t, shop)
				juma.reads(t, other)
			}
			shop.becomesConnected(t)
			asha.asks(t, shop, "menu")
			juma.asks(t, other, "menu")
			if a, j := asha.shown(shop), juma.shown(other); a != 5 || j != 5 {
				t.Errorf("the customers see %d and %d answers to 5 messages each", a, j)
			}
			l := w.wa.Ledger()
			if l.RetriesFromBot != 0 {
				t.Errorf("the outage made the bot ask for %d messages again; each is a risk of loss", l.RetriesFromBot)
			}
			if l.CounterReuse != 0 {
				t.Errorf("%d message keys were used twice", l.CounterReuse)
			}
			select {
			case <-w.child.exited:
				t.Error("the program ended because of the outage")
			default:
			}
		})
	}
}

func TestDatabaseOutage_WhileTheBotOnlyWrites(t *testing.T) {
	t.Parallel()
	db, cable := behindProxy(t, postgresDatabase(t))
	w := newWorld(t, db)
	shop, asha := w.opened(t, salon), w.customer(t, "Asha")
	shop.does(t, http.MethodPost, "/worker/stop", nil)
	shop.unserved(t)
	const messages = 20
	var want []string
	for i := range messages {
		want = append(want, fmt.Sprintf("news %d", i))
		shop.sends(t, asha.Number(), want[i])
	}
	// All wait already, so the bot has them at hand while it sends one after the other.
	w.wa.Faults().DelayAcks(shop.owner.Number(), 100*time.Millisecond)
	shop.does(t, http.MethodPost, "/worker/start", nil)
	asha.reads(t, shop)
	cable.set(true)
	eventually(t, "a message could not be sent", patience, func() (bool, string) { return w.log.contains("message not sent"), "" })
	cable.set(false)
	w.wa.Faults().DelayAcks(shop.owner.Number(), 0)
	for range messages - 1 {
		asha.reads(t, shop)
	}
	if diff := cmp.Diff(want, texts(asha.Phone, shop)); diff != "" {
		t.Errorf("the customer sees (-want +got):\n%s", diff)
	}
	asha.asks(t, shop, "hello")
	if n := w.wa.Ledger().CounterReuse; n != 0 {
		t.Errorf("%d message keys were used twice", n)
	}
}
