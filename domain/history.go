package domain

import (
	"time"

	"github.com/google/uuid"
)

// TenantEvent is something that happened to a tenant's link, for its event
// log: what replicas reported and what people asked for.
type TenantEvent struct {
	ID       uuid.UUID
	TenantID uuid.UUID
	At       time.Time
	Event    Event
	Reason   Reason
	Detail   string
	Replica  string // name of the replica that reported it; empty for what people asked
}

// Term is one stay of a tenant with a replica: its worker history.
type Term struct {
	TenantID   uuid.UUID
	Epoch      int64
	Replica    string
	AcquiredAt time.Time
	ReleasedAt *time.Time // nil while it lasts
	Why        TermEnd
}

// TermEnd is why a term ended.
type TermEnd string

const (
	TermLasts    TermEnd = ""
	TermReleased TermEnd = "released" // stopped, or handed over
	TermBuried   TermEnd = "buried"   // the replica was declared dead
)
