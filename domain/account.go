package domain

import (
	"context"
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
	TOTPSecret   []byte // sealed with the installation's secret; nil while there is no second factor
	TOTPStep     int64  // the last time step that was accepted: a code works once
	LastLoginAt  *time.Time
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Visitor is whom a login session belongs to and where it comes from.
type Visitor struct {
	UserID  uuid.UUID // zero before the login
	Address string
	Agent   string
}

type visitorKey struct{}

// WithVisitor lets sessions that are stored under this context begin, as ones
// that their user can list. Without it only a session that is there is renewed.
func WithVisitor(ctx context.Context, v Visitor) context.Context {
	return context.WithValue(ctx, visitorKey{}, v)
}

// VisitorOf returns what WithVisitor put into ctx.
func VisitorOf(ctx context.Context) (v Visitor, ok bool) {
	v, ok = ctx.Value(visitorKey{}).(Visitor)
	return v, ok
}

// Login is one login session of a user, as a list of them shows it.
type Login struct {
	Token     []byte // as stored, to revoke it by
	Address   string
	Agent     string
	CreatedAt time.Time
	ExpiresAt time.Time
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
