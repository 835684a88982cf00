package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestPortal_FiftyTenantsAreRestartedTogether(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		b := newTab(t, w)
		b.signedUp()
		for i := range 50 {
			w.created(t, input{"name": fmt.Sprintf("Duka %02d", i), "template_type": "ECOMMERCE", "language": "SW"})
		}
		deleted := w.created(t, input{"name": "Duka 99", "template_type": "ECOMMERCE", "language": "SW"})
		deleted.does(t, "POST", "/worker/start", nil)
		b.open("/admin/tenants?q=duka&sort=name")
		b.click("input[name=all]")
		if n := js[string](b, `document.querySelector("[data-picked]").innerText`); n != "51" {
			t.Errorf("%s tenants are said to be chosen, want 51", n)
		}
		b.submit(`button[value=restart]`)
		b.sees("Restart 51 tenants?")
		b.submit(`main .row.end a`)
		if list := b.path(); list != "/admin/tenants?q=duka&sort=name" {
			t.Errorf("the way back from the question leads to %s, want the list as it was", list)
		}
		b.click("input[name=all]")
		b.submit(`button[value=restart]`)
		b.submit(`button[value=restart]`)
		b.sees("Done.")
		b.sees("51 of 51 steered.")
		if js[bool](b, `document.querySelector("#progress").hasAttribute("hx-get")`) {
			t.Error("a finished job is still polled")
		}
		if n := w.count(t, "SELECT count(*) FROM tenants WHERE status = 'QR_PENDING'"); n != 51 {
			t.Errorf("%d tenants are being linked after the restart, want 51", n)
		}
		b.open("/admin/audit")
		b.sees("Steered many tenants")
	})
}

func TestPortal_AChangingListKeepsWhatIsChosen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqliteDatabase(t))
	b := newTab(t, w)
	b.signedUp()
	first := w.created(t, input{"name": "Duka la Baraka", "template_type": "ECOMMERCE", "language": "SW"})
	second := w.created(t, input{"name": "Duka la Neema", "template_type": "ECOMMERCE", "language": "SW"})
	b.open("/admin/tenants")
	b.click(fmt.Sprintf(`input[name=tenant][value="%s"]`, first.id))
	same := b.stays()
	second.does(t, "POST", "/worker/start", nil)
	b.sees("Waiting for the scan")
	if chosen := js[[]string](b, `[...document.querySelectorAll("input[name=tenant]:checked")].map(e => e.value)`); len(chosen) != 1 || chosen[0] != first.id {
		t.Errorf("chosen are now %v, want %s alone", chosen, first.id)
	}
	same()
}

func TestPortal_RefusedFormsComeBackAsTheyWereTyped(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		b := newTab(t, w)
		b.signedUp()
		shop := w.created(t, input{"name": "Duka la Baraka", "template_type": "ECOMMERCE", "language": "SW"})

		b.open("/admin/tenants/new")
		b.fill("#f-name", "Duka jipya")
		b.fill("#f-phone_number", "twelve")
		b.submit("form.card-body button.btn:not([data-variant])")
		b.has(`#f-phone_number[aria-invalid=true]`)
		b.sees("Write the number with its country code")
		if v := js[string](b, `document.querySelector("#f-name").value`); v != "Duka jipya" {
			t.Errorf("the name came back as %q", v)
		}
		b.keep("form-refused-light")

		b.fill("#f-phone_number", shop.owner.Number())
		b.submit("form.card-body button.btn:not([data-variant])")
		b.sees("This number belongs to another tenant.")

		b.open(shop.adminPath("/settings"))
		b.fill("#f-timezone", "Mars/Olympus")
		b.fill("#f-services", "Kusuka | much")
		b.submit("form.form button.btn")
		b.sees("Write one service a line")
		b.fill("#f-services", "Kusuka | 25,000 | 120")
		b.submit("form.form button.btn")
		b.sees("This is not a time zone name")
		b.fill("#f-timezone", "Africa/Nairobi")
		b.submit("form.form button.btn")
		b.sees("Saved.")
		if v := js[string](b, `document.querySelector("#f-services").value`); strings.TrimSpace(v) != "Kusuka | 25000 | 120" {
			t.Errorf("the services are shown as %q", v)
		}

		b.open(shop.adminPath("/hours"))
		b.click("input[name=always]")
		b.fill("#f-mon", "morning")
		b.submit("form.form button.btn")
		b.has(`#f-mon[aria-invalid=true]`)
		b.fill("#f-mon", "8-12:30, 14-18")
		b.fill("#f-sat", "20:00-02:00")
		b.fill("#f-exceptions", "2026-12-25 Krismasi")
		b.submit("form.form button.btn")
		b.sees("Saved.")
		if v := js[string](b, `document.querySelector("#f-mon").value`); v != "08:00-12:30, 14:00-18:00" {
			t.Errorf("Monday is shown as %q", v)
		}
		b.open("/admin/audit?area=tenant")
		b.sees("Changed the settings")
	})
}

func TestPortal_APressIsNotLostWhenAnAnswerWouldMoveTheButton(t *testing.T) {
	t.Parallel()
	b := newTab(t, newWorld(t, sqliteDatabase(t)))
	b.signedUp()
	b.open("/admin/tenants/new")
	b.fill("#f-name", "Duka jipya")
	b.fill("#f-phone_number", "twelve")
	b.submit("form.card-body button.btn:not([data-variant])")
	b.sees("Write the number with its country code")
	b.fill("#f-phone_number", "0754 000 001")

	const create = `document.querySelector("form.card-body button.btn:not([data-variant])")`
	place := js[struct{ X, Y float64 }](b, `(async () => {
		`+create+`.scrollIntoView({ block: "center" });
		const ask = window.fetch;
		window.fetch = async (...request) => { const answer = await ask(...request); window.answered = true; return answer; };
		await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
		const r = `+create+`.getBoundingClientRect();
		return { X: r.x + r.width / 2, Y: r.y + r.height / 2 };
	})()`)
	b.leaves("form.card-body button.btn:not([data-variant])", func() {
		b.do(chromedp.MouseEvent(chromedp.MousePressed, place.X, place.Y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
		b.comes("the number is answered", `window.answered && new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))`, patience)
		b.do(chromedp.MouseEvent(chromedp.MouseReleased, place.X, place.Y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
	})
	b.sees("Duka jipya")
}

func TestPortal_DeletingAsksForTheNameAndRemovesEverything(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		w, b, shop := furnished(t, db)
		b.open(shop.adminPath("/delete"))
		b.fill("#f-name", "Saluni")
		b.submit(`button[data-variant=destructive]`)
		b.sees("This is not the name of the tenant.")
		b.fill("#f-name", "Saluni ya Amina")
		b.submit(`button[data-variant=destructive]`)
		b.sees("is being deleted")
		for _, table := range []string{"tenants", "tenant_configs", "message_logs", "outbox", "conversations", "customers", "inbound_seen", "tenant_events", "lease_terms", "prekeys"} {
			column := "tenant_id"
			if table == "tenants" {
				column = "id"
			}
			eventually(t, table+" is empty of the tenant", patience, func() (bool, string) {
				n := w.count(t, "SELECT count(*) FROM "+table+" WHERE "+column+" = $1", shop.id)
				return n == 0, fmt.Sprint(n)
			})
		}
		eventually(t, "the keys are gone", patience, func() (bool, string) {
			n := w.count(t, "SELECT count(*) FROM whatsmeow_device")
			return n == 0, fmt.Sprint(n)
		})
		if devices := shop.owner.Devices(); len(devices) != 0 {
			t.Errorf("the phone still lists %d linked devices", len(devices))
		}
		b.open("/admin/audit?area=tenant")
		b.sees("Deleted a tenant")
	})
}

func TestPortal_TwoAdminsSeeEachOthersWork(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		a := newTab(t, w)
		a.signedUp()
		a.open("/admin/users/invite")
		a.fill("#f-email", "neema@flowhq.example")
		a.submit("form.card-body button.btn:not([data-variant])")
		link := js[string](a, `document.querySelector("#invite-link").innerText`)

		n := newTab(t, w)
		n.open(link)
		n.fill("#f-name", "Neema")
		n.fill("#f-password", "embe bichi na pilipili")
		n.fill("#f-again", "embe bichi na pilipili")
		n.submit("form button.btn:not([data-variant])")
		n.sees("Dashboard")

		shop := w.created(t, input{"name": "Duka la Baraka", "template_type": "ECOMMERCE", "language": "SW"})
		a.open(shop.adminPath(""))
		n.open(shop.adminPath(""))
		a.submit(`form[action$="/start"] button`)
		n.sees("Next: scan the code")
		n.submit(`form[action$="/stop"] button`)
		a.sees("Not started")
		a.open("/admin/audit")
		a.sees("neema@flowhq.example")

		a.open("/account")
		a.submit(`form[action$="/end-all"] button`)
		a.sees("You are signed out everywhere.")
		n.open("/admin")
		n.sees("Dashboard")
	})
}

func TestPortal_SignOutEverywhereReachesTheOtherBrowserByItself(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		a := newTab(t, w)
		a.signedUp()
		other := newTab(t, w)
		other.signIn()
		other.open("/admin/tenants")
		other.sees("No businesses yet")
		a.open("/account")
		a.submit(`form[action$="/end-all"] button`)
		a.sees("You are signed out everywhere.")
		// The other browser does nothing: its next poll leads to the sign-in page.
		other.sees("Sign in")
		other.fill("#f-email", adminEmail)
		other.fill("#f-password", adminPassword)
		other.submit("main form button.btn")
		if where := other.path(); where != "/admin/tenants" {
			t.Errorf("signing in again leads to %s, want back to the list", where)
		}
	})
}

func TestPortal_SpeaksSwahili(t *testing.T) {
	t.Parallel()
	_, b, shop := furnished(t, sqliteDatabase(t))
	b.open("/admin")
	b.submit(`form.tool button`)
	for _, s := range screensOf(shop, "") {
		if s.name == "tenant-thread" {
			continue
		}
		b.open(s.path)
		if lang := js[string](b, `document.documentElement.lang`); lang != "sw" {
			t.Fatalf("%s is in %q", s.path, lang)
		}
		b.keep(s.name + "-sw")
	}
	b.open("/admin/tenants")
	b.sees("Biashara")
}
