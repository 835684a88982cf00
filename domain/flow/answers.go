package flow

import (
	"strings"
	"time"

	"flowhq/domain"
)

var (
	textTitleServices = core.text("title_services")
	textTitlePrices   = core.text("title_prices")
	textTitleLocation = core.text("title_location")
	textTitleHours    = core.text("title_hours")
	textTitlePerson   = core.text("title_person")

	textServices        = core.text("services")
	textServicesUnknown = core.text("services_unknown", "business")
	textPrices          = core.text("prices")
	textPricesUnknown   = core.text("prices_unknown", "business")
	textPriceOf         = core.text("price_of", "service", "price")
	textPriceAsk        = core.text("price_ask")
	textMinutes         = core.text("minutes", "minutes")
	textLocation        = core.text("location", "address")
	textLocationPhone   = core.text("location_phone", "phone")
	textLocationUnknown = core.text("location_unknown", "business")
	textHours           = core.text("hours")
	textHoursAlways     = core.text("hours_always", "business")
	textClosedAllDay    = core.text("closed_all_day")
)

// The items that most menus share.
var (
	servicesItem = item{title: textTitleServices, info: true, run: (*turn).sayServices,
		alone: phrases("huduma, services, service, orodha"),
		words: phrases("your services, service list, which services, what services, what do you offer, what do you do, huduma zenu, huduma zipi, orodha ya huduma, huduma gani, mnafanya nini, mnatoa nini, mna nini")}
	pricesItem = item{title: textTitlePrices, info: true, run: (*turn).sayPrices,
		words: phrases("price, prices, price list, how much, cost, costs, bei, bei gani, gharama, shilingi ngapi, sh ngapi, tsh ngapi, kiasi gani, ni ngapi, pesa ngapi")}
	locationItem = item{title: textTitleLocation, info: true, run: (*turn).sayLocation,
		words: phrases("location, address, where are you, where are you located, where is, directions, map, mahali, mko wapi, mpo wapi, upo wapi, uko wapi, iko wapi, ipo wapi, anwani, mnapatikana wapi, wapi, ramani")}
	hoursItem = item{title: textTitleHours, info: true, run: (*turn).sayHours,
		words: phrases("opening hours, working hours, business hours, hours, are you open, when do you open, when do you close, what time do you open, what time do you close, open today, open on, do you open, saa za kazi, muda wa kazi, masaa ya kazi, mnafungua, mnafunga, mmefungua, mmefunga, mko wazi, mpo wazi, mnafungua saa ngapi, mnafunga saa ngapi")}
	personItem = item{title: textTitlePerson, run: func(t *turn) { t.handOff(ReasonAsked) }}
)

func (t *turn) sayServices() {
	if len(t.in.Profile.Services) == 0 {
		t.say(textServicesUnknown, t.business())
		return
	}
	lines := []string{t.render(textServices)}
	for _, service := range t.services() {
		line := "• " + serviceName(service)
		if service.Minutes > 0 {
			line += " (" + t.render(textMinutes, itoa(service.Minutes)) + ")"
		}
		lines = append(lines, line)
	}
	t.sayBlock(lines...)
}

// sayPrices gives the price of the services that are named, or the whole list.
func (t *turn) sayPrices() {
	services := t.services()
	if len(services) == 0 {
		t.say(textPricesUnknown, t.business())
		return
	}
	if named := t.servicesNamed(); len(named) == 1 {
		t.say(textPriceOf, serviceName(services[named[0]]), t.price(services[named[0]]))
		return
	}
	lines := []string{t.render(textPrices)}
	for _, service := range services {
		lines = append(lines, "• "+serviceName(service)+": "+t.price(service))
	}
	t.sayBlock(lines...)
}

func (t *turn) sayLocation() {
	address := clean(t.in.Profile.Address, maxAddressRunes)
	if address == "" {
		t.say(textLocationUnknown, t.business())
	} else {
		t.say(textLocation, address)
	}
	if phone := clean(t.in.Profile.Phone, 30); phone != "" {
		t.say(textLocationPhone, phone)
	}
}

// sayHours lists the coming seven days, so exceptions of this week are told too.
func (t *turn) sayHours() {
	hours := t.in.Profile.Hours
	if hours.IsZero() {
		t.say(textHoursAlways, t.business())
		return
	}
	lines := []string{t.render(textHours)}
	for i := range 7 {
		day := noon(t.now(), i)
		lines = append(lines, t.weekdayName(day)+": "+t.ranges(hours.On(day)))
	}
	t.sayBlock(lines...)
}

func (t *turn) ranges(ranges []domain.HoursRange) string {
	if len(ranges) == 0 {
		return t.render(textClosedAllDay)
	}
	var out []string
	for _, r := range ranges {
		out = append(out, r.Open.String()+"–"+r.Close.String())
	}
	return strings.Join(out, ", ")
}

// closedUntil returns the next opening while the business is closed and will open again.
func (t *turn) closedUntil() (time.Time, bool) {
	hours, loc := t.in.Profile.Hours, t.in.Profile.Location
	if hours.Open(t.in.Now, loc) {
		return time.Time{}, false
	}
	return hours.NextOpening(t.in.Now, loc)
}

// tellIfClosed says once per closed period that people will answer later; the engine goes on serving.
func (t *turn) tellIfClosed() {
	opening, closed := t.closedUntil()
	if !closed || t.state.ClosedTold == opening.Unix() {
		return
	}
	t.state.ClosedTold = opening.Unix()
	t.say(textClosedNow, t.moment(opening))
}

// services are those that are listed and numbered.
func (t *turn) services() []domain.Service {
	var listed []domain.Service
	for _, service := range t.in.Profile.Services {
		if serviceName(service) != "" && len(listed) < maxListed {
			listed = append(listed, service)
		}
	}
	return listed
}

func serviceName(s domain.Service) string { return clean(s.Name, maxServiceRunes) }

func (t *turn) price(s domain.Service) string {
	if s.PriceTZS <= 0 {
		return t.render(textPriceAsk)
	}
	return shillings(s.PriceTZS)
}

// servicesNamed returns the indexes of the services that share the most words with the message.
func (t *turn) servicesNamed() []int {
	said := map[string]bool{}
	for _, word := range t.words {
		said[word] = true
	}
	var best []int
	most := 0
	for i, service := range t.services() {
		shared := 0
		for _, word := range wordsOf(normalise(service.Name)) {
			if said[word] && !isFiller(word) {
				shared++
			}
		}
		switch {
		case shared == 0 || shared < most:
		case shared > most:
			best, most = []int{i}, shared
		default:
			best = append(best, i)
		}
	}
	return best
}

// isFiller names words that tell no service from another.
func isFiller(word string) bool {
	return len(word) < 3 || swahiliOnly[word] && len(word) <= 3 || phraseSet{"and", "for", "the", "with", "kwa"}.is([]string{word})
}
