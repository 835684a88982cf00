package e2e

import (
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

var shownSecret = regexp.MustCompile(`<code>([A-Z2-7]{32})</code>`)

// authenticator is a person's second factor.
type authenticator struct {
	t        *testing.T
	w        *world
	secret   string
	recovery []string
	enrolled string // the code that proved it
}

// code is the one of the present, or of a step before or after it.
func (a *authenticator) code(steps int) string {
	a.t.Helper()
	code, err := totp.GenerateCode(a.secret, time.Now().Add(time.Duration(steps)*30*time.Second))
	if err != nil {
		a.t.Fatal(err)
	}
	return code
}

// unused lets the codes of the present be taken again, as after a minute.
func (a *authenticator) unused() string {
	a.t.Helper()
	a.w.change(a.t, "UPDATE users SET totp_step = 0")
	return a.code(0)
}

var recoveryCode = regexp.MustCompile(`<li><code>([A-Z2-7-]{19})</code>`)

// enrols sets a second factor up for a user who has none.
func (w *world) enrols(t *testing.T, email string) *authenticator {
	t.Helper()
	return w.signedIn(t, email).enrols(t)
}

func (v *visitor) enrols(t *testing.T) *authenticator {
	t.Helper()
	page := v.get("/account/second-factor")
	found := shownSecret.FindStringSubmatch(page.body)
	if found == nil {
		t.Fatalf("no secret is shown: %d\n%s", page.status, page.body)
	}
	a := &authenticator{t: t, w: v.w, secret: found[1]}
	a.enrolled = a.code(0)
	done := v.posts("/account/second-factor", "code", a.enrolled)
	done.is(t, "the first code", http.StatusOK, "")
	for _, m := range recoveryCode.FindAllStringSubmatch(done.body, -1) {
		a.recovery = append(a.recovery, m[1])
	}
	if len(a.recovery) != 10 {
		t.Fatalf("%d recovery codes are shown, want 10:\n%s", len(a.recovery), done.body)
	}
	return a
}

func TestSignIn_WithASecondFactor(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.addUser(t, "asha@example.com", "admin", "")
		asha, other := w.signedIn(t, "asha@example.com"), w.signedIn(t, "asha@example.com")
		factor := asha.enrols(t)
		if !asha.inside() || other.inside() {
			t.Error("setting a second factor up must end the other sessions and keep this one")
		}
		half := func() *visitor {
			t.Helper()
			v := w.visitor(t)
			v.signsIn("asha@example.com", visitorPassword).is(t, "the password", http.StatusSeeOther, "/login/code")
			return v
		}
		half().posts("/login/code", "code", factor.enrolled).is(t, "the code that was used to enrol", http.StatusUnprocessableEntity, "")
		code := factor.unused()
		half().posts("/login/code", "code", code[:3]+" "+code[3:]).is(t, "a code with a space", http.StatusSeeOther, "/")
		half().posts("/login/code", "code", code).is(t, "the same code again", http.StatusUnprocessableEntity, "")
		half().posts("/login/code", "code", factor.code(-10)).is(t, "an old code", http.StatusUnprocessableEntity, "")

		half().posts("/login/code", "code", factor.recovery[0]).is(t, "a recovery code", http.StatusSeeOther, "/")
		half().posts("/login/code", "code", factor.recovery[0]).is(t, "the same recovery code again", http.StatusUnprocessableEntity, "")
		renewed := asha.posts("/account/recovery-codes")
		renewed.is(t, "new recovery codes", http.StatusOK, "")
		half().posts("/login/code", "code", factor.recovery[1]).is(t, "a recovery code that was replaced", http.StatusUnprocessableEntity, "")
	})
}

func TestSignIn_CodesAreThrottledLikePasswords(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	w.addUser(t, "asha@example.com", "admin", "")
	factor := w.enrols(t, "asha@example.com")
	thief := w.visitor(t)
	thief.signsIn("asha@example.com", visitorPassword)
	for range 6 {
		thief.posts("/login/code", "code", "000000").is(t, "a guessed code", http.StatusUnprocessableEntity, "")
	}
	thief.posts("/login/code", "code", factor.unused()).is(t, "a code too soon", http.StatusTooManyRequests, "")
}

func TestSecondFactor_CanBeRequiredOfEveryAdmin(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	asha, juma := w.admin(t, "asha@example.com"), w.admin(t, "juma@example.com")
	asha.posts("/admin/system/second-factor", "required", "on").is(t, "requiring what one does not have", http.StatusConflict, "")
	factor := asha.enrols(t)
	asha.posts("/admin/system/second-factor", "required", "on").is(t, "requiring it", http.StatusSeeOther, "/admin/system")
	eventually(t, "the switch is in force", 3*time.Second, func() (bool, string) {
		a := juma.get("/admin/tenants")
		return a.to == "/account/second-factor", a.to
	})
	for _, r := range routes(t, "poll") {
		juma.get(things{":id": nobody, ":job": nobody, ":contact": "x"}.fill(t, r.path), htmx("/admin")...).is(t, r.String(), http.StatusNoContent, "/login")
	}
	asha.posts("/account/second-factor/remove").is(t, "removing what is required", http.StatusConflict, "")
	juma.enrols(t)
	juma.get("/admin/tenants").is(t, "a page after enrolling", http.StatusOK, "")
	w.forgetConfirmations(t)
	asha.posts("/confirm", "password", visitorPassword).is(t, "a confirmation without the code", http.StatusUnprocessableEntity, "")
	asha.posts("/confirm", "password", visitorPassword, "code", factor.unused()).is(t, "a confirmation", http.StatusSeeOther, "/")
	asha.posts("/admin/system/second-factor").is(t, "switching it off", http.StatusSeeOther, "/admin/system")
	asha.posts("/account/second-factor/remove").is(t, "removing one's own", http.StatusSeeOther, "/account")
	w.visitor(t).signsIn("asha@example.com", visitorPassword).is(t, "the password alone again", http.StatusSeeOther, "/")
}
