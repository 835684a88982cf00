package e2e

import (
	"strings"
	"testing"
)

func TestSettings_OfOnePhoneThatAreMalformedHarmNobody(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, other := w.opened(t, salon), w.opened(t, salon)
		asha, juma := w.customer(t, "Asha"), w.customer(t, "Juma")
		asha.asks(t, shop, "hello")
		juma.asks(t, other, "hello")
		if err := shop.owner.PutNamelessSetting(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the setting is read", patience, func() (bool, string) {
			_, body := w.get("/metrics")
			return strings.Contains(body, "\nflowhq_panics_total 1\n"), "no panic is counted"
		})
		asha.asks(t, shop, "menu")
		juma.asks(t, other, "menu")
	})
}
