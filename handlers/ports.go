// Package handlers serves the API and the portals. A request never talks to a
// running phone: it writes what is wanted to the database, and the store wakes the
// replica that owns the tenant.
package handlers

import (
	"context"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// Tenants are the businesses. Every method answers KindNotFound for an unknown id.
type Tenants interface {
	// Create stores a new tenant with its config, session, worker and lease
	// rows. A number that is in use is KindConflict with field phone_number.
	Create(ctx context.Context, v domain.TenantView) error
	Get(ctx context.Context, id uuid.UUID) (domain.TenantView, error)
	// List returns tenants in the order of their creation, newest first.
	List(ctx context.Context, f domain.TenantFilter, q domain.PageQuery) (domain.Page[domain.TenantView], error)
	// Update locks the tenant, applies change and stores the result. An error
	// of change is returned as it is and nothing is stored.
	Update(ctx context.Context, id uuid.UUID, change func(*domain.TenantView) error) (domain.TenantView, error)
	// Steer applies what a person wants (start, stop, restart, reset) through
	// domain.Lifecycle and leaves the wish in the lease row for the owner.
	Steer(ctx context.Context, id uuid.UUID, e domain.Event) (domain.TenantView, error)
	// Delete removes a tenant at once that nobody serves and that has no long
	// history; otherwise its owner, or who takes it next, is told to unlink and
	// remove it, and done is false.
	Delete(ctx context.Context, id uuid.UUID) (done bool, err error)
}

// Links are the WhatsApp sessions of tenants.
type Links interface {
	Session(ctx context.Context, tenant uuid.UUID) (domain.WhatsAppSession, error)
	// AskPairingCode leaves the wish for a pairing code in the lease row and
	// clears an older code.
	AskPairingCode(ctx context.Context, tenant uuid.UUID, phone domain.Phone) error
}

// Messages are the log and the outbox of tenants.
type Messages interface {
	// ListMessages returns messages that match, newest first. Outbound ones carry the state of their outbox row.
	ListMessages(ctx context.Context, tenant uuid.UUID, f domain.MessageFilter, q domain.PageQuery) (domain.Page[domain.MessageLog], error)
	Message(ctx context.Context, tenant, id uuid.UUID) (domain.MessageLog, error)
	// Enqueue adds a message to the outbox with its log row. With a DedupKey
	// that was used before it stores nothing and returns the first row; when
	// that row has another recipient or text the error is KindConflict. Full
	// queues are KindBusy.
	Enqueue(ctx context.Context, m domain.Outbound) (domain.Outbound, error)
	// RetryMessage puts a failed or expired message back into the queue, with
	// the same WhatsApp id, so that it can never be shown twice. In any other
	// state it is KindConflict.
	RetryMessage(ctx context.Context, tenant, id uuid.UUID) error
	// Waiting counts the messages of a tenant that are not sent yet.
	Waiting(ctx context.Context, tenant uuid.UUID) (int, error)
	// WAKey returns the key from which the WhatsApp ids of a tenant are derived.
	WAKey(ctx context.Context, tenant uuid.UUID) ([]byte, error)
}

// Keys are the API keys.
type Keys interface {
	// KeyByHash returns the key that is not revoked with this SHA-256, or KindUnauthorized.
	KeyByHash(ctx context.Context, hash []byte) (domain.APIKey, error)
	// TouchKey notes the use of a key, at most once a minute.
	TouchKey(ctx context.Context, id uuid.UUID, at time.Time) error
	// AddKey: an unknown tenant is KindNotFound.
	AddKey(ctx context.Context, key domain.APIKey) error
	// ListKeys returns keys newest first, revoked ones too.
	ListKeys(ctx context.Context, scope domain.Scope, q domain.PageQuery) (domain.Page[domain.APIKey], error)
	RevokeKey(ctx context.Context, scope domain.Scope, id uuid.UUID, at time.Time) error
}

// Health says how the installation is.
type Health interface {
	Ping(ctx context.Context) error
	// Gauges counts what the metrics page shows.
	Gauges(ctx context.Context) (domain.Gauges, error)
}
