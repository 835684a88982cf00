package worker

import (
	"context"
	"time"

	"flowhq/domain"
)

// outdated reports whether the database has to be read now; if not, later is
// when it may have to be, 0 for no time that is known. It is read once half of
// the queue is empty, not counting chats that wait for another attempt, and as
// soon as such a chat in the database waits no longer.
func (s *sender) outdated(now time.Time) (outdated bool, later time.Duration) {
	if s.reload && len(s.queue) >= maxQueued/2 {
		s.shelve(now)
	}
	at := s.attemptDue()
	if s.reload && len(s.queue) < maxQueued/2 {
		at = now
	}
	if at.IsZero() {
		return false, 0
	}
	if at.Before(s.readable) {
		at = s.readable
	}
	later = max(at.Sub(now), 0)
	return later == 0, later
}

// shelve leaves the chats that wait for another attempt to the database, so
// that they do not keep out what can be sent meanwhile.
func (s *sender) shelve(now time.Time) {
	for _, h := range s.heads() {
		if h.RunAt.After(now) {
			s.shelf[h.Contact] = place(h.Outbound)
		}
	}
	s.cut()
}

// shelved reports whether a row waits in the database behind another attempt.
func (s *sender) shelved(q *queued) bool {
	h := s.shelf[q.Contact]
	return h != nil && !before(q, h)
}

// attemptDue is when the first of the chats on the shelf may go on; zero if
// there is none.
func (s *sender) attemptDue() (first time.Time) {
	for _, h := range s.shelf {
		if first.IsZero() || h.RunAt.Before(first) {
			first = h.RunAt
		}
	}
	return first
}

// place is a row of which only its place in the queue and its time are known.
func place(r domain.Outbound) *queued {
	return &queued{Outbound: domain.Outbound{ID: r.ID, Contact: r.Contact, Lane: r.Lane, RunAt: r.RunAt}}
}

// load reads unsent rows. Rows that are offered meanwhile wait in the queue
// until it is known what is before them.
func (s *sender) load() error {
	s.mu.Lock()
	earlier, shelf, first := s.beyond, s.shelf, !s.loaded
	s.beyond, s.shelf = nil, map[string]*queued{}
	s.mu.Unlock()
	found, err := s.read()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.cut()
	if err != nil {
		s.leave(earlier)
		s.shelf = shelf
		return err
	}
	if first {
		s.svc.Metrics.Ambiguous.Add(float64(found.ambiguous)) // of earlier tenures
	}
	s.shelf = found.shelf
	for _, r := range found.rows {
		s.push(r)
	}
	s.loaded = true
	s.leave(found.beyond)
	s.readable = time.Now().Add(time.Duration(found.pages-1) * pageRest)
	if !found.next.IsZero() {
		s.startAfterReload(time.Until(found.next))
	}
	return nil
}

// A reading is what the database says about a queue.
type reading struct {
	rows      []domain.Outbound
	beyond    *queued            // from here on there may be more; nil: there is no more
	shelf     map[string]*queued // chats that wait for another attempt and have no place in rows
	next      time.Time
	ambiguous int
	pages     int
}

const (
	maxPages = domain.MaxOutboxPerTenant / maxQueued
	pageRest = 200 * time.Millisecond // after each page but one: most readings have one
)

// read asks the database. Outcomes that are still on their way to it go first,
// or sent rows would look unsent. Only when not everything has room the chats
// that wait for another attempt are left out.
func (s *sender) read() (found reading, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.fin.flush(ctx); err != nil {
		return found, err
	}
	found.shelf = map[string]*queued{}
	var after *domain.Outbound
	for {
		page, next, err := s.svc.Outbox.Due(ctx, s.tenure.TenantID, maxQueued, after)
		if err != nil {
			return found, err
		}
		found.pages++
		found.next = next
		more := len(page) == maxQueued
		found.add(page, time.Now(), more || found.pages > 1)
		if !more || found.beyond != nil {
			return found, nil
		}
		after = &page[len(page)-1]
		if found.pages == maxPages || len(found.rows) == maxQueued {
			found.beyond = place(*after)
			return found, nil
		}
	}
}

// add takes rows until there are as many as the queue holds.
func (f *reading) add(page []domain.Outbound, now time.Time, crowded bool) {
	for _, r := range page {
		if r.Status == domain.StatusSending {
			f.ambiguous++
		}
		switch {
		case f.shelf[r.Contact] != nil:
		case crowded && r.Attempts > 0 && r.RunAt.After(now):
			f.shelf[r.Contact] = place(r)
		case len(f.rows) == maxQueued:
			f.beyond = place(r)
			return
		default:
			f.rows = append(f.rows, r)
		}
	}
}

func (s *sender) retryLoad(err error) {
	s.svc.Logger.Warn("outbox is not readable", "tenant", s.tenure.TenantID, "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.reload = false, true
	s.startAfter(jittered(time.Second))
}

func (s *sender) startAfterReload(d time.Duration) {
	time.AfterFunc(max(d, 10*time.Millisecond), s.wake)
}
