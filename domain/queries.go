package domain

import "time"

// TenantFilter narrows a list of tenants. Zero fields do not narrow.
type TenantFilter struct {
	Scope  Scope // required: the zero scope sees nothing
	Status TenantStatus
	Search string // part of a name or of a number, case-insensitive
}

// Gauges are counts over the whole database at one moment.
type Gauges struct {
	TenantsByStatus map[TenantStatus]int
	OutboxOpen      int
	OutboxOldest    time.Duration // age of the oldest message that could be sent now
	Quarantined     int
	Replicas        int // alive
}
