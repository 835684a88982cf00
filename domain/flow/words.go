package flow

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// maxReadRunes is how much of a message is read for its meaning. The rest of a longer one is kept, not understood.
const maxReadRunes = 600

// normalise prepares a text for reading: lower case, digits of every script as 0 to 9, no marks, emoji or control
// characters, single spaces.
func normalise(s string) string {
	var b strings.Builder
	for _, r := range clip(s, maxReadRunes) {
		switch {
		case r == '’' || r == '‘' || r == '`':
			b.WriteByte('\'')
		case unicode.IsDigit(r):
			b.WriteByte('0' + digitValue(r))
		case unicode.IsLetter(r):
			b.WriteRune(unicode.ToLower(r))
		case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Me, r):
			// accents written apart, joiners and the frame of keycap emoji
		case r == '\'' || strings.ContainsRune(".:/-,?!#()&+", r):
			b.WriteRune(r)
		default:
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// digitValue relies on Unicode keeping the ten digits of a script together, zero first.
func digitValue(r rune) byte {
	for value := byte(0); value < 9; value++ {
		if !unicode.IsDigit(r - rune(value) - 1) {
			return value
		}
	}
	return lastOfRun(r)
}

// lastOfRun handles blocks where several sets of ten digits touch: every set there starts at a multiple of ten
// from the beginning of the run.
func lastOfRun(r rune) byte {
	start := r
	for unicode.IsDigit(start - 1) {
		start--
	}
	return byte((r - start) % 10)
}

var wordPattern = regexp.MustCompile(`[\p{L}\p{N}']+`)

// wordsOf splits a normalised text into words.
func wordsOf(s string) []string { return wordPattern.FindAllString(s, -1) }

// phraseSet finds whole words and whole phrases, never parts of words.
type phraseSet []string

// phrases makes a set from a list with one phrase between commas.
func phrases(list string) phraseSet {
	var set phraseSet
	for phrase := range strings.SplitSeq(list, ",") {
		if words := wordsOf(normalise(phrase)); len(words) > 0 {
			set = append(set, strings.Join(words, " "))
		}
	}
	return set
}

// in reports whether one of the phrases occurs among the words.
func (p phraseSet) in(words []string) bool {
	text := " " + strings.Join(words, " ") + " "
	return slices.ContainsFunc(p, func(phrase string) bool { return strings.Contains(text, " "+phrase+" ") })
}

// is reports whether the words are one of the phrases and nothing else.
func (p phraseSet) is(words []string) bool { return slices.Contains(p, strings.Join(words, " ")) }

// without removes every occurrence of the phrases.
func (p phraseSet) without(words []string) []string {
	text := " " + strings.Join(words, " ") + " "
	for _, phrase := range p {
		text = strings.ReplaceAll(text, " "+phrase+" ", " ")
	}
	return strings.Fields(text)
}

var politeWords = phrases("please, pls, plz, tafadhali, naomba, ninaomba, nataka, ninataka, i want, i need, hi, hello, habari, hey, jamani, basi, ok, okay, sawa, kwa, the, a, an, to, in, now, sasa, yes, ndio, ndiyo, samahani, sorry")

// essence is what remains of a message without words of politeness; of a message of nothing else it is all of it.
func essence(words []string) []string {
	if rest := politeWords.without(words); len(rest) > 0 {
		return rest
	}
	return words
}

var choicePattern = regexp.MustCompile(`^(?:namba|nambari|no|number|option|chaguo|item|ya|la|the)?\s*[#(.]*\s*(\d{1,2})\s*[.)!]*$`)

// choice reads the number of a list entry, 1 to n.
func choice(normalised string, n int) (int, bool) {
	match := choicePattern.FindStringSubmatch(digits(normalised))
	if match == nil {
		return 0, false
	}
	number := atoi(match[1])
	return number, number >= 1 && number <= n
}
