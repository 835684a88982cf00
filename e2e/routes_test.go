package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// route is a line of handlers/testdata/routes.txt, which names every route of
// the program: a test there compares it with the router.
type route struct {
	method, path string
	who          string // open, link, half, self, admin, poll, key or here
	sure         bool   // asks for a confirmation of the last minutes
	act          string // what the audit log says; "" when nothing changes
}

func (r route) String() string { return r.method + " " + r.path }

// routes are those for the given people.
func routes(t *testing.T, who ...string) (found []route) {
	t.Helper()
	raw, err := os.ReadFile("../handlers/testdata/routes.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		words := strings.Fields(line)
		if len(words) != 4 || words[0] == "#" {
			continue
		}
		r := route{method: words[0], path: words[1], who: strings.TrimSuffix(words[2], "!"), sure: strings.HasSuffix(words[2], "!")}
		if words[3] != "-" {
			r.act = words[3]
		}
		if slices.Contains(who, r.who) {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		t.Fatalf("there are no routes for %v", who)
	}
	return found
}

// things are the ids with which the addresses of routes are filled.
type things map[string]string

var parameter = regexp.MustCompile(`:[a-z]+`)

func (ids things) fill(t *testing.T, path string) string {
	return parameter.ReplaceAllStringFunc(path, func(name string) string {
		id, ok := ids[name]
		if !ok {
			t.Fatalf("%s needs a value for %s", path, name)
		}
		return url.PathEscape(id)
	})
}

// with is a copy in which one id is another.
func (ids things) with(name, id string) things {
	other := things{name: id}
	for k, v := range ids {
		if k != name {
			other[k] = v
		}
	}
	return other
}

// guarded is a world with one of everything that an address can name, in which
// nothing moves by itself.
func guarded(t *testing.T) (w *world, admin *visitor, ids things) {
	t.Helper()
	w = newWorld(t, sqliteDatabase(t))
	shop, asha := w.opened(t, salon), w.customer(t, "Asha")
	asha.asks(t, shop, "hello")
	shop.settles(t, shop.sends(t, asha.Number(), "by hand").ID, "read")
	shop.does(t, http.MethodPost, "/worker/stop", nil)
	shop.becomes(t, "PAUSED")
	message := shop.sends(t, asha.Number(), "for later").ID
	admin = w.admin(t, "admin@example.com")
	w.addUser(t, "owner@example.com", "owner", shop.id)
	w.signedIn(t, "admin@example.com")
	admin.posts("/admin/users/invite", "email", "guest@example.com", "name", "Guest").is(t, "an invitation", http.StatusOK, "")
	bulk := admin.posts("/admin/tenants/bulk", "do", "stop", "tenant", shop.id)
	one := func(query string, args ...any) string { return w.rows(t, query, args...)[0][0] }
	ids = things{":id": shop.id, ":contact": asha.Number(), ":message": message, ":job": strings.TrimPrefix(bulk.to, "/admin/jobs/"),
		":replica": one("SELECT id FROM replicas"), ":key": one("SELECT id FROM api_keys"), ":invite": one("SELECT id FROM one_time_links WHERE kind = 'invite'"),
		":user": one("SELECT id FROM users WHERE email = $1", "owner@example.com"), ":token": "AAAA",
		":session": fmt.Sprintf("%x", one("SELECT token FROM sessions ORDER BY created_at DESC LIMIT 1"))}
	eventually(t, "the bulk job is done", patience, func() (bool, string) {
		return one("SELECT count(*) FROM bulk_jobs WHERE finished_at IS NULL") == "0", "it runs"
	})
	return w, admin, ids
}

// volatile are the tables that a look at a page, or the passing of time, may change.
var volatile = []string{"sessions", "replicas", "hourly_stats"}

// contents are all rows of all other tables.
func (w *world) contents(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, table := range w.rows(t, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'") {
		if slices.Contains(volatile, table[0]) {
			continue
		}
		for _, row := range w.rows(t, "SELECT * FROM "+table[0]) {
			if table[0] == "settings" && strings.HasPrefix(row[0], "stats_") {
				continue
			}
			all[table[0]] = append(all[table[0]], strings.Join(row, " | "))
		}
	}
	return all
}

// unchanged fails when something is done that changes the database.
func (w *world) unchanged(t *testing.T, something func()) {
	t.Helper()
	before := w.contents(t)
	something()
	// The program asks for WhatsApp's version by itself a minute after its start.
	byItself := cmpopts.IgnoreSliceElements(func(row string) bool { return strings.HasPrefix(row, "whatsapp_web_version | ") })
	if diff := cmp.Diff(before, w.contents(t), byItself); diff != "" {
		t.Errorf("the database changed (-before +after):\n%s", diff)
	}
}
