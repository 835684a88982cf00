package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// from is a header that gives a visitor an address of their own, in a world
// that trusts this machine as a proxy.
func from(address string) []string { return []string{"X-Forwarded-For", address} }

var trustsThisMachine = setting{"FLOWHQ_TRUSTED_PROXIES", "127.0.0.1"}

// joins makes an account through a one-time link.
func (v *visitor) joins(link, email, password string) answer {
	v.t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.posts(u.Path, "name", "Zawadi", "email", email, "password", password, "again", password)
}

func TestSignIn_TheSetupLinkMakesTheFirstAdminOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		link := w.setupLink(t)
		w.visitor(t).get("/login").is(t, "signing in before there is anybody", http.StatusOK, "")
		w.crash(t)
		second := w.newestSetupLink(t, link)
		first := w.visitor(t)
		first.joins(link, "first@example.com", visitorPassword).is(t, "the setup link", http.StatusSeeOther, "/")
		if !first.inside() {
			t.Error("who made the first account is not signed in")
		}
		w.visitor(t).joins(link, "second@example.com", visitorPassword).is(t, "the setup link again", http.StatusNotFound, "")
		w.visitor(t).joins(second, "third@example.com", visitorPassword).is(t, "another setup link when there is an admin", http.StatusUnprocessableEntity, "")
		if users := w.rows(t, "SELECT email FROM users"); len(users) != 1 {
			t.Errorf("the users are %v, want the first admin alone", users)
		}
	})
}

// newestSetupLink is a link of the log other than the one before.
func (w *world) newestSetupLink(t *testing.T, before string) (link string) {
	t.Helper()
	eventually(t, "the log shows another link", patience, func() (bool, string) {
		link = w.setupLink(t)
		return link != "" && !strings.HasSuffix(link, before[strings.Index(before, "/join/"):]), w.log.String()
	})
	return link
}

func TestSignIn_LinksExpire(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	link := w.setupLink(t)
	w.change(t, "UPDATE one_time_links SET expires_at = $1", "2020-01-01 00:00:00+00:00")
	stranger := w.visitor(t)
	stranger.joins(link, "late@example.com", visitorPassword).is(t, "an expired link", http.StatusNotFound, "")
	if users := w.rows(t, "SELECT 1 FROM users"); len(users) != 0 {
		t.Error("an expired link made a user")
	}
}

var inviteLink = regexp.MustCompile(`https?://[^/"\s]+/join/[A-Za-z0-9_-]{43}`)

func TestSignIn_AnInvitationMakesOneAccountAndWeakPasswordsAreRefused(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t), setting{"FLOWHQ_PUBLIC_URL", "http://flowhq.example:8080"})
	admin := w.admin(t, "admin@example.com")
	page := admin.posts("/admin/users/invite", "email", "Guest@Example.com", "name", "Guest")
	link := inviteLink.FindString(page.body)
	if !strings.HasPrefix(link, "http://flowhq.example:8080/join/") {
		t.Fatalf("the link shown is %q, want one at the public address\n%s", link, page.body)
	}
	for _, weak := range []string{"short", "passwordpassword1", "guest@example.com", "Zawadi123456", "aaaaaaaaaaaaaaaa", strings.Repeat("x1y2z3", 30)} {
		if a := w.visitor(t).joins(link, "", weak); a.status != http.StatusUnprocessableEntity || strings.Contains(a.body, `value="`+weak) {
			t.Errorf("the password %q is answered by %d, want 422 and no echo of it", weak, a.status)
		}
	}
	guest := w.visitor(t)
	guest.joins(link, "other@example.com", visitorPassword).is(t, "the invitation", http.StatusSeeOther, "/")
	w.visitor(t).joins(link, "again@example.com", visitorPassword).is(t, "the invitation again", http.StatusNotFound, "")
	users := w.rows(t, "SELECT email FROM users ORDER BY created_at")
	if fmt.Sprint(users) != "[[admin@example.com] [guest@example.com]]" {
		t.Errorf("the users are %v; the address of an invitation cannot be changed", users)
	}
	revoked := inviteLink.FindString(admin.posts("/admin/users/invite", "email", "late@example.com", "name", "").body)
	admin.posts("/admin/invites/"+w.rows(t, "SELECT id FROM one_time_links WHERE kind = 'invite'")[0][0]+"/revoke").is(t, "taking it back", http.StatusSeeOther, "/admin/users")
	w.visitor(t).joins(revoked, "", visitorPassword).is(t, "an invitation that was taken back", http.StatusNotFound, "")
}

// TestSignIn_DoesNotTellWhoHasAnAccount compares times, so it runs alone.
func TestSignIn_DoesNotTellWhoHasAnAccount(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t), trustsThisMachine)
	w.addUser(t, "known@example.com", "admin", "")
	w.addUser(t, "disabled@example.com", "admin", "")
	w.change(t, "UPDATE users SET disabled = $1 WHERE email = 'disabled@example.com'", true)
	cases := []struct{ email, password string }{{"known@example.com", "wrong"}, {"unknown@example.com", "wrong"}, {"disabled@example.com", visitorPassword}}
	took, pages := make([][]time.Duration, len(cases)), make([]string, len(cases))
	for round := range 5 {
		for i, c := range cases {
			began := time.Now()
			a := w.visitor(t, from(fmt.Sprintf("192.0.2.%d", round*10+i))...).signsIn(c.email, c.password)
			took[i] = append(took[i], time.Since(began))
			a.is(t, c.email, http.StatusUnprocessableEntity, "")
			pages[i] = strings.ReplaceAll(a.body, c.email, "ADDRESS")
		}
	}
	for i, c := range cases {
		if pages[i] != pages[0] {
			t.Errorf("%s is answered by another page than a wrong password", c.email)
		}
		// The fastest of five shows the work and not what else the machine does.
		if fast, known := slices.Min(took[i]), slices.Min(took[0]); fast < known/2 || fast > known*2+20*time.Millisecond {
			t.Errorf("%s is answered in %s, a wrong password in %s", c.email, fast, known)
		}
		t.Logf("%s: %s", c.email, slices.Min(took[i]).Round(time.Millisecond))
	}
}

func TestSignIn_ThrottlesAnAccountThroughRestartsButNeverForGood(t *testing.T) {
	t.Parallel()
	inWorldWith(t, func(t *testing.T, w *world) {
		w.addUser(t, "asha@example.com", "admin", "")
		guess := func(i int) answer {
			return w.visitor(t, from(fmt.Sprintf("192.0.2.%d", i))...).signsIn("asha@example.com", "wrong")
		}
		for i := range 6 { // five are free, the sixth begins the delays
			guess(i).is(t, fmt.Sprint("wrong password ", i+1), http.StatusUnprocessableEntity, "")
		}
		w.change(t, "UPDATE auth_throttle SET failures = 12, blocked_until = NULL WHERE failures = 6") // as after an hour of guessing
		guess(7)
		w.crash(t)
		asha := w.visitor(t, from("198.51.100.1")...)
		for range 3 { // waiting does not make it longer
			asha.signsIn("asha@example.com", visitorPassword).is(t, "the right password too early", http.StatusTooManyRequests, "")
		}
		w.signedInFrom(t, "198.51.100.2", "other@example.com")
		w.change(t, "UPDATE auth_throttle SET blocked_until = $1 WHERE blocked_until IS NOT NULL", time.Now().Add(-time.Second).UTC())
		asha.signsIn("asha@example.com", visitorPassword).is(t, "the right password later", http.StatusSeeOther, "/")
		for i := range 5 {
			guess(20+i).is(t, "a wrong password after success", http.StatusUnprocessableEntity, "")
		}
	}, trustsThisMachine)
}

// signedInFrom shows that somebody else is not held up.
func (w *world) signedInFrom(t *testing.T, address, email string) {
	t.Helper()
	w.addUser(t, email, "admin", "")
	w.visitor(t, from(address)...).signsIn(email, visitorPassword).is(t, "somebody else's sign-in", http.StatusSeeOther, "/")
}

// inWorldWith is inWorld with settings.
func inWorldWith(t *testing.T, run func(*testing.T, *world), more ...setting) {
	t.Helper()
	onBoth(t, func(t *testing.T, db database) { run(t, newWorld(t, db, more...)) })
}

func TestSignIn_ThrottlesAnAddressAndItsWholeNetwork(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t), trustsThisMachine)
	w.addUser(t, "asha@example.com", "admin", "")
	for i := range 21 {
		v := w.visitor(t, from(fmt.Sprintf("2001:db8:1:2::%x", i+1))...)
		v.signsIn(fmt.Sprintf("guess%d@example.com", i), "wrong").is(t, fmt.Sprint("guess ", i+1), http.StatusUnprocessableEntity, "")
	}
	w.visitor(t, from("2001:db8:1:2:ffff::1")...).signsIn("asha@example.com", visitorPassword).is(t, "the same network", http.StatusTooManyRequests, "")
	w.visitor(t, from("2001:db8:1:3::1")...).signsIn("asha@example.com", visitorPassword).is(t, "another network", http.StatusSeeOther, "/")
}

func TestSignIn_ManyGuessesAtOnceAreNoBetterThanOneByOne(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t), trustsThisMachine)
	w.addUser(t, "asha@example.com", "admin", "")
	var all sync.WaitGroup
	var mu sync.Mutex
	answered := map[int]int{}
	for i := range 30 {
		v := w.visitor(t, from(fmt.Sprintf("192.0.2.%d", i))...)
		all.Go(func() {
			status := v.signsIn("asha@example.com", fmt.Sprint("guess ", i)).status
			mu.Lock()
			defer mu.Unlock()
			answered[status]++
		})
	}
	all.Wait()
	// One more may be let through for each second that this takes.
	if tried := answered[http.StatusUnprocessableEntity]; tried > 8 || tried+answered[http.StatusTooManyRequests] != 30 {
		t.Errorf("30 guesses at once are answered %v, want at most 8 of them to be tried", answered)
	}
}

func TestSignIn_NeverLeadsToAnotherSite(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	w.addUser(t, "admin@example.com", "admin", "")
	admin := w.signedIn(t, "admin@example.com")
	for _, evil := range []string{"https://evil.example/x", "//evil.example", `/\evil.example`, `\\evil.example`, "javascript:alert(1)", "/\t/evil.example", "http:evil.example",
		"https:/evil.example", "/%09/evil.example", "/%5cevil.example", "/.//evil.example", "///evil.example", "/login/../..//evil.example", "evil.example", "data:text/html,x", ""} {
		for what, a := range map[string]answer{
			"the preferences' way back": admin.posts("/preferences", "lang", "en", "back", evil),
			"the return from sign-in":   w.returnsFrom(t, evil),
		} {
			to, err := url.Parse(a.to)
			if err != nil || a.status != http.StatusSeeOther || to.Host != "" || to.Scheme != "" || strings.HasPrefix(a.to, "//") || strings.Contains(a.to, `\`) || !strings.HasPrefix(a.to, "/") {
				t.Errorf("%s %q leads to %q (%d)", what, evil, a.to, a.status)
			}
		}
	}
}

// returnsFrom signs in after a refused form whose Referer is made up.
func (w *world) returnsFrom(t *testing.T, referer string) answer {
	v := w.visitor(t)
	if !strings.ContainsAny(referer, "\t") {
		v.ask(http.MethodPost, "/logout", nil, "Referer", referer)
		v.get("/admin", "HX-Request", "true", "HX-Current-URL", referer)
	}
	return v.signsIn("admin@example.com", visitorPassword)
}
