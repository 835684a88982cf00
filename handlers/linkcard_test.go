package handlers

import (
	"strings"
	"testing"

	"flowhq/domain"
)

// drawn is a block of a page as a browser gets it.
func drawn(t *testing.T, lang, page, block string, data any) string {
	t.Helper()
	sc := everyScreen(t)
	body, err := sc.execute(lang, page, block, view{Frame: frame{Lang: lang, Zone: operatorZone}, Page: data})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestLinkCard_SaysOneThingAboutThePairingCode(t *testing.T) {
	const spinner, ask, none = "WhatsApp is asked for the code", `name="phone"`, "No phone is linked"
	for name, c := range map[string]struct {
		session domain.WhatsAppSession
		shows   string
		hides   []string
	}{
		"nobody asked":      {domain.WhatsAppSession{}, ask, []string{spinner}},
		"it is asked for":   {domain.WhatsAppSession{PairingPhone: "+255754000001"}, spinner, []string{ask}},
		"WhatsApp refused":  {domain.WhatsAppSession{Reason: domain.ReasonPairFailed}, ask, []string{spinner}},
		"there is one":      {domain.WhatsAppSession{PairingCode: "ABCD-EFGH"}, "ABCD-EFGH", []string{spinner, ask, none}},
		"one beside the QR": {domain.WhatsAppSession{PairingCode: "ABCD-EFGH", QR: "2@code", QRExpiresAt: new(domain.Now())}, "ABCD-EFGH", []string{spinner, ask, none}},
	} {
		v := domain.TenantView{Tenant: domain.Tenant{Status: domain.TenantQRPending}, Session: c.session, Worker: domain.WorkerProcess{Status: domain.WorkerRunning}}
		v.Session.State = domain.SessionQRReady
		card, err := newLinkCard(v)
		if err != nil {
			t.Fatal(err)
		}
		body := drawn(t, english, "admin/tenant", "tenanthead", messagesPage{tenantHead: tenantHead{T: v, Health: v.Health(), Link: card, Zone: operatorZone}})
		if !strings.Contains(body, c.shows) {
			t.Errorf("%s: the card does not show %q", name, c.shows)
		}
		for _, text := range c.hides {
			if strings.Contains(body, text) {
				t.Errorf("%s: the card shows %q", name, text)
			}
		}
	}
}
