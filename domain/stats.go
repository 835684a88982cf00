package domain

import (
	"time"

	"github.com/google/uuid"
)

// ReplyBounds are the upper bounds of the buckets in which reply times are
// counted; a last bucket takes what is slower.
var ReplyBounds = []time.Duration{
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, 1 * time.Second, 2 * time.Second, 3 * time.Second,
	5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, time.Hour,
}

// HourStat counts the messages of one hour, of one tenant or of all.
type HourStat struct {
	TenantID uuid.UUID // zero: all tenants together
	Hour     time.Time // its beginning, UTC
	In       int
	Out      int         // sent, whoever wrote them
	Failed   int         // dead letters and expired ones
	Replies  ReplyCounts // of automatic answers: from the message to WhatsApp's acknowledgement
}

// Add adds the messages of another hour or tenant.
func (h *HourStat) Add(other HourStat) {
	h.In, h.Out, h.Failed = h.In+other.In, h.Out+other.Out, h.Failed+other.Failed
	h.Replies.Add(other.Replies)
}

// ReplyCounts counts replies by ReplyBounds, with one more bucket at the end.
type ReplyCounts [13]int

// Add adds the counts of other.
func (r *ReplyCounts) Add(other ReplyCounts) {
	for i, n := range other {
		r[i] += n
	}
}

// Quantile returns the time within which the share q (0…1) of the replies were
// given, interpolated within its bucket; ok is false without any reply.
func (r ReplyCounts) Quantile(q float64) (d time.Duration, ok bool) {
	total := 0
	for _, n := range r {
		total += n
	}
	if total == 0 {
		return 0, false
	}
	rank, below := q*float64(total), 0.0
	for i, n := range r {
		if below+float64(n) < rank || n == 0 {
			below += float64(n)
			continue
		}
		low, high := time.Duration(0), ReplyBounds[len(ReplyBounds)-1]
		if i > 0 {
			low = ReplyBounds[i-1]
		}
		if i < len(ReplyBounds) {
			high = ReplyBounds[i]
		}
		return low + time.Duration((rank-below)/float64(n)*float64(high-low)), true
	}
	return ReplyBounds[len(ReplyBounds)-1], true
}

// Alert is something that needs the operator now.
type Alert struct {
	Kind     AlertKind
	TenantID uuid.UUID // zero when no tenant is concerned
	Tenant   string
	Reason   Reason
	Replica  string
	Count    int
	Since    time.Time
}

// AlertKind names what is wrong.
type AlertKind string

const (
	AlertTenantError    AlertKind = "tenant_error"   // ERROR: Reason says what for
	AlertTenantSilent   AlertKind = "tenant_silent"  // wanted and linked, yet not connected for AlertSilentAfter
	AlertTenantOffline  AlertKind = "tenant_offline" // the same for a day: WhatsApp may drop its queue
	AlertOutboxOld      AlertKind = "outbox_old"     // a message waits longer than AlertOutboxAfter; Count of them
	AlertDeadLetters    AlertKind = "dead_letters"   // messages that failed for good, or were too late, in the last day; Count of them
	AlertQuarantine     AlertKind = "quarantine"     // inbound messages whose conversation failed in the last week; Count of them
	AlertReplicaLate    AlertKind = "replica_late"   // a live replica without a sign of life for AlertReplicaAfter
	AlertTenantUnserved AlertKind = "unserved"       // wanted tenants that no replica holds for AlertSilentAfter; Count of them
)

// When something counts as an alert.
const (
	AlertSilentAfter  = 2 * time.Minute
	AlertOfflineAfter = 24 * time.Hour
	AlertOutboxAfter  = 5 * time.Minute
	AlertReplicaAfter = 20 * time.Second // longer than the slowest heartbeats, of leases of a minute
)
