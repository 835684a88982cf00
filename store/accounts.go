package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Accounts are the people and the programs that may sign in.
type Accounts struct{ s *Store }

// Accounts returns the store as the accounts of handlers and command line.
func (s *Store) Accounts() Accounts { return Accounts{s} }

type keyRow struct {
	bun.BaseModel `bun:"table:api_keys,alias:k"`

	ID         uuid.UUID  `bun:"id,pk"`
	Label      string     `bun:"label"`
	TenantID   *uuid.UUID `bun:"tenant_id"`
	Hash       []byte     `bun:"key_hash"`
	CreatedAt  time.Time  `bun:"created_at"`
	LastUsedAt *time.Time `bun:"last_used_at"`
	RevokedAt  *time.Time `bun:"revoked_at"`
}

// AddKey stores an API key. An unknown tenant is KindNotFound.
func (a Accounts) AddKey(ctx context.Context, k domain.APIKey) (err error) {
	defer translated("store API key", &err)
	if k.TenantID != nil {
		if _, err := getTenant(ctx, a.s.read, *k.TenantID); err != nil {
			return err
		}
	}
	_, err = a.s.write.NewInsert().Model(&keyRow{ID: k.ID, Label: k.Label, TenantID: k.TenantID, Hash: k.Hash, CreatedAt: k.CreatedAt}).Exec(ctx)
	return err
}

// KeyByHash returns the key in force with this hash. The contract is handlers.Keys'.
func (a Accounts) KeyByHash(ctx context.Context, hash []byte) (k domain.APIKey, err error) {
	defer translated("read API key", &err)
	row := new(keyRow)
	err = a.s.read.NewSelect().Model(row).Where("key_hash = ?", hash).Where("revoked_at IS NULL").Scan(ctx)
	if err := orNotFound(err, "API key"); domain.KindOf(err) == domain.KindNotFound && err != nil {
		return k, domain.Errorf(domain.KindUnauthorized, "This API key is unknown or was revoked.")
	} else if err != nil {
		return k, err
	}
	return domain.APIKey{ID: row.ID, Label: row.Label, TenantID: row.TenantID, Hash: row.Hash, CreatedAt: row.CreatedAt, LastUsedAt: row.LastUsedAt}, nil
}

// keyTouch is how exactly the last use of a key is known.
const keyTouch = time.Minute

// TouchKey notes the use of a key. The contract is handlers.Keys'.
func (a Accounts) TouchKey(ctx context.Context, id uuid.UUID, at time.Time) (err error) {
	defer translated("note use of API key", &err)
	_, err = a.s.write.NewUpdate().Table("api_keys").Set("last_used_at = ?", at).Where("id = ?", id).
		Where("last_used_at IS NULL OR last_used_at < ?", at.Add(-keyTouch)).Exec(ctx)
	return err
}

// RevokeKey ends a key. An unknown one is KindNotFound.
func (a Accounts) RevokeKey(ctx context.Context, id uuid.UUID, at time.Time) (err error) {
	defer translated("revoke API key", &err)
	res, err := a.s.write.NewUpdate().Table("api_keys").Set("revoked_at = ?", at).Where("id = ?", id).Where("revoked_at IS NULL").Exec(ctx)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return orElse(err, domain.NotFound("API key"))
	}
	return nil
}

func orElse(err error, other error) error {
	if err != nil {
		return err
	}
	return other
}

type userRow struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID           uuid.UUID  `bun:"id,pk"`
	TenantID     *uuid.UUID `bun:"tenant_id"`
	Name         string     `bun:"name"`
	Email        string     `bun:"email"`
	PasswordHash string     `bun:"password_hash"`
	Role         string     `bun:"role"`
	Disabled     bool       `bun:"disabled"`
	CreatedAt    time.Time  `bun:"created_at"`
	UpdatedAt    time.Time  `bun:"updated_at"`
}

// AddUser stores a user. An address in use is KindConflict, an unknown tenant KindNotFound.
func (a Accounts) AddUser(ctx context.Context, u domain.User) (err error) {
	defer translated("store user", &err)
	if u.TenantID != nil {
		if _, err := getTenant(ctx, a.s.read, *u.TenantID); err != nil {
			return err
		}
	}
	_, err = a.s.write.NewInsert().Model(&userRow{ID: u.ID, TenantID: u.TenantID, Name: u.Name, Email: u.Email, PasswordHash: u.PasswordHash,
		Role: string(u.Role), Disabled: u.Disabled, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt}).Exec(ctx)
	if violates(err, "email") {
		return domain.Errorf(domain.KindConflict, "Somebody with the address %s may sign in already.", u.Email)
	}
	return err
}
