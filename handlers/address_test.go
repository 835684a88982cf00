package handlers

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
)

const preferenceForm = `action="/preferences"`

func TestPreferences_AreNotOfferedWhereSomethingIsShownOnce(t *testing.T) {
	d := new(desk)
	d.user.TOTPSecret = []byte("sealed")
	ask := d.asks(t)
	for _, tt := range []struct {
		path, shows string
		fields      []string
	}{
		{"/account/recovery-codes", `<ol class="codes">`, nil},
		{"/admin/keys", `id="fresh-key"`, []string{"label", "till"}},
		{"/admin/users/invite", `id="invite-link"`, []string{"email", "neema@flowhq.example"}},
	} {
		a := ask(http.MethodPost, tt.path, tt.fields...)
		if body := a.Body.String(); a.Code != http.StatusOK || !strings.Contains(body, tt.shows) || strings.Contains(body, preferenceForm) {
			t.Errorf("%s is answered by %d; it shows what comes once: %t, and offers to load the page anew: %t", tt.path, a.Code, strings.Contains(body, tt.shows), strings.Contains(body, preferenceForm))
		}
	}
	for _, path := range []string{"/account", "/admin/keys", "/admin/users"} {
		if a := ask(http.MethodGet, path); !strings.Contains(a.Body.String(), preferenceForm) {
			t.Errorf("%s does not offer the language", path)
		}
	}
}

func TestPreferences_OnARefusedFormLeadToThePageOfTheForm(t *testing.T) {
	d := new(desk)
	d.user.TOTPSecret = []byte("sealed")
	ask := d.asks(t)
	for path, back := range map[string]string{"/account/password": "/account", "/admin/keys": "/admin/keys/new", "/admin/users/invite": "/admin/users/invite", "/admin/tenants": "/admin/tenants/new", "/confirm": "/confirm"} {
		a := ask(http.MethodPost, path)
		if a.Code != http.StatusUnprocessableEntity || !strings.Contains(a.Body.String(), `name="back" value="`+back+`"`) {
			t.Errorf("the refused form at %s is answered by %d and does not lead back to %s", path, a.Code, back)
		}
		if back := ask(http.MethodGet, back); back.Code != http.StatusOK {
			t.Errorf("the page of the form at %s is answered by %d", path, back.Code)
		}
	}
}

func TestSignIn_ComesBackToAPageOnly(t *testing.T) {
	s := bareServer()
	if _, err := s.Handler(); err != nil {
		t.Fatal(err)
	}
	tenant := "/admin/tenants/" + uuid.NewString()
	for path, opens := range map[string]bool{
		"/": true, "/admin": true, "/admin/tenants": true, tenant: true, tenant + "/settings": true, tenant + "/conversations/+255754000101": true, "/account": true,
		"/account/password": false, "/account/recovery-codes": false, "/admin/tenants/bulk": false, "/admin/tenants/phone": false, tenant + "/stop": false,
		"/admin/live/alerts": false, "/api/v1/tenants": false, "/nothing": false, "": false,
	} {
		if got := s.opens(path); got != opens {
			t.Errorf("%q can be opened: %t, want %t", path, got, opens)
		}
	}
}

func TestSignIn_AfterAFormThatIsSentFromAnAnswerComesBackToItsPage(t *testing.T) {
	s := new(desk).server()
	portal, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/account/password", nil) // of a stranger: the session is over
	r.Header.Set("Referer", "http://example.com/account/password")
	w := httptest.NewRecorder()
	portal.ServeHTTP(w, r)
	r = httptest.NewRequest(http.MethodGet, "/login", nil)
	for _, cookie := range w.Result().Cookies() {
		r.AddCookie(cookie)
	}
	kept, err := s.web.ui.Get(r, s.uiCookie())
	if err != nil {
		t.Fatal(err)
	}
	if u, _ := kept.Values[uiKey].(ui); u.Return != "/account" {
		t.Errorf("they come back to %q, want /account", u.Return)
	}
}
