package simulator

import (
	"sync"
	"sync/atomic"
)

// Counts are what happened around one business number, or all of them.
type Counts struct {
	Sent            int64 `json:"sent"`              // messages of customers to the number's companions, each once
	Acked           int64 `json:"acked"`             // of these, acknowledged by a companion
	Answered        int64 `json:"answered"`          // of these, followed by something shown to the customer
	Shown           int64 `json:"shown"`             // messages shown to customers, each id once
	OwnCopies       int64 `json:"own_copies"`        // messages shown on the number's own phone
	Repeats         int64 `json:"repeats"`           // copies of an id already shown, hidden by the phone
	RepeatsSame     int64 `json:"repeats_same"`      // of these, with the same ciphertext
	CounterReuse    int64 `json:"counter_reuse"`     // messages lost because their key had been used before
	DecryptErrors   int64 `json:"decrypt_errors"`    // messages of the companion that a phone could not read
	RetriesFromBot  int64 `json:"retries_from_bot"`  // retry receipts sent by companions
	RetriesToBot    int64 `json:"retries_to_bot"`    // retry receipts sent to companions
	Redelivered     int64 `json:"redelivered"`       // messages handed to a companion again
	AcksSwallowed   int64 `json:"acks_swallowed"`    // acknowledgements of the companions' messages that a fault kept back
	NacksFromBot    int64 `json:"nacks_from_bot"`    // messages that a companion refused with an error
	ServerNacks     int64 `json:"server_nacks"`      // messages that the server refused
	ReceiptsFromBot int64 `json:"receipts_from_bot"` // delivery and read receipts sent by companions
	Logins          int64 `json:"logins"`            // connections that logged in
}

// RepeatedMessage is a message that reached a phone more than once.
type RepeatedMessage struct {
	ID             string `json:"id"`
	To             string `json:"to"` // number of the phone
	SameCiphertext bool   `json:"same_ciphertext"`
	OwnCopy        bool   `json:"own_copy,omitempty"`
}

// ReusedCounter is a message that no phone could show, because its sender had used the message key
// for another message.
type ReusedCounter struct {
	ID      string `json:"id"`
	To      string `json:"to"`
	Counter uint32 `json:"counter"`
	OwnCopy bool   `json:"own_copy,omitempty"`
}

// Ledger is a snapshot of everything counted since Start.
type Ledger struct {
	Counts
	PerTenant map[string]Counts `json:"per_tenant"` // by number, of phones that have or had companions
	// Repeated and Reused name the events behind Repeats and CounterReuse, by business number, the first
	// 1,000 of each number.
	Repeated map[string][]RepeatedMessage `json:"repeated,omitempty"`
	Reused   map[string][]ReusedCounter   `json:"reused,omitempty"`
}

const eventLimit = 1000

// stats are the live counters of one phone as a business number.
type stats struct {
	sent, acked, answered, shown, ownCopies, repeats, repeatsSame, counterReuse  atomic.Int64
	decryptErrors, retriesFromBot, retriesToBot, redelivered, nacks, serverNacks atomic.Int64
	receipts, logins, swallowed                                                  atomic.Int64

	mu       sync.Mutex
	repeated []RepeatedMessage
	reused   []ReusedCounter
}

func (s *stats) repeat(m RepeatedMessage) {
	s.repeats.Add(1)
	if m.SameCiphertext {
		s.repeatsSame.Add(1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.repeated) < eventLimit {
		s.repeated = append(s.repeated, m)
	}
}

func (s *stats) reuse(m ReusedCounter) {
	s.counterReuse.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reused) < eventLimit {
		s.reused = append(s.reused, m)
	}
}

func (s *stats) counts() Counts {
	return Counts{
		Sent: s.sent.Load(), Acked: s.acked.Load(), Answered: s.answered.Load(), Shown: s.shown.Load(),
		OwnCopies: s.ownCopies.Load(), Repeats: s.repeats.Load(), RepeatsSame: s.repeatsSame.Load(),
		CounterReuse: s.counterReuse.Load(), DecryptErrors: s.decryptErrors.Load(),
		RetriesFromBot: s.retriesFromBot.Load(), RetriesToBot: s.retriesToBot.Load(),
		Redelivered: s.redelivered.Load(), NacksFromBot: s.nacks.Load(), ServerNacks: s.serverNacks.Load(),
		AcksSwallowed: s.swallowed.Load(), ReceiptsFromBot: s.receipts.Load(), Logins: s.logins.Load(),
	}
}

func (c *Counts) add(o Counts) {
	c.Sent += o.Sent
	c.Acked += o.Acked
	c.Answered += o.Answered
	c.Shown += o.Shown
	c.OwnCopies += o.OwnCopies
	c.Repeats += o.Repeats
	c.RepeatsSame += o.RepeatsSame
	c.CounterReuse += o.CounterReuse
	c.DecryptErrors += o.DecryptErrors
	c.RetriesFromBot += o.RetriesFromBot
	c.RetriesToBot += o.RetriesToBot
	c.Redelivered += o.Redelivered
	c.AcksSwallowed += o.AcksSwallowed
	c.NacksFromBot += o.NacksFromBot
	c.ServerNacks += o.ServerNacks
	c.ReceiptsFromBot += o.ReceiptsFromBot
	c.Logins += o.Logins
}

// Ledger adds up what has happened so far. Counters are read one by one, so a snapshot taken under
// load may be off by the messages in flight.
func (s *Server) Ledger() Ledger {
	l := Ledger{PerTenant: map[string]Counts{}, Repeated: map[string][]RepeatedMessage{}, Reused: map[string][]ReusedCounter{}}
	s.byPN.Range(func(_, v any) bool {
		p := v.(*Phone)
		if !p.everLinked() {
			return true
		}
		c := p.stats.counts()
		l.add(c)
		l.PerTenant[p.Number()] = c
		p.stats.mu.Lock()
		defer p.stats.mu.Unlock()
		if len(p.stats.repeated) > 0 {
			l.Repeated[p.Number()] = append([]RepeatedMessage(nil), p.stats.repeated...)
		}
		if len(p.stats.reused) > 0 {
			l.Reused[p.Number()] = append([]ReusedCounter(nil), p.stats.reused...)
		}
		return true
	})
	return l
}

// Unacked lists the ids of messages that wait at the server for a companion of this number to
// acknowledge them, oldest first.
func (s *Server) Unacked(number string) []string {
	p := s.Phone(number)
	if p == nil {
		return nil
	}
	var ids []string
	for _, d := range p.companions() {
		d.mu.Lock()
		for _, e := range d.queue.entries() {
			if e.msg != nil {
				ids = append(ids, e.key.id)
			}
		}
		d.mu.Unlock()
	}
	return ids
}

func (p *Phone) everLinked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keyIndex > 0
}
