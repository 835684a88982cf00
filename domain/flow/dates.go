package flow

import (
	"regexp"
	"sort"
	"strings"
	"time"
)

const weekdayWords = "jumapili|jumatatu|jumanne|jumatano|alhamisi|alhamis|ijumaa|jumamosi|" +
	"juma mosi|juma pili|juma 2|juma 3|juma 4|juma 5|jmosi|jpili|jtatu|jnne|jtano|alh|ijm|j2|j3|j4|j5|" +
	"sunday|monday|tuesday|wednesday|thursday|friday|saturday|sun|mon|tue|tues|wed|thu|thur|thurs|fri|sat"

var weekdays = map[string]time.Weekday{
	"jumapili": 0, "juma pili": 0, "juma 2": 0, "jpili": 0, "j2": 0, "sunday": 0, "sun": 0,
	"jumatatu": 1, "juma 3": 1, "jtatu": 1, "j3": 1, "monday": 1, "mon": 1,
	"jumanne": 2, "juma 4": 2, "jnne": 2, "j4": 2, "tuesday": 2, "tue": 2, "tues": 2,
	"jumatano": 3, "juma 5": 3, "jtano": 3, "j5": 3, "wednesday": 3, "wed": 3,
	"alhamisi": 4, "alhamis": 4, "alh": 4, "thursday": 4, "thu": 4, "thur": 4, "thurs": 4,
	"ijumaa": 5, "ijm": 5, "friday": 5, "fri": 5,
	"jumamosi": 6, "juma mosi": 6, "jmosi": 6, "saturday": 6, "sat": 6,
}

var months = map[string]int{
	"januari": 1, "january": 1, "jan": 1, "februari": 2, "february": 2, "feb": 2, "machi": 3, "march": 3, "mar": 3,
	"aprili": 4, "april": 4, "apr": 4, "mei": 5, "may": 5, "juni": 6, "june": 6, "jun": 6, "julai": 7, "july": 7, "jul": 7,
	"agosti": 8, "august": 8, "aug": 8, "ago": 8, "septemba": 9, "september": 9, "sept": 9, "sep": 9,
	"oktoba": 10, "october": 10, "oct": 10, "okt": 10, "novemba": 11, "november": 11, "nov": 11,
	"desemba": 12, "disemba": 12, "december": 12, "dec": 12, "des": 12,
}

// dayRule reads one way of naming a day. The day it returns may lie anywhere; readDay judges it.
type dayRule struct {
	pattern *regexp.Regexp
	read    func(m []string, today time.Time) (time.Time, dayProblem)
}

func rule(pattern string, read func(m []string, today time.Time) (time.Time, dayProblem)) dayRule {
	return dayRule{regexp.MustCompile(pattern), read}
}

// dayRules are tried in this order; the first that matches decides.
var dayRules = func() []dayRule {
	month, ordinal := "("+alternatives(months)+`)\b`, `(\d{1,2})(?:st|nd|rd|th)?`
	year := `(?:,? (20\d\d)\b)?`
	return []dayRule{
		rule(`\b(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})\b`, func(m []string, _ time.Time) (time.Time, dayProblem) {
			return dated(atoi(m[1]), atoi(m[2]), atoi(m[3]))
		}),
		rule(`\b(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})\b`, func(m []string, _ time.Time) (time.Time, dayProblem) {
			return dated(century(atoi(m[3])), atoi(m[2]), atoi(m[1]))
		}),
		rule(`\b(\d{1,2})/(\d{1,2})\b`, func(m []string, today time.Time) (time.Time, dayProblem) {
			return comingDate(atoi(m[2]), atoi(m[1]), today)
		}),
		rule(`\bmwezi (?:wa )?(\d{1,2}),? (?:tarehe|tar) (\d{1,2})\b`, func(m []string, today time.Time) (time.Time, dayProblem) {
			return comingDate(atoi(m[1]), atoi(m[2]), today)
		}),
		rule(`\b(\d{1,2}),? (?:ya )?mwezi (?:wa )?(\d{1,2})\b`+year, func(m []string, today time.Time) (time.Time, dayProblem) {
			return inYear(m[3], atoi(m[2]), atoi(m[1]), today)
		}),
		rule(`\b`+ordinal+`,? (?:of |ya |mwezi wa )?`+month+`\.?`+year, func(m []string, today time.Time) (time.Time, dayProblem) {
			return inYear(m[3], months[m[2]], atoi(m[1]), today)
		}),
		rule(`\b`+month+`\.? (?:tarehe |the )?`+ordinal+`\b`+year, func(m []string, today time.Time) (time.Time, dayProblem) {
			return inYear(m[3], months[m[1]], atoi(m[2]), today)
		}),
		rule(`(?:\btarehe |\btar |)\b`+ordinal+` (?:ya )?(?:mwezi ujao|next month|of next month)\b`, func(m []string, today time.Time) (time.Time, dayProblem) {
			return dated(today.Year(), int(today.Month())+1, atoi(m[1]))
		}),
		rule(`\b(?:tarehe|tar|trh|date)\.? (?:ya )?(\d{1,2})\b`, nextDayOfMonth),
		rule(`\b(\d{1,2})(?:st|nd|rd|th)\b`, nextDayOfMonth),
		relative(`\b(?:keshokutwa|kesho kutwa|(?:the )?day after tomorrow)\b`, 2),
		relative(`\bmtondo\b`, 3),
		relative(`\b(?:kesho|tomorrow|tommorow|tomorow|tommorrow|tmrw|tmr|tomoro)\b`, 1),
		relative(`\b(?:leo|today|tonight|leo hii)\b`, 0),
		relative(`\b(?:jana|juzi|yesterday)\b`, -1),
		rule(`\b(?:in (\d{1,2}) days?|baada ya siku (\d{1,2})|siku (\d{1,2}) zijazo|(\d{1,2}) days from (?:now|today))\b`, ahead(1)),
		rule(`\b(?:in (\d{1,2}) weeks?|baada ya wiki (\d{1,2})|wiki (\d{1,2}) zijazo|(\d{1,2}) weeks from (?:now|today))\b`, ahead(7)),
		relative(`\b(?:in a week|a week from today|baada ya wiki)\b`, 7),
		rule(`\b(?:wiki ijayo|next week)(?: on| siku ya)? (`+weekdayWords+`)\b`, weekdayOfNextWeek),
		rule(`\b(`+weekdayWords+`)(?: ya| of)? (?:wiki ijayo|next week)\b`, weekdayOfNextWeek),
		rule(`\bnext (`+weekdayWords+`)\b`, weekdayOfNextWeek),
		rule(`\b(`+weekdayWords+`)\b`, func(m []string, today time.Time) (time.Time, dayProblem) {
			return nextWeekday(m[1], noon(today, 1)), ""
		}),
		rule(`\b(?:weekend|wikendi|mwisho wa wiki)\b`, func(_ []string, today time.Time) (time.Time, dayProblem) {
			return nextWeekday("saturday", today), ""
		}),
	}
}()

// readDay finds a day and returns the text without the words that named it. The day is never before now's day and
// never more than twelve months after it.
func readDay(s string, now time.Time) (day time.Time, problem dayProblem, rest string) {
	today := noon(now, 0)
	for _, rule := range dayRules {
		at := rule.pattern.FindStringSubmatchIndex(s)
		if at == nil {
			continue
		}
		day, problem := rule.read(submatches(s, at), today)
		rest := s[:at[0]] + " " + s[at[1]:]
		if problem == "" {
			day = time.Date(day.Year(), day.Month(), day.Day(), 12, 0, 0, 0, now.Location())
			problem = judge(day, today)
		}
		if problem != "" {
			return time.Time{}, problem, rest
		}
		return day, "", rest
	}
	return time.Time{}, "", s
}

func judge(day, today time.Time) dayProblem {
	switch {
	case day.Before(today):
		return dayPast
	case day.After(today.AddDate(1, 0, 0)):
		return dayTooFar
	}
	return ""
}

// dated is a complete date; the location does not matter yet.
func dated(year, month, day int) (time.Time, dayProblem) {
	date := time.Date(year, time.Month(month), day, 12, 0, 0, 0, time.UTC)
	normal := (month-1)%12 + 1 // "next month" counts on from December
	if date.Day() != day || int(date.Month()) != normal || day == 0 || month == 0 || month > 13 {
		return time.Time{}, dayImpossible
	}
	return date, ""
}

func century(year int) int {
	if year < 100 {
		return 2000 + year
	}
	return year
}

func inYear(year string, month, day int, today time.Time) (time.Time, dayProblem) {
	if year == "" {
		return comingDate(month, day, today)
	}
	return dated(atoi(year), month, day)
}

// comingDate is the next such date, today included. A 29 February that is too far away is impossible.
func comingDate(month, day int, today time.Time) (time.Time, dayProblem) {
	if month > 12 {
		return time.Time{}, dayImpossible
	}
	for year := today.Year(); year <= today.Year()+1; year++ {
		date, problem := dated(year, month, day)
		if problem == "" && !dateBefore(date, today) {
			return date, ""
		}
	}
	return time.Time{}, dayImpossible
}

func nextDayOfMonth(m []string, today time.Time) (time.Time, dayProblem) {
	day := atoi(m[1])
	for ahead := range 12 {
		first := time.Date(today.Year(), today.Month()+time.Month(ahead), 1, 12, 0, 0, 0, time.UTC)
		date, problem := dated(first.Year(), int(first.Month()), day)
		if problem == "" && !dateBefore(date, today) {
			return date, ""
		}
	}
	return time.Time{}, dayImpossible
}

// ahead counts units of so many days; whichever group of the pattern matched holds the number.
func ahead(days int) func([]string, time.Time) (time.Time, dayProblem) {
	return func(m []string, today time.Time) (time.Time, dayProblem) {
		return noon(today, days*atoi(strings.Join(m[1:], ""))), ""
	}
}

func relative(pattern string, days int) dayRule {
	return rule(pattern, func(_ []string, today time.Time) (time.Time, dayProblem) { return noon(today, days), "" })
}

// nextWeekday is the first such weekday from a day on.
func nextWeekday(name string, from time.Time) time.Time {
	return noon(from, (int(weekdays[name])-int(from.Weekday())+7)%7)
}

// weekdayOfNextWeek counts weeks from Monday: on a Sunday, "next friday" is five days away.
func weekdayOfNextWeek(m []string, today time.Time) (time.Time, dayProblem) {
	monday := noon(today, 7-(int(today.Weekday())+6)%7)
	return nextWeekday(m[1], monday), ""
}

func dateBefore(a, b time.Time) bool {
	return a.Format(time.DateOnly) < b.Format(time.DateOnly)
}

func submatches(s string, at []int) []string {
	var found []string
	for i := 0; i < len(at); i += 2 {
		group := ""
		if at[i] >= 0 {
			group = s[at[i]:at[i+1]]
		}
		found = append(found, group)
	}
	return found
}

// alternatives lists the keys for a pattern, the longest first.
func alternatives(words map[string]int) string {
	var keys []string
	for key := range words {
		keys = append(keys, key)
	}
	sort.Slice(keys, func(i, j int) bool {
		if len(keys[i]) != len(keys[j]) {
			return len(keys[i]) > len(keys[j])
		}
		return keys[i] < keys[j]
	})
	return strings.Join(keys, "|")
}
