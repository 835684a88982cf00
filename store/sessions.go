package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// WebSessions are the logins of people in the portals. It is a store for
// alexedwards/scs (its CtxStore and IterableStore).
type WebSessions struct{ s *Store }

// WebSessions returns the store as the session store of the portals.
func (s *Store) WebSessions() WebSessions { return WebSessions{s} }

// Visitor is what a login session shows of whom it belongs to.
type Visitor struct {
	UserID  uuid.UUID // zero before the login
	Address string
	Agent   string
}

type visitorKey struct{}

// WithVisitor makes sessions that are stored under this context listable by
// their user. Without it what was known of a session stays.
func WithVisitor(ctx context.Context, v Visitor) context.Context {
	return context.WithValue(ctx, visitorKey{}, v)
}

// Login is one login session of a user, as a list of them shows it.
type Login struct {
	Token     []byte // as stored, to revoke it by
	Address   string
	Agent     string
	CreatedAt time.Time
	ExpiresAt time.Time
}

type webSessionRow struct {
	bun.BaseModel `bun:"table:sessions,alias:s"`

	Token     []byte        `bun:"token,pk"`
	UserID    uuid.NullUUID `bun:"user_id"`
	Data      []byte        `bun:"data"`
	Address   string        `bun:"address"`
	Agent     string        `bun:"agent"`
	CreatedAt time.Time     `bun:"created_at"`
	ExpiresAt time.Time     `bun:"expires_at"`
}

// scsDeadline bounds calls that come without a context.
const scsDeadline = 5 * time.Second

// FindCtx returns the data of a session that has not expired.
func (w WebSessions) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	defer translated("read login session", &err)
	err = w.s.read.NewSelect().Table("sessions").Column("data").Where("token = ? AND expires_at > ?", []byte(token), domain.Now()).Scan(ctx, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return data, err == nil, err
}

// CommitCtx stores a session until it expires.
func (w WebSessions) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) (err error) {
	defer translated("store login session", &err)
	v, known := ctx.Value(visitorKey{}).(Visitor)
	row := &webSessionRow{Token: []byte(token), Data: data, Address: domain.CleanText(v.Address), Agent: domain.CleanText(v.Agent),
		UserID: uuid.NullUUID{UUID: v.UserID, Valid: v.UserID != uuid.Nil}, CreatedAt: domain.Now(), ExpiresAt: stamp(expiry)}
	insert := w.s.write.NewInsert().Model(row).On("CONFLICT (token) DO UPDATE").Set("data = excluded.data").Set("expires_at = excluded.expires_at")
	if known {
		insert.Set("user_id = excluded.user_id").Set("address = excluded.address").Set("agent = excluded.agent")
	}
	_, err = insert.Exec(ctx)
	return err
}

// DeleteCtx ends a session.
func (w WebSessions) DeleteCtx(ctx context.Context, token string) (err error) {
	defer translated("delete login session", &err)
	_, err = w.s.write.NewDelete().Model((*webSessionRow)(nil)).Where("token = ?", []byte(token)).Exec(ctx)
	return err
}

// AllCtx returns the data of every session that has not expired, by token.
func (w WebSessions) AllCtx(ctx context.Context) (all map[string][]byte, err error) {
	defer translated("list login sessions", &err)
	var rows []webSessionRow
	err = w.s.read.NewSelect().Model(&rows).Column("token", "data").Where("expires_at > ?", domain.Now()).Scan(ctx)
	all = make(map[string][]byte, len(rows))
	for _, row := range rows {
		all[string(row.Token)] = row.Data
	}
	return all, err
}

// Find is FindCtx for callers without a context, which scs asks for.
func (w WebSessions) Find(token string) ([]byte, bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), scsDeadline)
	defer cancel()
	return w.FindCtx(ctx, token)
}

// Commit is CommitCtx for callers without a context.
func (w WebSessions) Commit(token string, data []byte, expiry time.Time) error {
	ctx, cancel := context.WithTimeout(context.Background(), scsDeadline)
	defer cancel()
	return w.CommitCtx(ctx, token, data, expiry)
}

// Delete is DeleteCtx for callers without a context.
func (w WebSessions) Delete(token string) error {
	ctx, cancel := context.WithTimeout(context.Background(), scsDeadline)
	defer cancel()
	return w.DeleteCtx(ctx, token)
}

// Logins lists the sessions of a user, newest first.
func (w WebSessions) Logins(ctx context.Context, user uuid.UUID) (all []Login, err error) {
	defer translated("list login sessions", &err)
	var rows []webSessionRow
	err = w.s.read.NewSelect().Model(&rows).Where("user_id = ? AND expires_at > ?", user, domain.Now()).Order("created_at DESC").Limit(domain.MaxPageSize).Scan(ctx)
	for _, r := range rows {
		all = append(all, Login{Token: r.Token, Address: r.Address, Agent: r.Agent, CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC()})
	}
	return all, err
}

// LogOut ends all sessions of a user, or only the one with this stored token.
func (w WebSessions) LogOut(ctx context.Context, user uuid.UUID, only []byte) (err error) {
	defer translated("end login sessions", &err)
	query := w.s.write.NewDelete().Model((*webSessionRow)(nil)).Where("user_id = ?", user)
	if only != nil {
		query.Where("token = ?", only)
	}
	_, err = query.Exec(ctx)
	return err
}

// Prune deletes expired sessions.
func (w WebSessions) Prune(ctx context.Context) (err error) {
	defer translated("prune login sessions", &err)
	_, err = w.s.write.NewDelete().Model((*webSessionRow)(nil)).Where("expires_at <= ?", domain.Now()).Exec(ctx)
	return err
}
