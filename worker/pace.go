package worker

import (
	"context"
	"time"
	"unicode/utf8"

	"golang.org/x/time/rate"

	"flowhq/domain"
)

// pace makes a bot write like a person: it types for a while before it answers,
// and it never writes faster than a busy shop assistant. It delays, it never
// drops. The zero pace does nothing.
type pace struct {
	on       bool
	tenant   *rate.Limiter
	contacts map[string]*rate.Limiter
}

const (
	tenantPerSecond  = 1.0 // sustained, all chats together
	tenantBurst      = 30
	contactPerSecond = 0.5
	contactBurst     = 10
	maxPacedContacts = 2000

	typingPerRune = 30 * time.Millisecond
	typingMin     = 800 * time.Millisecond
	typingMax     = 2500 * time.Millisecond
)

func newPace(s Settings) *pace { return &pace{on: s.HumanPace} }

// delay returns how long a message has to wait before it may be sent.
func (p *pace) delay(r domain.Outbound, now time.Time) time.Duration {
	if !p.on {
		return 0
	}
	if p.tenant == nil {
		p.tenant = rate.NewLimiter(tenantPerSecond, tenantBurst)
		p.contacts = map[string]*rate.Limiter{}
	}
	contact := p.contacts[r.Contact]
	if contact == nil {
		if len(p.contacts) >= maxPacedContacts {
			clear(p.contacts)
		}
		contact = rate.NewLimiter(contactPerSecond, contactBurst)
		p.contacts[r.Contact] = contact
	}
	limits := max(p.tenant.ReserveN(now, 1).DelayFrom(now), contact.ReserveN(now, 1).DelayFrom(now))
	if r.Lane != domain.LaneReply {
		return limits
	}
	typing := time.Duration(utf8.RuneCountInString(r.Text)) * typingPerRune
	return max(limits, min(max(typing, typingMin), typingMax))
}

// typing shows the customer that an answer is on its way.
func (p *pace) typing(phone Phone, chatJID string) {
	if !p.on || phone == nil {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		phone.Typing(ctx, chatJID, true)
	}()
}
