package store

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

type userRow struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID           uuid.UUID     `bun:"id,pk"`
	TenantID     uuid.NullUUID `bun:"tenant_id"`
	Name         string        `bun:"name"`
	Email        string        `bun:"email"`
	PasswordHash string        `bun:"password_hash"`
	Role         string        `bun:"role"`
	Disabled     bool          `bun:"disabled"`
	TOTPSecret   []byte        `bun:"totp_secret"`
	TOTPStep     int64         `bun:"totp_step"`
	LastLoginAt  *time.Time    `bun:"last_login_at"`
	CreatedAt    time.Time     `bun:"created_at"`
	UpdatedAt    time.Time     `bun:"updated_at"`
}

func newUserRow(u domain.User) *userRow {
	return &userRow{ID: u.ID, TenantID: toNull(u.TenantID), Name: domain.CleanText(u.Name), Email: strings.ToLower(domain.CleanText(u.Email)),
		PasswordHash: u.PasswordHash, Role: string(u.Role), Disabled: u.Disabled, TOTPSecret: u.TOTPSecret, TOTPStep: u.TOTPStep,
		LastLoginAt: stampOrNil(u.LastLoginAt), CreatedAt: stamp(u.CreatedAt), UpdatedAt: stamp(u.UpdatedAt)}
}

func (u *userRow) user() domain.User {
	return domain.User{ID: u.ID, TenantID: fromNull(u.TenantID), Name: u.Name, Email: u.Email, PasswordHash: u.PasswordHash,
		Role: domain.Role(u.Role), Disabled: u.Disabled, TOTPSecret: u.TOTPSecret, TOTPStep: u.TOTPStep, LastLoginAt: utc(u.LastLoginAt), CreatedAt: u.CreatedAt.UTC(), UpdatedAt: u.UpdatedAt.UTC()}
}

// AddUser stores a new user. An address that is in use is KindConflict with
// field email, an unknown tenant KindNotFound.
func (a Accounts) AddUser(ctx context.Context, user domain.User) (err error) {
	defer translated("add user", &err)
	if user.TenantID != nil {
		if err := a.s.mustExist(ctx, *user.TenantID); err != nil {
			return err
		}
	}
	_, err = a.s.write.NewInsert().Model(newUserRow(user)).Exec(ctx)
	return emailTaken(err)
}

func emailTaken(err error) error {
	if !violates(err, "email") {
		return err
	}
	return &domain.Error{Kind: domain.KindConflict, Message: "This address belongs to another user.", Err: err,
		Fields: map[string]string{"email": "This address belongs to another user."}}
}

// User returns one user of a scope.
func (a Accounts) User(ctx context.Context, scope domain.Scope, id uuid.UUID) (user domain.User, err error) {
	defer translated("read user", &err)
	row := new(userRow)
	if err := scoped(a.s.read.NewSelect().Model(row), scope).Where("u.id = ?", id).Scan(ctx); err != nil {
		return user, orNotFound(err, "user")
	}
	return row.user(), nil
}

// UserByEmail returns the user with this address, whatever its case. It is for
// signing in only: it looks through all tenants.
func (a Accounts) UserByEmail(ctx context.Context, email string) (user domain.User, err error) {
	defer translated("read user", &err)
	row := new(userRow)
	if err := a.s.read.NewSelect().Model(row).Where("u.email = ?", strings.ToLower(domain.CleanText(email))).Scan(ctx); err != nil {
		return user, orNotFound(err, "user")
	}
	return row.user(), nil
}

// ListUsers returns the users of a scope, newest first.
func (a Accounts) ListUsers(ctx context.Context, scope domain.Scope, q domain.PageQuery) (page domain.Page[domain.User], err error) {
	defer translated("list users", &err)
	var rows []*userRow
	return readPage(ctx, scoped(a.s.read.NewSelect().Model(&rows), scope), &rows, "u.id", q,
		func(r *userRow) uuid.UUID { return r.ID }, sure((*userRow).user))
}

// UpdateUser changes name, address, password, role, second factor and whether
// the user of a scope may sign in; the tenant stays. The contract is
// handlers.Users'. What processes remember of the user's sessions is renewed.
func (a Accounts) UpdateUser(ctx context.Context, scope domain.Scope, user domain.User) (err error) {
	defer translated("update user", &err)
	err = a.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if scope.Admin && (user.Disabled || user.Role != domain.RoleAdmin) {
			if err := a.s.anotherAdmin(ctx, tx, user.ID); err != nil {
				return err
			}
		}
		query := tx.NewUpdate().Model(newUserRow(user)).WherePK().
			Column("name", "email", "password_hash", "role", "disabled", "totp_secret", "updated_at")
		if err := changedOne(ctx, within(query, scope), "user"); err != nil {
			return err
		}
		return bumpRevision(ctx, tx)
	})
	return emailTaken(err)
}

// ChangeSecrets stores what a user signs in with. The contract is
// handlers.Users'. It leaves alone what an admin may change meanwhile.
func (a Accounts) ChangeSecrets(ctx context.Context, user domain.User) (err error) {
	defer translated("change the secrets of a user", &err)
	return a.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		query := tx.NewUpdate().Model(newUserRow(user)).Column("password_hash", "totp_secret", "totp_step", "updated_at").WherePK().Where("NOT disabled")
		if err := changedOne(ctx, query, "user"); err != nil {
			return err
		}
		return endSessions(ctx, tx, "user_id = ?", user.ID)
	})
}

// DisableUser says whether a user may sign in. The contract is handlers.Users'.
func (a Accounts) DisableUser(ctx context.Context, scope domain.Scope, id uuid.UUID, disabled bool, at time.Time) (err error) {
	defer translated("disable user", &err)
	return a.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if scope.Admin && disabled {
			if err := a.s.anotherAdmin(ctx, tx, id); err != nil {
				return err
			}
		}
		query := tx.NewUpdate().Model((*userRow)(nil)).Set("disabled = ?", disabled).Set("updated_at = ?", stamp(at)).Where("id = ?", id)
		if err := changedOne(ctx, within(query, scope), "user"); err != nil || !disabled {
			return err
		}
		if _, err := tx.NewDelete().Model((*linkRow)(nil)).Where("created_by = ?", id).Exec(ctx); err != nil {
			return err
		}
		return endSessions(ctx, tx, "user_id = ?", id)
	})
}

// anotherAdmin refuses to take the last admin's rights away. It locks the
// admins, so that two of them cannot disable each other at once. Admins belong
// to no tenant, so the scope of a tenant never reaches one.
func (s *Store) anotherAdmin(ctx context.Context, tx bun.Tx, id uuid.UUID) error {
	query := tx.NewSelect().Model((*userRow)(nil)).Column("id").Where("role = ? AND NOT disabled", string(domain.RoleAdmin)).Order("id")
	if s.dialect == postgres {
		query.For("UPDATE")
	}
	var admins []uuid.UUID
	if err := query.Scan(ctx, &admins); err != nil {
		return err
	}
	if len(admins) == 1 && admins[0] == id {
		return domain.Errorf(domain.KindConflict, "This is the last admin. Make another one first.")
	}
	return nil
}

// within narrows a change of a table with tenant_id to what a caller may change.
func within(query *bun.UpdateQuery, scope domain.Scope) *bun.UpdateQuery {
	if scope.Admin {
		return query
	}
	return query.Where("tenant_id = ?", scope.TenantID)
}

// HasAdmin reports whether there is any admin.
func (a Accounts) HasAdmin(ctx context.Context) (found bool, err error) {
	defer translated("look for an admin", &err)
	return hasAdmin(ctx, a.s.read)
}

func hasAdmin(ctx context.Context, db bun.IDB) (bool, error) {
	return db.NewSelect().Model((*userRow)(nil)).Where("role = ?", string(domain.RoleAdmin)).Exists(ctx)
}

// NoteLogin stores the time of a sign-in.
func (a Accounts) NoteLogin(ctx context.Context, id uuid.UUID, at time.Time) (err error) {
	defer translated("note sign-in", &err)
	return changedOne(ctx, a.s.write.NewUpdate().Model((*userRow)(nil)).Set("last_login_at = ?", stamp(at)).Where("id = ?", id), "user")
}
