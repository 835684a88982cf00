package flow

import (
	"regexp"
	"slices"
	"strings"

	"flowhq/domain"
)

// dayPart is a part of the day. The bounds are minutes since midnight; ends after midnight exceed a day.
type dayPart struct {
	name     string // kept in a State, so never change one
	swahili  [2]int // where an hour counted from dawn is plausible
	watch    [2]int // where an hour of a watch is plausible
	wide     [2]int // twelve hours that settle every other case
	offering [2]int // what to offer somebody who names only the part
}

var (
	dawn      = &dayPart{"dawn", [2]int{180, 420}, [2]int{180, 420}, [2]int{0, 720}, [2]int{180, 420}}
	morning   = &dayPart{"morning", [2]int{240, 720}, [2]int{360, 720}, [2]int{60, 780}, [2]int{360, 720}}
	afternoon = &dayPart{"afternoon", [2]int{660, 1080}, [2]int{660, 1020}, [2]int{660, 1380}, [2]int{720, 1020}}
	evening   = &dayPart{"evening", [2]int{900, 1231}, [2]int{900, 1231}, [2]int{780, 1500}, [2]int{960, 1260}}
	night     = &dayPart{"night", [2]int{1110, 1800}, [2]int{1110, 1440}, [2]int{1080, 1800}, [2]int{1110, 1440}}
)

const (
	swahiliPartWords = "alfajiri|asubuhi|asbh|mchana|alasiri|adhuhuri|jioni|magharibi|usiku"
	englishPartWords = "morning|afternoon|evening|tonight|night|after work"
)

var dayParts = map[string]*dayPart{
	"alfajiri": dawn, "asubuhi": morning, "asbh": morning, "mchana": afternoon, "alasiri": afternoon,
	"adhuhuri": afternoon, "jioni": evening, "magharibi": evening, "usiku": night,
	"morning": morning, "afternoon": afternoon, "evening": evening, "after work": evening, "night": night, "tonight": night,
}

var (
	partPattern  = regexp.MustCompile(`\b(` + swahiliPartWords + `|` + englishPartWords + `)\b`)
	amPmPattern  = regexp.MustCompile(`\b(\d{1,2})(?: ?[:.] ?(\d{2}))? ?(a\.? ?m|p\.? ?m)\b`)
	noonPattern  = regexp.MustCompile(`\b(?:noon|midday)\b`)
	pastPattern  = regexp.MustCompile(`\b(half past|quarter past|quarter to) (\d{1,2})\b`)
	saaPattern   = regexp.MustCompile(`\bsaa ?(?:ya |za )?(\d{1,2})(?: ?[:.] ?(\d{2}))?(?: (kamili|na nusu|unusu|u nusu|nusu|na robo|robo|kasoro robo|kasorobo|kasoro|(?:na )?dakika|na)\b)?(?: (?:dakika )?(\d{1,2})\b)?`)
	clockPattern = regexp.MustCompile(`\b(\d{1,2})[:.](\d{2})\b`)
	hoursPattern = regexp.MustCompile(`\b(\d{2})(\d{2}) ?(?:hrs|hours|h)\b|\b(\d{1,2})h(\d{2})?\b`)
	hourPattern  = regexp.MustCompile(`\b(\d{1,2}) (?:o'?clock|kamili|(?:in the |at |ya |za )?(?:` + swahiliPartWords + `|` + englishPartWords + `))\b|\bat (\d{1,2})\b`)
	barePattern  = regexp.MustCompile(`^[^\p{L}\d]*(\d{1,2})[^\p{L}\d]*$`)
)

func partNamed(s string) *dayPart {
	if match := partPattern.FindString(s); match != "" {
		return dayParts[match]
	}
	return nil
}

func partByName(name string) *dayPart {
	for _, part := range []*dayPart{dawn, morning, afternoon, evening, night} {
		if part.name == name {
			return part
		}
	}
	return nil
}

func (p *dayPart) offers(minute int) bool { return within(p.offering, minute) }

// of keeps the readings of a time that lie in this part of the day; all of them when none does.
func (p *dayPart) of(clocks []domain.Clock) []domain.Clock {
	if p == nil {
		return clocks
	}
	in := slices.DeleteFunc(slices.Clone(clocks), func(c domain.Clock) bool { return !p.offers(int(c)) })
	if len(in) == 0 {
		return clocks
	}
	return in
}

// readClocks finds a time of day and returns its readings, the likeliest first. In Swahili hours are counted from
// dawn and dusk: "saa tatu asubuhi" is 09:00. Without a part of the day there are two readings, for the caller to
// choose from by the opening hours.
func readClocks(s string, part *dayPart, bare bool) []domain.Clock {
	if m := amPmPattern.FindStringSubmatch(s); m != nil {
		return readAmPm(atoi(m[1]), atoi(m[2]), m[3])
	}
	if m := saaPattern.FindStringSubmatch(s); m != nil {
		return readSaa(m, part)
	}
	if m := pastPattern.FindStringSubmatch(s); m != nil {
		offset := map[string]int{"half past": 30, "quarter past": 15, "quarter to": -15}[m[1]]
		return shifted(watchHour(m[2], 0, s, part), offset)
	}
	if m := hoursPattern.FindStringSubmatch(s); m != nil {
		return exact(atoi(m[1]+m[3]), atoi(m[2]+m[4]))
	}
	if m := clockPattern.FindStringSubmatch(s); m != nil {
		return watchHour(m[1], atoi(m[2]), s, part)
	}
	if noonPattern.MatchString(s) {
		return exact(12, 0)
	}
	if m := hourPattern.FindStringSubmatch(s); m != nil {
		return watchHour(m[1]+m[2], 0, s, part)
	}
	if m := barePattern.FindStringSubmatch(s); bare && m != nil {
		return watchHour(m[1], 0, s, part)
	}
	return nil
}

func readAmPm(hour, minute int, half string) []domain.Clock {
	if hour > 12 || hour == 0 {
		return exact(hour, minute)
	}
	if hour %= 12; strings.HasPrefix(half, "p") {
		hour += 12
	}
	return exact(hour, minute)
}

// readSaa reads "saa" with its hour, figures, and what is added to or taken from it. Beside a part of the day the
// hours of a watch count only where those from dawn make no sense ("saa 9 asubuhi"), or as the second reading of
// copied figures ("saa 10:00 asubuhi").
func readSaa(m []string, part *dayPart) []domain.Clock {
	hour, minute, added, extra := atoi(m[1]), atoi(m[2]), m[3], atoi(m[4])
	offset := 0
	switch added {
	case "na nusu", "unusu", "u nusu", "nusu":
		offset = 30
	case "na robo", "robo":
		offset = 15
	case "kasoro robo", "kasorobo":
		offset = -15
	case "kasoro":
		offset = -extra
	case "na", "dakika", "na dakika":
		offset = extra
	}
	if minute > 59 || offset > 59 || offset < -59 {
		return nil
	}
	if hour == 0 || hour > 12 {
		return shifted(exact(hour, minute), offset)
	}
	fromDawn, watch := twice(hour+6, minute), twice(hour, minute)
	if part == nil {
		return shifted(fromDawn, offset)
	}
	plausible := keep(fromDawn, part.swahili)
	if figures := m[2] != ""; figures || len(plausible) == 0 {
		plausible = append(plausible, keep(watch, part.watch)...)
	}
	if len(plausible) == 0 {
		plausible = keep(fromDawn, part.wide)
	}
	return shifted(slices.Compact(plausible), offset)
}

// watchHour reads an hour without "saa". Beside a Swahili part of the day it may be counted from dawn all the same.
func watchHour(figures string, minute int, s string, part *dayPart) []domain.Clock {
	hour := atoi(figures)
	if hour == 0 || hour > 12 || len(figures) == 2 && figures[0] == '0' {
		return exact(hour, minute)
	}
	if minute > 59 {
		return nil
	}
	watch := twice(hour, minute)
	if part == nil {
		return watch
	}
	spoken := partPattern.FindString(s)
	if strings.Contains("|"+englishPartWords+"|", "|"+spoken+"|") {
		return keep(watch, part.wide)
	}
	plausible := append(keep(watch, part.watch), keep(twice(hour+6, minute), part.swahili)...)
	if len(plausible) == 0 {
		return keep(watch, part.wide)
	}
	return slices.Compact(plausible)
}

// twice returns both readings of an hour on a dial, the one from seven in the morning to seven in the evening first.
func twice(hour, minute int) []domain.Clock {
	early := domain.Clock(hour%12*60 + minute)
	late := early + 12*60
	if early >= 7*60 {
		return []domain.Clock{early, late}
	}
	return []domain.Clock{late, early}
}

func exact(hour, minute int) []domain.Clock {
	if hour > 23 || minute > 59 {
		return nil
	}
	return []domain.Clock{domain.Clock(hour*60 + minute)}
}

func keep(clocks []domain.Clock, bounds [2]int) []domain.Clock {
	var kept []domain.Clock
	for _, c := range clocks {
		if within(bounds, int(c)) {
			kept = append(kept, c)
		}
	}
	return kept
}

func within(bounds [2]int, minute int) bool {
	return minute >= bounds[0] && minute < bounds[1] || minute+24*60 >= bounds[0] && minute+24*60 < bounds[1]
}

func shifted(clocks []domain.Clock, minutes int) []domain.Clock {
	var out []domain.Clock
	for _, c := range clocks {
		out = append(out, (c+domain.Clock(minutes)+24*60)%(24*60))
	}
	return out
}
