package flow

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"flowhq/domain"
)

var weekdayNames = map[domain.Language][7]string{
	domain.LanguageSwahili: {"Jumapili", "Jumatatu", "Jumanne", "Jumatano", "Alhamisi", "Ijumaa", "Jumamosi"},
	domain.LanguageEnglish: {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},
}

var monthNames = map[domain.Language][12]string{
	domain.LanguageSwahili: {"Januari", "Februari", "Machi", "Aprili", "Mei", "Juni", "Julai", "Agosti", "Septemba", "Oktoba", "Novemba", "Desemba"},
	domain.LanguageEnglish: {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
}

var nearDayNames = map[domain.Language][]string{
	domain.LanguageSwahili: {"leo", "kesho"},
	domain.LanguageEnglish: {"today", "tomorrow"},
}

func (t *turn) weekdayName(day time.Time) string { return weekdayNames[t.language()][day.Weekday()] }

// date writes "Jumamosi, 5 Desemba"; the year follows when it is not the present one.
func (t *turn) date(day time.Time) string {
	written := fmt.Sprintf("%s, %d %s", t.weekdayName(day), day.Day(), monthNames[t.language()][day.Month()-1])
	if day.Year() != t.now().Year() {
		written += " " + strconv.Itoa(day.Year())
	}
	return written
}

// nearDate puts "leo" or "kesho" before the date.
func (t *turn) nearDate(day time.Time) string {
	for i, name := range nearDayNames[t.language()] {
		if sameDay(day, noon(t.now(), i)) {
			return name + " (" + t.date(day) + ")"
		}
	}
	return t.date(day)
}

// moment writes a day and a time in words.
func (t *turn) moment(at time.Time) string {
	at = at.In(t.in.Profile.Location)
	return t.nearDate(at) + ", " + t.clock(at)
}

func (t *turn) clock(at time.Time) string { return clockIn(t.language(), at) }

// clockIn writes a time as people say it. Swahili counts the hours from dawn, so the figures of a watch follow.
func clockIn(language domain.Language, at time.Time) string {
	if language == domain.LanguageEnglish {
		return at.Format("3:04 pm")
	}
	hour := (at.Hour()+5)%12 + 1
	return fmt.Sprintf("saa %d:%02d %s (%s)", hour, at.Minute(), partOfDay(at.Hour()), at.Format("15:04"))
}

func partOfDay(hour int) string {
	switch {
	case hour < 4 || hour >= 19:
		return "usiku"
	case hour < 6:
		return "alfajiri"
	case hour < 12:
		return "asubuhi"
	case hour < 16:
		return "mchana"
	}
	return "jioni"
}

// shillings writes TSh 5,000.
func shillings(amount int64) string {
	figures := strconv.FormatInt(amount, 10)
	var groups []string
	for len(figures) > 3 {
		groups = append([]string{figures[len(figures)-3:]}, groups...)
		figures = figures[:len(figures)-3]
	}
	return "TSh " + strings.Join(append([]string{figures}, groups...), ",")
}

func itoa(n int) string { return strconv.Itoa(n) }

// noon is the middle of a calendar day, which exists in every location; days are passed around as their noons.
func noon(day time.Time, after int) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day()+after, 12, 0, 0, 0, day.Location())
}

func sameDay(a, b time.Time) bool {
	return a.Year() == b.Year() && a.YearDay() == b.YearDay()
}
