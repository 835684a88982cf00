package domain

import (
	"time"

	"github.com/google/uuid"
)

// Role of a user.
type Role string

const (
	RoleAdmin Role = "ADMIN"
	RoleOwner Role = "OWNER"
	RoleStaff Role = "STAFF"
)

// User is a person who signs in. TenantID is nil for an operator's admin.
type User struct {
	ID           uuid.UUID
	TenantID     *uuid.UUID
	Name         string
	Email        string // lower case
	PasswordHash string // argon2id, PHC form
	Role         Role
	Disabled     bool
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// APIKey is a bearer key. TenantID nil means every tenant (an admin key).
// Only the SHA-256 of the key is stored.
type APIKey struct {
	ID         uuid.UUID
	Label      string
	TenantID   *uuid.UUID
	Hash       []byte
	CreatedAt  time.Time
	LastUsedAt *time.Time
	RevokedAt  *time.Time
}

// Scope is what a caller may see: everything, or one tenant.
type Scope struct {
	Admin    bool
	TenantID uuid.UUID
}

// Allows reports whether the scope covers a tenant.
func (s Scope) Allows(tenant uuid.UUID) bool { return s.Admin || s.TenantID == tenant }
