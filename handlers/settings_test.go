package handlers

import (
	"strings"
	"testing"

	"flowhq/domain"
)

func TestServices_PricesThatAreNotWholeAreRefusedAndNotMultiplied(t *testing.T) {
	for line, want := range map[string]domain.Service{
		"Kusuka | 15,000":           {Name: "Kusuka", PriceTZS: 15000},
		"Kusuka | 15.000 | 90":      {Name: "Kusuka", PriceTZS: 15000, Minutes: 90},
		"Kusuka | 1 500 000":        {Name: "Kusuka", PriceTZS: 1500000},
		"Kusuka | | 1,200":          {Name: "Kusuka", Minutes: 1200},
		"Kusuka, kunyoa 2.5 | 5000": {Name: "Kusuka, kunyoa 2.5", PriceTZS: 5000},
	} {
		if got, err := parseServices(line); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%q is read as %+v (%v), want %+v", line, got, err, want)
		}
	}
	for _, line := range []string{"Kusuka | 15,000.00", "Kusuka | 15.000,0", "Kusuka | 15000.5 ", "Kusuka | 15,00", "Kusuka | 15000 | 1.5"} {
		if got, err := parseServices(line); err == nil || !strings.Contains(err.(*domain.Error).Fields["services"], "without cents") {
			t.Errorf("%q is read as %+v (%v), want it refused", line, got, err)
		}
	}
}
