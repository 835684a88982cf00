package flow

import (
	"strings"
	"testing"
	"time"

	"flowhq/domain"
)

func TestStep_EveryTemplateAnswersSensibly(t *testing.T) {
	for _, kind := range domain.TemplateTypes() {
		t.Run(string(kind), func(t *testing.T) {
			profile := salon()
			profile.Template = kind
			c := newChat(t, profile)
			c.play([]line{
				{"habari", []string{"Karibu *Asha Salon*", "1. "}},
				{"bei gani", []string{"TSh 25,000"}},
				{"mko wapi", []string{"Mikocheni"}},
				{"mnafungua saa ngapi", []string{"08:00–18:00"}},
			})
		})
	}
}

func TestGeneric_TakesARequestAndHandsItOver(t *testing.T) {
	profile := salon()
	profile.Template = domain.TemplateRestaurant
	c := newChat(t, profile)
	c.play([]line{{"nataka kuagiza", []string{"Niandikie unachohitaji"}}, {"Pilau mbili, saa saba mchana", []string{"nimepokea ombi lako", "*MENU*"}}})
	got := effectsOf[Handoff](c.all)
	if len(got) != 1 || got[0] != (Handoff{Reason: ReasonRequest, Note: "Pilau mbili, saa saba mchana"}) {
		t.Errorf("handed over %+v", got)
	}
}

func TestHandoff_WholeWordsAndPhrasesOnly(t *testing.T) {
	for _, text := range []string{"human", "Agent please", "naomba mtu", "mtu", "I want to talk to a person", "niongee na mtu", "naomba kuongea na meneja",
		"customer care", "can i speak to someone", "nataka mhudumu", "binadamu", "5"} {
		c := newChat(t, salon())
		c.send("habari")
		if _, effects := c.sendAll(text); len(effectsOf[Handoff](effects)) != 1 || !c.state.HandedOver {
			t.Errorf("%q brings no person", text)
		}
	}
	for _, text := range []string{"2 persons", "1 person", "table for 1 person", "personal training", "mtungi wa gesi", "nataka mtu 2", "Motorola", "manicure", "owners manual", "staffing", "agenda", "humanity hair"} {
		c := newChat(t, salon())
		if _, effects := c.sendAll(text); len(effectsOf[Handoff](effects)) != 0 {
			t.Errorf("%q brings a person", text)
		}
	}
}

func TestHandoff_SaysSoOnceAndIsSilentUntilItEnds(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{{"niongee na mtu", []string{"watakujibu hapa hapa"}}})
	for _, text := range []string{"haloo", "1", "mpo?", "niongee na mtu"} {
		if _, effects := c.sendAll(text); len(effects) != 0 {
			t.Errorf("%q while a person has taken over has effects %v", text, effects)
		}
	}
	if _, effects := c.sendAll("MENU"); len(effectsOf[EndHandoff](effects)) != 1 || replyIn(effects) == "" {
		t.Errorf("MENU does not end the hand-over: %v", effects)
	}
	c.state.HandedOver = true // and the owner ends it by clearing the mark
	c.state.HandedOver = false
	c.play([]line{{"bei", []string{"TSh 5,000"}}})
}

func TestEmergency_BeforeEverythingForEveryTemplate(t *testing.T) {
	for _, kind := range domain.TemplateTypes() {
		for _, text := range []string{"dharura", "EMERGENCY!", "kuna moto nyumbani", "mama amepoteza fahamu", "he is not breathing", "tumepata ajali", "moto!"} {
			profile := salon()
			profile.Template = kind
			c := newChat(t, profile)
			reply, effects := c.sendAll(text)
			if handoffs := effectsOf[Handoff](effects); !strings.Contains(reply, "112") || len(handoffs) != 1 || handoffs[0].Reason != ReasonEmergency {
				t.Errorf("%s: %q is answered %q with %v", kind, text, reply, handoffs)
			}
		}
	}
}

func TestEmergency_IsAnsweredWhileAPersonHasTakenOver(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{{"niongee na mtu", nil}, {"dharura", []string{"112"}}, {"dharura", []string{"112"}}})
}

func TestEmergency_NotInHarmlessWords(t *testing.T) {
	for _, text := range []string{"Motorola", "maji ya moto", "mnauza maji ya moto?", "nakufa njaa", "fire extinguisher", "by accident", "hair dying", "bima ya ajali",
		"sumu ya panya", "emergency light", "Motoni", "firewood", "si dharura"} {
		if reply := newChat(t, salon()).send(text); strings.Contains(reply, "112") {
			t.Errorf("%q is taken for an emergency", text)
		}
	}
}

func TestOptOut_TakesTheExactWordOnly(t *testing.T) {
	for _, text := range []string{"STOP", "stop.", "Acha", "ACHA!", "sitisha", "unsubscribe"} {
		if _, effects := newChat(t, salon()).sendAll(text); len(effectsOf[OptOut](effects)) != 1 || replyIn(effects) == "" {
			t.Errorf("%q does not opt out", text)
		}
	}
	for _, text := range []string{"asante", "asante sana", "nashukuru", "bye", "kwaheri", "end of month", "cancel order", "stop order", "bus stop", "acha nifikirie", "baadaye", "imetosha", "cancel", "quit"} {
		if reply, effects := newChat(t, salon()).sendAll(text); len(effectsOf[OptOut](effects)) != 0 || reply == "" {
			t.Errorf("%q opts out or gets no reply", text)
		}
	}
}

func TestOptOut_AnyLaterMessageOptsInAgain(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{{"habari", nil}, {"STOP", []string{"hutapata tena"}}})
	if _, effects := c.sendAll("stop"); len(effects) != 0 {
		t.Errorf("the repeated word has effects %v", effects)
	}
	reply, effects := c.sendAll("bei")
	if len(effectsOf[OptIn](effects)) != 1 || !strings.Contains(reply, "Karibu") || c.state.OptedOut {
		t.Errorf("a later message is answered %q with %v", reply, effects)
	}
}

func TestLanguage_FollowsTheCustomerAndStays(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{
		{"Hello", []string{"Karibu"}}, // a greeting alone is no evidence
		{"How much is a manicure?", []string{"TSh 15,000"}},
		{"menu", []string{"How can I help you?"}},
		{"book", []string{"Which service"}},
		{"kunyoa", []string{"Which day"}},
		{"naomba niongee kwa lugha yangu tafadhali", []string{"siku gani"}},
	})
}

func TestLanguage_AskedForIsNotGuessedAway(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{
		{"English please", []string{"How can I help you?"}},
		{"nataka kujua bei ya kunyoa", []string{"TSh 5,000"}},
		{"menu", []string{"How can I help you?"}},
		{"Kiswahili", []string{"Nikusaidie nini?"}},
		{"what is the price of the cut", nil},
		{"menu", []string{"Nikusaidie nini?"}},
	})
}

func TestGreeting_OnceAndWithTheAnswer(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{{"bei ya kunyoa ni kiasi gani?", []string{"Karibu *Asha Salon*", "*Kunyoa*: TSh 5,000"}}})
	if reply := c.send("habari"); strings.Contains(reply, "Asha Salon") {
		t.Errorf("greeted twice: %q", reply)
	}
}

func TestClosed_IsToldOnceAndBookingGoesOn(t *testing.T) {
	c := newChat(t, salon())
	c.now = time.Date(2026, 11, 23, 21, 0, 0, 0, eat)
	c.play([]line{{"habari", []string{"tumefunga", "kesho (Jumanne, 24 Novemba), saa 2:00 asubuhi (08:00)", "Nikusaidie nini?"}}})
	if reply := c.send("bei"); strings.Contains(reply, "tumefunga") {
		t.Errorf("told twice: %q", reply)
	}
	c.play([]line{{"kunyoa kesho saa nne asubuhi", []string{"kwa jina gani"}}, {"mtu", []string{"tukifungua"}}})
}

func TestMedia_IsAskedForInWordsAndTheStepRepeated(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{{"1", nil}, {"kunyoa", nil}})
	in := c.input("")
	in.Message.Kind = KindAudio
	_, effects := c.engine.Step(in)
	if reply := replyIn(effects); !strings.Contains(reply, "niandikie") && !strings.Contains(reply, "maandishi") || !strings.Contains(reply, "siku gani") {
		t.Errorf("a voice note is answered %q", reply)
	}
	in = c.input("kesho")
	in.Message.Kind = KindImage
	if _, effects := c.engine.Step(in); !strings.Contains(replyIn(effects), "saa ngapi") {
		t.Errorf("a caption is not read: %q", replyIn(effects))
	}
}

func TestConfused_OffersAPersonTheSecondTime(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{{"habari", nil}, {"xyzzy", []string{"sijakuelewa", "1. Kuweka miadi"}}, {"xyzzy", []string{"*MTU*"}}})
}

func TestProfile_ChangesActOnTheNextMessage(t *testing.T) {
	c := newChat(t, salon())
	c.play([]line{{"1", nil}, {"kunyoa", nil}})
	c.profile.Template = domain.TemplateHotel
	c.play([]line{{"kesho", []string{"1. Kuagiza au kuacha ombi"}}})
}

func TestProfile_EmptyIsAnsweredToo(t *testing.T) {
	c := newChat(t, Profile{})
	for _, text := range []string{"habari", "1", "bei", "wapi", "huduma", "saa za kazi"} {
		if c.send(text) == "" {
			t.Errorf("%q gets no reply", text)
		}
	}
}
