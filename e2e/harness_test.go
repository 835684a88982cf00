package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"flowhq/simulator"
)

// world is one installation: a WhatsApp, a database and the program.
type world struct {
	wa       *simulator.Server
	db       database
	settings map[string]string
	key      string // of an admin
	file     string // the program; empty for the one under test
	log      *tail
	child    *child
	tables   *sql.DB
	numbers  atomic.Int64
}

// setting is one line of the program's environment.
type setting struct{ name, value string }

// newWorld starts everything and waits until the program is ready.
func newWorld(t *testing.T, db database, more ...setting) *world {
	t.Helper()
	w := newIdleWorld(t, db, more...)
	w.addKey(t)
	w.serve(t)
	return w
}

// newIdleWorld is a world in which the program does not run yet.
func newIdleWorld(t *testing.T, db database, more ...setting) *world {
	t.Helper()
	wa, err := simulator.Start(simulator.Options{Seed: 1})
	if err != nil {
		t.Fatalf("start the simulator: %v", err)
	}
	t.Cleanup(func() { _ = wa.Close() })
	w := &world{wa: wa, db: db, log: newTail(t), tables: db.open(t)}
	if w.settings, err = wa.Settings(t.TempDir()); err != nil {
		t.Fatalf("settings of the simulator: %v", err)
	}
	maps.Copy(w.settings, map[string]string{"DATABASE_URL": db.url, "LISTEN_ADDR": "127.0.0.1:0", "FLOWHQ_TYPING_DELAY": "off",
		"FLOWHQ_CONNECT_RATE": "0", "FLOWHQ_REPLICA_NAME": "e2e"})
	for _, s := range more {
		w.settings[s.name] = s.value
	}
	t.Cleanup(func() {
		if w.child != nil {
			w.child.kill()
		}
		if line := w.log.alarmed(); line != "" {
			t.Errorf("the program logged %s", line)
		}
		if t.Failed() {
			t.Logf("the end of the program's log:\n%s", w.log)
		}
	})
	return w
}

// addKey makes an admin key with the command line, which also migrates.
func (w *world) addKey(t *testing.T) {
	t.Helper()
	stdout, stderr, code, err := runFile(w.file, w.settings, "apikey", "add", "--label", "e2e")
	if err != nil || code != 0 {
		t.Fatalf("flowhq apikey add ended with code %d: %v\n%s", code, err, stderr)
	}
	w.key = strings.TrimSpace(stdout)
}

// tenantKey makes a key that sees one tenant.
func (w *world) tenantKey(t *testing.T, tenant string) string {
	t.Helper()
	stdout, stderr, code, err := run(w.settings, "apikey", "add", "--label", "of one tenant", "--tenant", tenant)
	if err != nil || code != 0 {
		t.Fatalf("flowhq apikey add --tenant ended with code %d: %v\n%s", code, err, stderr)
	}
	return strings.TrimSpace(stdout)
}

// readyWithin bounds a start of the program.
const readyWithin = 30 * time.Second

// serve starts the program and waits until it is ready. More settings are for
// this start only.
func (w *world) serve(t *testing.T, more ...setting) {
	t.Helper()
	w.spawn(t, more...)
	if err := w.child.await(readyWithin); err != nil {
		t.Fatal(err)
	}
	eventually(t, "/readyz answers 200", 10*time.Second, func() (bool, string) {
		status, body := w.get("/readyz")
		return status == http.StatusOK, fmt.Sprint(status, " ", body)
	})
}

// spawn starts the program without waiting.
func (w *world) spawn(t *testing.T, more ...setting) {
	t.Helper()
	settings := maps.Clone(w.settings)
	for _, s := range more {
		settings[s.name] = s.value
	}
	var err error
	if w.child, err = spawnFile(w.file, settings, w.log, "serve"); err != nil {
		t.Fatal(err)
	}
}

// crash kills the program and starts it again.
func (w *world) crash(t *testing.T, more ...setting) {
	t.Helper()
	w.child.kill()
	w.serve(t, more...)
}

// get reads an address without a key.
func (w *world) get(path string) (status int, body string) {
	r, err := w.try(http.MethodGet, path, "", nil)
	if err != nil {
		return 0, err.Error()
	}
	return r.status, string(r.body)
}

// patience is how long a test waits for what takes moments.
const patience = 20 * time.Second

// eventually waits until done reports true; state tells the reader of a failure
// how far it came.
func eventually(t *testing.T, what string, limit time.Duration, done func() (ok bool, state string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := await(ctx, what, done); err != nil {
		t.Fatal(err)
	}
}

// await is eventually for goroutines that may not end the test.
func await(ctx context.Context, what string, done func() (ok bool, state string)) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		ok, state := done()
		if ok {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("it did not happen in time that %s; last seen: %s", what, state)
		}
	}
}
