package e2e

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// behindTLS is a world behind a proxy that ends TLS, and a visitor who comes
// through it.
func behindTLS(t *testing.T, trusted string) (*world, *httptest.Server) {
	t.Helper()
	var target *url.URL
	front := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
		r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
		r.SetXForwarded()
	}})
	t.Cleanup(front.Close)
	w := newWorld(t, sqliteDatabase(t), setting{"FLOWHQ_PUBLIC_URL", front.URL}, setting{"FLOWHQ_TRUSTED_PROXIES", trusted})
	target = &url.URL{Scheme: "http", Host: w.child.addr}
	return w, front
}

// through makes a visitor who comes through the proxy; the other one talks to
// the program itself.
func (v *visitor) through(front *httptest.Server) *visitor {
	v.client.Transport = toFront{front}
	return v
}

// toFront sends what is meant for the program to the proxy, as a browser that
// knows the public address does.
type toFront struct{ front *httptest.Server }

func (f toFront) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, r.Host = "https", strings.TrimPrefix(f.front.URL, "https://"), ""
	if r.Method == http.MethodPost {
		r.Header.Set("Origin", f.front.URL)
	}
	return (&http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}).RoundTrip(r) //nolint:gosec // a certificate of the test's own
}

func TestSignIn_BehindAProxyThatEndsTLS(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, trusted, address string }{
		{"a proxy that is trusted", "127.0.0.1", "203.0.113.7"},
		{"one that is not", "10.0.0.0/8", "127.0.0.1"},
		{"none is named", "", "127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, front := behindTLS(t, tt.trusted)
			w.addUser(t, "asha@example.com", "admin", "")
			// What the client says of itself stands first; the proxy adds the address that it sees.
			v := w.visitor(t, "X-Forwarded-For", "203.0.113.7").through(front)
			a := v.signsIn("asha@example.com", visitorPassword)
			a.is(t, "signing in over TLS", http.StatusSeeOther, "/")
			secureCookies(t, a, "__Host-fhq_a")
			secureCookies(t, v.posts("/preferences", "lang", "sw"), "__Host-fhq_ui")
			if a.header.Get("Strict-Transport-Security") == "" {
				t.Error("browsers are not told to stay with TLS")
			}
			for table, query := range map[string]string{"the list of sessions": "SELECT address FROM sessions", "the audit log": "SELECT address FROM audit_log WHERE action = 'session.sign_in'"} {
				// The proxy runs on this machine, so what it adds itself is 127.0.0.1, which is trusted or not.
				if got := w.rows(t, query)[0][0]; got != tt.address {
					t.Errorf("%s shows the address %s, want %s", table, got, tt.address)
				}
			}
		})
	}
}

// secureCookies fails unless the answer sets a cookie of this name in the only way that is allowed.
func secureCookies(t *testing.T, a answer, name string) {
	t.Helper()
	for _, line := range a.header.Values("Set-Cookie") {
		if !strings.HasPrefix(line, name+"=") {
			continue
		}
		for _, want := range []string{"; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"} {
			if !strings.Contains(line, want) {
				t.Errorf("the cookie %s lacks %q: %s", name, want, line)
			}
		}
		if strings.Contains(line, "Domain=") {
			t.Errorf("the cookie %s names a domain: %s", name, line)
		}
		return
	}
	t.Errorf("no cookie %s is set: %v", name, a.header.Values("Set-Cookie"))
}
