package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// deed is a change that somebody makes, and what the log must say of it.
type deed struct {
	route         string
	form          []string // of a person
	body          any      // of a program
	before, after string   // parts of what is kept of the change
}

// byPeople are the changes that people make, in an order in which each is possible.
var byPeople = []deed{
	{route: "POST /login", form: []string{"email", "audited@example.com", "password", visitorPassword}},
	{route: "POST /confirm", form: []string{"password", visitorPassword}},
	{route: "POST /admin/tenants", form: []string{"name", "Duka", "phone_number", "0754999001", "template_type", "ECOMMERCE", "language", "SW", "timezone", "Africa/Nairobi"}, after: `"name":"Duka"`},
	{route: "POST /admin/tenants/bulk", form: []string{"do", "stop", "all", "1", "query", "q=Duka", "sure", "1"}, after: `"tenants":1`},
	{route: "GET /admin/tenants.csv", after: `"filter":""`},
	{route: "POST /admin/replicas/:replica/drain", after: `"replica":`},
	{route: "POST /admin/replicas/:replica/resume", after: `"replica":`},
	{route: "POST /admin/keys", form: []string{"label", "till"}, after: `"label":"till"`},
	{route: "POST /admin/keys/:key/revoke", after: `"key":`},
	{route: "POST /admin/users/invite", form: []string{"email", "new@example.com", "name", "New"}, after: `"email":"new@example.com"`},
	{route: "POST /admin/invites/:invite/revoke"},
	{route: "POST /admin/users/:user/disable", after: `"user":`},
	{route: "POST /admin/users/:user/enable", after: `"user":`},
	{route: "POST /admin/tenants/:id/conversations/:contact/resume"},
	{route: "POST /admin/tenants/:id/settings", form: []string{"name", "New name", "phone_number", "0754999002", "business_name", "Asha", "template_type", "BOOKING", "language", "EN", "timezone", "UTC"},
		before: `"timezone":"Africa/Dar_es_Salaam"`, after: `"timezone":"UTC"`},
	{route: "POST /admin/tenants/:id/hours", form: []string{"mon", "8-17"}, before: `"hours":`, after: `mon`},
	{route: "POST /admin/tenants/:id/messages/:message/retry", after: `"message":`},
	{route: "POST /admin/tenants/:id/start"},
	{route: "POST /admin/tenants/:id/restart"},
	{route: "POST /admin/tenants/:id/stop"},
	{route: "POST /admin/tenants/:id/reset"},
	{route: "POST /admin/tenants/:id/pairing-code", form: []string{"phone", "0754999003"}},
	{route: "POST /admin/tenants/:id/delete", form: []string{"name", "New name"}, before: `"name":"New name"`},
	{route: "POST /account/sessions/:session/end", before: `"address":"127.0.0.1"`},
	{route: "POST /account/second-factor"},
	{route: "POST /account/recovery-codes"},
	{route: "POST /admin/system/second-factor", form: []string{"required", ""}, after: `"admin_second_factor":""`},
	{route: "POST /account/second-factor/remove"},
	{route: "POST /account/password", form: []string{"current", visitorPassword, "password", "embe bivu mbili tatu", "again", "embe bivu mbili tatu"}},
	{route: "POST /account/sessions/end-all"},
}

// elsewhere are shown by tests of their own: they need a link or half a sign-in.
var elsewhere = []string{"POST /login/code", "POST /join/:token", "POST /logout"}

func TestAudit_EveryChangeOfAPersonIsNoted(t *testing.T) {
	t.Parallel()
	w, _, ids := guarded(t)
	w.addUser(t, "audited@example.com", "admin", "")
	known(t, byPeople, elsewhere, "open", "half", "link", "self", "admin")
	shop := &shop{w: w, id: ids[":id"]}
	v := w.visitor(t)
	for _, d := range byPeople {
		method, path, _ := strings.Cut(d.route, " ")
		prepare(t, w, v, shop, ids, d.route)
		form := d.form
		if d.route == "POST /account/second-factor" {
			form = []string{"code", ids["code"]}
		}
		e := w.noted(t, func() { v.ask(method, ids.fill(t, path), formOf(form...)) }, d.route)
		e.is(t, d, "audited@example.com", ids)
	}
}

// prepare makes what an act needs.
func prepare(t *testing.T, w *world, v *visitor, s *shop, ids things, deed string) {
	t.Helper()
	switch deed {
	case "POST /admin/keys/:key/revoke":
		ids[":key"] = w.rows(t, "SELECT id FROM api_keys WHERE label = 'till'")[0][0]
	case "POST /admin/tenants/:id/messages/:message/retry":
		w.change(t, "UPDATE outbox SET status = 'failed', open = $1 WHERE id = $2", false, ids[":message"])
	case "POST /admin/tenants/:id/pairing-code":
		eventually(t, "the reset is done and the tenant starts", patience, func() (bool, string) {
			err := s.ask(http.MethodPost, "/worker/start", nil, nil)
			return err == nil, fmt.Sprint(err)
		})
		s.becomes(t, "QR_PENDING")
	case "POST /account/sessions/:session/end":
		w.signedIn(t, "audited@example.com")
		ids[":session"] = fmt.Sprintf("%x", w.rows(t, "SELECT token FROM sessions ORDER BY created_at DESC LIMIT 1")[0][0])
	case "POST /account/second-factor":
		secret := shownSecret.FindStringSubmatch(v.get("/account/second-factor").body)[1]
		ids["code"] = (&authenticator{t: t, w: w, secret: secret}).code(0)
	}
}

// known fails unless there is a deed for every route that changes something.
func known(t *testing.T, deeds []deed, more []string, who ...string) {
	t.Helper()
	want, got := map[string]bool{}, map[string]bool{}
	for _, r := range routes(t, who...) {
		if r.act != "" {
			want[r.String()] = true
		}
	}
	for _, d := range deeds {
		got[d.route] = true
	}
	for _, name := range more {
		got[name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("the deeds are not those of handlers/testdata/routes.txt (-routes +deeds):\n%s", diff)
	}
}

// entry is a line of the audit log.
type entry struct{ actor, action, tenant, address, before, after string }

// noted does something and returns what the log says of it.
func (w *world) noted(t *testing.T, something func(), route string) (e entry) {
	t.Helper()
	count := func() int { return len(w.rows(t, "SELECT 1 FROM audit_log")) }
	act := actOf(t, route)
	before := count()
	something()
	if count() == before {
		t.Errorf("%s left no trace in the audit log", route)
		return e
	}
	rows := w.rows(t, "SELECT actor, action, coalesce(CAST(tenant_id AS text), ''), address, before_json, after_json FROM audit_log ORDER BY id DESC LIMIT 2")
	i := slices.IndexFunc(rows, func(r []string) bool { return r[1] == act })
	if i < 0 {
		t.Errorf("%s is noted as %s, want %s", route, rows[0][1], act)
		return e
	}
	r := rows[i]
	return entry{r[0], r[1], r[2], r[3], r[4], r[5]}
}

func actOf(t *testing.T, name string) string {
	t.Helper()
	for _, r := range routes(t, "open", "half", "link", "self", "admin", "key") {
		if r.String() == name {
			return r.act
		}
	}
	t.Fatalf("there is no route %s", name)
	return ""
}

func (e entry) is(t *testing.T, d deed, actor string, ids things) {
	t.Helper()
	if e.action == "" {
		return
	}
	if e.actor != actor || e.address != "127.0.0.1" {
		t.Errorf("%s is noted as done by %q from %q", d.route, e.actor, e.address)
	}
	if strings.Contains(d.route, ":id") && e.tenant != ids[":id"] {
		t.Errorf("%s is noted for the tenant %q", d.route, e.tenant)
	}
	for _, kept := range []struct{ name, got, want string }{{"before", e.before, d.before}, {"after", e.after, d.after}} {
		if !strings.Contains(kept.got, kept.want) || (kept.want == "" && kept.name == "before" && kept.got != "") {
			t.Errorf("%s keeps %q of what was %s, want %q", d.route, kept.got, kept.name, kept.want)
		}
	}
	for _, secret := range []string{visitorPassword, "embe bivu", "fhq_"} {
		if strings.Contains(e.before+e.after, secret) {
			t.Errorf("%s writes a secret into the log: %s %s", d.route, e.before, e.after)
		}
	}
}

var byPrograms = []deed{
	{route: "POST /api/v1/tenants", body: input{"name": "Duka", "phone_number": "+255754999001"}, after: `"name":"Duka"`},
	{route: "PATCH /api/v1/tenants/:id", body: input{"timezone": "UTC"}, before: `"timezone":"Africa/Dar_es_Salaam"`, after: `"timezone":"UTC"`},
	{route: "POST /api/v1/tenants/:id/messages", body: input{"to": "+255754999002", "text": "a private word"}, after: `"bytes":14`},
	{route: "POST /api/v1/tenants/:id/worker/start"},
	{route: "POST /api/v1/tenants/:id/worker/restart"},
	{route: "POST /api/v1/tenants/:id/session/pairing-code"},
	{route: "POST /api/v1/tenants/:id/worker/stop"},
	{route: "POST /api/v1/tenants/:id/session/reset"},
	{route: "DELETE /api/v1/tenants/:id", before: `"timezone":"UTC"`},
}

func TestAudit_EveryChangeOfAProgramIsNotedUnderTheLabelOfItsKey(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		known(t, byPrograms, nil, "key")
		shop := w.created(t, salon)
		ids := things{":id": shop.id}
		for _, d := range byPrograms {
			method, path, _ := strings.Cut(d.route, " ")
			if strings.HasSuffix(path, "pairing-code") {
				shop.becomes(t, "QR_PENDING")
				d.body = input{"phone": shop.owner.Number()}
			}
			e := w.noted(t, func() { w.must(t, method, ids.fill(t, path), d.body, nil) }, d.route)
			e.is(t, d, "e2e", ids)
		}
		if leaked := w.rows(t, "SELECT 1 FROM audit_log WHERE after_json LIKE '%private%'"); len(leaked) != 0 {
			t.Error("the text of a message is in the audit log")
		}
		w.refused(t, http.MethodPatch, "/api/v1/tenants/"+nobody, w.key, input{"timezone": "UTC"}, http.StatusNotFound, "not_found")
		twice := w.created(t, salon)
		for range 2 {
			twice.sends(t, "+255754999002", "once", "Idempotency-Key", "k")
		}
		if n := len(w.rows(t, "SELECT 1 FROM audit_log WHERE action = 'message.send' AND tenant_id = $1", twice.id)); n != 1 {
			t.Errorf("a repeated request is noted %d times, want once", n)
		}
	})
}

func TestAudit_NotesWhoJoinsSignsOutAndFails(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	v := w.visitor(t)
	v.joins(w.setupLink(t), "first@example.com", visitorPassword)
	v.posts("/logout")
	long := strings.Repeat("ä", 50_000) + "@example.com"
	w.visitor(t).signsIn(long, "wrong")
	w.visitor(t).signsIn("unknown@example.com", "wrong")
	factor := w.enrols(t, "first@example.com")
	half := w.visitor(t)
	half.signsIn("first@example.com", visitorPassword)
	half.posts("/login/code", "code", "000000")
	half.posts("/login/code", "code", factor.unused()).is(t, "the code", http.StatusSeeOther, "/")
	got := map[string]string{}
	for _, r := range w.rows(t, "SELECT action, actor FROM audit_log ORDER BY id") {
		if len(r[1]) > 260 {
			t.Errorf("a stranger wrote %d bytes into the log", len(r[1]))
			r[1] = "long"
		}
		got[r[0]] = r[1]
	}
	want := map[string]string{"user.create": "first@example.com", "session.sign_in": "first@example.com", "session.sign_out": "first@example.com",
		"session.sign_in_failed": "first@example.com", "user.totp_on": "first@example.com", "user.recovery_codes": "first@example.com"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
	if n := len(w.rows(t, "SELECT 1 FROM audit_log WHERE actor = 'unknown@example.com'")); n != 1 {
		t.Errorf("the failed sign-in of a stranger is noted %d times", n)
	}
}
