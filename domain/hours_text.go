package domain

import (
	"errors"
	"regexp"
	"strings"
	"time"
)

// Opening hours as people type them into a form: "08:00-12:30, 14:00-18:00".

//lint:ignore ST1005 it is a sentence for people
var errRanges = errors.New("Write times such as 08:00-18:00, or 08:00-12:30, 14:00-18:00. Leave it empty when closed.")

//lint:ignore ST1005 it is a sentence for people
var errDates = errors.New("Write one line for each day: 2026-12-25 Christmas, or 2026-12-31 09:00-13:00.")

// ParseRanges reads the ranges of one day; an empty text is a closed day.
// Errors are sentences for people.
func ParseRanges(text string) (ranges []HoursRange, err error) {
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' }) {
		part = strings.ReplaceAll(strings.TrimSpace(part), "–", "-")
		opens, closes, ok := strings.Cut(part, "-")
		if !ok {
			return nil, errRanges
		}
		var r HoursRange
		if r.Open, err = ParseClock(padded(opens)); err != nil {
			return nil, errRanges
		}
		if r.Close, err = ParseClock(padded(closes)); err != nil {
			return nil, errRanges
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

// padded takes "8" and "8:30" for "08:00" and "08:30".
func padded(clock string) string {
	clock = strings.TrimSpace(clock)
	if !strings.Contains(clock, ":") {
		clock += ":00"
	}
	if len(clock) == len("8:30") {
		clock = "0" + clock
	}
	return clock
}

// FormatRanges writes what ParseRanges reads.
func FormatRanges(ranges []HoursRange) string {
	parts := make([]string, len(ranges))
	for i, r := range ranges {
		parts[i] = r.Open.String() + "-" + r.Close.String()
	}
	return strings.Join(parts, ", ")
}

// ParseExceptions reads one day a line: a date, then ranges when it is open at
// all, then a note. Errors are sentences for people.
func ParseExceptions(text string) (days []HoursException, err error) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if _, err := time.Parse(time.DateOnly, words[0]); err != nil {
			return nil, errDates
		}
		day := HoursException{Date: words[0]}
		if day.Ranges, day.Note, err = rangesAhead(strings.Join(words[1:], " ")); err != nil {
			return nil, errDates
		}
		days = append(days, day)
	}
	return days, nil
}

// rangeAhead is a range at the beginning of a text, as ParseRanges takes it.
var rangeAhead = regexp.MustCompile(`^\d[\d:]* ?[-–] ?\d[\d:]*(?: ?[,;] ?| |$)`)

// rangesAhead reads the ranges before a note. A note without ranges before it
// does not begin with a digit: those are times that cannot be read, and the day
// would pass for closed.
func rangesAhead(text string) (ranges []HoursRange, note string, err error) {
	for {
		next := rangeAhead.FindString(text)
		if next == "" {
			break
		}
		more, err := ParseRanges(strings.TrimRight(next, " ,;"))
		if err != nil {
			return nil, "", err
		}
		ranges, text = append(ranges, more...), text[len(next):]
	}
	first, _, _ := strings.Cut(text, " ")
	if startsWithDigit(first) && (ranges == nil || strings.Contains(first, ":")) {
		return nil, "", errRanges
	}
	return ranges, text, nil
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// FormatExceptions writes what ParseExceptions reads.
func FormatExceptions(days []HoursException) string {
	var out strings.Builder
	for _, d := range days {
		out.WriteString(strings.TrimRight(d.Date+" "+FormatRanges(d.Ranges), " "))
		if d.Note != "" {
			out.WriteString(" " + d.Note)
		}
		out.WriteString("\n")
	}
	return out.String()
}
