package worker

import (
	"log/slog"
	"time"

	"flowhq/domain"
	"flowhq/domain/flow"
)

// Services are what every runner of a process shares.
type Services struct {
	Leases   Leases
	Profiles Profiles
	Reports  Reports
	Inbox    Inbox
	Outbox   Outbox
	Ratchet  Ratchet
	Phones   Phones
	Trust    *Trust // shared with Phones
	Waker    domain.Waker
	Engine   *flow.Engine
	Metrics  *Metrics
	Logger   *slog.Logger
	Settings Settings

	// Crash, when set, is called at the named points of the message path where
	// a crash is worth a test. It never returns if the process dies there.
	Crash func(point string)
}

// Settings are the knobs of the worker; Defaults returns production values.
type Settings struct {
	Timings       domain.LeaseTimings
	Capacity      int     // tenants that this replica may serve
	ConnectRate   float64 // new connections per second; 0 = no pacing
	ConnectBurst  int
	HumanPace     bool // typing indicator, delay and rate limits
	LoopGuard     bool
	StaleAfter    time.Duration // older messages: only the last of a chat is answered
	SilentAfter   time.Duration // older messages are not answered at all
	OwnerPause    time.Duration
	QRRounds      int           // how often codes are issued again before a tenant is put to rest
	AmbiguousWait time.Duration // how long receipts may prove a send of unknown outcome
}

// DefaultSettings are the values for production.
func DefaultSettings() Settings {
	return Settings{
		Timings:       domain.DefaultLeaseTimings(),
		Capacity:      5000,
		ConnectRate:   20,
		ConnectBurst:  50,
		HumanPace:     true,
		LoopGuard:     true,
		StaleAfter:    10 * time.Minute,
		SilentAfter:   12 * time.Hour,
		OwnerPause:    domain.OwnerPause,
		QRRounds:      3,
		AmbiguousWait: 2 * time.Second,
	}
}

// at marks a point of the message path for crash tests.
func (s *Services) at(point string) {
	if s.Crash != nil {
		s.Crash(point)
	}
}
