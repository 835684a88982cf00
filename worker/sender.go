package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// sender drains the outbox of one tenant during one tenure. It has a goroutine
// only while there is something to do. Answers come straight from the inbox
// transaction; the database is read after a start, after an overflow and after
// a hint that somebody else added rows.
type sender struct {
	svc    *Services
	fin    *finisher
	tenure domain.Tenure
	pace   *pace
	lost   func(error)         // the lease is gone
	noted  func(domain.Reason) // tells people about the connection

	mu       sync.Mutex
	queue    []*queued                   // everything known to be unsent, unordered
	known    map[uuid.UUID]bool          // ids in queue
	loaded   bool                        // the database was read in this tenure
	reload   bool                        // the database has rows that are not in queue
	beyond   *queued                     // from this row on the database may have rows that are not in queue; nil: none
	shelf    map[string]*queued          // by contact, the row from which on a chat waits in the database alone
	readable time.Time                   // the database is not read before, because the last time was costly
	notes    map[uuid.UUID]domain.Reason // what the refusal of a row told about the connection
	phone    Phone                       // nil while not connected
	rests    time.Time                   // nothing is sent before, because the last send found the connection ended
	caught   bool                        // the offline queue of this connection has arrived
	caughtUp time.Time                   // when rows of unknown outcome may be sent again
	recheck  bool                        // receipts may have settled rows of unknown outcome since they were read
	running  bool
	timer    *time.Timer
	stopped  bool
	idle     chan struct{} // closed when the goroutine ended; nil while none runs
}

func newSender(svc *Services, fin *finisher, t domain.Tenure, lost func(error), noted func(domain.Reason)) *sender {
	return &sender{svc: svc, fin: fin, tenure: t, lost: lost, noted: noted, pace: newPace(svc.Settings), known: map[uuid.UUID]bool{},
		shelf: map[string]*queued{}, notes: map[uuid.UUID]domain.Reason{}, reload: true, beyond: &queued{}}
}

// offer adds rows that the inbox has just committed.
func (s *sender) offer(rows []domain.Outbound) {
	if len(rows) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rows {
		s.push(r)
	}
	s.start()
}

// connected lets the sender use a phone; nil takes it away. Rows whose last
// attempt has an unknown outcome wait until catchUp.
func (s *sender) connected(p Phone) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phone, s.rests = p, time.Time{}
	if p == nil {
		s.caught = false
		return
	}
	if !s.caught {
		s.caughtUp = time.Now().Add(ambiguousMax)
	}
	s.reload, s.recheck = true, true
	s.start()
}

// ambiguousMax bounds the wait for receipts that prove an earlier send.
const ambiguousMax = 30 * time.Second

// catchUp is called when the offline queue, receipts included, has arrived.
func (s *sender) catchUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.caught, s.caughtUp = true, time.Now().Add(s.svc.Settings.AmbiguousWait)
	s.start()
}

// wake reads the database for rows that others added.
func (s *sender) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reload = true
	s.start()
}

// moved takes what waits under one contact to another: its number has become
// known.
func (s *sender) moved(from, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queue {
		if q.Contact == from {
			q.Contact = to
		}
	}
	if h := s.shelf[from]; h != nil {
		delete(s.shelf, from)
		h.Contact = to
		if other := s.shelf[to]; other == nil || before(h, other) {
			s.shelf[to] = h
		}
		s.cut()
	}
}

// waiting counts the unsent answers in memory: of one chat, and of all. What
// others send is no reason to hold customers up.
func (s *sender) waiting(contact string) (chat, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queue {
		if q.Lane != domain.LaneReply {
			continue
		}
		all++
		if q.Contact == contact {
			chat++
		}
	}
	return chat, all
}

// finishUp lets no further send begin and waits for the one under way, at most
// for limit. What is offered from here on waits in the database for the next owner.
func (s *sender) finishUp(limit time.Duration) {
	s.mu.Lock()
	s.stopped = true
	idle := s.idle
	s.mu.Unlock()
	if idle == nil {
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}

// stop ends the sender and waits for a send under way.
func (s *sender) stop() {
	s.mu.Lock()
	s.stopped, s.phone = true, nil
	if s.timer != nil {
		s.timer.Stop()
	}
	idle := s.idle
	s.mu.Unlock()
	if idle != nil {
		<-idle
	}
}

func (s *sender) start() {
	if s.running || s.stopped || s.phone == nil {
		return
	}
	s.running, s.idle = true, make(chan struct{})
	go s.run(s.idle)
}

func (s *sender) run(idle chan struct{}) {
	defer close(idle)
	for {
		row, phone, ok := s.next()
		if !ok {
			return
		}
		s.send(row, phone)
	}
}

// next returns the row to send now. When there is none it arranges to be
// started again and reports false.
func (s *sender) next() (*queued, Phone, bool) {
	for {
		s.mu.Lock()
		if s.stopped || s.phone == nil {
			s.running = false
			s.mu.Unlock()
			return nil, nil, false
		}
		if d := time.Until(s.rests); d > 0 {
			s.running = false
			s.startAfter(d)
			s.mu.Unlock()
			return nil, nil, false
		}
		s.forgetAmbiguous(time.Now())
		outdated, later := s.outdated(time.Now())
		if outdated {
			s.reload = false
			s.mu.Unlock()
			if err := s.load(); err != nil {
				s.retryLoad(err)
				return nil, nil, false
			}
			continue
		}
		row, wait := s.pick(time.Now())
		if row != nil {
			phone := s.phone
			s.mu.Unlock()
			return row, phone, true
		}
		s.running = false
		if wait = sooner(wait, later); wait > 0 {
			s.startAfter(wait)
		}
		s.mu.Unlock()
		return nil, nil, false
	}
}

func (s *sender) startAfter(d time.Duration) {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer = time.AfterFunc(max(d, time.Millisecond), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.start()
	})
}

// send makes one attempt and hands its outcome to the finisher.
func (s *sender) send(row *queued, phone Phone) {
	now := time.Now()
	out := domain.Outcome{Tenure: s.tenure, ID: row.ID, Attempts: row.Attempts + 1}
	if row.ExpiresAt != nil && now.After(*row.ExpiresAt) {
		out.Status, out.Error = domain.StatusExpired, "It could not be sent in time."
		s.svc.Metrics.expired(row.Lane)
		s.finish(row, out)
		return
	}
	s.svc.at("O1")
	ctx, cancel := context.WithTimeout(context.Background(), domain.SendDeadline)
	defer cancel()
	s.mu.Lock()
	message := row.Outbound // its contact may change meanwhile
	s.mu.Unlock()
	serverAt, err := phone.Send(ctx, message)
	if err == nil {
		s.svc.at("O5")
		out.Status, out.ServerAt = domain.StatusSent, serverAt
		s.svc.Metrics.sent(message, time.Since(message.CreatedAt))
		s.finish(row, out)
		return
	}
	s.failed(row, phone, out, sendErrorOf(err))
}

// pausedFor is how long a sender rests when a send found the connection ended.
// Its runner takes the phone away meanwhile; if it does not, the connection
// lives and whoever waits for an answer must not wait for the next one.
const pausedFor = 2 * time.Second

func (s *sender) failed(row *queued, phone Phone, out domain.Outcome, err *SendError) {
	s.svc.Logger.Info("message not sent", "tenant", s.tenure.TenantID, "message", row.ID, "attempt", out.Attempts, "error", err)
	if err.Unknown {
		s.svc.Metrics.Ambiguous.Inc()
	}
	switch err.Kind {
	case SendPaused:
		s.mu.Lock()
		defer s.mu.Unlock()
		row.Status, row.typed = domain.StatusSending, time.Time{}
		if s.phone == phone { // not when the next connection is there already
			s.rests = time.Now().Add(pausedFor)
		}
		if sendFenced(err) {
			go s.lost(err)
		}
	case SendSettled:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.forget(row)
	case SendRefused:
		out.Status, out.Error = domain.StatusFailed, err.Reason
		s.finish(row, out)
		s.svc.Metrics.dead()
	default:
		if err.Note != domain.ReasonNone {
			s.mu.Lock()
			s.notes[row.ID] = err.Note
			s.mu.Unlock()
			s.noted(err.Note)
		}
		s.retry(row, out, err)
	}
}

// retry puts the row back with its backoff; the chat waits behind it.
func (s *sender) retry(row *queued, out domain.Outcome, err *SendError) {
	delay, ok := domain.RetryDelay(out.Attempts)
	if !ok {
		out.Status, out.Error = domain.StatusFailed, err.Reason
		s.finish(row, out)
		s.svc.Metrics.dead()
		return
	}
	out.Status, out.Error = domain.StatusQueued, err.Reason
	out.RunAt = domain.Now().Add(jittered(delay))
	s.fin.outcome(out)
	s.mu.Lock()
	defer s.mu.Unlock()
	row.Attempts, row.RunAt, row.ready = out.Attempts, out.RunAt, out.RunAt
}

// finish stores a final outcome and forgets the row.
func (s *sender) finish(row *queued, out domain.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, refused := s.notes[row.ID]; refused && out.Status == domain.StatusSent {
		s.noted(domain.ReasonNone) // what was refused before goes out again
	}
	s.forget(row)
	s.fin.outcome(out)
}

// forget drops a row that is not to be sent any more.
func (s *sender) forget(row *queued) {
	s.drop(func(q *queued) bool { return q == row })
	delete(s.notes, row.ID)
}

// sendFenced reports whether a send failed because the lease is gone.
func sendFenced(err error) bool { return errors.Is(err, domain.ErrFenced) }
