package domain

import "time"

// TenantFilter narrows a list of tenants. Zero fields do not narrow.
type TenantFilter struct {
	Scope    Scope // required: the zero scope sees nothing
	Status   TenantStatus
	Template TemplateType
	Replica  string // name of the replica that serves it; "-" for those that nobody serves
	Search   string // part of a name or of a number, case-insensitive
	Sort     TenantSort
	Reverse  bool // from the last to the first of Sort
}

// TenantSort is the order of a list of tenants. Tenants that are equal in it
// are in the order of their creation, so that a cursor is exact.
type TenantSort string

const (
	SortNewest   TenantSort = ""          // youngest first
	SortName     TenantSort = "name"      // A to Z, whatever the case
	SortStatus   TenantSort = "status"    // ERROR, QR_PENDING, NEW, PAUSED, ACTIVE: those that need somebody first
	SortLastSeen TenantSort = "last_seen" // longest ago first, never last
)

// TenantRow is a tenant as a list of the operator shows it.
type TenantRow struct {
	TenantView
	InToday, OutToday int // messages since the given midnight
}

// MessageFilter narrows a message log. Zero fields do not narrow.
type MessageFilter struct {
	Direction Direction
	Contact   string
	Search    string // part of the text or of the contact's number, case-insensitive
	Dead      bool   // failed and expired outbound messages only
}

// ConversationRow is a conversation as a list shows it.
type ConversationRow struct {
	Conversation
	Name     string // of the customer, "" when not known
	OptedOut bool
	LastAt   time.Time // of its last message
	LastText string    // of its last message
	LastKind MediaKind // of its last message
	LastFrom Direction // of its last message
}

// Gauges are counts over the whole database at one moment.
type Gauges struct {
	TenantsByStatus map[TenantStatus]int
	Linked          int // tenants that are to be connected and have a phone
	OutboxOpen      int
	OutboxOldest    time.Duration // age of the oldest message that could be sent now, of tenants that are to be connected
	Quarantined     int
	Replicas        int // alive
	Unserved        int // tenants that are to be connected now and have no replica
}
