package flow

import (
	"strings"
	"time"

	"flowhq/domain"
)

// The steps of a booking. A customer may give several answers at once: advance asks for the first that is missing.
const (
	stepService Step = "service"
	stepDate    Step = "date"
	stepTime    Step = "time"
	stepName    Step = "name"
	stepConfirm Step = "confirm"
)

var booking = register(newTemplate(domain.TemplateBooking))

var (
	textTitleBook      = booking.text("title_book")
	textAskService     = booking.text("ask_service")
	textAskServiceFree = booking.text("ask_service_free")
	textAskDate        = booking.text("ask_date")
	textAskDateHint    = booking.text("ask_date_hint")
	textAskTime        = booking.text("ask_time", "date")
	textAskTimeHint    = booking.text("ask_time_hint")
	textAskName        = booking.text("ask_name")
	textAskNameOffered = booking.text("ask_name_offered", "name")
	textConfirm        = booking.text("confirm", "service", "date", "time", "name")
	textConfirmPrice   = booking.text("confirm_price", "price")
	textConfirmHint    = booking.text("confirm_hint")
	textReceipt        = booking.text("receipt", "service", "date", "time", "name")
	textReceiptPlace   = booking.text("receipt_place", "address")
	textReceiptHint    = booking.text("receipt_hint")
	textDatePast       = booking.text("date_past")
	textDateTooFar     = booking.text("date_too_far")
	textDateImpossible = booking.text("date_impossible")
	textDayClosed      = booking.text("day_closed", "date", "next")
	textDayFull        = booking.text("day_full", "date", "next")
	textNothingFree    = booking.text("nothing_free", "business")
	textTimePast       = booking.text("time_past", "time")
	textTimeClosed     = booking.text("time_closed", "date", "time")
	textTimeTaken      = booking.text("time_taken", "date", "time")
	textNearest        = booking.text("nearest")
)

func init() {
	booking.item(item{title: textTitleBook, run: startBooking, match: meansBooking,
		words: phrases("book, booking, appointment, reserve, reservation, schedule, miadi, weka miadi, kuweka miadi, kubook, nibook, nabook, ku book, hifadhi, nafasi, kuhifadhi")})
	booking.item(servicesItem)
	booking.item(pricesItem)
	booking.item(locationItem)
	booking.item(personItem)

	booking.step(stepService, step{ask: askService, take: takeService, back: stepMenu, calendar: true})
	booking.step(stepDate, step{ask: askDate, take: takeDate, back: stepService, calendar: true})
	booking.step(stepTime, step{ask: askTime, take: takeTime, back: stepDate, calendar: true})
	booking.step(stepName, step{ask: askName, take: takeName, back: stepTime, calendar: true, open: true})
	booking.step(stepConfirm, step{ask: askConfirm, take: takeConfirm, back: stepName, calendar: true})
}

// draft is the appointment in the making.
type draft struct {
	Service string         `json:"service,omitempty"`
	Minutes int            `json:"minutes,omitempty"`
	Day     string         `json:"day,omitempty"`    // 2006-01-02
	Clocks  []domain.Clock `json:"clocks,omitempty"` // readings of a time whose day is not known yet
	Part    string         `json:"part,omitempty"`
	At      time.Time      `json:"at,omitzero"`
	Name    string         `json:"name,omitempty"`
}

func (t *turn) draft() draft {
	var d draft
	t.load(&d)
	d.Service, d.Name = clean(d.Service, maxServiceRunes), clean(d.Name, maxNameRunes)
	d.At = d.At.In(t.in.Profile.Location)
	return d
}

// day is the noon of the chosen day.
func (d draft) day(loc *time.Location) (time.Time, bool) {
	day, err := time.ParseInLocation(time.DateOnly, d.Day, loc)
	return noon(day, 0), err == nil
}

// startBooking begins anew and keeps whatever the first message already says.
func startBooking(t *turn) {
	t.reset()
	var d draft
	d.Name = t.state.Name
	if named := t.servicesNamed(); len(named) == 1 {
		d.choose(t.services()[named[0]])
	}
	t.advance(d, t.readWhen(false))
}

// meansBooking takes a named service or a moment for the wish to book, unless it is part of a question.
func meansBooking(t *turn) bool {
	if _, aside := t.sideQuestion(); aside {
		return false
	}
	if t.isAcknowledgement() || (thanksWords.in(t.words) || byeWords.in(t.words)) && len(t.upcoming()) > 0 && !wishWords.in(t.words) {
		return false // "asante, tutaonana kesho"
	}
	said := t.readWhen(false)
	return len(t.servicesNamed()) == 1 || !said.day.IsZero() || len(said.clocks) > 0
}

func (d *draft) choose(s domain.Service) {
	d.Service, d.Minutes = serviceName(s), s.Minutes
}

func (t *turn) readWhen(bare bool) when { return readWhen(t.text, t.written(), bare) }

// advance takes what was said about the time into the draft, then asks for the first thing that is missing.
func (t *turn) advance(d draft, said when) {
	t.note(&d, said)
	t.save(d)
	switch {
	case d.Service == "" && t.onlyService(&d):
		t.advance(d, when{})
	case d.Service == "":
		t.enter(stepService)
	case said.problem != "":
		t.sayProblem(said.problem)
		t.enter(stepDate)
	case d.Day == "":
		t.enter(stepDate)
	case !t.dayWorks(d):
	case !t.timeWorks(&d):
	case d.Name == "":
		t.save(d)
		t.enter(stepName)
	default:
		t.save(d)
		t.enter(stepConfirm)
	}
}

// onlyService chooses for the customer when there is no choice.
func (t *turn) onlyService(d *draft) bool {
	services := t.services()
	if len(services) != 1 {
		return false
	}
	d.choose(services[0])
	return d.Service != ""
}

// note merges a newly named day, time or part of the day; a new day or time replaces the moment chosen before.
func (t *turn) note(d *draft, said when) {
	if said.problem != "" {
		d.Day, d.At = "", time.Time{}
	}
	if !said.day.IsZero() {
		if len(said.clocks) == 0 && !d.At.IsZero() {
			d.Clocks = []domain.Clock{domain.Clock(d.At.Hour()*60 + d.At.Minute())}
		}
		d.Day, d.At = said.day.Format(time.DateOnly), time.Time{}
	}
	if len(said.clocks) > 0 {
		d.Clocks, d.At = said.clocks, time.Time{}
	}
	if said.part != nil {
		d.Part = said.part.name
	}
}

func (t *turn) sayProblem(problem dayProblem) {
	switch problem {
	case dayPast:
		t.say(textDatePast)
	case dayTooFar:
		t.say(textDateTooFar)
	case dayImpossible:
		t.say(textDateImpossible)
	}
}

// dayWorks refuses a day that is past, too far away, closed or full, and offers others.
func (t *turn) dayWorks(d draft) bool {
	cal := t.calendar(d.Minutes)
	day, ok := d.day(t.in.Profile.Location)
	switch {
	case !ok || day.Before(noon(t.now(), 0)):
		t.say(textDatePast)
	case !cal.bookable(day):
		t.say(textDateTooFar)
	case cal.hasFree(day) || t.hasFreeClock(cal, day, d):
		return true
	default:
		t.refuseDay(cal, day)
	}
	d.Day, d.At = "", time.Time{}
	t.save(d)
	t.enter(stepDate)
	return false
}

// hasFreeClock finds times outside the grid of offers, such as 20:00 where no opening hours are set.
func (t *turn) hasFreeClock(cal calendar, day time.Time, d draft) bool {
	if !d.At.IsZero() {
		return cal.free(d.At)
	}
	for _, clock := range d.Clocks {
		if cal.free(clock.On(day)) {
			return true
		}
	}
	return false
}

func (t *turn) refuseDay(cal calendar, day time.Time) {
	next := cal.freeDays(noon(day, 1), 1)
	closed := len(cal.hours.On(day)) == 0
	switch {
	case len(next) == 0:
		t.say(textNothingFree, t.business())
	case closed:
		t.say(textDayClosed, t.date(day), t.nearDate(next[0]))
	default:
		t.say(textDayFull, t.date(day), t.nearDate(next[0]))
	}
}

// timeWorks fixes the moment of the appointment, or says why it cannot be and offers times.
func (t *turn) timeWorks(d *draft) bool {
	cal := t.calendar(d.Minutes)
	day, _ := d.day(t.in.Profile.Location)
	if d.At.IsZero() && len(d.Clocks) > 0 {
		d.At = cal.likeliest(partByName(d.Part).of(d.Clocks), day)
	}
	if !d.At.IsZero() && cal.free(d.At) {
		d.Clocks, d.Part = nil, ""
		return true
	}
	wanted := d.At
	d.At, d.Clocks = time.Time{}, nil
	t.save(*d)
	t.state.Step = stepTime
	if wanted.IsZero() {
		t.ask()
		return false
	}
	t.refuseTime(cal, wanted)
	return false
}

// likeliest resolves a time that can be read in two ways: the reading that is free, else open, else the first.
func (c calendar) likeliest(clocks []domain.Clock, day time.Time) time.Time {
	for _, clock := range clocks {
		if at := clock.On(day); c.open(at) && at.After(c.now) {
			return at
		}
	}
	return clocks[0].On(day)
}

func (t *turn) refuseTime(cal calendar, wanted time.Time) {
	switch {
	case !wanted.After(t.in.Now):
		t.say(textTimePast, t.clock(wanted))
	case !cal.open(wanted):
		t.say(textTimeClosed, t.date(wanted), t.clock(wanted))
	default:
		t.say(textTimeTaken, t.date(wanted), t.clock(wanted))
	}
	t.offerTimes(textNearest, cal.nearest(wanted), true)
}

// offerTimes lists times behind numbers; with days, each names its day.
func (t *turn) offerTimes(intro *text, times []time.Time, withDays bool, values ...string) {
	t.state.Offered = times
	lines := []string{capitalised(t.render(intro, values...))}
	for i, at := range times {
		line := t.clock(at)
		if withDays {
			line = upperFirst(t.nearDate(at)) + ", " + line
		}
		lines = append(lines, numbered(i, line))
	}
	t.sayBlock(append(lines, "", t.render(textAskTimeHint))...)
}

// serviceLine is a service with its price, as it is listed to choose from.
func (t *turn) serviceLine(s domain.Service) string {
	if s.PriceTZS <= 0 {
		return serviceName(s)
	}
	return strings.Join([]string{serviceName(s), shillings(s.PriceTZS)}, " – ")
}
