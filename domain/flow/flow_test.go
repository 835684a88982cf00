package flow

import (
	"os"
	"testing"
	"time"

	"flowhq/domain"
)

var eat = time.FixedZone("EAT", 3*60*60)

// monday is Monday 23 November 2026, ten in the morning.
var monday = time.Date(2026, time.November, 23, 10, 0, 0, 0, eat)

func newTestEngine(t testing.TB) *Engine {
	t.Helper()
	engine, err := New(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// weekdaysEightToSix is closed on Sundays.
func weekdaysEightToSix() domain.Hours {
	hours := domain.Hours{Week: map[time.Weekday][]domain.HoursRange{}}
	for day := time.Monday; day <= time.Saturday; day++ {
		hours.Week[day] = []domain.HoursRange{{Open: 8 * 60, Close: 18 * 60}}
	}
	return hours
}

func salon() Profile {
	return Profile{
		TenantID: "t1", BusinessName: "Asha Salon", Address: "Mikocheni, Dar es Salaam", Phone: "+255 754 000 001",
		Template: domain.TemplateBooking, Language: domain.LanguageSwahili, Location: eat, Hours: weekdaysEightToSix(),
		Services: []domain.Service{
			{Name: "Kusuka nywele", PriceTZS: 25000, Minutes: 120},
			{Name: "Kunyoa", PriceTZS: 5000, Minutes: 30},
			{Name: "Manicure", PriceTZS: 15000, Minutes: 45},
		},
	}
}

// chat is a customer with a phone: every line is sent, and the state travels through JSON in between as it does
// through the database.
type chat struct {
	t       testing.TB
	engine  *Engine
	profile Profile
	now     time.Time
	push    string
	booked  []time.Time
	state   State
	all     []Effect
}

func newChat(t testing.TB, profile Profile) *chat {
	t.Helper()
	return &chat{t: t, engine: newTestEngine(t), profile: profile, now: monday}
}

func (c *chat) input(text string) Input {
	in := Input{State: c.state, Profile: c.profile, Now: c.now,
		Message: Message{ID: "m", Text: text, Kind: KindText, ContactName: c.push, SentAt: c.now}}
	if c.engine.NeedsCalendar(c.state) {
		in.Booked = c.booked
	}
	return in
}

// send returns the reply, or "" when there was none.
func (c *chat) send(text string) string {
	c.t.Helper()
	reply, _ := c.sendAll(text)
	return reply
}

func (c *chat) sendAll(text string) (string, []Effect) {
	c.t.Helper()
	state, effects := c.engine.Step(c.input(text))
	stored, err := state.Encode()
	if err != nil {
		c.t.Fatalf("encode state: %v", err)
	}
	c.state = Decode(stored)
	c.all = append(c.all, effects...)
	return replyIn(effects), effects
}

func replyIn(effects []Effect) string {
	for _, effect := range effects {
		if reply, ok := effect.(Reply); ok {
			return reply.Text
		}
	}
	return ""
}

// effectsOf picks the effects of one type.
func effectsOf[E Effect](effects []Effect) []E {
	var found []E
	for _, effect := range effects {
		if e, ok := effect.(E); ok {
			found = append(found, e)
		}
	}
	return found
}
