package flow

import (
	"strconv"
	"strings"
)

// core holds the texts that every template shares.
var core = &template{kind: "core"}

var (
	textGreeting      = core.text("greeting", "business")
	textMenuIntro     = core.text("menu_intro")
	textMenuHint      = core.text("menu_hint")
	textConfused      = core.text("confused")
	textConfusedAgain = core.text("confused_again")
	textMediaOnly     = core.text("media_only")
	textHelloAgain    = core.text("hello_again")
	textWelcome       = core.text("welcome")
	textGoodbye       = core.text("goodbye")
	textCancelled     = core.text("cancelled")
	textClosedNow     = core.text("closed_now", "opening")
	textOptedOut      = core.text("opted_out", "business")
	textEmergency     = core.text("emergency", "business")
	textHandoff       = core.text("handoff", "business")
	textHandoffClosed = core.text("handoff_closed", "business", "opening")
	textLanguageSet   = core.text("language_set")
)

// Step answers one message. It never panics, and every message gets exactly one Reply, except while a person has
// taken over and when somebody who opted out repeats the word. An emergency is answered always.
func (e *Engine) Step(in Input) (State, []Effect) {
	t := e.begin(in)
	t.guessLanguage()
	switch {
	case isEmergency(t.words) && !isExcuse(t.words):
		t.optIn()
		t.emergency()
	case optOutWords.is(t.words):
		t.optOut()
	default:
		t.optIn()
		t.converse()
	}
	return t.end()
}

func (t *turn) converse() {
	if t.state.HandedOver {
		if !menuWords.is(essence(t.words)) {
			return
		}
		t.state.HandedOver = false
		t.do(EndHandoff{})
	}
	t.greet()
	if t.state.Step == stepMenu {
		t.tellIfClosed()
	}
	switch {
	case t.understood():
		t.state.Confused = 0
	case t.first:
		t.ask()
	default:
		t.confused()
	}
}

// greet welcomes a customer exactly once.
func (t *turn) greet() {
	if t.state.Greeted {
		return
	}
	t.first, t.state.Greeted = true, true
	t.say(textGreeting, t.business())
}

// understood answers the message, or says nothing and reports false.
func (t *turn) understood() bool {
	return t.takeMedia() || t.takeLanguage() || t.takeHandoff() || t.takeCommand() ||
		t.step().take(t) || t.takeSideQuestion() || t.takePleasantry()
}

func (t *turn) takeMedia() bool {
	if t.in.Message.Kind == KindText || t.in.Message.Kind == "" || len(t.words) > 0 {
		return false
	}
	t.say(textMediaOnly)
	t.ask()
	return true
}

func (t *turn) takeHandoff() bool {
	if !wantsPerson(t.words) {
		return false
	}
	t.handOff(ReasonAsked)
	return true
}

// handOff brings in a person. It says so once; after that the engine is silent.
func (t *turn) handOff(reason HandoffReason) {
	t.reset()
	t.state.HandedOver = true
	t.do(Handoff{Reason: reason, Note: t.quote()})
	if opening, closed := t.closedUntil(); closed {
		t.say(textHandoffClosed, t.business(), t.moment(opening))
		return
	}
	t.say(textHandoff, t.business())
}

func (t *turn) emergency() {
	t.reset()
	t.state.HandedOver, t.state.Greeted = true, true
	t.do(Handoff{Reason: ReasonEmergency, Note: t.quote()})
	t.say(textEmergency, t.business())
}

func (t *turn) optOut() {
	if t.state.OptedOut {
		return
	}
	t.reset()
	t.state.OptedOut, t.state.Greeted = true, false
	t.do(OptOut{})
	t.say(textOptedOut, t.business())
}

func (t *turn) optIn() {
	if t.state.OptedOut {
		t.state.OptedOut = false
		t.do(OptIn{})
	}
}

// takeCommand reads the words that work at every step.
func (t *turn) takeCommand() bool {
	words, cancelling := essence(t.words), t.state.Step == stepCancelAppointment
	switch {
	case wantsCancelAppointment.in(t.words) && !cancelling:
		t.cancelAppointment()
	case asksMyAppointments.in(t.words) && !(t.state.Step == stepConfirm && t.isYes()):
		t.listAppointments()
	case menuWords.is(words):
		t.reset()
		t.ask()
	case backWords.is(words):
		t.enter(t.step().back)
	case cancelWords.is(words) && !cancelling:
		t.cancel()
	default:
		return false
	}
	return true
}

// cancel drops what is being collected; with nothing being collected it means the appointment.
func (t *turn) cancel() {
	if t.state.Step == stepMenu && len(t.upcoming()) > 0 {
		t.enter(stepCancelAppointment)
		return
	}
	if t.state.Step != stepMenu {
		t.say(textCancelled)
	}
	t.reset()
	t.ask()
}

// takeSideQuestion answers a question about the business in the middle of something else, then asks again.
func (t *turn) takeSideQuestion() bool {
	entry, ok := t.sideQuestion()
	if !ok {
		return false
	}
	entry.run(t)
	if t.state.Step != stepMenu {
		t.ask()
	}
	return true
}

func (t *turn) sideQuestion() (item, bool) {
	for _, entry := range append(t.template.menu[:len(t.template.menu):len(t.template.menu)], hoursItem) {
		if entry.info && entry.meant(t) {
			return entry, true
		}
	}
	return item{}, false
}

// isAcknowledgement reports an "ok" to what the bot has said last, which asks for nothing.
func (t *turn) isAcknowledgement() bool {
	switch {
	case t.first || t.state.Step != stepMenu:
		return false
	case len(t.words) == 0:
		return strings.ContainsAny(t.in.Message.Text, "👍✅👌🙏👏💯🤝❤😊🙂😀😁😍")
	}
	return yesWords.is(t.words) || yesWords.is(t.words[:1]) && len(t.upcoming()) > 0 && !wishWords.in(t.words) && !strings.Contains(t.text, "?")
}

func (t *turn) takePleasantry() bool {
	switch {
	case t.isAcknowledgement():
		t.say(textWelcome)
	case thanksWords.in(t.words):
		t.say(textWelcome)
	case byeWords.in(t.words):
		t.say(textGoodbye)
		return true
	case greetingWords.in(t.words):
		if !t.first {
			t.say(textHelloAgain)
		}
		t.ask()
		return true
	default:
		return false
	}
	if t.state.Step != stepMenu {
		t.ask()
	}
	return true
}

// confused repeats the question; from the second time on it offers a person.
func (t *turn) confused() {
	t.state.Confused = min(t.state.Confused+1, 9)
	if t.state.Confused > 1 {
		t.say(textConfusedAgain)
	} else {
		t.say(textConfused)
	}
	t.ask()
}

func (t *turn) showMenu() {
	lines := []string{t.render(textMenuIntro)}
	for i, entry := range t.template.menu {
		lines = append(lines, numbered(i, t.render(entry.title)))
	}
	t.sayBlock(append(lines, "", t.render(textMenuHint))...)
}

// takeMenu reads a number of the menu, or the words of an item that starts something.
func takeMenu(t *turn) bool {
	if n, ok := choice(t.text, len(t.template.menu)); ok {
		t.template.menu[n-1].run(t)
		return true
	}
	for _, entry := range t.template.menu {
		if !entry.info && entry.meant(t) && !pricesItem.meant(t) {
			entry.run(t)
			return true
		}
	}
	return false
}

func numbered(i int, line string) string { return strconv.Itoa(i+1) + ". " + line }
