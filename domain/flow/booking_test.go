package flow

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowhq/domain"
)

// line is one exchange of a golden conversation: what is sent, and what the reply must contain.
type line struct {
	say  string
	want []string
}

func (c *chat) play(lines []line) {
	c.t.Helper()
	for _, l := range lines {
		reply := c.send(l.say)
		for _, want := range l.want {
			if !strings.Contains(reply, want) {
				c.t.Fatalf("%q is answered\n%s\nwhich lacks %q", l.say, reply, want)
			}
		}
	}
}

func tuesdayAt(hour, minute int) time.Time { return time.Date(2026, 11, 24, hour, minute, 0, 0, eat) }

func TestBooking_InSwahili(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{
		{"Habari", []string{"Karibu *Asha Salon*!", "Nikusaidie nini?", "1. Kuweka miadi", "5. Kuongea na mtu"}},
		{"1", []string{"huduma gani", "1. Kusuka nywele – TSh 25,000", "3. Manicure"}},
		{"kunyoa", []string{"siku gani", "1. Leo (Jumatatu, 23 Novemba)", "2. Kesho (Jumanne, 24 Novemba)"}},
		{"kesho", []string{"*Kesho (Jumanne, 24 Novemba)*, ungependa saa ngapi", "1. saa 2:00 asubuhi (08:00)"}},
		{"saa nne asubuhi", []string{"kwa jina gani"}},
		{"naitwa neema john", []string{"Naomba uhakikishe", "*Kunyoa*", "*kesho (Jumanne, 24 Novemba)*", "*saa 4:00 asubuhi (10:00)*", "*Neema John*", "TSh 5,000"}},
		{"ndiyo", []string{"Tayari Neema John", "Mikocheni"}},
	})
	want := []Effect{SaveCustomerName{Name: "Neema John"}, BookAppointment{Service: "Kunyoa", At: tuesdayAt(10, 0), Name: "Neema John"}}
	if diff := cmp.Diff(want, withoutReplies(c.all)); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
	if c.state.Step != stepMenu {
		t.Errorf("after the receipt the conversation stands at %s", c.state.Step)
	}
}

func TestBooking_InEnglish(t *testing.T) {
	profile := salon()
	profile.Language = domain.LanguageEnglish
	c := newChat(t, profile)
	c.push = "John D."
	c.play([]line{
		{"hi", []string{"Welcome to *Asha Salon*!", "How can I help you?", "1. Book an appointment"}},
		{"1", []string{"Which service"}},
		{"3", []string{"Which day", "2. Tomorrow (Tuesday, 24 November)"}},
		{"2", []string{"at what time?", "1. 8:00 am"}},
		{"2.30 pm", []string{"under *John D*?"}},
		{"yes", []string{"Please check", "*Manicure*", "*2:30 pm*", "TSh 15,000"}},
		{"Yes please", []string{"Done, John D", "2:30 pm"}},
	})
	want := []BookAppointment{{Service: "Manicure", At: tuesdayAt(14, 30), Name: "John D"}}
	if diff := cmp.Diff(want, effectsOf[BookAppointment](c.all)); diff != "" {
		t.Errorf("bookings (-want +got):\n%s", diff)
	}
}

func withoutReplies(effects []Effect) []Effect {
	return slices.DeleteFunc(slices.Clone(effects), func(e Effect) bool { _, is := e.(Reply); return is })
}

func TestBooking_EverythingInOneMessage(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{
		{"Naomba kunyoa kesho saa nne asubuhi", []string{"Karibu *Asha Salon*", "kwa jina gani"}},
		{"Neema", []string{"*saa 4:00 asubuhi (10:00)*"}},
		{"ndio nitakuja na watoto wawili", []string{"Tayari"}},
	})
	if got := effectsOf[BookAppointment](c.all); len(got) != 1 || got[0].Note != "ndio nitakuja na watoto wawili" {
		t.Errorf("booked %+v, want one appointment with a note", got)
	}
}

func TestBooking_ASecondYesBooksNothing(t *testing.T) {
	c := newChat(t, salon())
	for _, text := range []string{"kunyoa kesho saa nne asubuhi", "Neema", "ndiyo", "ndiyo", "ndiyo"} {
		c.send(text)
	}
	if got := len(effectsOf[BookAppointment](c.all)); got != 1 {
		t.Errorf("booked %d times, want once", got)
	}
}

func TestBooking_ATimeWithoutItsPartOfTheDayFollowsTheOpeningHours(t *testing.T) {
	bar := salon()
	bar.Hours = domain.Hours{Week: map[time.Weekday][]domain.HoursRange{time.Tuesday: {{Open: 17 * 60, Close: 2 * 60}}}}
	for name, tt := range map[string]struct {
		profile Profile
		want    string
	}{"by day": {salon(), "(09:00)"}, "by night": {bar, "(21:00)"}} {
		t.Run(name, func(t *testing.T) {
			c := newChat(t, tt.profile)
			c.play([]line{{"kunyoa kesho saa tatu", nil}, {"Neema", []string{tt.want}}})
		})
	}
}

func TestBooking_RefusesClosedDaysAndPastDatesAndOffersTheNext(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{
		{"1", nil}, {"2", nil},
		{"jumapili", []string{"Jumapili, 29 Novemba tumefunga", "*Jumatatu, 30 Novemba*"}},
		{"jana", []string{"imeshapita", "siku gani"}},
		{"31/11", []string{"haipo kwenye kalenda"}},
		{"5/6", []string{"siku 60"}},
		{"leo saa mbili asubuhi", []string{"imeshapita", "Nafasi za karibu"}},
		{"kesho saa tatu usiku", []string{"tumefunga", "Nafasi za karibu", "17:30"}},
	})
}

func TestBooking_OffersTheNearestFreeTimesWhenOneIsTaken(t *testing.T) {
	c := newChat(t, salon())
	c.booked = []time.Time{tuesdayAt(10, 0)}
	c.play([]line{
		{"1", nil}, {"kunyoa", nil},
		{"kesho saa nne asubuhi", []string{"imeshachukuliwa", "(09:00)", "(09:30)", "(10:30)"}},
		{"3", []string{"kwa jina gani"}},
		{"Neema", []string{"(10:30)"}},
	})
}

func TestBooking_SomebodyFasterBeforeTheConfirmation(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{{"kunyoa kesho saa nne asubuhi", nil}, {"Neema", []string{"(10:00)"}}})
	c.booked = []time.Time{tuesdayAt(10, 0)}
	c.play([]line{{"ndiyo", []string{"imeshachukuliwa", "Nafasi za karibu"}}, {"1", []string{"Naomba uhakikishe"}}, {"1", []string{"Tayari"}}})
	if got := effectsOf[BookAppointment](c.all); len(got) != 1 || got[0].At.Equal(tuesdayAt(10, 0)) {
		t.Errorf("booked %v, want one at another time", got)
	}
}

func TestBooking_MustEndBeforeClosingAndNotRunIntoTheNext(t *testing.T) {
	c := newChat(t, salon())
	c.booked = []time.Time{tuesdayAt(10, 0)}
	c.play([]line{
		{"1", nil},
		{"kusuka", nil},
		{"kesho saa kumi na moja jioni", []string{"tumefunga"}},      // two hours from 17:00 end at 19:00
		{"kesho saa tatu asubuhi", []string{"imeshachukuliwa"}},      // two hours from 09:00 reach into 10:00
		{"kesho saa nne na nusu asubuhi", []string{"kwa jina gani"}}, // 10:30, after the half hour assumed for 10:00
	})
}

func TestBooking_WithoutOpeningHoursAnyTimeIsPossible(t *testing.T) {
	profile := salon()
	profile.Hours = domain.Hours{}
	newChat(t, profile).play([]line{{"kunyoa leo saa nne usiku", []string{"kwa jina gani"}}, {"Neema", []string{"(22:00)"}}})
}

func TestBooking_WithoutServicesTheCustomerNamesIt(t *testing.T) {
	profile := salon()
	profile.Services = nil
	newChat(t, profile).play([]line{{"1", []string{"kwa kifupi"}}, {"Ushauri wa *ngozi*", []string{"siku gani"}}, {"2", nil}, {"1", nil}, {"Neema", []string{"*Ushauri wa ngozi*"}}})
}

func TestBooking_BackMenuAndCancelAtEveryStep(t *testing.T) {
	answers := []string{"1", "kunyoa", "kesho", "saa nne asubuhi", "Neema"}
	steps := []Step{stepService, stepDate, stepTime, stepName, stepConfirm}
	backs := []Step{stepMenu, stepService, stepDate, stepTime, stepName}
	for i := range steps {
		at := newChat(t, salon())
		for _, answer := range answers[:i+1] {
			at.send(answer)
		}
		if at.state.Step != steps[i] {
			t.Fatalf("after %v the conversation stands at %s, want %s", answers[:i+1], at.state.Step, steps[i])
		}
		for word, want := range map[string]Step{"rudi": backs[i], "Back": backs[i], "menu": stepMenu, "0": stepMenu, "ghairi": stepMenu, "Cancel": stepMenu} {
			c := *at
			if reply := c.send(word); c.state.Step != want || reply == "" {
				t.Errorf("%q at %s leads to %s (%q), want %s", word, steps[i], c.state.Step, reply, want)
			}
		}
	}
}

func TestBooking_ASideQuestionIsAnsweredAndTheStepAskedAgain(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{
		{"1", nil}, {"kunyoa", nil},
		{"bei gani?", []string{"Bei zetu", "siku gani"}},
		{"mko wapi", []string{"Mikocheni", "siku gani"}},
		{"mnafungua jumapili?", []string{"Jumapili: tumefunga", "siku gani"}},
		{"kesho", nil}, {"saa nne asubuhi", nil},
		{"mko wapi?", []string{"Mikocheni", "kwa jina gani"}},
		{"Neema", []string{"Naomba uhakikishe"}},
		{"sawa lakini ni bei gani?", []string{"TSh 5,000", "Naomba uhakikishe"}},
	})
}

func TestBooking_TheSummaryCanBeChanged(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{
		{"kunyoa kesho saa nne asubuhi", nil}, {"Neema", nil},
		{"sawa lakini iwe saa tano asubuhi", []string{"(11:00)", "Neema"}},
		{"jumatano", []string{"Jumatano, 25 Novemba", "(11:00)"}},
		{"jina langu ni Rehema", []string{"*Rehema*"}},
		{"2", []string{"siku gani"}},
		{"kesho", nil}, {"asubuhi", []string{"asubuhi"}}, {"saa yoyote", []string{"Naomba uhakikishe"}},
		{"👍", []string{"Tayari Rehema"}},
	})
}

func TestBooking_TomorrowIsCountedFromWhenItWasWritten(t *testing.T) {
	c := newChat(t, salon())
	in := c.input("kunyoa kesho saa nne asubuhi")
	in.Message.SentAt = time.Date(2026, 11, 23, 23, 58, 0, 0, eat)
	in.Now = time.Date(2026, 11, 24, 0, 3, 0, 0, eat)
	c.state, _ = c.engine.Step(in)
	c.now = in.Now
	c.play([]line{{"Neema", []string{"*leo (Jumanne, 24 Novemba)*"}}})
}

func TestAppointments_AreListedAndCancelled(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{
		{"futa miadi", []string{"Sioni miadi"}},
		{"kunyoa kesho saa nne asubuhi", nil}, {"Neema", nil}, {"ndiyo", nil},
		{"miadi yangu", []string{"*Kunyoa*", "(10:00)", "*futa miadi*"}},
		{"siwezi kuja", []string{"Niifute?"}},
		{"hapana", []string{"inabaki"}},
		{"futa miadi", []string{"Niifute?"}},
		{"ndiyo", []string{"nimefuta"}},
		{"miadi yangu", []string{"Sioni miadi"}},
	})
	if got := effectsOf[CancelAppointment](c.all); len(got) != 1 || !got[0].At.Equal(tuesdayAt(10, 0)) {
		t.Errorf("cancelled %v, want the one of Tuesday 10:00", got)
	}
}
