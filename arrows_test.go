package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrows are the imports that each room may have of ours, and the technologies
// that it alone may touch. CONTRIBUTING.md has the same table.
var rooms = map[string][]string{
	"flowhq/domain":          {},
	"flowhq/domain/flow":     {"flowhq/domain"},
	"flowhq/handlers":        {"flowhq/domain", "flowhq/domain/flow"},
	"flowhq/worker":          {"flowhq/domain", "flowhq/domain/flow"},
	"flowhq/worker/whatsapp": {"flowhq/domain", "flowhq/domain/flow", "flowhq/worker"},
	"flowhq/store":           {"flowhq/domain"},
	"flowhq/simulator":       {},
}

// technologies name the only room that may import each library directly.
var technologies = map[string]string{
	"go.mau.fi/whatsmeow":    "flowhq/worker/whatsapp",
	"github.com/uptrace/bun": "flowhq/store",
	"github.com/jackc/pgx":   "flowhq/store",
	"modernc.org/sqlite":     "flowhq/store",
	"github.com/gin-gonic":   "flowhq/handlers",
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	return strings.Fields(string(out))
}

func TestArrows_RoomsImportOnlyWhatTheyMay(t *testing.T) {
	for room, allowed := range rooms {
		for _, dep := range goList(t, "-deps", room) {
			if strings.HasPrefix(dep, "flowhq") && dep != room && !slices.Contains(allowed, dep) {
				t.Errorf("%s must not depend on %s", room, dep)
			}
		}
	}
}

func TestArrows_EachTechnologyHasOneRoom(t *testing.T) {
	for room := range rooms {
		if room == "flowhq/simulator" {
			continue // it plays the other side of the same protocol
		}
		for _, dep := range goList(t, "-f", `{{join .Imports "\n"}}`, room) {
			for library, home := range technologies {
				if strings.HasPrefix(dep, library) && room != home {
					t.Errorf("%s imports %s, which belongs to %s", room, dep, home)
				}
			}
		}
	}
}

func TestArrows_DomainKnowsTheStandardLibraryAndPureDataOnly(t *testing.T) {
	allowed := []string{"github.com/google/uuid", "github.com/nyaruka/phonenumbers"}
	for _, dep := range goList(t, "-f", `{{join .Imports "\n"}}`, "flowhq/domain") {
		if strings.Contains(strings.Split(dep, "/")[0], ".") && !slices.Contains(allowed, dep) {
			t.Errorf("domain imports %s", dep)
		}
	}
}
