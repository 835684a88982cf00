package flow

import (
	"regexp"
	"time"

	"flowhq/domain"
)

// when is what a text says about a moment. Every part may be missing.
type when struct {
	day     time.Time      // noon of the day, in the location asked from; zero when none is named
	problem dayProblem     // why a day that was named cannot be used; day is then zero
	clocks  []domain.Clock // readings of the time of day, the likeliest first
	part    *dayPart       // "asubuhi", "evening"
}

type dayProblem string

const (
	dayPast       dayProblem = "past"
	dayTooFar     dayProblem = "too_far"    // more than twelve months ahead
	dayImpossible dayProblem = "impossible" // the 31st of November
)

func (w when) empty() bool {
	return w.day.IsZero() && w.problem == "" && len(w.clocks) == 0 && w.part == nil
}

// readWhen understands dates and times of both languages in a normalised text, counted from now in now's location.
// Only when bare is set does a number alone mean an hour.
func readWhen(normalised string, now time.Time, bare bool) when {
	s := digits(pleasantHours.ReplaceAllString(normalised, " "))
	var w when
	w.part = partNamed(s)
	w.day, w.problem, s = readDay(s, now)
	w.clocks = readClocks(s, w.part, bare)
	return w
}

// pleasantHours are greetings that name a part of the day without meaning one.
var pleasantHours = regexp.MustCompile(`\b(?:good (?:morning|afternoon|evening|night|day)|` +
	`^za (?:asubuhi|mchana|jioni|leo|usiku)|habari (?:za|ya) (?:asubuhi|mchana|jioni|leo|usiku)|usiku mwema|asubuhi njema|siku njema)\b`)
