package handlers

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// bareServer has everything but a database.
func bareServer() *Server {
	return &Server{Templates: templateFiles(), Static: os.DirFS("../static"), Secret: []byte(strings.Repeat("s", 32)),
		Registry: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
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
