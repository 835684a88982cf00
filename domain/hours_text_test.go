package domain

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRanges_AreReadAsPeopleTypeThem(t *testing.T) {
	for typed, want := range map[string]string{
		"":                           "",
		"08:00-18:00":                "08:00-18:00",
		"8-12:30, 14-18":             "08:00-12:30, 14:00-18:00",
		"8:00 – 17:00":               "08:00-17:00",
		"20:00-02:00":                "20:00-02:00",
		" 00:00-24:00 ; 10:00-11:00": "00:00-24:00, 10:00-11:00",
	} {
		got, err := ParseRanges(typed)
		if err != nil || FormatRanges(got) != want {
			t.Errorf("%q is read as %q (%v), want %q", typed, FormatRanges(got), err, want)
		}
	}
	for _, typed := range []string{"morning", "08:00", "25:00-26:00", "8-", "08:00-18:00-20:00"} {
		if got, err := ParseRanges(typed); err == nil {
			t.Errorf("%q is read as %v, want an error", typed, got)
		}
	}
}

func TestExceptions_SurviveBeingWrittenAndReadAgain(t *testing.T) {
	typed := "2026-12-25 Krismasi\n\n2026-12-31 09:00-13:00 Half day\n2027-01-01\n"
	days, err := ParseExceptions(typed)
	if err != nil {
		t.Fatal(err)
	}
	if len(days) != 3 || days[0].Note != "Krismasi" || len(days[0].Ranges) != 0 || len(days[1].Ranges) != 1 || days[1].Note != "Half day" {
		t.Errorf("the days are read as %+v", days)
	}
	again, err := ParseExceptions(FormatExceptions(days))
	if diff := cmp.Diff(days, again); err != nil || diff != "" {
		t.Errorf("reading them again fails with %v or differs: %s", err, diff)
	}
	if _, err := ParseExceptions("Christmas"); err == nil {
		t.Error("a line without a date is accepted")
	}
}

func TestExceptions_AreReadLikeTheHoursOfAWeekday(t *testing.T) {
	for typed, want := range map[string]string{
		"2026-12-31 9-13":                                  "2026-12-31 09:00-13:00",
		"2026-12-31 9-13 Nusu siku":                        "2026-12-31 09:00-13:00 Nusu siku",
		"2026-12-31 9 - 13":                                "2026-12-31 09:00-13:00",
		"2026-12-31 8:00 – 12:30, 14-18 Half day":          "2026-12-31 08:00-12:30, 14:00-18:00 Half day",
		"2026-12-31 08:00-12:00,14:00-18:00":               "2026-12-31 08:00-12:00, 14:00-18:00",
		"2026-12-31 08:00-12:00 14:00-18:00":               "2026-12-31 08:00-12:00, 14:00-18:00",
		"2026-12-31 09:00-13:00 2 hours less than usually": "2026-12-31 09:00-13:00 2 hours less than usually",
		"2026-12-25 Krismasi 2026":                         "2026-12-25 Krismasi 2026",
	} {
		days, err := ParseExceptions(typed)
		if got := FormatExceptions(days); err != nil || got != want+"\n" {
			t.Errorf("%q is read as %q (%v), want %q", typed, got, err, want)
		}
	}
	for _, typed := range []string{"2026-12-31 9", "2026-12-31 9am-1pm", "2026-12-31 9-13pm", "2026-12-31 25-26", "2026-12-31 08:00-12:00 14:00", "2026-12-31 08:00-18:00-20:00"} {
		if days, err := ParseExceptions(typed); err == nil {
			t.Errorf("%q is read as %+v, want an error", typed, days)
		}
	}
}
