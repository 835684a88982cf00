package flow

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

var (
	anyTimeWords  = phrases("any time, anytime, any, whenever, suggest a time, suggest, you choose, earliest, first available, asap, saa yoyote, muda wowote, wakati wowote, yoyote, wowote, nipendekezee, pendekeza, chagua wewe, mapema, haraka, mnayo nafasi lini, when are you free, when are you available, what times are available")
	otherDayWords = phrases("other day, another day, different day, change day, change the day, siku nyingine, badili siku, badilisha siku, change date, badili tarehe")
)

func askService(t *turn) {
	services := t.services()
	if len(services) == 0 {
		t.say(textAskServiceFree)
		return
	}
	lines := []string{t.render(textAskService)}
	for i, service := range services {
		lines = append(lines, numbered(i, t.serviceLine(service)))
	}
	t.sayBlock(lines...)
}

func takeService(t *turn) bool {
	d, services := t.draft(), t.services()
	if n, ok := choice(t.text, len(services)); ok {
		d.choose(services[n-1])
		t.advance(d, when{})
		return true
	}
	said := t.readWhen(false)
	if _, aside := t.sideQuestion(); aside {
		return false
	}
	if named := t.servicesNamed(); len(named) == 1 {
		d.choose(services[named[0]])
		t.advance(d, said)
		return true
	}
	if len(services) == 0 && said.empty() && !t.isPleasantry() && hasLetters(t.text) {
		d.Service = clean(t.in.Message.Text, maxServiceRunes)
	}
	if d.Service == "" && said.empty() {
		return false
	}
	t.advance(d, said)
	return true
}

func (t *turn) isPleasantry() bool {
	return thanksWords.is(t.words) || greetingWords.is(t.words) || byeWords.is(t.words)
}

func hasLetters(s string) bool { return strings.ContainsFunc(s, unicode.IsLetter) }

func askDate(t *turn) {
	t.state.Offered = t.calendar(t.draft().Minutes).freeDays(noon(t.now(), 0), offeredDays)
	lines := []string{t.render(textAskDate)}
	for i, day := range t.state.Offered {
		lines = append(lines, numbered(i, upperFirst(t.nearDate(day))))
	}
	t.sayBlock(append(lines, "", t.render(textAskDateHint))...)
}

func takeDate(t *turn) bool {
	d := t.draft()
	if n, ok := choice(t.text, len(t.state.Offered)); ok {
		t.advance(d, when{day: t.state.Offered[n-1].In(t.in.Profile.Location)})
		return true
	}
	if _, aside := t.sideQuestion(); aside {
		return false
	}
	if anyTimeWords.in(t.words) && len(t.state.Offered) > 0 {
		t.advance(d, when{day: t.state.Offered[0].In(t.in.Profile.Location)})
		return true
	}
	said := t.readWhen(false)
	if n, ok := choice(t.text, 31); ok && said.empty() {
		said.day, said.problem, _ = readDay("tarehe "+itoa(n), t.written())
	}
	if said.empty() {
		return false
	}
	t.advance(d, said)
	return true
}

func askTime(t *turn) {
	d := t.draft()
	day, ok := d.day(t.in.Profile.Location)
	if !ok {
		t.enter(stepDate)
		return
	}
	free := t.calendar(d.Minutes).freeOn(day)
	if part := partByName(d.Part); part != nil {
		var within []time.Time
		for _, at := range free {
			if part.offers(at.Hour()*60 + at.Minute()) {
				within = append(within, at)
			}
		}
		if len(within) > 0 {
			free = within
		}
	}
	t.offerTimes(textAskTime, spread(free, offeredTimes), false, t.nearDate(day))
}

func takeTime(t *turn) bool {
	d := t.draft()
	if n, ok := choice(t.text, len(t.state.Offered)); ok {
		t.pick(d, t.state.Offered[n-1])
		return true
	}
	if _, aside := t.sideQuestion(); aside {
		return false
	}
	if otherDayWords.in(t.words) {
		d.Day = ""
		t.save(d)
		t.enter(stepDate)
		return true
	}
	if anyTimeWords.in(t.words) && len(t.state.Offered) > 0 {
		t.pick(d, t.state.Offered[0])
		return true
	}
	said := t.readWhen(true)
	if said.empty() {
		return false
	}
	t.advance(d, said)
	return true
}

func (t *turn) pick(d draft, at time.Time) {
	at = at.In(t.in.Profile.Location)
	d.Day, d.At, d.Clocks = at.Format(time.DateOnly), at, nil
	t.advance(d, when{})
}

func askName(t *turn) {
	if offered, ok := readName(t.in.Message.ContactName); ok {
		t.say(textAskNameOffered, offered)
		return
	}
	t.say(textAskName)
}

func takeName(t *turn) bool {
	d := t.draft()
	offered, ok := readName(t.in.Message.ContactName)
	if ok && t.isYes() {
		t.named(d, offered)
		return true
	}
	if _, aside := t.sideQuestion(); aside || t.isPleasantry() && !namesToo.is(t.words) || yesWords.is(t.words) || noWords.is(t.words) || anyTimeWords.in(t.words) {
		return false
	}
	if said := t.readWhen(false); !said.empty() && !t.namedAfterADay(said) {
		t.advance(d, said)
		return true
	}
	name, ok := readName(t.in.Message.Text)
	if !ok {
		return false
	}
	t.named(d, name)
	return true
}

// namesToo are names that are greetings as well, and namesOfDays those that are days: Jumanne is asked for a name, not
// for Tuesday.
var (
	namesToo    = phrases("salama")
	namesOfDays = phrases("jumanne, sunday")
)

func (t *turn) namedAfterADay(said when) bool {
	name, _ := cutIntroduction(strings.Join(t.words, " "))
	first, _, _ := strings.Cut(strings.TrimSpace(name), " ")
	return len(said.clocks) == 0 && said.part == nil && !hesitations.in(t.words) && namesOfDays.is([]string{first})
}

func (t *turn) named(d draft, name string) {
	d.Name, t.state.Name = name, name
	t.do(SaveCustomerName{Name: name})
	t.advance(d, when{})
}

var nameIntroductions = []string{"jina langu ni", "jina langu", "jina ni", "jina:", "naitwa", "ninaitwa", "mimi ni", "mimi naitwa", "my name is", "my name's", "the name is", "name:", "i am", "i'm", "it is", "it's", "ni"}

// readName takes a name out of "naitwa asha" and refuses what is none: figures, links, questions, long sentences.
func readName(said string) (string, bool) {
	name, _ := cutIntroduction(clean(said, 4*maxNameRunes))
	name = strings.TrimFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.Is(unicode.Mn, r) && !unicode.Is(unicode.Mc, r)
	})
	letters := utf8.RuneCountInString(strings.Map(lettersOnly, name))
	switch {
	case letters < 2, len([]rune(name)) > maxNameRunes, len(strings.Fields(name)) > 5:
		return "", false
	case strings.ContainsAny(name, "@?/0123456789") || strings.Contains(strings.ToLower(name), "http"):
		return "", false
	}
	if name == strings.ToLower(name) {
		name = titled(name)
	}
	return name, true
}

func introducesName(said string) bool {
	_, introduced := cutIntroduction(clean(said, 4*maxNameRunes))
	return introduced
}

func cutIntroduction(said string) (name string, introduced bool) {
	for _, introduction := range nameIntroductions {
		rest, found := cutFold(said, introduction)
		if first, _ := utf8.DecodeRuneInString(rest); found && !unicode.IsLetter(first) {
			return rest, true
		}
	}
	return said, false
}

// cutFold cuts an ASCII prefix of any case.
func cutFold(s, prefix string) (rest string, found bool) {
	if len(s) <= len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func lettersOnly(r rune) rune {
	if unicode.IsLetter(r) {
		return r
	}
	return -1
}

func titled(name string) string {
	words := strings.Fields(name)
	for i, word := range words {
		words[i] = upperFirst(word)
	}
	return strings.Join(words, " ")
}

func upperFirst(s string) string {
	for i, r := range s {
		if i == 0 {
			return string(unicode.ToUpper(r)) + s[len(string(r)):]
		}
	}
	return s
}

func askConfirm(t *turn) {
	d := t.draft()
	t.say(textConfirm, d.Service, t.nearDate(d.At), t.clock(d.At), d.Name)
	for _, service := range t.services() {
		if serviceName(service) == d.Service && service.PriceTZS > 0 {
			t.say(textConfirmPrice, shillings(service.PriceTZS))
		}
	}
	t.say(textConfirmHint)
}

func takeConfirm(t *turn) bool {
	d := t.draft()
	said := t.readWhen(false)
	n, chosen := choice(t.text, 3)
	if _, aside := t.sideQuestion(); aside {
		return false
	}
	switch {
	case chosen && n == 3, !chosen && said.empty() && cancelWords.in(t.words):
		t.cancel()
	case chosen && n == 2, otherDayWords.in(t.words), !chosen && said.empty() && t.isNo():
		d.Day, d.At, d.Clocks, d.Part = "", time.Time{}, nil, ""
		t.save(d)
		t.enter(stepDate)
	case !chosen && !said.empty() && !t.repeats(d, said):
		t.advance(d, said)
	case chosen || t.isYes():
		t.confirm(d)
	case introducesName(t.in.Message.Text):
		return takeName(t)
	default:
		return false
	}
	return true
}

// repeats reports that the customer only says again what the summary said.
func (t *turn) repeats(d draft, said when) bool {
	t.note(&d, said)
	if d.At.IsZero() && len(d.Clocks) > 0 {
		day, _ := d.day(t.in.Profile.Location)
		d.At = t.calendar(d.Minutes).likeliest(d.Clocks, day)
	}
	return said.problem == "" && d.At.Equal(t.draft().At)
}

// confirm books, unless somebody else was faster: then it offers the nearest free times.
func (t *turn) confirm(d draft) {
	if d.Name == "" || d.Service == "" || d.At.IsZero() || !t.calendar(d.Minutes).free(d.At) {
		t.advance(d, when{})
		return
	}
	note := ""
	if rest := yesWords.without(thanksWords.without(politeWords.without(t.words))); len(rest) > 1 {
		note = t.quote()
	}
	t.do(BookAppointment{Service: d.Service, At: d.At, Name: d.Name, Note: note})
	t.state.Appointments = append(t.upcoming(), Appointment{Service: d.Service, At: d.At})
	t.reset()
	t.say(textReceipt, d.Service, t.nearDate(d.At), t.clock(d.At), d.Name)
	if address := clean(t.in.Profile.Address, maxAddressRunes); address != "" {
		t.say(textReceiptPlace, address)
	}
	t.say(textReceiptHint)
}
