package domain

import (
	"time"

	"github.com/google/uuid"
)

// ClusterView is what a heartbeat answers.
type ClusterView struct {
	State ReplicaState // empty when this incarnation is dead
	At    time.Time    // of the heartbeat, by the database's clock
	Mine  int          // leases that the database says are mine
	Free  int          // leases waiting for an owner, at most 1,000 counted
	Peers []Replica
}

// MissedHeartbeat is the age of a heartbeat, as a part of its time to live, from
// which on a replica without a connection to the database is dead. Heartbeats
// come every fifth of it.
const MissedHeartbeat = 0.25

// TenantProfile is a tenant with the key from which its WhatsApp ids are derived.
type TenantProfile struct {
	TenantView
	Key []byte
}

// LinkReport is one observation of a runner. Zero fields are stored as they
// are: a report replaces the session row's code, reason and retry time as a whole.
type LinkReport struct {
	Event       Event
	QR          string
	QRExpiresAt *time.Time
	PairingCode string
	Answers     bool   // the wish for a pairing code, with the code or with the reason why there is none
	JID         string // stored when not empty
	Unlinked    bool   // the device is gone: clears the JID
	Reason      Reason
	Detail      string
	RetryAt     *time.Time
	LastError   string
}

// InboxView is what a decision may depend on.
type InboxView struct {
	Now          time.Time // one clock reading for the whole message
	MessageID    uuid.UUID // of the log row
	Conversation Conversation
	Customer     Customer
	Youngest     uuid.UUID   // the last unsent row of this chat, zero when there is none: what follows has a greater id
	Booked       []time.Time // times taken in the next 60 days
}

// Decision is what follows from a message. Nil pointers leave rows as they are.
type Decision struct {
	Conversation *Conversation
	Customer     *Customer
	Replies      []Outbound
	Appointments []Appointment
	CancelAt     []time.Time // this contact's appointments at these times are cancelled
	SilenceChat  bool        // unsent automatic replies of the chat are cancelled: the owner took over
}

// Receipt says what taking in a message did.
type Receipt struct {
	Duplicate bool
	Replies   []Outbound // as stored, ready for the sender
	Moved     string     // the contact under which the customer was known until now; empty: as before
}

// Outcome is what became of one attempt to send.
type Outcome struct {
	Tenure   Tenure
	ID       uuid.UUID
	Status   MessageStatus // sent, queued (again, at RunAt), failed, expired
	ServerAt time.Time     // WhatsApp's time, when sent
	RunAt    time.Time
	Attempts int
	Error    string
}

// Tick is one receipt for an outbound message.
type Tick struct {
	TenantID uuid.UUID
	WAID     string
	Status   MessageStatus // delivered or read
}
