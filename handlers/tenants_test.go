package handlers

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestExport_TheButtonHasTheFilterOfTheList(t *testing.T) {
	ask := new(desk).asks(t)
	for list, want := range map[string]string{
		"/admin/tenants":                         `href="/admin/tenants.csv"`,
		"/admin/tenants?status=ERROR&q=a%26b":    `href="/admin/tenants.csv?q=a%26b&amp;status=ERROR"`,
		"/admin/tenants?q=Duka&cursor=next-page": `href="/admin/tenants.csv?q=Duka"`,
	} {
		if page := ask(http.MethodGet, list); !strings.Contains(page.Body.String(), want) {
			t.Errorf("%s has no link %s", list, want)
		}
	}
}

func TestExport_ThatIsBrokenOffDoesNotLookWhole(t *testing.T) {
	d := &desk{tenants: shops(2000), broken: errDatabaseGone}
	portal, request := d.opened(t)
	server := httptest.NewServer(portal)
	defer server.Close()
	for _, encoding := range []string{"identity", "gzip"} {
		t.Run(encoding, func(t *testing.T) {
			r := request(http.MethodGet, "/admin/tenants.csv")
			r.RequestURI, r.URL = "", asURL(t, server.URL+"/admin/tenants.csv")
			r.Header.Set("Accept-Encoding", encoding)
			answer, err := server.Client().Do(r)
			if err != nil {
				t.Fatalf("nothing of the file came: %v", err)
			}
			defer answer.Body.Close()
			sent, err := io.ReadAll(answer.Body)
			if err == nil || answer.StatusCode != http.StatusOK || len(sent) == 0 {
				t.Errorf("the answer is %d with %d bytes and ends with %v, want a body that is broken off", answer.StatusCode, len(sent), err)
			}
		})
	}
}

// A proxy that speaks HTTP/1.0 does not see that the connection broke off.
func TestExport_ThatIsBrokenOffHasNoEndInItsCompressedForm(t *testing.T) {
	portal, request := (&desk{tenants: shops(2000), broken: errDatabaseGone}).opened(t)
	r, w := request(http.MethodGet, "/admin/tenants.csv"), httptest.NewRecorder()
	r.Header.Set("Accept-Encoding", "gzip")
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler {
				t.Errorf("it ends with %v, want %v", p, http.ErrAbortHandler)
			}
		}()
		portal.ServeHTTP(w, r)
	}()
	unpacked, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, unpacked); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading it ends with %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

func TestExport_ComesCompressedOrAsItIs(t *testing.T) {
	portal, request := (&desk{tenants: shops(3)}).opened(t)
	for _, encoding := range []string{"", "gzip"} {
		r, w := request(http.MethodGet, "/admin/tenants.csv"), httptest.NewRecorder()
		r.Header.Set("Accept-Encoding", encoding)
		portal.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Encoding"); got != encoding {
			t.Errorf("to a browser that takes %q it is sent as %q", encoding, got)
		}
		var body io.Reader = w.Body
		if encoding != "" {
			unpacked, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			body = unpacked
		}
		whole, err := io.ReadAll(body)
		if n := strings.Count(string(whole), "\n"); err != nil || n != 4 {
			t.Errorf("it has %d lines (%v), want a head and 3 tenants", n, err)
		}
	}
}

func asURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestBulk_AsksBeforeItReachesFarOrTakesSeveralOffTheAir(t *testing.T) {
	d := &desk{tenants: shops(3)}
	ask := d.asks(t)
	one, two := d.tenants[0].ID.String(), d.tenants[1].ID.String()
	for _, tt := range []struct {
		name   string
		fields []string
		asks   string // "" when it is done at once
		sure   string
	}{
		{"stop one", []string{"do", "stop", "tenant", one}, "", ""},
		{"start two", []string{"do", "start", "tenant", one, "tenant", two}, "", ""},
		{"stop two", []string{"do", "stop", "tenant", one, "tenant", two}, "Stop 2 tenants?", "2"},
		{"restart two", []string{"do", "restart", "tenant", one, "tenant", two}, "Restart 2 tenants?", "2"},
		{"start all", []string{"do", "start", "all", "1"}, "Start 3 tenants?", "3"},
		{"stop all", []string{"do", "stop", "all", "1"}, "Stop 3 tenants?", "3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.steered = nil
			fields := append(tt.fields, "query", "q=Duka&status=NEW")
			a := ask(http.MethodPost, "/admin/tenants/bulk", fields...)
			if tt.asks == "" {
				if a.Code != http.StatusSeeOther || len(d.steered) == 0 {
					t.Errorf("it is answered by %d and steers %d tenants, want it to be done", a.Code, len(d.steered))
				}
				return
			}
			if a.Code != http.StatusOK || d.steered != nil {
				t.Errorf("it is answered by %d and steers %d tenants, want a question", a.Code, len(d.steered))
			}
			for _, part := range []string{tt.asks, `name="sure" value="` + tt.sure + `"`, `href="/admin/tenants?q=Duka&amp;status=NEW"`, `name="back" value="/admin/tenants?q=Duka&amp;status=NEW"`} {
				if !strings.Contains(a.Body.String(), part) {
					t.Errorf("the question lacks %s", part)
				}
			}
			if a = ask(http.MethodPost, "/admin/tenants/bulk", append(fields, "sure", tt.sure)...); a.Code != http.StatusSeeOther || fmt.Sprint(len(d.steered)) != tt.sure {
				t.Errorf("who is sure is answered by %d, with %d tenants steered", a.Code, len(d.steered))
			}
		})
	}
}

func TestBulk_AsksAgainWhenAnotherNumberMatchesByNow(t *testing.T) {
	d := &desk{tenants: shops(3)}
	a := d.asks(t)(http.MethodPost, "/admin/tenants/bulk", "do", "stop", "all", "1", "sure", "2")
	if d.steered != nil || !strings.Contains(a.Body.String(), "Stop 3 tenants?") || !strings.Contains(a.Body.String(), "The list has changed") {
		t.Errorf("it is answered by %d and steers %d tenants, want the question with the new number", a.Code, len(d.steered))
	}
}
