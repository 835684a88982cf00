package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestSignIn_EveryStepMakesANewToken(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.addUser(t, "asha@example.com", "admin", "")
		factor := w.enrols(t, "asha@example.com")
		asha := w.visitor(t)
		asha.get("/login")
		seen := map[string]string{"": "before signing in"}
		fresh := func(step string) *visitor {
			t.Helper()
			if old, again := seen[asha.token()]; again {
				t.Errorf("%s the token is still the one %s", step, old)
			}
			seen[asha.token()] = step
			return asha.steals(t)
		}
		asha.signsIn("asha@example.com", visitorPassword).is(t, "the password", http.StatusSeeOther, "/login/code")
		half := fresh("after the password")
		asha.posts("/login/code", "code", factor.unused()).is(t, "the code", http.StatusSeeOther, "/")
		whole := fresh("after the code")
		asha.posts("/confirm", "password", visitorPassword, "code", factor.unused()).is(t, "the confirmation", http.StatusSeeOther, "/")
		fresh("after the confirmation")
		for name, old := range map[string]*visitor{"of the half sign-in": half, "from before the confirmation": whole} {
			if old.inside() {
				t.Errorf("a token %s is still good", name)
			}
		}
		if !asha.inside() {
			t.Error("the newest token is not good")
		}
	})
}

func TestSignIn_AnotherUserInTheSameBrowserLeavesNothingOfTheFirst(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	w.addUser(t, "juma@example.com", "admin", "")
	w.enrols(t, "juma@example.com")
	asha := w.admin(t, "asha@example.com")
	asha.signsIn("juma@example.com", visitorPassword).is(t, "another user's password", http.StatusSeeOther, "/login/code")
	if asha.inside() {
		t.Error("half a sign-in as Juma still shows Asha's account, in a session that she can neither see nor end")
	}
}

func TestSignIn_ChangingThePasswordEndsHalfASignInToo(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	w.addUser(t, "asha@example.com", "admin", "")
	asha := w.signedIn(t, "asha@example.com")
	factor := asha.enrols(t)
	thief := w.visitor(t)
	thief.signsIn("asha@example.com", visitorPassword).is(t, "the stolen password", http.StatusSeeOther, "/login/code")
	asha.posts("/account/password", "current", visitorPassword, "password", "embe bivu mbili tatu", "again", "embe bivu mbili tatu").is(t, "the change", http.StatusSeeOther, "/account")
	thief.posts("/login/code", "code", factor.unused()).is(t, "a code to the old password", http.StatusSeeOther, "/login")
}

func TestSignOut_EndsTheSessionAndEmptiesTheCache(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	asha := w.admin(t, "asha@example.com")
	copied := asha.steals(t)
	a := asha.posts("/logout")
	a.is(t, "signing out", http.StatusSeeOther, "/login")
	if a.header.Get("Clear-Site-Data") != `"cache"` || asha.token() != "" {
		t.Errorf("signing out leaves the cookie %q and says %v", asha.token(), a.header)
	}
	if copied.inside() {
		t.Error("a copy of the cookie is still good")
	}
}

// out waits until a visitor's click and poll are both refused. A click is out
// at once; a poll in about two seconds.
func (v *visitor) out(t *testing.T, what string) {
	t.Helper()
	began := time.Now()
	eventually(t, what+" is out at the next poll", 3*time.Second, func() (bool, string) {
		a := v.get("/admin/live/alerts", htmx("/admin")...)
		return a.to == "/login", fmt.Sprint(a.status)
	})
	t.Logf("%s was out at a poll after %s", what, time.Since(began).Round(10*time.Millisecond))
	v.get("/admin").is(t, what+" at the next click", http.StatusSeeOther, "/login")
}

// here makes a session that polls, and shows that the poll is answered.
func (w *world) here(t *testing.T, email string) *visitor {
	t.Helper()
	v := w.signedIn(t, email)
	v.get("/admin/live/alerts", htmx("/admin")...).is(t, "a poll", http.StatusOK, "")
	return v
}

func TestSessions_EndedElsewhereAreOutAtTheNextClickAndPoll(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.addUser(t, "asha@example.com", "admin", "")
		w.addUser(t, "juma@example.com", "admin", "")
		juma := w.signedIn(t, "juma@example.com")

		asha, phone, laptop := w.signedIn(t, "asha@example.com"), w.here(t, "asha@example.com"), w.here(t, "asha@example.com")
		one := fmt.Sprintf("%x", w.rows(t, "SELECT token FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = 'asha@example.com' ORDER BY s.created_at LIMIT 1 OFFSET 1")[0][0])
		juma.posts("/account/sessions/"+one+"/end").is(t, "ending somebody else's session", http.StatusNotFound, "")
		asha.posts("/account/sessions/"+one+"/end").is(t, "ending one session", http.StatusSeeOther, "/account")
		phone.out(t, "the session that was ended")
		if !laptop.inside() || !asha.inside() {
			t.Error("ending one session ended another")
		}

		asha.posts("/account/sessions/end-all").is(t, "signing out everywhere", http.StatusSeeOther, "/login")
		laptop.out(t, "the other tab")
		if asha.inside() || !juma.inside() {
			t.Error("signing out everywhere must end all of one's own sessions and nobody else's")
		}

		asha, laptop = w.signedIn(t, "asha@example.com"), w.here(t, "asha@example.com")
		asha.posts("/account/password", "current", visitorPassword, "password", "embe bivu mbili tatu", "again", "embe bivu mbili tatu").is(t, "a new password", http.StatusSeeOther, "/account")
		laptop.out(t, "the session from before the new password")
		if !asha.inside() {
			t.Error("who changed the password is out")
		}

		user := w.rows(t, "SELECT id FROM users WHERE email = 'asha@example.com'")[0][0]
		asha.get("/admin/live/alerts", htmx("/admin")...)
		juma.posts("/admin/users/"+user+"/disable").is(t, "disabling", http.StatusSeeOther, "/admin/users")
		asha.out(t, "the disabled user")
		asha.signsIn("asha@example.com", "embe bivu mbili tatu").is(t, "signing in disabled", http.StatusUnprocessableEntity, "")
		own := w.rows(t, "SELECT id FROM users WHERE email = 'juma@example.com'")[0][0]
		juma.posts("/admin/users/"+own+"/disable").is(t, "disabling oneself, the last admin", http.StatusConflict, "")
		juma.posts("/admin/users/"+user+"/enable").is(t, "enabling", http.StatusSeeOther, "/admin/users")
		asha.signsIn("asha@example.com", "embe bivu mbili tatu").is(t, "signing in again", http.StatusSeeOther, "/admin")
	})
}

func TestSessions_ExpireInTheDatabaseWhateverTheCookieSays(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	asha := w.admin(t, "asha@example.com")
	w.change(t, "UPDATE sessions SET expires_at = $1", time.Now().Add(-time.Second).UTC())
	asha.get("/admin").is(t, "a session that expired", http.StatusSeeOther, "/login")
	asha.get("/admin/live/alerts", htmx("/admin")...).is(t, "its poll", http.StatusNoContent, "/login")
}

func TestSessions_APollProlongsNothing(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	asha := w.admin(t, "asha@example.com")
	ends := func() string { return w.rows(t, "SELECT expires_at FROM sessions")[0][0] }
	before := ends()
	if a := asha.get("/admin/live/alerts", htmx("/admin")...); a.header.Get("Set-Cookie") != "" || ends() != before {
		t.Errorf("a poll prolonged the session from %s to %s", before, ends())
	}
	asha.get("/account")
	if ends() == before {
		t.Error("a click does not prolong the session")
	}
}
