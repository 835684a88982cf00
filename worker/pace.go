package worker

import (
	"context"
	"math"
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

func newPace(s Settings) *pace {
	if !s.HumanPace {
		return &pace{}
	}
	return &pace{on: true, tenant: rate.NewLimiter(tenantPerSecond, tenantBurst), contacts: map[string]*rate.Limiter{}}
}

// limits are how long a message to a contact has to wait, while so many others
// of the tenant go before it.
func (p *pace) limits(contact string, ahead int, now time.Time) time.Duration {
	if !p.on {
		return 0
	}
	return max(until(p.tenant, float64(ahead+1), now), until(p.of(contact), 1, now))
}

// take counts a message that goes now.
func (p *pace) take(r domain.Outbound, now time.Time) {
	if p.on {
		p.tenant.AllowN(now, 1)
		p.of(r.Contact).AllowN(now, 1)
	}
}

func (p *pace) of(contact string) *rate.Limiter {
	l := p.contacts[contact]
	if l == nil {
		if len(p.contacts) >= maxPacedContacts {
			clear(p.contacts)
		}
		l = rate.NewLimiter(contactPerSecond, contactBurst)
		p.contacts[contact] = l
	}
	return l
}

// until is how long a limiter needs to have so many tokens.
func until(l *rate.Limiter, tokens float64, now time.Time) time.Duration {
	missing := tokens - l.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return time.Duration(math.Ceil(missing / float64(l.Limit()) * float64(time.Second)))
}

// typingTime is how long a person would type an answer; 0 for what is no answer.
func (p *pace) typingTime(r domain.Outbound) time.Duration {
	if !p.on || r.Lane != domain.LaneReply {
		return 0
	}
	typing := time.Duration(utf8.RuneCountInString(r.Text)) * typingPerRune
	return min(max(typing, typingMin), typingMax)
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
