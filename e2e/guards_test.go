package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// htmx marks a request for a fragment, made by a page at an address.
func htmx(page string) []string { return []string{"HX-Request", "true", "HX-Current-URL", page} }

// inLayout fails unless an answer is a page of the portal.
func (a answer) inLayout(t *testing.T, what string) {
	t.Helper()
	if !strings.Contains(a.body, "<!doctype html>") || !strings.Contains(a.body, `<main id="main"`) {
		t.Errorf("%s is answered by no page of the portal:\n%s", what, a.body)
	}
}

func TestGuards(t *testing.T) {
	w, admin, ids := guarded(t)
	t.Run("strangers sign in", func(t *testing.T) { sentToSignIn(t, w, w.visitor(t), ids) })
	t.Run("strangers come back to where they wanted", func(t *testing.T) { comeBack(t, w, ids) })
	t.Run("who owes the code signs in", func(t *testing.T) { halfSignedIn(t, w, ids) })
	t.Run("owners are refused", func(t *testing.T) { ownersRefused(t, w, ids) })
	t.Run("what does not exist is a page that says so", func(t *testing.T) { notFound(t, w, admin, ids) })
	t.Run("other sites change nothing", func(t *testing.T) { crossSite(t, w, admin, ids) })
	t.Run("looking changes nothing", func(t *testing.T) { looking(t, w, admin, ids) })
	t.Run("no query makes a page fail", func(t *testing.T) { strangeQueries(t, w, admin, ids) })
	t.Run("programs keep their own errors", func(t *testing.T) { programs(t, w, admin, ids) })
	t.Run("what cannot be undone is confirmed", func(t *testing.T) { confirmed(t, w, admin, ids) })
}

// sentToSignIn tries every route that strangers must not use.
func sentToSignIn(t *testing.T, w *world, v *visitor, ids things) {
	w.unchanged(t, func() {
		for _, r := range routes(t, "half", "self", "admin", "poll") {
			if r.who == "half" && v.token() != "" {
				continue
			}
			path := ids.fill(t, r.path)
			v.ask(r.method, path, nil).is(t, r.String(), http.StatusSeeOther, "/login")
			v.ask(r.method, path, nil, htmx("/admin")...).is(t, r.String()+" for a fragment", http.StatusNoContent, "/login")
		}
	})
}

func comeBack(t *testing.T, w *world, ids things) {
	for _, r := range routes(t, "self", "admin", "poll") {
		path := ids.fill(t, r.path)
		here, want := "http://"+w.child.addr+"/admin/tenants?q=a%26b", "/admin/tenants?q=a%26b"
		v := w.visitor(t)
		switch {
		case r.method == http.MethodPost:
			v.ask(r.method, path, nil, "Referer", here)
		case r.who == "poll":
			v.get(path, htmx(here)...)
		case r.path == "/confirm":
			continue // it leads on to what was to be confirmed
		default:
			v.get(path)
			want = path
		}
		v.signsIn("admin@example.com", visitorPassword).is(t, "signing in for "+r.String(), http.StatusSeeOther, want)
	}
	v := w.visitor(t)
	v.get("/admin/live/alerts")
	v.signsIn("admin@example.com", visitorPassword).is(t, "signing in for a bare fragment", http.StatusSeeOther, "/")
}

func halfSignedIn(t *testing.T, w *world, ids things) {
	w.addUser(t, "half@example.com", "admin", "")
	w.enrols(t, "half@example.com")
	half := w.visitor(t)
	half.signsIn("half@example.com", visitorPassword).is(t, "the password", http.StatusSeeOther, "/login/code")
	sentToSignIn(t, w, half, ids)
	half.get("/login/code").is(t, "the page that asks for the code", http.StatusOK, "")
}

func ownersRefused(t *testing.T, w *world, ids things) {
	owner := w.signedIn(t, "owner@example.com")
	w.unchanged(t, func() {
		for _, r := range routes(t, "admin", "poll") {
			path := ids.fill(t, r.path)
			a := owner.ask(r.method, path, nil)
			a.is(t, r.String(), http.StatusForbidden, "")
			a.inLayout(t, r.String())
			a = owner.ask(r.method, path, nil, htmx("/")...)
			if a.status != http.StatusForbidden || a.header.Get("HX-Retarget") != "#toasts" || strings.Contains(a.body, "<html") {
				t.Errorf("%s as a fragment is answered by %d %v, want 403 and a note", r, a.status, a.header)
			}
		}
	})
}

func notFound(t *testing.T, w *world, admin *visitor, ids things) {
	wrong := map[string]string{"unknown": nobody, "malformed": `1' OR "1"='1`, "empty": " ", "a NUL": "a\x00b", "no text": "\xff\xfe", "long": strings.Repeat("9", 2000)}
	w.unchanged(t, func() {
		for _, r := range routes(t, "link", "self", "admin", "poll") {
			for _, name := range parameter.FindAllString(r.path, -1) {
				for kind, id := range wrong {
					what := r.String() + " with " + name + " " + kind
					a := admin.ask(r.method, ids.with(name, id).fill(t, r.path), nil)
					a.is(t, what, http.StatusNotFound, "")
					a.inLayout(t, what)
				}
			}
		}
		for _, path := range []string{"/nothing", "/admin/nothing", "/account/nothing", "/static/nothing.css", "/admin/live/nothing"} {
			a := admin.get(path)
			a.is(t, path, http.StatusNotFound, "")
			a.inLayout(t, path)
		}
		a := admin.ask(http.MethodPut, "/admin/tenants", nil)
		a.is(t, "PUT /admin/tenants", http.StatusMethodNotAllowed, "")
		a.inLayout(t, "PUT /admin/tenants")
	})
}

func crossSite(t *testing.T, w *world, admin *visitor, ids things) {
	foreign := map[string][]string{
		"a form of another site":       {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"a form of a sister site":      {"Sec-Fetch-Site", "same-site", "Origin", "http://evil." + w.child.addr},
		"an old browser":               {"Origin", "https://evil.example"},
		"a sandboxed frame":            {"Origin", "null"},
		"the same host, another port":  {"Origin", "http://127.0.0.1:1"},
		"a host that only begins like": {"Origin", "http://" + w.child.addr + ".evil.example"},
	}
	w.unchanged(t, func() {
		for _, r := range routes(t, "open", "link", "half", "self", "admin", "key") {
			if r.method == http.MethodGet {
				continue
			}
			for kind, headers := range foreign {
				form := formOf("do", "stop", "tenant", ids[":id"], "theme", "dark", "email", "admin@example.com", "password", visitorPassword, "name", "x")
				a := admin.ask(r.method, ids.fill(t, r.path), form, append(headers, "Authorization", "Bearer "+w.key)...)
				a.is(t, r.String()+" from "+kind, http.StatusForbidden, "")
			}
		}
	})
	if !admin.inside() {
		t.Error("the admin was signed out by another site")
	}
}

func looking(t *testing.T, w *world, admin *visitor, ids things) {
	w.unchanged(t, func() {
		for _, r := range routes(t, "open", "self", "admin", "poll") {
			if r.method != http.MethodGet || r.act != "" || strings.Contains(r.path, "*") {
				continue
			}
			a := admin.get(ids.fill(t, r.path))
			if a.status != http.StatusOK && r.path != "/" && r.path != "/login" {
				t.Errorf("%s is answered by %d", r, a.status)
			}
		}
	})
	before := w.contents(t)
	admin.get("/admin/tenants.csv").is(t, "the export", http.StatusOK, "")
	for table, rows := range w.contents(t) {
		if table != "audit_log" && len(rows) != len(before[table]) {
			t.Errorf("the export changed %s", table)
		}
	}
}

func strangeQueries(t *testing.T, w *world, admin *visitor, ids things) {
	w.unchanged(t, func() {
		for _, r := range routes(t, "open", "self", "admin", "poll") {
			if r.method != http.MethodGet || r.act != "" || strings.Contains(r.path, "*") {
				continue
			}
			for _, value := range []string{"%00", "%ff%fe", "%27%20OR%201=1--", "%25_%21", "-1", strings.Repeat("9", 3000)} {
				query := "?"
				for _, name := range []string{"cursor", "q", "area", "tenant", "status", "template", "replica", "sort", "dir", "range", "show", "tab", "limit"} {
					query += name + "=" + value + "&"
				}
				if a := admin.get(ids.fill(t, r.path) + query); a.status >= 500 {
					t.Errorf("%s%s is answered by %d", r, query[:min(60, len(query))], a.status)
				}
			}
		}
	})
}

func programs(t *testing.T, w *world, admin *visitor, ids things) {
	w.unchanged(t, func() {
		for _, r := range routes(t, "key") {
			// The cookies of a person count for nothing here.
			a := admin.ask(r.method, ids.fill(t, r.path), nil, "Accept", "text/html")
			if a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") != "Bearer" || !strings.HasPrefix(a.body, `{"error":{"kind":"unauthorized"`) {
				t.Errorf("%s without a key is answered by %d %s", r, a.status, a.body)
			}
		}
		for _, r := range routes(t, "here") {
			a := admin.get(r.path, "X-Forwarded-For", "203.0.113.9")
			if a.status != http.StatusUnauthorized || !strings.HasPrefix(a.body, `{"error":`) {
				t.Errorf("%s from elsewhere is answered by %d %s", r, a.status, a.body)
			}
		}
	})
}

func confirmed(t *testing.T, w *world, admin *visitor, ids things) {
	for _, r := range routes(t, "self", "admin") {
		if !r.sure {
			continue
		}
		w.forgetConfirmations(t)
		path, want := ids.fill(t, r.path), "/admin/users?cursor=x"
		w.unchanged(t, func() {
			if r.method == http.MethodGet {
				admin.get(path).is(t, r.String(), http.StatusSeeOther, "/confirm")
				want = path
			} else {
				admin.ask(r.method, path, nil, "Referer", "http://"+w.child.addr+want).is(t, r.String(), http.StatusSeeOther, "/confirm")
			}
		})
		admin.posts("/confirm", "password", visitorPassword).is(t, "the confirmation for "+r.String(), http.StatusSeeOther, want)
	}
}
