package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Accounts are the programs (API keys) and the people that may sign in.
type Accounts struct{ s *Store }

// Accounts returns the store as the accounts of handlers and command line.
func (s *Store) Accounts() Accounts { return Accounts{s} }

type keyRow struct {
	bun.BaseModel `bun:"table:api_keys,alias:k"`

	ID         uuid.UUID     `bun:"id,pk"`
	Label      string        `bun:"label"`
	TenantID   uuid.NullUUID `bun:"tenant_id"`
	Hash       []byte        `bun:"key_hash"`
	CreatedAt  time.Time     `bun:"created_at"`
	LastUsedAt *time.Time    `bun:"last_used_at"`
	RevokedAt  *time.Time    `bun:"revoked_at"`
}

func (k *keyRow) key() domain.APIKey {
	return domain.APIKey{ID: k.ID, Label: k.Label, TenantID: fromNull(k.TenantID), Hash: k.Hash, CreatedAt: k.CreatedAt.UTC(),
		LastUsedAt: utc(k.LastUsedAt), RevokedAt: utc(k.RevokedAt)}
}

func toNull(id *uuid.UUID) uuid.NullUUID {
	if id == nil {
		return uuid.NullUUID{}
	}
	return uuid.NullUUID{UUID: *id, Valid: true}
}

func fromNull(id uuid.NullUUID) *uuid.UUID {
	if !id.Valid {
		return nil
	}
	return &id.UUID
}

// AddKey stores a new key. A tenant's key for an unknown tenant is KindNotFound.
func (a Accounts) AddKey(ctx context.Context, key domain.APIKey) (err error) {
	defer translated("add API key", &err)
	if key.TenantID != nil {
		if err := a.s.mustExist(ctx, *key.TenantID); err != nil {
			return err
		}
	}
	row := &keyRow{ID: key.ID, Label: domain.CleanText(key.Label), TenantID: toNull(key.TenantID), Hash: key.Hash, CreatedAt: stamp(key.CreatedAt)}
	_, err = a.s.write.NewInsert().Model(row).Exec(ctx)
	return err
}

// KeyByHash returns the key with this SHA-256 that is not revoked; KindUnauthorized when there is none.
func (a Accounts) KeyByHash(ctx context.Context, hash []byte) (key domain.APIKey, err error) {
	defer translated("read API key", &err)
	var rows []*keyRow
	if err := a.s.read.NewSelect().Model(&rows).Where("key_hash = ? AND revoked_at IS NULL", hash).Scan(ctx); err != nil {
		return key, err
	}
	if len(rows) == 0 {
		return key, domain.Errorf(domain.KindUnauthorized, "This API key is not valid.")
	}
	return rows[0].key(), nil
}

// TouchKey notes the use of a key, at most once a minute.
func (a Accounts) TouchKey(ctx context.Context, id uuid.UUID, at time.Time) (err error) {
	defer translated("touch API key", &err)
	_, err = a.s.write.NewUpdate().Model((*keyRow)(nil)).Set("last_used_at = ?", stamp(at)).
		Where("id = ? AND (last_used_at IS NULL OR last_used_at <= ?)", id, stamp(at.Add(-time.Minute))).Exec(ctx)
	return err
}

// ListKeys returns the keys of a scope, newest first, revoked ones too.
func (a Accounts) ListKeys(ctx context.Context, scope domain.Scope, q domain.PageQuery) (page domain.Page[domain.APIKey], err error) {
	defer translated("list API keys", &err)
	var rows []*keyRow
	return readPage(ctx, scoped(a.s.read.NewSelect().Model(&rows), scope), &rows, "k.id", q,
		func(r *keyRow) uuid.UUID { return r.ID }, sure((*keyRow).key))
}

// RevokeKey ends a key of a scope.
func (a Accounts) RevokeKey(ctx context.Context, scope domain.Scope, id uuid.UUID, at time.Time) (err error) {
	defer translated("revoke API key", &err)
	query := a.s.write.NewUpdate().Model((*keyRow)(nil)).Set("revoked_at = coalesce(revoked_at, ?)", stamp(at)).Where("id = ?", id)
	return changedOne(ctx, within(query, scope), "API key")
}

// scoped narrows a query on a table with tenant_id to what a caller may see.
func scoped(query *bun.SelectQuery, scope domain.Scope) *bun.SelectQuery {
	if scope.Admin {
		return query
	}
	return query.Where("?TableAlias.tenant_id = ?", scope.TenantID)
}

// changedOne runs an update that must meet a row.
func changedOne(ctx context.Context, query *bun.UpdateQuery, what string) error {
	res, err := query.Exec(ctx)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	return orNotFoundRows(n, err, what)
}

// changedAny reports whether a statement met a row.
func changedAny(res sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}
