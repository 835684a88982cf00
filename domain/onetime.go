package domain

import (
	"time"

	"github.com/google/uuid"
)

// LinkKind says what a one-time link lets its holder do.
type LinkKind string

const (
	LinkSetup  LinkKind = "setup"  // make the first admin of an installation
	LinkInvite LinkKind = "invite" // make an account for Email with Role
)

// How long one-time links are good for.
const (
	SetupLife  = 15 * time.Minute
	InviteLife = 7 * 24 * time.Hour
)

// OneTimeLink is a right that works once. Only the SHA-256 of its token is stored.
type OneTimeLink struct {
	ID        uuid.UUID
	Hash      []byte
	Kind      LinkKind
	Email     string // of the person who is invited, lower case; empty for setup
	Name      string
	Role      Role
	TenantID  *uuid.UUID
	CreatedBy *uuid.UUID
	CreatedAt time.Time
	ExpiresAt time.Time
}
