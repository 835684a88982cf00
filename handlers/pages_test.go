package handlers

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

func TestBulk_WithNothingTickedGoesBackToTheListAndSaysSo(t *testing.T) {
	_, _, address := newOffice(t)
	asha := newGuest(t, address)
	asha.signsIn(ashasPassword)
	a := asha.does(http.MethodPost, "/admin/tenants/bulk", "do", "stop", "query", "q=duka&status=ERROR")
	if a.status != http.StatusSeeOther || a.location != "/admin/tenants?q=duka&status=ERROR" {
		t.Errorf("it is answered by %d and leads to %q", a.status, a.location)
	}
	if page := asha.does(http.MethodGet, "/account"); !strings.Contains(page.body, "Chagua angalau biashara moja.") {
		t.Errorf("the next page does not say what to do: %s", page.body)
	}
}

func TestErrors_NameTheFieldsInTheLanguageOfThePage(t *testing.T) {
	_, s, _ := newOffice(t)
	w := httptest.NewRecorder()
	c, _ := gin.CreateTestContext(w)
	c.Request = httptest.NewRequest(http.MethodPost, "/", nil)
	c.Request.Header.Set("Accept-Language", "sw")
	s.answerError(c, domain.Invalid{"name": "A name is required."}.Err())
	if body := w.Body.String(); w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, "Jina linahitajika.") {
		t.Errorf("it is answered by %d and says %s", w.Code, body)
	}
}

func TestTenants_HintsOfTheListAreWrittenForPeople(t *testing.T) {
	db, _, address := newOffice(t)
	db.rows = []domain.TenantRow{{TenantView: domain.TenantView{Tenant: domain.Tenant{Status: domain.TenantError}, Config: domain.TenantConfig{Template: domain.TemplateSalon},
		Session: domain.WhatsAppSession{Reason: domain.ReasonBanned, ReasonDetail: "until 2026-10-01T09:00:00Z"}}}}
	asha := newGuest(t, address)
	asha.signsIn(ashasPassword)
	if page := asha.does(http.MethodGet, "/admin/tenants"); !strings.Contains(page.body, ">Hadi 2026-10-01 12:00<") {
		t.Errorf("the list is %s", page.body)
	}
}
