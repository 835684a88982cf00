package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
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

// CommitCtx stores a session until it expires. Only a context with a visitor
// makes a row. Without one it renews what is there: a request that was under
// way when its session was ended must not bring it back.
func (w WebSessions) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) (err error) {
	defer translated("store login session", &err)
	v, known := domain.VisitorOf(ctx)
	row := &webSessionRow{Token: []byte(token), Data: data, Address: domain.CleanText(v.Address), Agent: domain.CleanText(v.Agent),
		UserID: uuid.NullUUID{UUID: v.UserID, Valid: v.UserID != uuid.Nil}, CreatedAt: domain.Now(), ExpiresAt: stamp(expiry)}
	if !known {
		_, err = w.s.write.NewUpdate().Model(row).Column("data", "expires_at").WherePK().Exec(ctx)
		return err
	}
	_, err = w.s.write.NewInsert().Model(row).On("CONFLICT (token) DO UPDATE").Set("data = excluded.data").Set("expires_at = excluded.expires_at").
		Set("user_id = excluded.user_id").Set("address = excluded.address").Set("agent = excluded.agent").Exec(ctx)
	return err
}

// DeleteCtx ends a session.
func (w WebSessions) DeleteCtx(ctx context.Context, token string) (err error) {
	defer translated("delete login session", &err)
	return w.s.endSessions(ctx, "token = ?", []byte(token))
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
func (w WebSessions) Logins(ctx context.Context, user uuid.UUID) (all []domain.Login, err error) {
	defer translated("list login sessions", &err)
	var rows []webSessionRow
	err = w.s.read.NewSelect().Model(&rows).Where("user_id = ? AND expires_at > ?", user, domain.Now()).Order("created_at DESC").Limit(domain.MaxPageSize).Scan(ctx)
	for _, r := range rows {
		all = append(all, domain.Login{Token: r.Token, Address: r.Address, Agent: r.Agent, CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC()})
	}
	return all, err
}

// LogOut ends all sessions of a user, or only the one with this stored token.
func (w WebSessions) LogOut(ctx context.Context, user uuid.UUID, only []byte) (err error) {
	defer translated("end login sessions", &err)
	if only != nil {
		return w.s.endSessions(ctx, "user_id = ? AND token = ?", user, only)
	}
	return w.s.endSessions(ctx, "user_id = ?", user)
}

// Revision changes whenever a session ended before its time. The contract is handlers.Logins'.
func (w WebSessions) Revision(ctx context.Context) (n int64, err error) {
	defer translated("read the revision of login sessions", &err)
	text, err := w.s.Settings().Setting(ctx, sessionRevision)
	if err != nil || text == "" {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// sessionRevision is the setting that counts the sessions that ended early.
const sessionRevision = "session_revision"

func (s *Store) endSessions(ctx context.Context, which string, args ...any) error {
	return s.tx(ctx, func(ctx context.Context, tx bun.Tx) error { return endSessions(ctx, tx, which, args...) })
}

// endSessions deletes sessions and tells what other processes remember of them to be renewed.
func endSessions(ctx context.Context, tx bun.Tx, which string, args ...any) error {
	res, err := tx.NewDelete().Model((*webSessionRow)(nil)).Where(which, args...).Exec(ctx)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	return bumpRevision(ctx, tx)
}

func bumpRevision(ctx context.Context, tx bun.Tx) error {
	_, err := tx.NewRaw(`INSERT INTO settings (key, value, updated_at) VALUES (?, '1', ?) ON CONFLICT (key) DO UPDATE
		SET value = CAST(CAST(settings.value AS bigint) + 1 AS text), updated_at = excluded.updated_at`, sessionRevision, domain.Now()).Exec(ctx)
	return err
}
