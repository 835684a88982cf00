package whatsapp

import (
	"time"

	"go.mau.fi/whatsmeow"

	"flowhq/domain"
)

// maxSilentPings is how many keepalives in a row may stay unanswered.
const maxSilentPings = 3

// keepAlive sets how soon a silent connection is noticed: whatsmeow's own pace
// (every 20 to 30 s, 10 s for the answer), and faster where leases are shorter
// than those of production, down to a fifth. It is process-wide and must be set
// before the first connection; 0 leaves it alone.
func keepAlive(ttl time.Duration) {
	if ttl <= 0 {
		return
	}
	ttl = max(ttl, 3*time.Second)
	whatsmeow.KeepAliveIntervalMin = min(whatsmeow.KeepAliveIntervalMin, ttl*4/3)
	whatsmeow.KeepAliveIntervalMax = min(whatsmeow.KeepAliveIntervalMax, ttl*2)
	whatsmeow.KeepAliveResponseDeadline = min(whatsmeow.KeepAliveResponseDeadline, ttl*2/3)
}

// askAgain follows an unanswered keepalive. whatsmeow would ask again half a
// minute later and give up after three minutes, and all that time nobody reads
// what the bot answers; here the question is repeated at once, until WhatsApp
// answers or the connection is over.
func (ph *phone) askAgain() {
	if ph.asking.Swap(true) {
		return
	}
	defer ph.asking.Store(false)
	ph.handler.Noted(domain.ReasonSilent)
	for unanswered := 1; unanswered < maxSilentPings; unanswered++ {
		//lint:ignore SA1019 the only way to send a keepalive out of turn
		answered, open := ph.client.DangerousInternals().SendKeepAlive(ph.gate.ctx)
		if !open || !ph.client.IsConnected() { // a lost socket answers every question that is open
			return
		}
		if answered {
			ph.handler.Noted(domain.ReasonNone)
			return
		}
	}
	ph.end(domain.ReasonNetwork, "WhatsApp stopped answering.")
}
