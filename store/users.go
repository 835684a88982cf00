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
	CreatedAt    time.Time     `bun:"created_at"`
	UpdatedAt    time.Time     `bun:"updated_at"`
}

func newUserRow(u domain.User) *userRow {
	return &userRow{ID: u.ID, TenantID: toNull(u.TenantID), Name: domain.CleanText(u.Name), Email: strings.ToLower(domain.CleanText(u.Email)),
		PasswordHash: u.PasswordHash, Role: string(u.Role), Disabled: u.Disabled, CreatedAt: stamp(u.CreatedAt), UpdatedAt: stamp(u.UpdatedAt)}
}

func (u *userRow) user() domain.User {
	return domain.User{ID: u.ID, TenantID: fromNull(u.TenantID), Name: u.Name, Email: u.Email, PasswordHash: u.PasswordHash,
		Role: domain.Role(u.Role), Disabled: u.Disabled, CreatedAt: u.CreatedAt.UTC(), UpdatedAt: u.UpdatedAt.UTC()}
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
	query, err := newestFirst(scoped(a.s.read.NewSelect().Model(&rows), scope), "u.id", q)
	if err != nil {
		return page, err
	}
	if err := query.Scan(ctx); err != nil {
		return page, err
	}
	rows, page.NextCursor = cut(rows, q, func(r *userRow) uuid.UUID { return r.ID })
	for _, row := range rows {
		page.Items = append(page.Items, row.user())
	}
	return page, nil
}

// UpdateUser changes name, address, password, role and whether the user of a
// scope may sign in; the tenant stays.
func (a Accounts) UpdateUser(ctx context.Context, scope domain.Scope, user domain.User) (err error) {
	defer translated("update user", &err)
	query := a.s.write.NewUpdate().Model(newUserRow(user)).Column("name", "email", "password_hash", "role", "disabled", "updated_at").WherePK()
	if !scope.Admin {
		query.Where("tenant_id = ?", scope.TenantID)
	}
	return emailTaken(changedOne(ctx, query, "user"))
}
