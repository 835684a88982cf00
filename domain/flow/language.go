package flow

import "flowhq/domain"

var englishAsked = phrases("english, kiingereza, kizungu, speak english, english language, use english, can we speak english")
var swahiliAsked = phrases("kiswahili, swahili, speak swahili, kiswahili language, use swahili, tumia kiswahili, ongea kiswahili, lugha kiswahili")

// Words that only one of the two languages has. Words that people in East Africa mix into both (book, hi, ok, sorry,
// price, the names of days) are left out.
var swahiliOnly = wordSet(`na ya wa za la cha vya kwa ni si nina una ana tuna mna wana nataka ninataka unataka tunataka naomba ninaomba
	naweza ninaweza inawezekana unaweza mnaweza je gani ngapi wapi lini nani nini kiasi shilingi bei gharama huduma miadi leo kesho
	keshokutwa jana saa asubuhi mchana jioni usiku wiki mwezi siku tarehe mahali mko mpo nyinyi ninyi mimi wewe yeye sisi yangu yako
	wangu wako langu lako asante habari mambo karibu tafadhali samahani ndiyo ndio hapana sawa nywele kusuka kunyoa kucha jina
	naitwa kuja nitakuja kuweka kupata kuongea kuuliza nauliza mnafungua mnafunga sana pia au lakini kama hii hiyo ile hapa huko
	nipe niwekee nisaidie nahitaji ninahitaji mtu watu nimechoka pesa fedha duka chumba nyumba chakula dawa daktari nzuri`)
var englishOnly = wordSet(`the a an is are am was were do does did can could would will shall should want need have has how what when where
	which who why much many you your my me we our it its this that there here please thanks thank to of for with from and or but if
	on at about open close closed opening tomorrow today tonight yesterday morning afternoon evening night next week month day hair
	nails cut haircut speak talk like know tell help get make come appointment available cost name available person`)

func wordSet(list string) map[string]bool {
	set := map[string]bool{}
	for _, word := range wordsOf(list) {
		set[word] = true
	}
	return set
}

// clearLead is by how many words one language must exceed the other before a customer counts as writing it.
const clearLead = 2

// guessLanguage follows a customer who clearly writes the other language, and stays with it. A language that was
// asked for is never left again, and an answer in free words (a name) is no evidence.
func (t *turn) guessLanguage() {
	if t.state.LanguageChosen || t.step().open {
		return
	}
	lead := 0
	for _, word := range t.words {
		if englishOnly[word] {
			lead++
		}
		if swahiliOnly[word] {
			lead--
		}
	}
	switch {
	case lead >= clearLead:
		t.state.Language = domain.LanguageEnglish
	case lead <= -clearLead:
		t.state.Language = domain.LanguageSwahili
	}
}

// takeLanguage follows "English" and "Kiswahili".
func (t *turn) takeLanguage() bool {
	words := essence(t.words)
	switch {
	case englishAsked.is(words):
		t.state.Language = domain.LanguageEnglish
	case swahiliAsked.is(words):
		t.state.Language = domain.LanguageSwahili
	default:
		return false
	}
	t.state.LanguageChosen = true
	t.say(textLanguageSet)
	t.ask()
	return true
}
