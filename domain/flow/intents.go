package flow

import "strings"

// Opting out takes one of these as the whole message. Thanks and farewells are none of them.
var optOutWords = phrases("stop, acha, sitisha, ondoa, unsubscribe, jiondoe, stop messages, acha kunitumia, stop all")

var (
	menuWords   = phrases("menu, menyu, main menu, menyu kuu, start, anza, anza upya, mwanzo, restart, start over, 0")
	backWords   = phrases("back, rudi, nyuma, rudi nyuma, go back, previous")
	cancelWords = phrases("cancel, futa, ghairi, batilisha, sitaki, sitaki tena, never mind, nevermind, quit, exit, cancel it, futa hiyo, acha tu, forget it, cancel order, stop order, futa order, cancel everything")

	greetingWords = phrases("hi, hello, hey, hallo, habari, mambo, vipi, salaam, salam, salama, shikamoo, hujambo, hamjambo, niaje, assalam aleikum, salaam aleikum, good morning, good afternoon, good evening, morning, karibu, za leo, za asubuhi, za mchana, za jioni")
	thanksWords   = phrases("asante, asanteni, ahsante, thanks, thank you, thx, shukrani, shukran, nashukuru, ninashukuru, nakushukuru")
	byeWords      = phrases("bye, goodbye, kwaheri, tutaonana, baadaye, good night, usiku mwema, see you")
)

var (
	// plainYes mean "yes" also when a sentence follows. After the others, "sawa nitakujulisha" is no consent.
	plainYes = phrases("yes, yeah, yep, yess, ndio, ndiyo, ndiyoo, naam, eeh, thibitisha, nathibitisha, confirm, confirmed")
	yesWords = append(phrases("y, ee, ok, okay, okey, sawa, sawa sawa, sawasawa, correct, sahihi, ni sahihi, ndivyo, sure, fine, perfect, poa, haya"), plainYes...)
	noWords  = phrases("no, n, nope, hapana, hapana asante, no thanks, la, siyo, sio, sivyo, si sahihi, wrong, not correct")
)

// What may follow any "yes" without changing it.
var agreement = phrases("book it, book, weka miadi, weka, nibook, nibookie, andika, good, great, vizuri, kabisa, tu, go ahead, endelea, asante sana, asante, thanks, thank you, please, tafadhali")

// What makes a new wish of "sawa, nataka kusuka jumamosi".
var wishWords = phrases("nataka, ninataka, naomba, nahitaji, ningependa, nipe, i want, i need, i'd like, i would like, can i, naweza, pia, also, nyingine, another, tena, again")

// What turns a beginning "ndiyo" into something else.
var hesitations = phrases("lakini, but, ila, badili, badilisha, nibadilishe, kubadili, kubadilisha, change, subiri, ngoja, wait, bado, later, sio, siyo, not, don't, kwanza")

// isYes accepts a whole message, or one that begins with the word and goes on ("ndiyo, nitakuja na mtoto").
func (t *turn) isYes() bool {
	if strings.ContainsAny(t.in.Message.Text, "👍✅👌") && len(t.words) == 0 {
		return true
	}
	if len(t.words) == 0 || t.isNo() {
		return false
	}
	hesitates := hesitations.in(t.words) || strings.Contains(t.text, "?")
	all := yesWords.is(t.words[:1]) && len(agreement.without(yesWords.without(t.words))) == 0
	return all || yesWords.is(t.words) || yesWords.is(essence(t.words)) || plainYes.is(t.words[:1]) && !hesitates
}

func (t *turn) isNo() bool {
	return len(t.words) > 0 && (noWords.is(t.words) || noWords.is(t.words[:1]))
}

// A person is asked for by one of these words alone, apart from words of politeness …
var personAlone = phrases("human, human being, agent, person, real person, representative, staff, manager, supervisor, owner, operator, someone, receptionist, customer care, binadamu, mtu, mtu halisi, mhudumu, muhudumu, meneja, msimamizi, mmiliki, mwenye duka, muuzaji, customer service, support")

// … or by one of these phrases anywhere in the message.
var personPhrases = append(phrases("human being, real person, human agent, live agent, customer care, customer service, msaada wa mtu, mtu halisi, huduma kwa wateja, namtaka meneja, mtu wa kuongea"), crossed(
	"talk to, speak to, speak with, talk with, chat with, connect me to, connect me with, i want, i need, i would like, get me, give me, want, need, call",
	"human, a human, agent, an agent, the agent, your agent, person, a person, someone, somebody, representative, a representative, the manager, a manager, your manager, the owner, staff, your staff, a real person",
	"niongee na, nizungumze na, kuongea na, kuzungumza na, ongea na, zungumza na, kuchat na, nataka, ninataka, naomba, nahitaji, nipe, niunganishe na, nipatie",
	"mtu, binadamu, mhudumu, muhudumu, meneja, msimamizi, mmiliki, mwenye biashara",
)...)

// crossed joins every beginning with every ending of each pair of lists.
func crossed(lists ...string) phraseSet {
	var set phraseSet
	for i := 0; i+1 < len(lists); i += 2 {
		for _, beginning := range phrases(lists[i]) {
			for _, ending := range phrases(lists[i+1]) {
				set = append(set, beginning+" "+ending)
			}
		}
	}
	return set
}

// wantsPerson does not take counted persons for a wish: "nataka mtu 2" is an order for two.
func wantsPerson(words []string) bool {
	if personAlone.is(essence(words)) {
		return true
	}
	for i, word := range words {
		counted := i > 0 && isNumber(words[i-1]) || i+1 < len(words) && isNumber(words[i+1])
		if counted && (word == "mtu" || word == "person") {
			return false
		}
	}
	return personPhrases.in(words)
}

func isNumber(word string) bool {
	_, used, _ := numberAt([]string{word})
	return used > 0 || strings.Trim(word, "0123456789") == ""
}

// Harmless uses of the words of an emergency; they are taken out before looking for one.
var noEmergency = phrases("maji ya moto, maji moto, chai ya moto, moto moto, moto sana, chakula cha moto, ya moto, za moto, wa moto, pasi ya moto, bima ya ajali, bima ya moto, kwa ajali, accident insurance, by accident, fire extinguisher, fire wood, camp fire, fire place, fire stick, on fire sale, fire tv, nakufa njaa, nakufa na njaa, nakufa kwa njaa, nakufa kwa cheko, nakufa kicheko, not an emergency, no emergency, si dharura, sio dharura, siyo dharura, emergency light, emergency lights, emergency contact, emergency exit, taa ya dharura, taa za dharura, hair dying, dying hair, dying my hair, dying to, sumu ya panya, sumu ya wadudu, bleeding edge")

var emergencyPhrases = phrases("dharura, emergency, nakufa, ninakufa, anakufa, amepoteza fahamu, nimepoteza fahamu, kupoteza fahamu, hana fahamu, hapumui, siwezi kupumua, amezimia, damu nyingi, anatoka damu, anavuja damu, natoka damu, kuna ajali, ajali mbaya, nimepata ajali, amepata ajali, tumepata ajali, wamepata ajali, kuna moto, moto unawaka, nyumba inaungua, inaungua moto, inawaka moto, amekunywa sumu, nimekunywa sumu, kunywa sumu, amekula sumu, i'm dying, im dying, i am dying, is dying, he's dying, she's dying, unconscious, not breathing, can't breathe, cannot breathe, bleeding, overdose, overdosed, had an accident, been an accident, car accident, road accident, there is an accident, there's a fire, there is a fire, house is on fire, is on fire, is burning, heart attack, call an ambulance, need an ambulance, took poison, drank poison, swallowed poison, been poisoned")

var emergencyAlone = phrases("ajali, moto, moto moto moto, fire, fire fire, accident, ambulance, sumu, poison, nisaidie nakufa, call 112, piga 112")

// isExcuse tells the polite "nimepata dharura, sitaweza kuja" from somebody in danger.
func isExcuse(words []string) bool {
	return wantsCancelAppointment.in(words) && !isEmergency(plainEmergency.without(words))
}

var plainEmergency = phrases("dharura, emergency")

func isEmergency(words []string) bool {
	if emergencyAlone.is(words) {
		return true
	}
	return emergencyPhrases.in(noEmergency.without(words))
}
