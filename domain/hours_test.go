package domain

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var hoursEAT = time.FixedZone("EAT", 3*60*60)

func mustHours(t *testing.T, stored string) Hours {
	t.Helper()
	var h Hours
	if err := json.Unmarshal([]byte(stored), &h); err != nil {
		t.Fatalf("unmarshal %s: %v", stored, err)
	}
	return h
}

// at is a moment of the week of Monday 23 November 2026 in East Africa, such as "24 13:30".
func at(t *testing.T, clock string) time.Time {
	t.Helper()
	moment, err := time.ParseInLocation("2006-01-02 15:04", "2026-11-"+clock, hoursEAT)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

const barHours = `{"week":{"mon":[{"open":"08:00","close":"12:30"},{"open":"14:00","close":"18:00"}],"sat":[{"open":"20:00","close":"02:00"}]},
	"exceptions":[{"date":"2026-11-30","ranges":[],"note":"Sikukuu"},{"date":"2026-11-25","ranges":[{"open":"00:00","close":"24:00"}]}]}`

func TestHours_Open(t *testing.T) {
	h := mustHours(t, barHours)
	for clock, want := range map[string]bool{
		"23 07:59": false, "23 08:00": true, "23 12:29": true, "23 12:30": false, "23 14:00": true, "23 18:00": false,
		"24 10:00": false, // a day that is not named
		"25 00:00": true, "25 23:59": true, "26 00:00": false,
		"28 19:59": false, "28 23:59": true, "29 01:59": true, "29 02:00": false,
		"30 10:00": false, // a holiday
	} {
		if got := h.Open(at(t, clock).UTC(), hoursEAT); got != want {
			t.Errorf("open at %s: %v, want %v", clock, got, want)
		}
	}
}

func TestHours_NextOpening(t *testing.T) {
	h := mustHours(t, barHours)
	for clock, want := range map[string]string{
		"23 06:00": "23 08:00", "23 09:15": "23 09:15", "23 13:00": "23 14:00", "23 19:00": "25 00:00", "26 10:00": "28 20:00", "29 01:00": "29 01:00",
	} {
		got, ok := h.NextOpening(at(t, clock).UTC(), hoursEAT)
		if !ok || !got.Equal(at(t, want)) {
			t.Errorf("next opening after %s: %v (%v), want %s", clock, got, ok, want)
		}
	}
	if got, _ := h.NextOpening(at(t, "29 10:00"), hoursEAT); got.Format("2006-01-02 15:04") != "2026-12-05 20:00" {
		t.Errorf("after the holiday: %v", got)
	}
}

func TestHours_EmptyIsAlwaysOpen(t *testing.T) {
	for _, stored := range []string{`null`, `{}`} {
		h := mustHours(t, stored)
		if next, ok := h.NextOpening(at(t, "23 03:00"), nil); !h.IsZero() || !h.Open(at(t, "23 03:00"), nil) || !ok || !next.Equal(at(t, "23 03:00")) {
			t.Errorf("%s is not always open", stored)
		}
	}
}

func TestHours_ClosedAllWeekNeverOpens(t *testing.T) {
	if next, ok := mustHours(t, `{"week":{}}`).NextOpening(at(t, "23 03:00"), hoursEAT); ok {
		t.Errorf("opens at %v", next)
	}
}

func TestHours_ReadsTheOlderForm(t *testing.T) {
	got := mustHours(t, `{"0":null,"1":{"open":"08:00","close":"18:00"},"6":{"open":"09:00","close":"13:00"}}`)
	want := Hours{Week: map[time.Weekday][]HoursRange{time.Monday: {{Open: 480, Close: 1080}}, time.Saturday: {{Open: 540, Close: 780}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHours_ErrorsNameTheField(t *testing.T) {
	for stored, field := range map[string]string{
		`[]`:                         "hours",
		`{"weekly":{}}`:              "weekly",
		`{"week":[]}`:                "week",
		`{"week":{"monday":[]}}`:     "week.monday",
		`{"week":{"mon":{}}}`:        "week.mon",
		`{"week":{"mon":["08:00"]}}`: "week.mon[0]",
		`{"week":{"mon":[{"open":"8:00","close":"12:00"}]}}`:                                   "week.mon[0].open",
		`{"week":{"mon":[{"open":"08:00","close":"25:00"}]}}`:                                  "week.mon[0].close",
		`{"week":{"mon":[{"open":"24:00","close":"02:00"}]}}`:                                  "week.mon[0].open",
		`{"week":{"mon":[{"open":"08:00","close":"08:00"}]}}`:                                  "week.mon[0]",
		`{"week":{"mon":[{"open":"08:00","close":"12:00"},{"open":"11:00","close":"13:00"}]}}`: "week.mon[1]",
		`{"exceptions":{}}`:                                                              "exceptions",
		`{"exceptions":[{"date":"25/12"}]}`:                                              "exceptions[0].date",
		`{"exceptions":[{"date":"2026-12-25"},{"date":"2026-12-25"}]}`:                   "exceptions[1].date",
		`{"exceptions":[{"date":"2026-12-25","ranges":[{"open":"x","close":"12:00"}]}]}`: "exceptions[0].ranges[0].open",
		`{"7":null}`:                           "7",
		`{"1":{"open":"08:00","close":"mid"}}`: "1.close",
	} {
		var h Hours
		var problem *HoursError
		if err := json.Unmarshal([]byte(stored), &h); !errors.As(err, &problem) || problem.Field != field {
			t.Errorf("%s: error %v, want one of field %s", stored, err, field)
		}
	}
}

func drawHours(rt *rapid.T) Hours {
	ranges := rapid.Custom(func(rt *rapid.T) []HoursRange {
		var out []HoursRange
		from := rapid.IntRange(0, 600).Draw(rt, "from")
		for range rapid.IntRange(0, 3).Draw(rt, "ranges") {
			to := from + rapid.IntRange(1, 400).Draw(rt, "length")
			if to > 24*60 {
				break
			}
			out = append(out, HoursRange{Open: Clock(from), Close: Clock(to)})
			from = to
		}
		if from < 24*60-1 && rapid.Bool().Draw(rt, "overnight") {
			out = append(out, HoursRange{Open: Clock(from + 1), Close: Clock(rapid.IntRange(0, min(from, 300)).Draw(rt, "until"))})
		}
		return out
	})
	h := Hours{Week: map[time.Weekday][]HoursRange{}}
	for day := time.Sunday; day <= time.Saturday; day++ {
		if r := ranges.Draw(rt, "day"); len(r) > 0 {
			h.Week[day] = r
		}
	}
	if rapid.Bool().Draw(rt, "exception") {
		h.Exceptions = []HoursException{{Date: "2026-11-26", Ranges: ranges.Draw(rt, "exception ranges")}}
	}
	return h
}

func TestHours_JSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := drawHours(rt)
		if err := h.Validate(); err != nil {
			rt.Fatalf("drawn hours are invalid: %v", err)
		}
		stored, err := json.Marshal(h)
		if err != nil {
			rt.Fatal(err)
		}
		var back Hours
		if err := json.Unmarshal(stored, &back); err != nil {
			rt.Fatalf("%s: %v", stored, err)
		}
		if diff := cmp.Diff(h, back); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func TestHours_AnOpeningComesAgainWhenTheClocksAreSetBackOverIt(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Skipf("no time zones on this machine: %v", err)
	}
	h := Hours{Week: map[time.Weekday][]HoursRange{time.Sunday: {{Open: 61, Close: 0}}}}
	again := time.Date(2026, 11, 1, 6, 0, 30, 0, time.UTC) // 01:00:30, for the second time
	if next, ok := h.NextOpening(again, newYork); !ok || !next.Equal(time.Date(2026, 11, 1, 6, 1, 0, 0, time.UTC)) {
		t.Errorf("it opens at %v", next)
	}
}

func TestHours_NextOpeningIsTheFirstOpenMinute(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York") // a place that changes its clocks
	if err != nil {
		t.Skipf("no time zones on this machine: %v", err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		h := drawHours(rt)
		loc := rapid.SampledFrom([]*time.Location{hoursEAT, newYork, time.UTC}).Draw(rt, "location")
		start := rapid.SampledFrom([]time.Time{
			time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 30, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 6, 0, 0, 0, 0, time.UTC),
		}).Draw(rt, "start")
		from := start.Add(time.Duration(rapid.IntRange(0, 4*24*60).Draw(rt, "minutes")) * time.Minute)
		next, ok := h.NextOpening(from, loc)
		if !ok {
			next = from.AddDate(0, 0, 9)
		} else if next.Before(from) || !h.Open(next, loc) {
			rt.Fatalf("next opening after %v is %v, which is closed or past", from, next)
		}
		for minute := from; minute.Before(next) && minute.Before(from.AddDate(0, 0, 9)); minute = minute.Add(time.Minute) {
			if h.Open(minute, loc) {
				rt.Fatalf("open at %v already, next opening said %v", minute, next)
			}
		}
	})
}
