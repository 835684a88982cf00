package e2e

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
)

// visitor is a person with cookies of their own, and without a window: what the
// portal promises must not depend on a browser's kindness.
type visitor struct {
	t      *testing.T
	w      *world
	client *http.Client
	always []string // headers of every request: name, value, …
}

func (w *world) visitor(t *testing.T, always ...string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &visitor{t: t, w: w, client: &http.Client{Jar: jar, CheckRedirect: stay, Timeout: 40 * time.Second}, always: always}
}

// answer is what a visitor gets.
type answer struct {
	status int
	to     string // where they are sent
	header http.Header
	body   string
}

func (v *visitor) ask(method, path string, form url.Values, headers ...string) answer {
	v.t.Helper()
	req, err := http.NewRequest(method, "http://"+v.w.child.addr+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	headers = append(append([]string{}, v.always...), headers...)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := v.client.Do(req)
	if err != nil {
		v.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatalf("%s %s: %v", method, path, err)
	}
	to := resp.Header.Get("Location") + resp.Header.Get("HX-Redirect")
	return answer{resp.StatusCode, to, resp.Header, string(body)}
}

func (v *visitor) get(path string, headers ...string) answer {
	v.t.Helper()
	return v.ask(http.MethodGet, path, nil, headers...)
}

// posts sends a form as a browser does that is on a page of the portal. Fields are name, value, ….
func (v *visitor) posts(path string, fields ...string) answer {
	v.t.Helper()
	return v.ask(http.MethodPost, path, formOf(fields...), "Sec-Fetch-Site", "same-origin")
}

func formOf(fields ...string) url.Values {
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return form
}

// signsIn gives address and password.
func (v *visitor) signsIn(email, password string) answer {
	v.t.Helper()
	return v.posts("/login", "email", email, "password", password)
}

// is fails unless an answer has a status and, where one is given, a destination.
func (a answer) is(t *testing.T, what string, status int, to string) {
	t.Helper()
	if a.status != status || a.to != to {
		t.Errorf("%s is answered by %d and sends to %q, want %d and %q", what, a.status, a.to, status, to)
	}
}

// inside reports whether the visitor is signed in.
func (v *visitor) inside() bool {
	v.t.Helper()
	return v.get("/account").status == http.StatusOK
}

func (v *visitor) cookie(name string) string {
	for _, c := range v.client.Jar.Cookies(&url.URL{Scheme: "http", Host: v.w.child.addr}) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// token is the visitor's login token; "" for strangers.
func (v *visitor) token() string { return v.cookie("fhq_a") }

// steals makes a visitor who has the cookies of another.
func (v *visitor) steals(t *testing.T) *visitor {
	thief, here := v.w.visitor(t), &url.URL{Scheme: "http", Host: v.w.child.addr}
	thief.client.Jar.SetCookies(here, v.client.Jar.Cookies(here))
	return thief
}

const visitorPassword = "boga nazi pilipili mlima"

// addUser makes a user with the command line.
func (w *world) addUser(t *testing.T, email, role, tenant string) {
	t.Helper()
	settings := maps.Clone(w.settings)
	settings["FLOWHQ_PASSWORD"] = visitorPassword
	args := []string{"user", "add", "--email", email, "--role", role}
	if tenant != "" {
		args = append(args, "--tenant", tenant)
	}
	if _, stderr, code, err := run(settings, args...); err != nil || code != 0 {
		t.Fatalf("flowhq user add ended with code %d: %v\n%s", code, err, stderr)
	}
}

// admin makes an admin who is signed in.
func (w *world) admin(t *testing.T, email string) *visitor {
	t.Helper()
	w.addUser(t, email, "admin", "")
	return w.signedIn(t, email)
}

func (w *world) signedIn(t *testing.T, email string) *visitor {
	t.Helper()
	v := w.visitor(t)
	v.signsIn(email, visitorPassword).is(t, "signing in", http.StatusSeeOther, "/")
	return v
}

// forget makes every confirmation of the past too old.
func (w *world) forgetConfirmations(t *testing.T) {
	t.Helper()
	codec := scs.GobCodec{}
	for _, row := range w.rows(t, "SELECT token, data FROM sessions") {
		deadline, values, err := codec.Decode([]byte(row[1]))
		if err != nil {
			t.Fatal(err)
		}
		values["step_up"] = time.Now().Add(-time.Hour).Unix()
		data, err := codec.Encode(deadline, values)
		if err != nil {
			t.Fatal(err)
		}
		w.change(t, "UPDATE sessions SET data = $1 WHERE token = $2", data, []byte(row[0]))
	}
}

// unpacked is a body without its compression.
func unpacked(t *testing.T, a answer) string {
	t.Helper()
	if a.header.Get("Content-Encoding") != "gzip" {
		return a.body
	}
	in, err := gzip.NewReader(bytes.NewReader([]byte(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}
