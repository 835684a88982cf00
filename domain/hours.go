package domain

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Hours are the weekly opening hours of a business with dated exceptions. They hold wall-clock times; the location is
// given with each question. The zero value means always open.
//
// As JSON (the zero value is null; a day that is not named is closed):
//
//	{"week":{"mon":[{"open":"08:00","close":"12:30"},{"open":"14:00","close":"18:00"}],
//	         "sat":[{"open":"20:00","close":"02:00"}]},
//	 "exceptions":[{"date":"2026-12-25","ranges":[],"note":"Krismasi"}]}
//
// The older form {"0":{"open":"08:00","close":"18:00"},"1":null,…} with 0 for Sunday is read too, never written.
type Hours struct {
	// Week holds the ranges that begin on each weekday. A nil map is a week that is always open;
	// in any other map an absent day is closed.
	Week map[time.Weekday][]HoursRange
	// Exceptions replace the ranges that begin on their dates. No two have the same date.
	Exceptions []HoursException
}

// HoursRange is open from Open until just before Close. Close at or before Open lies on the next day;
// 00:00 to 24:00 is a whole day.
type HoursRange struct {
	Open  Clock `json:"open"`
	Close Clock `json:"close"`
}

// HoursException is a holiday (no ranges) or a day with hours of its own.
type HoursException struct {
	Date   string       `json:"date"` // 2006-01-02
	Ranges []HoursRange `json:"ranges"`
	Note   string       `json:"note,omitempty"`
}

// Clock is a wall-clock time in minutes since midnight, 0 to 1440; 1440 is written 24:00.
type Clock int

// HoursError says which field of opening hours is wrong, as a path such as week.mon[0].open.
type HoursError struct {
	Field   string
	Problem string
}

func (e *HoursError) Error() string { return "opening hours: " + e.Field + ": " + e.Problem }

const (
	wholeDay           = Clock(24 * 60)
	maxRangesPerDay    = 6
	maxExceptions      = 400
	hoursHorizonInDays = 400
)

var weekdayKeys = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// IsZero reports that no hours are set, which means always open.
func (h Hours) IsZero() bool { return h.Week == nil && len(h.Exceptions) == 0 }

// Open reports whether the business is open at this moment in its location (nil is UTC).
func (h Hours) Open(at time.Time, loc *time.Location) bool {
	local := at.In(orUTC(loc))
	now := clockOf(local)
	for _, r := range h.On(local) {
		if now >= r.Open && (now < r.Close || r.overnight()) {
			return true
		}
	}
	for _, r := range h.On(dayAfter(local, -1)) {
		if r.overnight() && now < r.Close {
			return true
		}
	}
	return false
}

// NextOpening returns the first moment at or after the given one at which the business is open; that is the moment
// itself while it is open. The result is in loc (nil is UTC). It is false when nothing opens within 400 days.
func (h Hours) NextOpening(at time.Time, loc *time.Location) (time.Time, bool) {
	local := at.In(orUTC(loc))
	if h.Open(local, loc) {
		return local, true
	}
	for day := range hoursHorizonInDays {
		date := dayAfter(local, day)
		for _, r := range h.On(date) {
			if opening, ok := h.firstOpenMinute(r.Open.On(date), local); ok {
				return opening, true
			}
		}
	}
	return time.Time{}, false
}

// firstOpenMinute corrects an opening that a change of the clocks moved out of its range, or that comes again
// because they were set back over it.
func (h Hours) firstOpenMinute(opening, notBefore time.Time) (time.Time, bool) {
	if opening.Before(notBefore) {
		if clockOf(notBefore) >= clockOf(opening) {
			return time.Time{}, false
		}
		opening = notBefore.Add(time.Minute - 1).Truncate(time.Minute)
	}
	for minutes := range 3 * 60 {
		moment := opening.Add(time.Duration(minutes) * time.Minute)
		if h.Open(moment, moment.Location()) {
			return moment, true
		}
	}
	return time.Time{}, false
}

func clockOf(t time.Time) Clock { return Clock(t.Hour()*60 + t.Minute()) }

// On returns the ranges that begin on the calendar day of the given time, read in the time's own location.
func (h Hours) On(day time.Time) []HoursRange {
	date := day.Format(time.DateOnly)
	for _, e := range h.Exceptions {
		if e.Date == date {
			return e.Ranges
		}
	}
	if h.Week == nil {
		return []HoursRange{{Open: 0, Close: wholeDay}}
	}
	return h.Week[day.Weekday()]
}

// Validate checks what UnmarshalJSON checks; its errors are of type *HoursError.
func (h Hours) Validate() error {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if err := validateRanges("week."+weekdayKeys[day], h.Week[day]); err != nil {
			return err
		}
	}
	if len(h.Exceptions) > maxExceptions {
		return &HoursError{"exceptions", fmt.Sprintf("more than %d entries", maxExceptions)}
	}
	seen := map[string]bool{}
	for i, e := range h.Exceptions {
		field := fmt.Sprintf("exceptions[%d]", i)
		if _, err := time.Parse(time.DateOnly, e.Date); err != nil {
			return &HoursError{field + ".date", fmt.Sprintf("%q is not a date (YYYY-MM-DD)", e.Date)}
		}
		if seen[e.Date] {
			return &HoursError{field + ".date", e.Date + " appears twice"}
		}
		seen[e.Date] = true
		if err := validateRanges(field+".ranges", e.Ranges); err != nil {
			return err
		}
	}
	return nil
}

func validateRanges(field string, ranges []HoursRange) error {
	if len(ranges) > maxRangesPerDay {
		return &HoursError{field, fmt.Sprintf("more than %d ranges in a day", maxRangesPerDay)}
	}
	for i, r := range ranges {
		here := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case r.Open < 0 || r.Open >= wholeDay:
			return &HoursError{here + ".open", "must lie between 00:00 and 23:59"}
		case r.Close < 0 || r.Close > wholeDay:
			return &HoursError{here + ".close", "must lie between 00:00 and 24:00"}
		case r.Open == r.Close:
			return &HoursError{here, "opens and closes at the same time (a whole day is 00:00 to 24:00)"}
		}
		for _, earlier := range ranges[:i] {
			if r.Open < earlier.end() && earlier.Open < r.end() {
				return &HoursError{here, "overlaps another range of the day"}
			}
		}
	}
	return nil
}

func (r HoursRange) overnight() bool { return r.Close <= r.Open }

// end counts from the midnight before Open, so that of an overnight range exceeds a day.
func (r HoursRange) end() Clock {
	if r.overnight() {
		return r.Close + wholeDay
	}
	return r.Close
}

// MarshalJSON writes the form shown at Hours.
func (h Hours) MarshalJSON() ([]byte, error) {
	if h.IsZero() {
		return []byte("null"), nil
	}
	var out hoursJSON
	if h.Week != nil {
		out.Week = map[string][]HoursRange{}
	}
	for day, key := range weekdayKeys {
		if ranges := h.Week[time.Weekday(day)]; len(ranges) > 0 {
			out.Week[key] = ranges
		}
	}
	for _, e := range h.Exceptions {
		if e.Ranges == nil {
			e.Ranges = []HoursRange{}
		}
		out.Exceptions = append(out.Exceptions, e)
	}
	return json.Marshal(out)
}

type hoursJSON struct {
	Week       map[string][]HoursRange `json:"week,omitzero"`
	Exceptions []HoursException        `json:"exceptions,omitempty"`
}

// UnmarshalJSON reads the form shown at Hours, or the older one. Errors are of type *HoursError.
func (h *Hours) UnmarshalJSON(data []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return &HoursError{"hours", "must be an object or null"}
	}
	read := readHours
	if isNumberedWeek(fields) {
		read = readNumberedWeek
	}
	parsed, err := read(fields)
	if err != nil {
		return err
	}
	if err := parsed.Validate(); err != nil {
		return err
	}
	*h = parsed
	return nil
}

func readHours(fields map[string]json.RawMessage) (Hours, error) {
	var h Hours
	for name := range fields {
		if name != "week" && name != "exceptions" {
			return h, &HoursError{name, "is not a known field"}
		}
	}
	var week map[string]json.RawMessage
	if raw := fields["week"]; raw != nil && json.Unmarshal(raw, &week) != nil {
		return h, &HoursError{"week", "must be an object"}
	}
	if week != nil {
		h.Week = map[time.Weekday][]HoursRange{}
	}
	for key, raw := range week {
		day := slices.Index(weekdayKeys[:], key)
		if day < 0 {
			return h, &HoursError{"week." + key, "is not a day (sun, mon, tue, wed, thu, fri, sat)"}
		}
		ranges, err := readRanges("week."+key, raw)
		if err != nil {
			return h, err
		}
		if len(ranges) > 0 {
			h.Week[time.Weekday(day)] = ranges
		}
	}
	exceptions, err := readExceptions(fields["exceptions"])
	h.Exceptions = exceptions
	return h, err
}

func readExceptions(raw json.RawMessage) ([]HoursException, error) {
	var entries []struct {
		Date   string          `json:"date"`
		Ranges json.RawMessage `json:"ranges"`
		Note   string          `json:"note"`
	}
	if raw == nil {
		return nil, nil
	}
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, &HoursError{"exceptions", "must be a list of {date, ranges, note}"}
	}
	var out []HoursException
	for i, e := range entries {
		ranges, err := readRanges(fmt.Sprintf("exceptions[%d].ranges", i), e.Ranges)
		if err != nil {
			return nil, err
		}
		out = append(out, HoursException{Date: e.Date, Ranges: ranges, Note: e.Note})
	}
	return out, nil
}

func readRanges(field string, raw json.RawMessage) ([]HoursRange, error) {
	var entries []json.RawMessage
	if len(raw) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, &HoursError{field, "must be a list of {open, close}"}
	}
	var ranges []HoursRange
	for i, entry := range entries {
		r, err := readRange(fmt.Sprintf("%s[%d]", field, i), entry)
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

func readRange(field string, raw json.RawMessage) (HoursRange, error) {
	var entry struct{ Open, Close string }
	if err := json.Unmarshal(raw, &entry); err != nil {
		return HoursRange{}, &HoursError{field, "must be {open, close} with times as text"}
	}
	opens, err := ParseClock(entry.Open)
	if err != nil {
		return HoursRange{}, &HoursError{field + ".open", err.Error()}
	}
	closes, err := ParseClock(entry.Close)
	if err != nil {
		return HoursRange{}, &HoursError{field + ".close", err.Error()}
	}
	return HoursRange{Open: opens, Close: closes}, nil
}

// isNumberedWeek recognises the older form by its keys. {} means what null means.
func isNumberedWeek(fields map[string]json.RawMessage) bool {
	for key := range fields {
		if strings.Trim(key, "0123456789") == "" {
			return true
		}
	}
	return false
}

func readNumberedWeek(fields map[string]json.RawMessage) (Hours, error) {
	h := Hours{Week: map[time.Weekday][]HoursRange{}}
	for key, raw := range fields {
		if len(key) != 1 || key < "0" || key > "6" {
			return h, &HoursError{key, "is not a day (0 for Sunday to 6 for Saturday)"}
		}
		if string(raw) == "null" {
			continue
		}
		r, err := readRange(key, raw)
		if err != nil {
			return h, err
		}
		h.Week[time.Weekday(key[0]-'0')] = []HoursRange{r}
	}
	return h, nil
}

// ParseClock reads "HH:MM", from 00:00 to 24:00.
func ParseClock(s string) (Clock, error) {
	if s == "24:00" {
		return wholeDay, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != len("15:04") {
		return 0, fmt.Errorf("%q is not a time of day (HH:MM)", s)
	}
	return Clock(t.Hour()*60 + t.Minute()), nil
}

// String writes HH:MM.
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

// MarshalText writes HH:MM.
func (c Clock) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what ParseClock reads.
func (c *Clock) UnmarshalText(text []byte) error {
	parsed, err := ParseClock(string(text))
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}

// On returns this time of day on the calendar day of the given time, in that time's location.
func (c Clock) On(day time.Time) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), 0, int(c), 0, 0, day.Location())
}

// dayAfter is noon of another calendar day: noon exists on every day in every location.
func dayAfter(day time.Time, days int) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day()+days, 12, 0, 0, 0, day.Location())
}

func orUTC(loc *time.Location) *time.Location {
	if loc == nil {
		return time.UTC
	}
	return loc
}
