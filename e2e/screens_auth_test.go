package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// shows checks and photographs what the page is now, in every look.
func (b *tab) shows(name string) {
	b.t.Helper()
	for _, l := range looks {
		b.looksLike(l)
		// The theme comes with the next page; what is shown may not come again.
		js[bool](b, `document.documentElement.classList.toggle("dark", `+map[bool]string{true: "true", false: "false"}[l.dark]+`)`)
		b.rest()
		b.fits(name + "-" + l.name)
		b.accessible(name + "-" + l.name)
		b.keep(name + "-" + l.name)
	}
	b.looksLike(looks[0])
}

// confirmsOnTheScreen opens the question of a row and fails when it is cut off.
func (b *tab) confirmsOnTheScreen(name, question string) {
	b.t.Helper()
	b.unfold(question)
	look := fmt.Sprintf(`(() => {
		const button = document.querySelector(%q).querySelector(".menu-list button").getBoundingClientRect(), table = document.querySelector(".table-scroll");
		if (button.left < 0 || button.right > innerWidth) return "lies from " + button.left + " to " + button.right + " of " + innerWidth;
		if (button.bottom > table.getBoundingClientRect().bottom) return "ends at " + button.bottom + ", the table at " + table.getBoundingClientRect().bottom;
		return "";
	})()`, question)
	eventually(b.t, "the button that confirms is on the screen, once the question has slid open", patience, func() (bool, string) {
		cut := js[string](b, look)
		return cut == "", name + ": it " + cut
	})
	b.fits(name)
	b.accessible(name)
	b.keep(name)
}

func TestScreens_OfSigningInAreAccessibleAndFitInEveryLook(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	b := newTab(t, w)
	b.open("/login")
	b.sees("Nobody can sign in yet")
	b.shows("unborn")
	b.open(w.setupLink(t))
	b.submit("form button.btn:not([data-variant])")
	b.sees("The password needs at least 12 characters.")
	b.shows("join-refused")
	b.signedUp()

	b.open("/account/second-factor")
	secret := js[string](b, `document.querySelector("main code").innerText`)
	code, err := totp.GenerateCode(secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b.fill("#f-code", code)
	b.submit("form button.btn:not([data-variant])")
	b.sees("Keep these recovery codes")
	b.shows("recovery")
	b.open("/confirm")
	b.shows("confirm")

	other := newTab(t, w)
	other.open("/login")
	other.shows("login")
	other.fill("#f-email", adminEmail)
	other.fill("#f-password", "not this one")
	other.submit("main form button.btn")
	other.sees("E-mail or password is not right.")
	other.shows("login-refused")
	other.fill("#f-email", adminEmail)
	other.fill("#f-password", adminPassword)
	other.submit("main form button.btn")
	other.sees("Your second factor")
	other.shows("code")
	other.open("/join/used-already")
	other.sees("This link was used already or has expired.")
	other.shows("error-stranger")
}

func TestScreens_OfWhatIsShownOnceAndOfWorkUnderWay(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	b := newTab(t, w)
	b.signedUp()
	b.open("/admin")
	b.sees("No businesses yet")
	b.shows("dashboard-empty")
	b.open("/admin/tenants")
	b.shows("tenants-empty")

	b.open("/admin/keys/new")
	b.fill("#f-label", "till of the shop")
	b.submit("form.card-body button.btn:not([data-variant])")
	b.has("#fresh-key")
	b.shows("key-fresh")
	for _, l := range looks {
		b.looksLike(l)
		b.open("/admin/keys")
		b.confirmsOnTheScreen("key-revoke-"+l.name, "tbody tr:last-child details.confirm")
	}
	b.looksLike(looks[0])
	b.open("/admin/users/invite")
	b.fill("#f-email", "neema@flowhq.example")
	b.submit("form.card-body button.btn:not([data-variant])")
	b.has("#invite-link")
	b.shows("invite-fresh")

	w.created(t, input{"name": "Duka la Baraka", "template_type": "ECOMMERCE", "language": "SW"})
	b.open("/admin/tenants")
	b.click("input[name=all]")
	b.submit("button[value=stop]")
	b.sees("Stop 1 tenant?")
	b.shows("bulk")
	b.open("/admin/tenants")
	b.click("input[data-check-all]")
	b.submit("button[value=start]")
	b.sees("Done.")
	b.shows("job")
}
