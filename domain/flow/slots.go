package flow

import (
	"slices"
	"sort"
	"time"

	"flowhq/domain"
)

const (
	slotGrid       = 30 * time.Minute
	assumedLength  = 30 * time.Minute // of a booking whose service is not known
	bookingHorizon = 60               // days; Input.Booked reaches no further
	offeredFrom    = 8                // o'clock, when no opening hours are set
	offeredUntil   = 18
	offeredTimes   = 5
	offeredNearest = 3
	offeredDays    = 3
	nearestWithin  = 7 // days searched on either side of a time that is taken
	longestService = 12 * time.Hour
	shortestBreak  = 5 * time.Minute
)

// calendar answers what is free for one service. Days are passed as their noons.
type calendar struct {
	hours  domain.Hours
	loc    *time.Location
	booked []time.Time // in order
	now    time.Time
	length time.Duration
}

func (t *turn) calendar(minutes int) calendar {
	length := time.Duration(minutes) * time.Minute
	if length <= 0 {
		length = assumedLength
	}
	return calendar{hours: t.in.Profile.Hours, loc: t.in.Profile.Location, now: t.now(), length: min(length, longestService),
		booked: slices.SortedFunc(slices.Values(t.in.Booked), time.Time.Compare)}
}

// open reports whether an appointment that begins then lies within the opening hours, with no break in between.
func (c calendar) open(at time.Time) bool {
	for past := time.Duration(0); past < c.length; past += shortestBreak {
		if !c.hours.Open(at.Add(past), c.loc) {
			return false
		}
	}
	return c.hours.Open(at.Add(c.length-time.Minute), c.loc)
}

// taken reports a clash with a booking. How long other bookings take is not known, only when they begin.
func (c calendar) taken(at time.Time) bool {
	next := sort.Search(len(c.booked), func(i int) bool { return at.Before(c.booked[i].Add(assumedLength)) })
	return next < len(c.booked) && c.booked[next].Before(at.Add(c.length))
}

func (c calendar) free(at time.Time) bool { return at.After(c.now) && !c.taken(at) && c.open(at) }

// slots calls yield with the free times of a day's grid, in order, until it returns false.
func (c calendar) slots(day time.Time) func(yield func(time.Time) bool) {
	return func(yield func(time.Time) bool) {
		first, last := domain.Clock(0), domain.Clock(24*60)
		if c.hours.Week == nil {
			first, last = offeredFrom*60, offeredUntil*60
		}
		if len(c.hours.On(day)) == 0 && len(c.hours.On(noon(day, -1))) == 0 {
			return
		}
		for minute := first; minute < last; minute += domain.Clock(slotGrid / time.Minute) {
			if at := minute.On(day); c.free(at) && !yield(at) {
				return
			}
		}
	}
}

func (c calendar) freeOn(day time.Time) []time.Time {
	var free []time.Time
	for at := range c.slots(day) {
		free = append(free, at)
	}
	return free
}

func (c calendar) hasFree(day time.Time) bool {
	for range c.slots(day) {
		return true
	}
	return false
}

// bookable reports that a day is not past and near enough for Input.Booked to know about it.
func (c calendar) bookable(day time.Time) bool { return !day.After(noon(c.now, bookingHorizon)) }

// freeDays returns the first n days from a day on that have a free time.
func (c calendar) freeDays(from time.Time, n int) []time.Time {
	var days []time.Time
	for i := 0; len(days) < n && i <= bookingHorizon; i++ {
		if day := noon(from, i); c.bookable(day) && c.hasFree(day) {
			days = append(days, day)
		}
	}
	return days
}

// nearest returns the free times closest to a moment, in order of time.
func (c calendar) nearest(at time.Time) []time.Time {
	var found []time.Time
	for distance := 0; distance <= nearestWithin && len(found) < offeredNearest; distance++ {
		found = append(found, c.freeOn(noon(at, distance))...)
		if distance > 0 {
			found = append(found, c.freeOn(noon(at, -distance))...)
		}
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].Sub(at).Abs() < found[j].Sub(at).Abs() })
	found = found[:min(offeredNearest, len(found))]
	sort.Slice(found, func(i, j int) bool { return found[i].Before(found[j]) })
	return found
}

// spread picks up to n of the times, evenly.
func spread(times []time.Time, n int) []time.Time {
	if len(times) <= n {
		return times
	}
	var picked []time.Time
	for i := range n {
		picked = append(picked, times[i*len(times)/n])
	}
	return picked
}
