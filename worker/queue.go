package worker

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"flowhq/domain"
)

type queued struct {
	domain.Outbound
	ready time.Time // not before
	typed time.Time // "typing…" is shown until then; zero: not yet
}

// maxQueued bounds the rows in memory; the rest waits in the database.
const maxQueued = 500

// push adds a row unless it is known. It is left in the database when an older
// one of its chat may wait there, and when the queue is full of those before it;
// else a full queue leaves its last row there.
func (s *sender) push(r domain.Outbound) {
	q := &queued{Outbound: r, ready: r.RunAt}
	if s.known[r.ID] || s.shelved(q) {
		return
	}
	if s.beyond != nil && !before(q, s.beyond) {
		s.leave(q)
		return
	}
	s.known[r.ID] = true
	s.queue = append(s.queue, q)
	if len(s.queue) > maxQueued {
		last := slices.MaxFunc(s.queue, precedence)
		s.leave(last)
		s.drop(func(q *queued) bool { return q == last })
	}
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
	s.drop(func(q *queued) bool { return s.beyond != nil && before(s.beyond, q) || s.shelved(q) })
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
	if h := s.shelf[contact]; h != nil && h.Lane == domain.LaneReply {
		delete(s.shelf, contact)
		s.reload = true // for what waits behind it
	}
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

// pick chooses among the heads of the chats the first one that may go now; if
// none may, it says how long until the next one. Nothing is reserved for those
// that have to wait for the human pace: whoever is first when its next message
// is due has it.
func (s *sender) pick(now time.Time) (*queued, time.Duration) {
	var wait time.Duration
	ahead := 0 // how many go before
	for _, h := range s.heads() {
		ready := h.ready
		if h.Status == domain.StatusSending && s.caughtUp.After(ready) {
			ready = s.caughtUp
		}
		if d := ready.Sub(now); d > 0 {
			wait = sooner(wait, d)
			continue
		}
		d := s.approach(h, ahead, now)
		if d <= 0 {
			s.pace.take(h.Outbound, now)
			return h, 0
		}
		wait = sooner(wait, d)
		ahead++
	}
	return nil, wait
}

// sooner is the shorter of two waits, of which 0 is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// heads are the first rows of the chats, in the order in which they go.
func (s *sender) heads() []*queued {
	first := make(map[string]*queued, len(s.queue))
	for _, q := range s.queue {
		if h := first[q.Contact]; h == nil || before(q, h) {
			first[q.Contact] = q
		}
	}
	return slices.SortedFunc(maps.Values(first), precedence)
}

// approach says how long a head has to wait until it may go, or be looked at
// again, while so many others go before it. An answer is typed shortly before
// it goes.
func (s *sender) approach(h *queued, ahead int, now time.Time) time.Duration {
	limits := s.pace.limits(h.Contact, ahead, now)
	if typing := s.pace.typingTime(h.Outbound); typing > 0 && h.typed.IsZero() {
		if limits > typing {
			return limits - typing
		}
		h.typed = now.Add(typing)
		s.pace.typing(s.phone, h.ChatJID)
	}
	return max(limits, h.typed.Sub(now))
}

func before(a, b *queued) bool { return precedence(a, b) < 0 }

func precedence(a, b *queued) int {
	return cmp.Or(cmp.Compare(a.Lane, b.Lane), bytes.Compare(a.ID[:], b.ID[:]))
}
