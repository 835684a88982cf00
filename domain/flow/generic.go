package flow

import "strings"

// generic answers every template type that has no file of its own: questions about the business, and a request that
// is taken down and handed to a person.
var generic = newTemplate("GENERIC")

const stepRequest Step = "request"

var (
	textTitleRequest    = generic.text("title_request")
	textAskRequest      = generic.text("ask_request")
	textRequestReceived = generic.text("request_received")
)

func init() {
	generic.item(item{title: textTitleRequest, run: func(t *turn) { t.reset(); t.enter(stepRequest) }, words: phrases("order, agiza, kuagiza, oda, request, ombi, book, booking, appointment, miadi, reserve, reservation, hifadhi, buy, nunua, kununua, viewing, delivery, complaint, malalamiko, tatizo, shida, problem, issue")})
	generic.item(servicesItem)
	generic.item(pricesItem)
	generic.item(locationItem)
	generic.item(hoursItem)
	generic.item(personItem)

	generic.step(stepRequest, step{ask: func(t *turn) { t.say(textAskRequest) }, take: takeRequest, back: stepMenu})
}

// isQuestion tells a question about the business from an order that has the same word: "location yangu ni Sinza".
func (t *turn) isQuestion() bool {
	_, aside := t.sideQuestion()
	return aside && (strings.Contains(t.text, "?") || len(t.words) <= 4)
}

func takeRequest(t *turn) bool {
	if t.isQuestion() || t.isPleasantry() || !hasLetters(t.text) || noWords.is(t.words) {
		return false
	}
	if yesWords.is(t.words) { // the order is still to come
		t.ask()
		return true
	}
	t.say(textRequestReceived)
	t.handOff(ReasonRequest)
	return true
}
