package handlers

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// bareServer has everything but a database.
func bareServer() *Server {
	return &Server{Templates: templateFiles(), Static: os.DirFS("../static"), Secret: []byte(strings.Repeat("s", 32)),
		Registry: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

// Fly.io puts an address of its own last in X-Forwarded-For.
func TestServer_TakesTheVisitorFromTheHeaderOfTheProxyAlone(t *testing.T) {
	s := bareServer()
	s.TrustedProxies, s.ClientHeader = []string{"172.16.0.0/12"}, "Fly-Client-IP"
	s.Extra = func(r *gin.Engine, _ Pages) {
		r.GET("/whoami", func(c *gin.Context) { c.String(http.StatusOK, clientAddress(c)) })
	}
	engine, err := s.engine()
	if err != nil {
		t.Fatal(err)
	}
	for remote, want := range map[string]string{"172.16.9.8:1234": "203.0.113.9", "198.51.100.1:1234": "198.51.100.1"} {
		r := httptest.NewRequest(http.MethodGet, "/whoami", nil)
		r.RemoteAddr = remote
		r.Header.Set("Fly-Client-IP", "203.0.113.9")
		r.Header.Set("X-Forwarded-For", "192.0.2.1, 192.0.2.2")
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, r)
		if got := w.Body.String(); got != want {
			t.Errorf("a request from %s counts as one from %q, want %q", remote, got, want)
		}
	}
}

// The cases of e2e/guards_test.go are made from testdata/routes.txt: a route
// without a line there is a route that nobody guards.
func TestGuards_EveryRouteHasACase(t *testing.T) {
	engine, err := bareServer().engine()
	if err != nil {
		t.Fatal(err)
	}
	routes, cases := map[string]bool{}, map[string]bool{}
	for _, r := range engine.Routes() {
		routes[r.Method+" "+r.Path] = true
	}
	raw, err := os.ReadFile("testdata/routes.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if words := strings.Fields(line); len(words) == 4 {
			cases[words[0]+" "+words[1]] = true
		}
	}
	if diff := cmp.Diff(routes, cases); diff != "" {
		t.Errorf("add the new routes, with who may use them, to testdata/routes.txt (-routes +cases):\n%s", diff)
	}
}
