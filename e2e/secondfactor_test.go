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
