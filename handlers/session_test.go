package handlers

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2/memstore"

	"flowhq/domain"
)

func TestSignIn_HowLongASessionLasts(t *testing.T) {
	if idleLife != 30*time.Minute || absoluteLife != 12*time.Hour || stepUpLife != 10*time.Minute || domain.SetupLife != 15*time.Minute || domain.InviteLife != 7*24*time.Hour {
		t.Errorf("idle %s, absolute %s, confirmed %s, setup link %s, invitation %s", idleLife, absoluteLife, stepUpLife, domain.SetupLife, domain.InviteLife)
	}
	for _, tt := range []struct {
		name   string
		begun  time.Duration // ago
		lives  time.Duration
		secure bool
	}{{"new", 0, 30 * time.Minute, false}, {"used all day", 11*time.Hour + 50*time.Minute, 10 * time.Minute, true}} {
		t.Run(tt.name, func(t *testing.T) {
			cookie, row := sessionAfter(t, tt.begun, tt.secure)
			for what, got := range map[string]time.Duration{"the cookie": time.Duration(cookie.MaxAge) * time.Second, "the row": row} {
				if got < tt.lives-5*time.Second || got > tt.lives+5*time.Second {
					t.Errorf("%s lives %s, want %s", what, got, tt.lives)
				}
			}
			if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Secure != tt.secure || cookie.Path != "/" || cookie.Domain != "" {
				t.Errorf("the cookie is %s", cookie)
			}
		})
	}
}

// expiring remembers until when a session is stored.
type expiring struct {
	*memstore.MemStore
	until time.Time
}

func (e *expiring) Commit(token string, data []byte, until time.Time) error {
	e.until = until
	return e.MemStore.Commit(token, data, until)
}

// sessionAfter is what a click does to a session that began a while ago.
func sessionAfter(t *testing.T, begun time.Duration, secure bool) (cookie *http.Cookie, row time.Duration) {
	t.Helper()
	store := &expiring{MemStore: memstore.NewWithCleanupInterval(0)}
	m := newLogins(nil, secure)
	m.Store = store
	ctx, err := m.Load(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	m.Put(ctx, keyUser, "somebody")
	m.SetDeadline(ctx, time.Now().Add(absoluteLife-begun))
	token, _, err := m.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	request, answer := httptest.NewRequest(http.MethodGet, "/account", nil), httptest.NewRecorder()
	request.AddCookie(&http.Cookie{Name: m.Cookie.Name, Value: token})
	m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })).ServeHTTP(answer, request)
	cookies := answer.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("the cookies are %v, want one", cookies)
	}
	return cookies[0], time.Until(store.until)
}

func TestSignIn_AnAddressOfIPv6StandsForItsNetwork(t *testing.T) {
	for address, want := range map[string]string{"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "::ffff:192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "": ""} {
		if got := networkOf(address); got != want {
			t.Errorf("failures from %q count for %q, want %q", address, got, want)
		}
	}
}

func TestSignIn_OnlyAddressesWithinThisSiteAreGoneBackTo(t *testing.T) {
	for raw, want := range map[string]string{"/admin": "/admin", "/admin?q=a%26b#x": "/admin?q=a%26b", "": "", "admin": "", "//evil.example": "", "///evil.example": "", "https://evil.example": "",
		`/\evil.example`: "", "javascript:alert(1)": "", "/\n/evil.example": "", "http:/x": "", "?x": ""} {
		if got := localPath(raw); got != want {
			t.Errorf("%q leads to %q, want %q", raw, got, want)
		}
	}
}
