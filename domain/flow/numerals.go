package flow

import (
	"strconv"
	"strings"
)

var swahiliUnits = map[string]int{
	"moja": 1, "mbili": 2, "tatu": 3, "nne": 4, "tano": 5, "sita": 6, "saba": 7, "nane": 8, "tisa": 9,
	"pili": 2, "kwanza": 1,
}

var swahiliTens = map[string]int{"kumi": 10, "ishirini": 20, "thelathini": 30, "arobaini": 40, "arubaini": 40, "hamsini": 50}

var englishUnits = map[string]int{
	"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "first": 1,
}

var englishTeens = map[string]int{
	"ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
	"seventeen": 17, "eighteen": 18, "nineteen": 19,
}

var englishTens = map[string]int{"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}

// digits writes the number words of both languages, up to 59, as digits: "saa kumi na mbili" becomes "saa 12".
// "saa tatu na nusu" keeps its half. The text must be normalised.
func digits(s string) string {
	words := strings.Fields(s)
	var out []string
	for i := 0; i < len(words); {
		value, used, ending := numberAt(words[i:])
		if used == 0 {
			out = append(out, words[i])
			i++
			continue
		}
		out = append(out, strconv.Itoa(value)+ending)
		i += used
	}
	return strings.Join(out, " ")
}

// numberAt reads the number at the beginning of the words and says how many it took. Punctuation after the number
// is given back.
func numberAt(words []string) (value, used int, ending string) {
	word, ending := trimEnding(words[0])
	if n, ok := swahiliTens[word]; ok {
		if len(words) >= 3 && ending == "" && words[1] == "na" {
			unit, end := trimEnding(words[2])
			if u, ok := swahiliUnits[unit]; ok {
				return n + u, 3, end
			}
		}
		return n, 1, ending
	}
	if n, ok := englishTens[word]; ok {
		if len(words) >= 2 && ending == "" {
			unit, end := trimEnding(words[1])
			if u, ok := englishUnits[unit]; ok {
				return n + u, 2, end
			}
		}
		return n, 1, ending
	}
	for _, units := range []map[string]int{swahiliUnits, englishUnits, englishTeens} {
		if n, ok := units[word]; ok {
			return n, 1, ending
		}
	}
	return 0, 0, ""
}

func trimEnding(word string) (bare, ending string) {
	bare = strings.TrimRight(word, ".,!?:)")
	return bare, word[len(bare):]
}

// atoi reads digits that a pattern has matched; it is 0 for an empty group.
func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
