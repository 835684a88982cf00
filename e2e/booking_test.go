package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// said is what a customer writes and what the answer must contain.
type said struct{ text, want string }

func (c *customer) plays(t *testing.T, shop *shop, lines []said) {
	t.Helper()
	for _, line := range lines {
		if answer := c.asks(t, shop, line.text); !strings.Contains(answer, line.want) {
			t.Fatalf("%q is answered by\n%s\nwhich lacks %q", line.text, answer, line.want)
		}
	}
}

var bookingInSwahili = []said{
	{"Habari", "Karibu *Asha Salon*"}, {"1", "huduma gani"}, {"2", "siku gani"}, {"2", "saa ngapi"},
	{"1", "jina gani"}, {"naitwa neema john", "*Neema John*"}, {"ndiyo", "Tayari Neema John"},
}

var bookingInEnglish = []said{
	{"hi", "Welcome to *Asha Salon*"}, {"1", "Which service"}, {"2", "Which day"}, {"2", "at what time"},
	{"1", "What name"}, {"my name is Neema John", "*Neema John*"}, {"yes", "Done, Neema John"},
}

// appointments are the bookings of a shop: customer, name, service, status.
func (s *shop) appointments(t *testing.T) [][]string {
	t.Helper()
	return s.w.rows(t, "SELECT contact, name, service, status FROM appointments WHERE tenant_id = $1", s.id)
}

func TestBooking_FromTheFirstWordToTheRow(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for _, tt := range []struct {
			language string
			tenant   input
			lines    []said
			service  string
		}{
			{"Swahili", swahiliSalon, bookingInSwahili, "Kusuka"},
			{"English", salon, bookingInEnglish, "Manicure"},
		} {
			t.Run(tt.language, func(t *testing.T) {
				shop, neema := w.opened(t, tt.tenant), w.customer(t, "")
				neema.plays(t, shop, tt.lines)
				want := [][]string{{neema.Number(), "Neema John", tt.service, "PENDING"}}
				if diff := cmp.Diff(want, shop.appointments(t)); diff != "" {
					t.Errorf("appointments (-want +got):\n%s", diff)
				}
				names := w.rows(t, "SELECT name FROM customers WHERE tenant_id = $1", shop.id)
				if diff := cmp.Diff([][]string{{"Neema John"}}, names); diff != "" {
					t.Errorf("names of customers (-want +got):\n%s", diff)
				}
			})
		}
	})
}

func TestBooking_GoesOnWhereItWasAfterKill9(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, neema := w.opened(t, salon), w.customer(t, "")
		for i, line := range bookingInEnglish {
			if i == 2 || i == 5 {
				w.crash(t)
			}
			neema.plays(t, shop, []said{line})
		}
		if got := shop.appointments(t); len(got) != 1 {
			t.Errorf("appointments are %v, want one", got)
		}
		if n := neema.shown(shop); n != len(bookingInEnglish) {
			t.Errorf("the customer sees %d answers, want one for each of %d messages", n, len(bookingInEnglish))
		}
	})
}

func TestBooking_TwoCustomersCannotTakeTheSameTime(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop := w.opened(t, salon)
		first, second := w.customer(t, ""), w.customer(t, "")
		last := len(bookingInEnglish) - 1
		first.plays(t, shop, bookingInEnglish[:last])
		second.plays(t, shop, bookingInEnglish[:last])
		first.plays(t, shop, bookingInEnglish[last:])
		if answer := second.asks(t, shop, "yes"); !strings.Contains(answer, "already taken") {
			t.Errorf("the second customer is answered by %q, want that the time is taken", answer)
		}
		if got := shop.appointments(t); len(got) != 1 {
			t.Errorf("appointments are %v, want one", got)
		}
	})
}
