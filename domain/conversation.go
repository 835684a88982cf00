package domain

import (
	"time"

	"github.com/google/uuid"
)

// Conversation is the place of one customer in a tenant's flow. State is what
// the flow engine stored, JSON that only the engine understands.
type Conversation struct {
	TenantID    uuid.UUID
	Contact     string
	ChatJID     string
	State       []byte
	Version     int64
	MutedUntil  *time.Time // the owner or a colleague talks; the bot is silent
	MutedReason string
	LastInAt    *time.Time
	LastOutAt   *time.Time
	// Loop guard: automatic answers since WindowStart, and equal ones in a row.
	WindowStart *time.Time
	WindowCount int
	LastText    string // hash of the last automatic answer
	SameCount   int
}

// Muted reports whether the bot keeps silent in this conversation.
func (c Conversation) Muted(now time.Time) bool {
	return c.MutedUntil != nil && now.Before(*c.MutedUntil)
}

// OwnerPause is how long the bot is silent after the owner wrote from the phone.
const OwnerPause = 30 * time.Minute

// Customer is one person who wrote to a tenant. A LID and a phone number of
// the same person are one customer.
type Customer struct {
	ID        uuid.UUID
	TenantID  uuid.UUID
	Contact   string
	LID       string
	Name      string
	OptedOut  bool
	CreatedAt time.Time
	UpdatedAt time.Time
}

// AppointmentStatus follows an appointment from booking to its end.
type AppointmentStatus string

const (
	AppointmentPending   AppointmentStatus = "PENDING"
	AppointmentConfirmed AppointmentStatus = "CONFIRMED"
	AppointmentCompleted AppointmentStatus = "COMPLETED"
	AppointmentCancelled AppointmentStatus = "CANCELLED"
	AppointmentNoShow    AppointmentStatus = "NO_SHOW"
)

// Appointment is a booked time.
type Appointment struct {
	ID        uuid.UUID
	TenantID  uuid.UUID
	Contact   string
	Name      string
	Service   string
	At        time.Time
	Status    AppointmentStatus
	CreatedAt time.Time
}
