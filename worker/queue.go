package worker

import (
	"cmp"
	"slices"
	"time"

	"flowhq/domain"
)

type queued struct {
	domain.Outbound
	ready time.Time     // not before
	paced bool          // the human delay has been set
	note  domain.Reason // what its refusal told about the connection
}

// maxQueued bounds the rows in memory; the rest waits in the database.
const maxQueued = 500

// push adds a row unless it is known. It is left in the database when the queue
// is full, and when an older one of its chat may wait there.
func (s *sender) push(r domain.Outbound) {
	if s.known[r.ID] {
		return
	}
	q := &queued{Outbound: r, ready: r.RunAt}
	if len(s.queue) >= maxQueued || s.beyond != nil && !before(q, s.beyond) {
		s.leave(q)
		return
	}
	s.known[r.ID] = true
	s.queue = append(s.queue, q)
}

// leave notes that a row is in the database alone.
func (s *sender) leave(q *queued) {
	if q == nil {
		return
	}
	s.reload = true
	if s.beyond == nil || before(q, s.beyond) {
		s.beyond = q
	}
}

// cut forgets the rows that must not be sent before those in the database alone.
func (s *sender) cut() {
	if s.beyond != nil {
		s.drop(func(q *queued) bool { return before(s.beyond, q) })
	}
}

func (s *sender) drop(gone func(*queued) bool) {
	s.queue = slices.DeleteFunc(s.queue, func(q *queued) bool {
		if !gone(q) {
			return false
		}
		delete(s.known, q.ID)
		return true
	})
}

// silence forgets the automatic answers of a chat; their rows are cancelled.
func (s *sender) silence(contact string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(func(q *queued) bool { return q.Contact == contact && q.Lane == domain.LaneReply })
}

// forgetAmbiguous drops rows whose last attempt has an unknown outcome once the
// receipts had time to arrive: those that did not go out are read again.
func (s *sender) forgetAmbiguous(now time.Time) {
	if !s.recheck || now.Before(s.caughtUp) {
		return
	}
	s.recheck = false
	s.drop(func(q *queued) bool {
		ambiguous := q.Status == domain.StatusSending
		if ambiguous {
			s.leave(q)
		}
		return ambiguous
	})
	s.cut()
}

// pick chooses among the heads of the chats the one with the best lane that is
// ready; if none is, it says how long until the next one.
func (s *sender) pick(now time.Time) (*queued, time.Duration) {
	heads := map[string]*queued{}
	for _, q := range s.queue {
		if h := heads[q.Contact]; h == nil || before(q, h) {
			heads[q.Contact] = q
		}
	}
	var best *queued
	var wait time.Duration
	for _, h := range heads {
		ready := h.ready
		if h.Status == domain.StatusSending && s.caughtUp.After(ready) {
			ready = s.caughtUp
		}
		if d := ready.Sub(now); d > 0 {
			if wait == 0 || d < wait {
				wait = d
			}
			continue
		}
		if best == nil || before(h, best) {
			best = h
		}
	}
	if best != nil && !best.paced {
		best.paced = true
		if d := s.pace.delay(best.Outbound, now); d > 0 {
			best.ready = now.Add(d)
			s.pace.typing(s.phone, best.ChatJID)
			return s.pick(now)
		}
	}
	return best, wait
}

func before(a, b *queued) bool {
	if a.Lane != b.Lane {
		return a.Lane < b.Lane
	}
	return cmp.Compare(a.ID.String(), b.ID.String()) < 0
}
