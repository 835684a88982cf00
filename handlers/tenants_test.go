package handlers

import (
	"net/http"
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
