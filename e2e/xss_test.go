package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// corpus is what people who mean harm write where others will read it. Each
// text says "pwned" to the window when a browser takes it for more than text.
var corpus = []string{
	`<script>window.pwned=1</script>`, `</script><script>window.pwned=1</script>`, `"><script>window.pwned=1</script>`, `<ScRiPt>alert(1)</sCrIpT>`, `<<script>alert(1);//<</script>`,
	`<img src=x onerror=alert(1)>`, `"><img src=x onerror="window.pwned=1">`, `'><img src=x onerror='window.pwned=1'>`, `" onmouseover="alert(1)" x="`, `' autofocus onfocus='alert(1)' x='`,
	"`-alert(1)-`", `<svg onload=alert(1)>`, `<svg><script>alert(1)</script></svg>`, `<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>`, `<math><mi xlink:href="javascript:alert(1)">x</mi></math>`,
	`javascript:alert(1)`, `<a href="javascript:window.pwned=1">x</a>`, `java&#115;cript:alert(1)`, `data:text/html,<script>alert(1)</script>`, `<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>`,
	`<body onload=alert(1)>`, `<details open ontoggle=alert(1)>`, `<video><source onerror=alert(1)></video>`, `<form action=/logout method=post><button autofocus>x</button></form>`, `<base href="https://evil.example/">`,
	`<meta http-equiv=refresh content="0;url=https://evil.example">`, `<link rel=stylesheet href=//evil.example/x.css>`, `<style>*{display:none}</style>`, `</textarea><script>alert(1)</script>`, `</title><script>alert(1)</script>`,
	`--><script>alert(1)</script><!--`, `]]><script>alert(1)</script>`, `{{.Frame.User.PasswordHash}}`, `{{template "base" .}}{{7*7}}${7*7}<%= 7*7 %>`, `<div hx-get="/admin/tenants" hx-trigger="load">x</div>`,
	`<div hx-on:load="alert(1)" data-hx-get=/logout>x</div>`, "\u202Egnp.exe\u202C \u2066x\u2069", "nul\x00byte <script\x00>alert(1)</script>", strings.Repeat("W", 190), strings.Repeat("ﷺ", 60),
	"\xff\xfe<script>alert(1)</script>", "á̷͛" + strings.Repeat("́", 80) + "<b onclick=alert(1)>", `\"><script>alert(1)</script>`, `\u003cscript\u003ealert(1)\u003c/script\u003e`,
}

// marks is a page's answer to whether any of the texts became more than text.
const marks = `(doc => {
	const bad = [];
	if (window.pwned) bad.push("a script ran");
	for (const e of doc.querySelectorAll("script:not([src]), iframe, base, meta[http-equiv], style, body details[ontoggle], svg script, video, math")) bad.push(e.outerHTML.slice(0, 200));
	for (const e of doc.querySelectorAll("*")) for (const a of e.attributes) {
		if (a.name.startsWith("on") || a.name.startsWith("hx-on")) bad.push(e.tagName + " " + a.name);
		if (["href", "src", "action", "xlink:href"].includes(a.name) && /^\s*(javascript|data|vbscript):/i.test(a.value)) bad.push(e.tagName + " " + a.name + "=" + a.value.slice(0, 100));
		if (["href", "src", "action", "hx-get"].includes(a.name) && new URL(a.value, location.href).origin !== location.origin) bad.push(e.tagName + " leads to " + a.value.slice(0, 100));
	}
	return bad;
})`

func TestXSS_NoTextIsEverMoreThanText(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqliteDatabase(t), trustsThisMachine, setting{"FLOWHQ_REPLICA_NAME", `"'><img src=x onerror=alert(1)>{{7*7}}</script><script>window.pwned=1</script>`})
	b := newTab(t, w)
	b.signedUp()
	b.notices(t)
	shop := infected(t, w)
	poisoned := poison(t, w)
	for _, l := range []look{looks[0], looks[2]} {
		b.looksLike(l)
		for _, s := range screensOf(shop, strings.ReplaceAll(contactOf(t, w, shop), "+", "%2B")) {
			b.harmless(t, s.name+" "+l.name, s.path)
		}
	}
	b.open(shop.adminPath("/conversations/" + url.PathEscape(contactOf(t, w, shop))))
	for _, text := range []string{corpus[0], corpus[6], corpus[32]} {
		b.sees(text)
	}
	b.looksLike(looks[0])
	b.parsedAreHarmless(t, append(settingsOf(poisoned), echoes()...))
	b.refusedFormsAreHarmless(t)
}

// harmless opens a page and looks for texts that became more.
func (b *tab) harmless(t *testing.T, name, path string) {
	t.Helper()
	b.open(path)
	for _, found := range js[[]string](b, marks+"(document)") {
		t.Errorf("%s: %s", name, found)
	}
	b.fits(name)
	for _, line := range b.heard() {
		t.Errorf("%s: the browser complained: %s", name, line)
	}
}

// parsedAreHarmless looks at pages as the browser reads them, without opening each.
func (b *tab) parsedAreHarmless(t *testing.T, paths []string) {
	t.Helper()
	list, err := json.Marshal(paths)
	if err != nil {
		t.Fatal(err)
	}
	read := fmt.Sprintf(`Promise.all(%s.map(async path => {
		const answer = await fetch(path), page = new DOMParser().parseFromString(await answer.text(), "text/html");
		return [...(answer.status < 500 ? [] : ["status " + answer.status]), ...%s(page)].map(found => path + ": " + found);
	})).then(all => all.flat())`, list, marks)
	for _, found := range js[[]string](b, read) {
		t.Error(found)
	}
}

func settingsOf(tenants []string) (paths []string) {
	for _, id := range tenants {
		paths = append(paths, "/admin/tenants/"+id+"/settings")
	}
	return paths
}

// notices shows that this test would see a text that became more.
func (b *tab) notices(t *testing.T) {
	t.Helper()
	js[bool](b, `document.querySelector("main").insertAdjacentHTML("beforeend", '<img src=x onerror="window.pwned=1"><a href="javascript:alert(1)">x</a>') || true`)
	eventually(t, "the browser reports the script that the policy stops", patience, func() (bool, string) { return len(b.complaints()) > 0, "nothing" })
	if found := js[[]string](b, marks+"(document)"); len(found) != 3 {
		t.Errorf("the marks of an attack are seen as %q", found)
	}
	b.heard()
}

// heard are the complaints since it was called last.
func (b *tab) heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	bad := b.bad
	b.bad = nil
	return bad
}

func contactOf(t *testing.T, w *world, s *shop) string {
	t.Helper()
	return w.rows(t, "SELECT contact FROM message_logs WHERE tenant_id = $1 GROUP BY contact ORDER BY count(*) DESC LIMIT 1", s.id)[0][0]
}

// infected is a tenant whose every text, customer and message is of the corpus.
func infected(t *testing.T, w *world) *shop {
	t.Helper()
	var services, exceptions []input
	for i, text := range corpus {
		text = strings.ToValidUTF8(text, "?")
		services = append(services, input{"name": string([]rune(text)[:min(80, len([]rune(text)))]), "price_tzs": i, "minutes": i})
		exceptions = append(exceptions, input{"date": fmt.Sprintf("2027-%02d-%02d", 1+i/28, 1+i%28), "ranges": []input{}, "note": strings.ReplaceAll(string([]rune(text)[:min(60, len([]rune(text)))]), "\n", " ")})
	}
	shop := w.opened(t, input{"name": corpus[6], "business_name": corpus[7], "address": strings.Join(corpus[:8], " "), "template_type": "BOOKING", "language": "EN"})
	shop.does(t, http.MethodPatch, "", input{"services": services})
	shop.does(t, http.MethodPatch, "", input{"hours": input{"week": input{"mon": []input{{"open": "08:00", "close": "17:00"}}}, "exceptions": exceptions}})
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	talker := w.customer(t, corpus[1])
	for _, text := range corpus {
		talker.asks(t, shop, strings.ToValidUTF8(text, "?"))
		shop.sends(t, talker.Number(), strings.ToValidUTF8(text, "?"))
	}
	for i := range corpus {
		c := w.customer(t, strings.ToValidUTF8(corpus[i], "?"))
		if _, err := c.SendText(ctx, shop.owner, "habari"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all messages are logged", 2*patience, func() (bool, string) {
		n := w.rows(t, "SELECT count(*) FROM message_logs WHERE tenant_id = $1 AND direction = 'IN'", shop.id)[0][0]
		return n == fmt.Sprint(2*len(corpus)), n
	})
	return shop
}

// poison writes the corpus into everything else that is kept.
func poison(t *testing.T, w *world) (tenants []string) {
	t.Helper()
	admin := w.visitor(t, from("192.0.2.250")...)
	admin.signsIn(adminEmail, adminPassword)
	for i, text := range corpus {
		if s, err := w.create(input{"name": strings.ToValidUTF8(text, "?"), "business_name": strings.ToValidUTF8(text, "?"), "address": strings.ToValidUTF8(text, "?")}); err == nil {
			tenants = append(tenants, s.id)
		} else {
			t.Errorf("%q is refused as a name: %v", text, err)
		}
		admin.posts("/admin/keys", "label", text).is(t, fmt.Sprintf("a key %q", text), http.StatusOK, "")
		invite := admin.posts("/admin/users/invite", "name", text, "email", fmt.Sprintf("guest%d@example.com", i))
		address := from(fmt.Sprintf("192.0.2.%d", i))
		if i%2 == 0 {
			link, err := url.Parse(inviteLink.FindString(invite.body))
			if err != nil {
				t.Fatal(err)
			}
			w.visitor(t, address...).posts(link.Path, "name", text, "password", "embe bivu mbili tatu", "again", "embe bivu mbili tatu").is(t, fmt.Sprintf("a user %q", text), http.StatusSeeOther, "/")
		}
		w.visitor(t, address...).signsIn(text, "wrong").is(t, fmt.Sprintf("signing in as %q", text), http.StatusUnprocessableEntity, "")
		if i%4 == 0 && !strings.ContainsAny(text, "\x00\n") {
			w.visitor(t, append(address, "User-Agent", text)...).signsIn(adminEmail, adminPassword).is(t, "a browser", http.StatusSeeOther, "/")
		}
	}
	return tenants
}

// echoes are addresses whose query comes back on the page.
func echoes() (paths []string) {
	for _, text := range []string{corpus[0], corpus[6], corpus[8], corpus[15], corpus[28], corpus[33], corpus[38]} {
		q := url.QueryEscape(text)
		for _, path := range []string{"/admin/tenants?q=%s&replica=%s&sort=%s", "/admin/audit?q=%s&area=%s&tenant=%s", "/admin?range=%s&x=%s&y=%s", "/admin/live/tenants?q=%s&replica=%s&x=%s"} {
			paths = append(paths, fmt.Sprintf(path, q, q, q))
		}
	}
	return paths
}

// refusedFormsAreHarmless sends forms that come back as they were typed.
func (b *tab) refusedFormsAreHarmless(t *testing.T) {
	t.Helper()
	for _, text := range []string{corpus[2], corpus[7], corpus[28]} {
		b.open("/admin/tenants/new")
		for _, field := range []string{"name", "phone_number", "address"} {
			js[bool](b, fmt.Sprintf(`(document.querySelector("#f-%s").value = %q, true)`, field, text))
		}
		b.submit("form.card-body button.btn:not([data-variant])")
		if typed := js[string](b, `document.querySelector("#f-name").value`); typed != text {
			t.Errorf("a refused form shows %q, want %q", typed, text)
		}
		for _, found := range js[[]string](b, marks+"(document)") {
			t.Errorf("a refused form: %s", found)
		}
		b.fits("a refused form")
	}
}
