package e2e

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var scripts = regexp.MustCompile(`(?i)<script(?:[^>]*)>[^<]|<style|\son[a-z]+\s*=|\sstyle\s*=|javascript:`)

func TestHeaders_OfEveryPage(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	admin, shop := w.admin(t, "admin@example.com"), w.created(t, salon)
	for _, s := range append(screensOf(shop, "nobody"), screen{"login", "/login"}, screen{"fragment", "/admin/live/tenants"}, screen{"export", "/admin/tenants.csv"}, screen{"api", "/api/v1/tenants"}) {
		a := admin.get(s.path)
		policy := a.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self';") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s has the policy %q", s.path, policy)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store"} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s has %s: %q, want %q", s.path, name, got, want)
			}
		}
		for _, leak := range []string{"Server", "X-Powered-By"} {
			if a.header.Get(leak) != "" {
				t.Errorf("%s tells %s", s.path, leak)
			}
		}
		if found := scripts.FindString(a.body); found != "" && strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s has an inline script or style: %q", s.path, found)
		}
	}
}

var linked = regexp.MustCompile(`(?:href|src)="(/static/[^"#]+)`)

func TestHeaders_AFirstViewIsSmall(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	admin := w.admin(t, "admin@example.com")
	w.created(t, salon)
	total, seen := 0, map[string]bool{}
	for _, path := range []string{"/admin", "/admin/tenants"} {
		page := admin.get(path, "Accept-Encoding", "gzip")
		if page.header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s is not compressed", path)
		}
		total += len(page.body)
		t.Logf("%-40s %6d bytes", path, len(page.body))
		for _, m := range linked.FindAllStringSubmatch(unpacked(t, page), -1) {
			if seen[m[1]] {
				continue
			}
			seen[m[1]] = true
			file := admin.get(m[1], "Accept-Encoding", "gzip")
			if file.header.Get("Cache-Control") != "public, max-age=31536000, immutable" || file.header.Get("X-Content-Type-Options") != "nosniff" || file.header.Get("Set-Cookie") != "" {
				t.Errorf("%s is sent with %v", m[1], file.header)
			}
			if file.header.Get("Content-Encoding") != "gzip" && len(file.body) > 400 {
				t.Errorf("%s is not compressed", m[1])
			}
			total += len(file.body)
			t.Logf("%-40s %6d bytes", m[1], len(file.body))
		}
	}
	t.Logf("together %d bytes", total)
	if total > 90_000 {
		t.Errorf("a first view of the dashboard and the tenants is %d bytes, want at most 90,000", total)
	}
}

func TestHeaders_AnUnchangedPollIsTiny(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	admin, shop := w.admin(t, "admin@example.com"), w.created(t, salon)
	for _, path := range []string{"/admin/live/dashboard", "/admin/live/tenants?q=x", "/admin/live/alerts", "/admin/live/replicas", "/admin/live/tenant/" + shop.id + "/head?tab=messages", "/admin/live/tenant/" + shop.id + "/messages"} {
		size := 0
		eventually(t, "nothing changes on "+path, patience, func() (bool, string) {
			tag := admin.get(path, htmx("/admin")...).header.Get("HX-PTag")
			raw := admin.raw(path, "HX-Request: true", "HX-PTag: "+tag, "Accept-Encoding: gzip, deflate, br")
			size = len(raw)
			return strings.HasPrefix(raw, "HTTP/1.1 304 "), raw
		})
		t.Logf("%s: %d bytes", strings.ReplaceAll(path, shop.id, "ID"), size)
		if size > 300 {
			t.Errorf("an unchanged poll of %s is %d bytes, want at most 300", path, size)
		}
	}
}

// raw is a whole answer as it comes over the wire.
func (v *visitor) raw(path string, headers ...string) string {
	v.t.Helper()
	conn, err := net.Dial("tcp", v.w.child.addr)
	if err != nil {
		v.t.Fatal(err)
	}
	defer conn.Close()
	request := "GET " + path + " HTTP/1.1\r\nHost: " + v.w.child.addr + "\r\nConnection: close\r\nCookie: fhq_a=" + v.token() + "\r\n" + strings.Join(headers, "\r\n") + "\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		v.t.Fatal(err)
	}
	all, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		v.t.Fatal(err)
	}
	return string(all)
}

func TestHeaders_APollOfAFinishedJobStops(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	admin, shop := w.admin(t, "admin@example.com"), w.created(t, salon)
	job := admin.posts("/admin/tenants/bulk", "do", "stop", "tenant", shop.id).to
	live := strings.Replace(job, "/admin/jobs/", "/admin/live/jobs/", 1)
	eventually(t, "the fragment of the job says that it is finished and asks for no more", patience, func() (bool, string) {
		a := admin.get(live, htmx(job)...)
		return a.status == http.StatusOK && !strings.Contains(a.body, "hx-get") && !strings.Contains(a.body, "hx-trigger"), a.body
	})
	if page := admin.get(job); strings.Contains(page.body, live) {
		t.Errorf("the page of a finished job polls")
	}
}
