package flow

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flowhq/domain"
)

// now in these tables is Monday 23 November 2026, 10:00.
func TestReadDay_BothLanguages(t *testing.T) {
	for text, want := range map[string]string{
		"leo": "2026-11-23", "kesho": "2026-11-24", "keshokutwa": "2026-11-25", "kesho kutwa": "2026-11-25", "mtondo": "2026-11-26",
		"today": "2026-11-23", "Tomorrow please": "2026-11-24", "the day after tomorrow": "2026-11-25", "tonight at 8": "2026-11-23",
		"jumatatu": "2026-11-30", "Jumanne": "2026-11-24", "juma tano": "2026-11-25", "alhamisi": "2026-11-26", "ijumaa": "2026-11-27",
		"jumamosi ijayo": "2026-11-28", "j2": "2026-11-29", "jumapili": "2026-11-29", "jumamosi wiki ijayo": "2026-12-05",
		"friday": "2026-11-27", "on fri": "2026-11-27", "next friday": "2026-12-04", "this saturday": "2026-11-28", "next week monday": "2026-11-30",
		"tarehe 5": "2026-12-05", "tarehe 23": "2026-11-23", "tarehe 31": "2026-12-31", "tarehe tano mwezi wa kumi na mbili": "2026-12-05",
		"tarehe ishirini na tano": "2026-11-25", "tar 5": "2026-12-05", "tarehe 3 mwezi ujao": "2026-12-03", "the 5th": "2026-12-05",
		"5/12": "2026-12-05", "05/12/2026": "2026-12-05", "5-12-26": "2026-12-05", "5.12.2026": "2026-12-05", "2026-12-05": "2026-12-05",
		"5 Desemba": "2026-12-05", "tarehe 5 desemba": "2026-12-05", "December 5th": "2026-12-05", "5 dec, 2026": "2026-12-05", "1/2": "2027-02-01",
		"5 Januari": "2027-01-05", "baada ya siku tatu": "2026-11-26", "in 3 days": "2026-11-26", "in a week": "2026-11-30", "weekend": "2026-11-28",
		"٥/١٢": "2026-12-05", "kesho saa nne asubuhi": "2026-11-24", "saa 4 tarehe 5": "2026-12-05",
	} {
		t.Run(text, func(t *testing.T) {
			got := readWhen(normalise(text), monday, false)
			if got.problem != "" || got.day.Format(time.DateOnly) != want {
				t.Errorf("read %s (problem %q), want %s", got.day.Format(time.DateOnly), got.problem, want)
			}
		})
	}
}

func TestReadDay_SaysWhyADayCannotBe(t *testing.T) {
	for text, want := range map[string]dayProblem{
		"jana": dayPast, "yesterday": dayPast, "2026-11-22": dayPast, "5/12/2025": dayPast,
		"31/11": dayImpossible, "32/1": dayImpossible, "5/13": dayImpossible, "30 february": dayImpossible, "29/2": dayImpossible, "0/5": dayImpossible,
		"5/12/2027": dayTooFar, "2030-01-01": dayTooFar,
	} {
		if got := readWhen(normalise(text), monday, false); got.problem != want || !got.day.IsZero() {
			t.Errorf("%q: day %v, problem %q, want problem %q", text, got.day, got.problem, want)
		}
	}
}

func TestReadDay_FindsNoneWhereNoneIsMeant(t *testing.T) {
	for _, text := range []string{"", "habari za leo", "siku njema", "maybe", "I may come", "satini", "saa tatu", "2 persons", "monkey", "bei 5.000", "5,000"} {
		if got := readWhen(normalise(text), monday, false); !got.day.IsZero() || got.problem != "" {
			t.Errorf("%q is read as %v (%s)", text, got.day, got.problem)
		}
	}
}

func TestReadClocks_BothLanguages(t *testing.T) {
	for text, want := range map[string]string{
		"saa tatu asubuhi": "09:00", "saa nane mchana": "14:00", "saa moja usiku": "19:00", "saa kumi na mbili jioni": "18:00",
		"saa kumi na mbili asubuhi": "06:00", "saa sita mchana": "12:00", "saa sita usiku": "00:00", "saa kumi jioni": "16:00",
		"saa kumi alfajiri": "04:00", "saa nane usiku": "02:00", "saa moja asubuhi": "07:00", "saa tano usiku": "23:00",
		"saa 4 kamili asubuhi": "10:00", "saa tatu na nusu asubuhi": "09:30", "saa nne kasorobo asubuhi": "09:45", "saa nne kasoro robo asubuhi": "09:45",
		"saa nne na robo asubuhi": "10:15", "saa nne na dakika ishirini asubuhi": "10:20", "saa nne kasoro dakika kumi asubuhi": "09:50",
		"saa 4:30 asubuhi": "10:30", "saa 4.30 asubuhi": "10:30", "asubuhi saa nne": "10:00", "kesho asubuhi saa 4": "10:00", "usiku saa mbili": "20:00",
		"saa kumi na moja na nusu jioni": "17:30", "saa moja kasorobo usiku": "18:45", "saa4 asubuhi": "10:00",
		"saa 4 kamili": "10:00 22:00", "saa tatu": "09:00 21:00", "saa tatu na nusu": "09:30 21:30", "saa nne kasorobo": "09:45 21:45", "saa kumi na mbili": "18:00 06:00",
		"saa 14:30": "14:30", "14:30": "14:30", "09:00": "09:00", "9:30": "09:30 21:30", "4:30": "16:30 04:30",
		"2pm": "14:00", "2.30 pm": "14:30", "2:30pm": "14:30", "12 am": "00:00", "12pm": "12:00", "9 a.m.": "09:00", "14:30 pm": "14:30",
		"9 asubuhi": "09:00", "3 asubuhi": "09:00", "8 mchana": "14:00", "2 mchana": "14:00", "10 jioni": "16:00", "8 usiku": "20:00 02:00",
		"at 3": "15:00 03:00", "3 o'clock": "15:00 03:00", "half past nine": "09:30 21:30", "quarter to four in the afternoon": "15:45",
		"9 in the morning": "09:00", "5 in the afternoon": "17:00", "9 at night": "21:00", "noon": "12:00", "1430hrs": "14:30", "14h30": "14:30",
		"good morning, at 3 in the afternoon": "15:00", "tomorrow 5/12 at 10am": "10:00", "kesho saa nne asubuhi": "10:00",
	} {
		t.Run(text, func(t *testing.T) {
			var got []string
			for _, clock := range readWhen(normalise(text), monday, false).clocks {
				got = append(got, clock.String())
			}
			if strings.Join(got, " ") != want {
				t.Errorf("read %v, want %s", got, want)
			}
		})
	}
}

func TestReadClocks_FindsNoneWhereNoneIsMeant(t *testing.T) {
	for _, text := range []string{"saa ngapi", "masaa 4", "99:99", "25:00", "saa 30", "watu 5", "0754 000 001", "4", "TSh 5.000", "saa 4:75"} {
		if got := readWhen(normalise(text), monday, false).clocks; len(got) > 0 {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestReadClocks_ABareNumberIsAnHourOnlyWhereATimeWasAskedFor(t *testing.T) {
	if got := readWhen("10", monday, true).clocks; len(got) != 2 || got[0] != 600 {
		t.Errorf("10 is read as %v, want 10:00 first", got)
	}
}

func TestClockIn_IsReadBackAsTheSameMinute(t *testing.T) {
	for minute := range 24 * 60 {
		at := domain.Clock(minute).On(monday)
		for _, language := range []domain.Language{domain.LanguageSwahili, domain.LanguageEnglish} {
			written := clockIn(language, at)
			clocks := readWhen(normalise(written), monday, false).clocks
			if len(clocks) == 0 || int(clocks[0]) != minute {
				t.Fatalf("%s is written %q and read back as %v", at.Format("15:04"), written, clocks)
			}
		}
	}
}

var whenWords = []string{"leo", "kesho", "jana", "jumamosi", "ijayo", "next", "friday", "tarehe", "saa", "kumi", "na", "mbili", "tatu", "nusu",
	"kasorobo", "asubuhi", "usiku", "mwezi", "wa", "ujao", "desemba", "feb", "29", "31", "0", "5/12", "2027-02-29", "1/1/27", "14:30", "pm", "99", ":", "in", "days", "wiki"}

func TestReadWhen_NeverThePastAndNeverBeyondTwelveMonths(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Unix(rapid.Int64Range(1.6e9, 2.2e9).Draw(rt, "now"), 0).In(eat)
		words := rapid.SliceOfN(rapid.SampledFrom(whenWords), 0, 8).Draw(rt, "words")
		text := strings.Join(words, " ") + rapid.String().Draw(rt, "noise")
		got := readWhen(normalise(text), now, rapid.Bool().Draw(rt, "bare"))
		if !got.day.IsZero() {
			if got.day.Before(noon(now, 0)) || got.day.After(noon(now, 0).AddDate(1, 0, 0)) {
				rt.Fatalf("%q at %v is read as %v", text, now, got.day)
			}
		}
		for _, clock := range got.clocks {
			if clock < 0 || clock >= 24*60 {
				rt.Fatalf("%q is read as minute %d", text, int(clock))
			}
		}
	})
}

func FuzzReadWhen(f *testing.F) {
	for _, seed := range whenWords {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := readWhen(normalise(text), monday, true); !got.day.IsZero() && got.day.Before(noon(monday, 0)) {
			t.Errorf("%q is read as %v", text, got.day)
		}
	})
}

func TestNormalise_ReadsDigitsOfEveryScriptAndDropsEmoji(t *testing.T) {
	for text, want := range map[string]string{"1️⃣": "1", "٣": "3", "１２": "12", "𝟗": "9", "Saa  TATU 🙏🏽!": "saa tatu !", "I’m": "i'm"} {
		if got := normalise(text); got != want {
			t.Errorf("normalise(%q) = %q, want %q", text, got, want)
		}
	}
}
