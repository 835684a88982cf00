package domain

import (
	"time"

	"github.com/google/uuid"
)

// SessionState is the state of the link between a tenant and its WhatsApp number.
type SessionState string

const (
	SessionDisconnected SessionState = "DISCONNECTED"
	SessionQRReady      SessionState = "QR_READY" // a code to scan, or a passkey step, is waiting
	SessionConnected    SessionState = "CONNECTED"
)

// WhatsAppSession is what the portals show of a link. QR is the raw string to
// draw. Every field is a copy of what the owning replica last wrote.
type WhatsAppSession struct {
	TenantID     uuid.UUID
	State        SessionState
	QR           string
	QRExpiresAt  *time.Time
	PairingCode  string
	JID          string // the linked device; empty until paired
	Reason       Reason // why it is not connected, or what the person has to do
	ReasonDetail string
	RetryAt      *time.Time // next connection attempt, when one is planned
	LastSeenAt   *time.Time
	ConnectedAt  *time.Time
	PairingPhone string     // a pairing code is asked for this number and WhatsApp has not answered yet
	PairingSince *time.Time // when linking began; it ends after PairingDeadline
	UpdatedAt    time.Time
}

// PairingDeadline is how long a link may stay between scan and connection.
const PairingDeadline = 120 * time.Second

// WorkerStatus is the state of the code that serves a tenant.
type WorkerStatus string

const (
	WorkerRunning WorkerStatus = "RUNNING"
	WorkerStopped WorkerStatus = "STOPPED"
	WorkerError   WorkerStatus = "ERROR"
)

// WorkerProcess says who serves a tenant. Replica is the name of the owning
// replica, empty when nobody owns the tenant.
type WorkerProcess struct {
	TenantID  uuid.UUID
	Status    WorkerStatus
	Replica   string
	LastError string
	UpdatedAt time.Time
}
