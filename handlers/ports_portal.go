package handlers

import (
	"context"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// Users are the people who sign in. Lists are newest first.
type Users interface {
	// AddUser: an address that is in use is KindConflict with field email.
	AddUser(ctx context.Context, user domain.User) error
	User(ctx context.Context, scope domain.Scope, id uuid.UUID) (domain.User, error)
	// UserByEmail looks through all tenants; for signing in only. KindNotFound when there is none.
	UserByEmail(ctx context.Context, email string) (domain.User, error)
	ListUsers(ctx context.Context, scope domain.Scope, q domain.PageQuery) (domain.Page[domain.User], error)
	// UpdateUser changes name, address, password, role, disabled and the second
	// factor's secret, and moves Logins.Revision. The last admin stays one: KindConflict.
	UpdateUser(ctx context.Context, scope domain.Scope, user domain.User) error
	// ChangeSecrets stores password, second factor and its last time step, and
	// ends all sessions of the user in the same transaction. A user who was
	// disabled meanwhile is KindNotFound.
	ChangeSecrets(ctx context.Context, user domain.User) error
	// DisableUser ends all sessions of the user, and takes back the invitations
	// that they made, in the same transaction. The last admin who may still sign
	// in cannot be disabled: KindConflict.
	DisableUser(ctx context.Context, scope domain.Scope, id uuid.UUID, disabled bool, at time.Time) error
	// NoteLogin stores the time of a sign-in.
	NoteLogin(ctx context.Context, id uuid.UUID, at time.Time) error
	// UseTOTPStep accepts a time step of the second factor if it is later than
	// the last one, by compare-and-swap; false when it was used already.
	UseTOTPStep(ctx context.Context, id uuid.UUID, step int64) (bool, error)
	// PutRecoveryCodes replaces all recovery codes (SHA-256 each) of a user.
	PutRecoveryCodes(ctx context.Context, id uuid.UUID, hashes [][]byte) error
	// UseRecoveryCode deletes a code; false when there is no such code.
	UseRecoveryCode(ctx context.Context, id uuid.UUID, hash []byte) (bool, error)
	RecoveryCodesLeft(ctx context.Context, id uuid.UUID) (int, error)
	// HasAdmin reports whether any user with the role ADMIN exists.
	HasAdmin(ctx context.Context) (bool, error)
}

// OneTime are the links that work once.
type OneTime interface {
	AddLink(ctx context.Context, link domain.OneTimeLink) error
	// Link returns the unused link with this hash that has not expired, else KindNotFound.
	Link(ctx context.Context, hash []byte, now time.Time) (domain.OneTimeLink, error)
	// Redeem uses a link up (it is deleted) and adds the user that it makes, in one
	// transaction; of two callers one gets KindNotFound. A disabled user with the
	// same address and role is opened again instead, under the id of old, with
	// name and password alone: second factor, recovery codes and sessions end. A
	// setup link is KindConflict once there is an admin.
	Redeem(ctx context.Context, hash []byte, user domain.User, now time.Time) error
	// OpenInvites lists invitations that are neither used nor expired, newest first.
	OpenInvites(ctx context.Context, now time.Time) ([]domain.OneTimeLink, error)
	RevokeInvite(ctx context.Context, id uuid.UUID) error
}

// Throttles count failed attempts; every replica sees the same.
type Throttles interface {
	// Attempt returns how long an attempt under this key has to wait. When it
	// may come now it is counted as failed (domain.Throttle.Fail) in the same
	// step, so that a thousand guesses at once are no better than one by one.
	Attempt(ctx context.Context, key []byte, p domain.ThrottlePolicy, now time.Time) (time.Duration, error)
	// Forgive takes one counted failure back.
	Forgive(ctx context.Context, key []byte) error
	ClearFailures(ctx context.Context, key []byte) error
}

// Logins are the login sessions, beside what scs does with them.
type Logins interface {
	// Logins lists the sessions of a user, newest first.
	Logins(ctx context.Context, user uuid.UUID) ([]domain.Login, error)
	// LogOut ends all sessions of a user, or only the one with this stored token.
	LogOut(ctx context.Context, user uuid.UUID, only []byte) error
	// Revision changes whenever a session ended before its time, on any
	// replica: what a process remembers of sessions is good while it stays.
	Revision(ctx context.Context) (int64, error)
}

// Audits is the audit log.
type Audits interface {
	Record(ctx context.Context, e domain.AuditEntry) error
	// Audit lists entries newest first.
	Audit(ctx context.Context, f domain.AuditFilter, q domain.PageQuery) (domain.Page[domain.AuditEntry], error)
}

// Operations is what the operator sees across tenants, and steers.
type Operations interface {
	// Rows returns a page of tenants in the order of f.Sort, with the messages
	// of each since midnight.
	Rows(ctx context.Context, f domain.TenantFilter, midnight time.Time, q domain.PageQuery) (domain.Page[domain.TenantRow], error)
	// CountTenants counts tenants that match, by status. f.Status is ignored.
	CountTenants(ctx context.Context, f domain.TenantFilter) (map[domain.TenantStatus]int, error)
	// EachTenant calls fn for every tenant that matches, in the order of Rows, without holding all in memory.
	EachTenant(ctx context.Context, f domain.TenantFilter, midnight time.Time, fn func(domain.TenantRow) error) error
	// ReplicaNames lists the names of replicas that hold tenants, sorted.
	ReplicaNames(ctx context.Context) ([]string, error)
	// Replicas lists all rows that are alive or draining, and those dead for less than an hour; alive first, then by name.
	Replicas(ctx context.Context) ([]domain.Replica, error)
	// Drain asks a live replica to hand over everything and take nothing
	// (on), or lets it serve again. An unknown or dead one is KindNotFound.
	Drain(ctx context.Context, id uuid.UUID, on bool) error
	// Alerts lists what needs somebody, worst first, at most limit of each kind.
	Alerts(ctx context.Context, now time.Time, limit int) ([]domain.Alert, error)
	// Stats returns the hours from…to (exclusive), oldest first, without empty ones; zero tenant = all together.
	Stats(ctx context.Context, tenant uuid.UUID, from, to time.Time) ([]domain.HourStat, error)
	Gauges(ctx context.Context) (domain.Gauges, error)
}

// History is what happened to one tenant.
type History interface {
	Events(ctx context.Context, tenant uuid.UUID, q domain.PageQuery) (domain.Page[domain.TenantEvent], error)
	// Terms lists the last terms of a tenant, newest first, at most limit.
	Terms(ctx context.Context, tenant uuid.UUID, limit int) ([]domain.Term, error)
}

// Bulk are actions on many tenants.
type Bulk interface {
	// StartBulk stores a job for the tenants; unknown ids are left out.
	// Nothing to do is KindInvalid. The caller pokes the runner of jobs.
	StartBulk(ctx context.Context, job domain.BulkJob, tenants []uuid.UUID) (domain.BulkJob, error)
	BulkJob(ctx context.Context, id uuid.UUID) (domain.BulkJob, error)
	// BulkFailures lists the failed items of a job, at most limit.
	BulkFailures(ctx context.Context, id uuid.UUID, limit int) ([]domain.BulkItem, error)
}

// Versions are cheap marks of what a polled fragment shows: equal marks mean
// an unchanged fragment. Each is one query.
type Versions interface {
	// Each begins with the revision of the login sessions (Logins.Revision) and
	// a "|".
	//
	// TenantsVersion covers all that a list shows but its midnight.
	TenantsVersion(ctx context.Context) (string, error)
	// TenantVersion covers the tenant's own rows, its lease and its messages.
	TenantVersion(ctx context.Context, tenant uuid.UUID) (string, error)
	// ReplicasVersion does not change with a heartbeat that comes in time.
	ReplicasVersion(ctx context.Context) (string, error)
}

// Chats are the conversations of a tenant.
type Chats interface {
	// Conversations lists conversations by their last message, newest first.
	Conversations(ctx context.Context, tenant uuid.UUID, search string, q domain.PageQuery) (domain.Page[domain.ConversationRow], error)
	Conversation(ctx context.Context, tenant uuid.UUID, contact string) (domain.Conversation, error)
	Customer(ctx context.Context, tenant uuid.UUID, contact string) (domain.Customer, error)
	// Resume ends the silence of the bot in a conversation.
	Resume(ctx context.Context, tenant uuid.UUID, contact string) error
}

// Settings are values of the installation.
type Settings interface {
	Setting(ctx context.Context, key string) (string, error)
	PutSetting(ctx context.Context, key, value string) error
	SettingOr(ctx context.Context, key, value string) (string, error)
}
