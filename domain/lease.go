package domain

import (
	"time"

	"github.com/google/uuid"
)

// Tenure is the right of one replica to act for one tenant, from gaining to
// losing the lease. Every write of the message path carries it and fails with
// ErrFenced when the lease row names another owner or epoch.
type Tenure struct {
	TenantID uuid.UUID
	Replica  uuid.UUID
	Epoch    int64
}

// Replica is one incarnation of a process; a restarted process is a new one.
type Replica struct {
	ID          uuid.UUID
	Name        string
	Version     string
	Capacity    int
	Held        int
	Connected   int
	StartedAt   time.Time
	HeartbeatAt time.Time
	ExpiresAt   time.Time
	State       ReplicaState
}

// ReplicaState is what the others, and the operators, make of a replica.
type ReplicaState string

const (
	ReplicaAlive    ReplicaState = "alive"
	ReplicaDraining ReplicaState = "draining" // an operator wants it empty, or it is shutting down
	ReplicaDead     ReplicaState = "dead"     // it ended, or was declared dead; it never comes back
)

// Command is what a person wants of the replica that owns a tenant. It waits
// in the lease row until the owner has carried it out.
type Command string

const (
	CommandNone    Command = ""
	CommandRestart Command = "restart"
	CommandReset   Command = "reset"
	CommandDelete  Command = "delete"
	CommandPair    Command = "pair" // a pairing code for PairingPhone is wanted
)

// Lease is the row that says who serves a tenant.
type Lease struct {
	Tenure
	DeviceJID string
	Wanted    bool
	Command   Command
	Failures  int // replicas in a row that gave the tenant up because it could not connect from there
	// Configured is when the tenant's configuration was changed last; zero where
	// it is not asked for.
	Configured time.Time
}

// Timings of the leases. TTL counts on the database's clock; the others on the
// replica's, from the start of the last successful heartbeat. Safety does not
// depend on them, only how fast others take over.
type LeaseTimings struct {
	Tick time.Duration // heartbeat period
	Soft time.Duration // start nothing new
	Hard time.Duration // stop everything
	TTL  time.Duration // others may take over
}

// DefaultLeaseTimings are the production values.
func DefaultLeaseTimings() LeaseTimings {
	return LeaseTimings{Tick: 3 * time.Second, Soft: 8 * time.Second, Hard: 11 * time.Second, TTL: 15 * time.Second}
}
