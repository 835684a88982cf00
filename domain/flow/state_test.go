package flow

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowhq/domain"
)

const stateLimit = 4096

func TestState_TravelsThroughTheDatabaseUnchangedAtEveryStep(t *testing.T) {
	texts := []string{"habari", "1", "kunyoa", "bei", "kesho", "saa nne asubuhi", "Neema", "hmm", "ndiyo", "miadi yangu", "futa miadi", "ndiyo", "English", "niongee na mtu", "MENU", "STOP", "hi"}
	stored := newChat(t, salon())
	var kept State
	for _, text := range texts {
		in := stored.input(text)
		in.State = kept
		next, direct := stored.engine.Step(in)
		_, throughJSON := stored.sendAll(text)
		if diff := cmp.Diff(direct, throughJSON); diff != "" {
			t.Fatalf("%q is answered differently after JSON (-kept +stored):\n%s", text, diff)
		}
		if diff := cmp.Diff(next, stored.state); diff != "" {
			t.Fatalf("the state after %q changes in JSON (-kept +stored):\n%s", text, diff)
		}
		kept = next
	}
}

func TestState_UnknownVersionOrStepStandsAtTheMenu(t *testing.T) {
	for name, stored := range map[string]string{
		"nothing":         ``,
		"not JSON":        `{{{`,
		"another type":    `{"v":"one"}`,
		"older version":   `{"v":0,"step":"time","template":"BOOKING","greeted":true}`,
		"newer version":   `{"v":99,"step":"quantum","data":{"x":1},"greeted":true}`,
		"unknown step":    `{"v":1,"step":"gone","template":"BOOKING","greeted":true}`,
		"step of another": `{"v":1,"step":"request","template":"HOTEL","greeted":true}`,
		"broken draft":    `{"v":1,"step":"confirm","template":"BOOKING","data":[1,2],"greeted":true}`,
		"empty draft":     `{"v":1,"step":"time","template":"BOOKING","greeted":true}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := newChat(t, salon())
			c.state = Decode([]byte(stored))
			if c.send("???") == "" {
				t.Error("no reply")
			}
			c.play([]line{{"menu", []string{"1. Kuweka miadi"}}, {"1", []string{"huduma gani"}}})
		})
	}
}

func TestState_AnotherVersionKeepsWhatConcernsThePerson(t *testing.T) {
	got := State{Version: 99, Step: "x", HandedOver: true, OptedOut: true, Name: "Neema", Language: domain.LanguageEnglish}.sanitised()
	want := State{Version: stateVersion, Step: stepMenu, HandedOver: true, OptedOut: true, Name: "Neema", Language: domain.LanguageEnglish}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestState_StaysSmallWhateverItIsGiven(t *testing.T) {
	long := strings.Repeat("<é𝟗\x00\xff", 5000)
	s := State{Version: 1, Step: Step(long), Template: domain.TemplateType(long), Name: long, Language: "XX", Data: json.RawMessage(`"` + strings.Repeat("<", 1100) + `"`)}
	for i := range 100 {
		s.Offered = append(s.Offered, monday.AddDate(0, 0, i))
		s.Appointments = append(s.Appointments, Appointment{Service: long, At: time.Unix(1<<60, 0)})
	}
	stored, err := s.Encode()
	if err != nil || len(stored) >= stateLimit {
		t.Errorf("%d bytes, error %v", len(stored), err)
	}
}

// messages are what customers write, and what nobody should.
var messages = []string{"", " ", "1", "2", "3", "4", "5", "9", "0", "1️⃣", "habari", "hello", "book", "kunyoa", "Manicure", "kesho", "jumapili", "leo saa 4", "saa tatu",
	"asubuhi", "5/12", "31/11", "2pm", "ndiyo", "hapana", "yes", "no", "Neema John", "rudi", "menu", "ghairi", "futa miadi", "miadi yangu", "asante", "bei gani",
	"mko wapi", "English", "Kiswahili", "niongee na mtu", "STOP", "dharura", "🙏🏽", "👍", "مرحبا كيف الحال", "\u202eabc\u202d", "\x00\xff\xfe", "{business}", "*_~", "saa yoyote"}

func drawMessage(rt *rapid.T) Message {
	m := Message{ID: "m", Kind: rapid.SampledFrom([]string{KindText, KindText, KindText, KindImage, KindAudio, KindSticker, KindLocation, KindOther, ""}).Draw(rt, "kind")}
	switch rapid.IntRange(0, 9).Draw(rt, "source") {
	case 0:
		m.Text = rapid.String().Draw(rt, "text")
	case 1:
		m.Text = strings.Repeat(rapid.SampledFrom(messages).Draw(rt, "text")+" ", 3000)
	default:
		m.Text = rapid.SampledFrom(messages).Draw(rt, "text")
	}
	m.ContactName = rapid.SampledFrom([]string{"", "Asha", "💇🏾", strings.Repeat("ü", 5000), "http://x"}).Draw(rt, "push")
	return m
}

func drawProfile(rt *rapid.T) Profile {
	p := salon()
	p.Template = rapid.SampledFrom(append(domain.TemplateTypes(), domain.TemplateBooking, "BOOKING", "", "NEW_ONE")).Draw(rt, "template")
	p.Language = rapid.SampledFrom([]domain.Language{"SW", "EN", ""}).Draw(rt, "language")
	switch rapid.IntRange(0, 4).Draw(rt, "profile") {
	case 0:
		p.Hours = domain.Hours{}
	case 1:
		p.Hours = domain.Hours{Week: map[time.Weekday][]domain.HoursRange{}}
	case 2:
		p.Services, p.Location = nil, nil
	case 3:
		p.BusinessName, p.Address = strings.Repeat("𝟗", 9000), strings.Repeat("x\n", 9000)
		for i := range 200 {
			p.Services = append(p.Services, domain.Service{Name: fmt.Sprint(strings.Repeat("y", 900), i), PriceTZS: int64(i) << 50, Minutes: i * 1000})
		}
	}
	return p
}

func TestStep_AlwaysRepliesIsDeterministicAndKeepsTheStateSmall(t *testing.T) {
	engine := newTestEngine(t)
	rapid.Check(t, func(rt *rapid.T) {
		profile, now, state := drawProfile(rt), monday, State{}
		for range rapid.IntRange(1, 12).Draw(rt, "length") {
			now = now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(rt, "minutes")) * time.Minute)
			in := Input{State: state, Message: drawMessage(rt), Profile: profile, Now: now}
			in.Message.SentAt = now
			if engine.NeedsCalendar(state) {
				in.Booked = []time.Time{now.Truncate(time.Hour).Add(time.Hour)}
			}
			next, effects := engine.Step(in)
			again, sameEffects := engine.Step(in)
			if !cmp.Equal(next, again) || !cmp.Equal(effects, sameEffects) {
				rt.Fatalf("two answers to one message:\n%s", cmp.Diff(effects, sameEffects))
			}
			checkReplies(rt, state, next, effects)
			checkBookings(rt, in, effects)
			stored, err := next.Encode()
			if err != nil || len(stored) >= stateLimit {
				rt.Fatalf("state of %d bytes (%v)", len(stored), err)
			}
			state = Decode(stored)
		}
	})
}

func checkReplies(rt *rapid.T, before, after State, effects []Effect) {
	replies := effectsOf[Reply](effects)
	silent := before.HandedOver && after.HandedOver || before.OptedOut && after.OptedOut
	if len(replies) > 1 || len(replies) == 0 && !silent {
		rt.Fatalf("%d replies", len(replies))
	}
	for _, reply := range replies {
		if strings.TrimSpace(reply.Text) == "" || len([]rune(reply.Text)) > maxReplyRunes || strings.Contains(reply.Text, "\u202e") {
			rt.Fatalf("reply %q", reply.Text)
		}
	}
}

func checkBookings(rt *rapid.T, in Input, effects []Effect) {
	for _, booked := range effectsOf[BookAppointment](effects) {
		switch {
		case !booked.At.After(in.Now) || booked.At.After(in.Now.AddDate(0, 0, bookingHorizon+1)):
			rt.Fatalf("booked for %v at %v", booked.At, in.Now)
		case booked.Name == "" || booked.Service == "":
			rt.Fatalf("booked %+v", booked)
		case !in.Profile.Hours.Open(booked.At, in.Profile.Location):
			rt.Fatalf("booked %v outside the opening hours", booked.At)
		}
		for _, taken := range in.Booked {
			if taken.Equal(booked.At) {
				rt.Fatalf("booked %v twice", taken)
			}
		}
	}
}

func FuzzStep(f *testing.F) {
	engine := newTestEngine(f)
	for _, message := range messages {
		f.Add(message, message)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		state := State{}
		for _, text := range []string{first, second, "1", second} {
			next, effects := engine.Step(Input{State: state, Message: Message{Text: text, Kind: KindText}, Profile: salon(), Now: monday})
			silent := state.HandedOver && next.HandedOver || state.OptedOut && next.OptedOut
			if replyIn(effects) == "" && !silent {
				t.Errorf("%q gets no reply", text)
			}
			state = next
		}
	})
}
