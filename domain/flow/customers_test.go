package flow

import (
	"strings"
	"testing"
	"time"

	"flowhq/domain"
)

// atSummary is a chat in which only the customer's yes is missing.
func atSummary(t *testing.T) *chat {
	t.Helper()
	c := newChat(t, salon())
	c.play([]line{{"1", nil}, {"kunyoa", nil}, {"kesho saa nne asubuhi", nil}, {"Neema", []string{"Naomba uhakikishe"}}})
	return c
}

// withAppointment is a chat after its booking.
func withAppointment(t *testing.T) *chat {
	t.Helper()
	c := atSummary(t)
	c.play([]line{{"ndiyo", []string{"Tayari Neema"}}})
	return c
}

func TestConfirm_TakesNoPolitenessForConsent(t *testing.T) {
	for _, text := range []string{"Sawa nitakujulisha", "Sawa ghairi tu", "Sawa baadaye", "Ok let me ask my husband", "poa nitarudi"} {
		c := atSummary(t)
		if _, effects := c.sendAll(text); len(effectsOf[BookAppointment](effects)) != 0 {
			t.Errorf("%q books", text)
		}
	}
	for _, text := range []string{"sawa", "Sawa ndiyo", "ok book it", "Sawa asante", "Yes, confirm my booking", "Ndiyo, thibitisha miadi yangu", "ndio nitakuja na watoto wawili", "👍"} {
		c := atSummary(t)
		if _, effects := c.sendAll(text); len(effectsOf[BookAppointment](effects)) != 1 {
			t.Errorf("%q does not book", text)
		}
	}
	c := atSummary(t)
	if reply := c.send("Sawa ghairi tu"); c.state.Step != stepMenu {
		t.Errorf("the booking is not dropped: %s", reply)
	}
}

func TestCancel_ANoKeepsTheAppointment(t *testing.T) {
	for _, text := range []string{"Hapana, nataka kuahirisha tu", "Hapana sitaki kufuta miadi", "No, don't cancel the appointment", "Sawa nitakuja tu", "Ok I will come"} {
		c := withAppointment(t)
		c.play([]line{{"siwezi kuja", []string{"Niifute?"}}})
		if _, effects := c.sendAll(text); len(effectsOf[CancelAppointment](effects)) != 0 {
			t.Errorf("%q cancels", text)
		}
	}
}

func TestInterrupted_AWordToAPersonNeitherBooksNorCancels(t *testing.T) {
	booking, cancelling := atSummary(t), withAppointment(t)
	cancelling.send("siwezi kuja")
	for _, c := range []*chat{booking, cancelling} {
		c.state = c.state.Interrupted()
		if _, effects := c.sendAll("sawa"); len(effectsOf[BookAppointment](effects))+len(effectsOf[CancelAppointment](effects)) != 0 {
			t.Errorf("effects %v", effects)
		}
	}
}

func TestRequest_AnAddressIsPartOfAnOrder(t *testing.T) {
	profile := salon()
	profile.Template = domain.TemplateRestaurant
	for _, text := range []string{"Naomba chips kuku 2, location yangu ni Sinza", "2 pizzas please, my address is Haile Selassie Rd"} {
		c := newChat(t, profile)
		c.send("1")
		if _, effects := c.sendAll(text); len(effectsOf[Handoff](effects)) != 1 {
			t.Errorf("%q is not taken down", text)
		}
	}
	for _, text := range []string{"Sawa", "mko wapi?", "hapana"} {
		c := newChat(t, profile)
		c.send("1")
		if _, effects := c.sendAll(text); len(effectsOf[Handoff](effects)) != 0 {
			t.Errorf("%q is taken for the order", text)
		}
	}
}

func TestTime_AnHourLiesInThePartOfTheDayNamedBefore(t *testing.T) {
	profile := salon()
	profile.Hours = domain.Hours{}
	c := newChat(t, profile)
	c.play([]line{{"1", nil}, {"kunyoa", nil}, {"kesho jioni", nil}, {"saa moja", nil}, {"Neema", []string{"(19:00)"}}})
}

func TestName_MayBeADayOrAGreeting(t *testing.T) {
	for text, name := range map[string]string{"Jumanne Hassan": "*Jumanne Hassan*", "Naitwa Jumanne": "*Jumanne*", "Salama": "*Salama*"} {
		c := newChat(t, salon())
		c.play([]line{{"kunyoa ijumaa saa nne asubuhi", []string{"kwa jina gani"}}, {text, []string{name, "27 Novemba"}}})
	}
	c := newChat(t, salon())
	c.play([]line{{"kunyoa ijumaa saa nne asubuhi", []string{"kwa jina gani"}}, {"badilisha iwe jumanne", nil}})
	if c.state.Name != "" {
		t.Errorf("a change of the day is taken for the name %q", c.state.Name)
	}
}

func TestPleasantry_AfterABookingAsksForNothing(t *testing.T) {
	for _, text := range []string{"Sawa, kesho saa nne", "Asante, tutaonana kesho", "Asante kwa leo", "Sawa", "Ok", "Poa", "👍", "🙏🏾", "Sawa, nitakuja kunyoa kesho saa nne"} {
		c := withAppointment(t)
		reply := c.send(text)
		if c.state.Step != stepMenu || strings.Contains(reply, "sijakuelewa") || strings.Contains(reply, "huduma gani") {
			t.Errorf("%q is answered, at step %s:\n%s", text, c.state.Step, reply)
		}
	}
	for _, text := range []string{"Sawa, nataka kusuka jumamosi", "Asante, naomba kusuka jumamosi pia"} {
		c := withAppointment(t)
		if c.send(text); c.state.Step == stepMenu {
			t.Errorf("%q begins no booking", text)
		}
	}
	if reply := newChat(t, salon()).send("Za leo?"); strings.Contains(reply, "huduma gani") {
		t.Errorf("a greeting begins a booking:\n%s", reply)
	}
}

func TestCalendar_AnAppointmentDoesNotLastThroughABreak(t *testing.T) {
	split := domain.Hours{Week: map[time.Weekday][]domain.HoursRange{time.Tuesday: {{Open: 8 * 60, Close: 12*60 + 30}, {Open: 14 * 60, Close: 18 * 60}}}}
	c := calendar{hours: split, loc: eat, now: monday, length: 3 * time.Hour}
	if c.open(tuesdayAt(11, 30)) {
		t.Error("three hours from 11:30 end in the afternoon, after a break")
	}
	if !c.open(tuesdayAt(9, 30)) || !c.open(tuesdayAt(15, 0)) {
		t.Error("three hours that end with the opening hours are refused")
	}
}

func TestEmergency_IsNoExcuse(t *testing.T) {
	for _, text := range []string{"Nimepata dharura, sitaweza kuja kesho", "I have an emergency at work, can't make it"} {
		c := withAppointment(t)
		if _, effects := c.sendAll(text); len(effectsOf[Handoff](effects)) != 0 || c.state.Step != stepCancelAppointment {
			t.Errorf("%q leads to %s with effects %v", text, c.state.Step, effects)
		}
	}
	c := withAppointment(t)
	if _, effects := c.sendAll("dharura! nimepata ajali, siwezi kuja"); len(effectsOf[Handoff](effects)) != 1 {
		t.Error("an accident is taken for an excuse")
	}
}
