package worker

import (
	"math/rand/v2"
	"time"
)

// reconnectDelay is a full-jitter backoff: between a second and twice the
// previous ceiling, up to five minutes, so that a thousand tenants that lost
// their connection together do not come back together.
type reconnectDelay struct{ attempt int }

const (
	reconnectMin = time.Second
	reconnectMax = 5 * time.Minute
	stableAfter  = 30 * time.Second // a connection that held this long resets the backoff
)

// next returns how long to wait before the next attempt.
func (d *reconnectDelay) next() time.Duration {
	ceiling := reconnectMax
	if d.attempt < 9 { // 2^9 s is beyond the maximum
		ceiling = min(reconnectMax, reconnectMin<<(d.attempt+1))
	}
	d.attempt++
	return reconnectMin/2 + rand.N(ceiling-reconnectMin/2)
}

// databaseDelay is the wait after our own database failed: WhatsApp refused
// nothing, so its patience is not spent, and the pace of connecting spreads the
// load when the database is back.
func databaseDelay() time.Duration { return reconnectMin/4 + rand.N(2*reconnectMin) }

func (d *reconnectDelay) reset() { d.attempt = 0 }

// jittered spreads a delay by ±20 %.
func jittered(d time.Duration) time.Duration {
	return d*8/10 + rand.N(d*4/10+1)
}
