package handlers

import (
	"net/http"
	"regexp"
	"testing"

	"flowhq/domain"
)

func TestInvite_OfAnAddressThatIsTakenIsForDisabledAdminsAlone(t *testing.T) {
	db, _, address := newOffice(t)
	tenant := domain.NewID()
	db.others = []domain.User{
		{ID: domain.NewID(), Email: "gone@example.com", Role: domain.RoleAdmin, Disabled: true},
		{ID: domain.NewID(), Email: "works@example.com", Role: domain.RoleAdmin},
		{ID: domain.NewID(), Email: "owner@example.com", Role: domain.RoleOwner, TenantID: &tenant, Disabled: true},
	}
	asha := newGuest(t, address)
	asha.signsIn(ashasPassword)
	for email, want := range map[string]int{"gone@example.com": http.StatusOK, "works@example.com": http.StatusUnprocessableEntity, "owner@example.com": http.StatusUnprocessableEntity} {
		asha.want("an invitation of "+email, asha.does(http.MethodPost, "/admin/users/invite", "email", email).status, want)
	}
}

func TestInvite_LetsWhoHasForgottenTheirPasswordInAgain(t *testing.T) {
	db, _, address := newOffice(t)
	db.others = []domain.User{{ID: domain.NewID(), Name: "Gone", Email: "gone@example.com", PasswordHash: "$old$", Role: domain.RoleAdmin, Disabled: true}}
	asha, gone := newGuest(t, address), newGuest(t, address)
	asha.signsIn(ashasPassword)
	link := regexp.MustCompile(`/join/[A-Za-z0-9_-]{43}`).FindString(asha.does(http.MethodPost, "/admin/users/invite", "email", "gone@example.com").body)
	const password = "simba watatu mlimani"
	gone.want("the invitation", gone.does(http.MethodPost, link, "name", "Back", "password", password, "again", password).status, http.StatusSeeOther)
	gone.want("a page of admins afterwards", gone.does(http.MethodGet, "/admin/users").status, http.StatusOK)
}
