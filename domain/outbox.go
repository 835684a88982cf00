package domain

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Lane orders the outbox of a tenant: an answer to a waiting customer goes
// before everything else.
type Lane int

const (
	LaneReply    Lane = 0
	LaneManual   Lane = 1 // API and portal
	LaneReminder Lane = 2
	LaneCampaign Lane = 3
)

// Outbound is one row of the outbox. WAID is fixed when the row is made, so
// that a repeated send is the same message to WhatsApp and to the phone.
type Outbound struct {
	ID        uuid.UUID
	TenantID  uuid.UUID
	Contact   string
	ChatJID   string
	Lane      Lane
	WAID      string
	DedupKey  string // makes a repeated request one row; empty for replies
	InReplyTo string // WhatsApp id of the message that this answers
	Text      string
	Status    MessageStatus
	Attempts  int
	RunAt     time.Time
	ExpiresAt *time.Time
	CreatedAt time.Time
	LastError string
}

// Limits of the queues of one tenant.
const (
	MaxOutboxPerChat   = 50
	MaxOutboxPerTenant = 10_000
	MaxRepliesPerStep  = 20
	MaxSendAttempts    = 8
	ReplyLife          = 2 * time.Hour
	ManualLife         = 24 * time.Hour
	SendDeadline       = 25 * time.Second
)

// DeriveWAID returns the WhatsApp id of an outbox row: the shape that
// WhatsApp's own clients use (3EB0 and 18 hex digits), a keyed hash of the row
// id so that it cannot be guessed from outside.
func DeriveWAID(tenantKey []byte, id uuid.UUID) string {
	mac := hmac.New(sha256.New, tenantKey)
	mac.Write(id[:])
	return "3EB0" + strings.ToUpper(hex.EncodeToString(mac.Sum(nil)[:9]))
}

// RetryDelay returns how long to wait before attempt number attempts+1. The
// caller adds ±20 % of jitter. ok is false when the row is dead.
func RetryDelay(attempts int) (delay time.Duration, ok bool) {
	steps := []time.Duration{2 * time.Second, 10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
	if attempts >= MaxSendAttempts {
		return 0, false
	}
	return steps[min(max(attempts-1, 0), len(steps)-1)], true
}
