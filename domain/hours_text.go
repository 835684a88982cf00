package domain

import (
	"errors"
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
		day, rest := HoursException{Date: words[0]}, words[1:]
		for len(rest) > 0 && strings.Contains(rest[0], ":") {
			more, err := ParseRanges(rest[0])
			if err != nil {
				return nil, errDates
			}
			day.Ranges, rest = append(day.Ranges, more...), rest[1:]
		}
		day.Note = strings.Join(rest, " ")
		days = append(days, day)
	}
	return days, nil
}

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
