package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// OneTime are the links that work once.
type OneTime struct{ s *Store }

// OneTime returns the store as the keeper of one-time links.
func (s *Store) OneTime() OneTime { return OneTime{s} }

type linkRow struct {
	bun.BaseModel `bun:"table:one_time_links,alias:ol"`

	ID        uuid.UUID     `bun:"id,pk"`
	Hash      []byte        `bun:"token_hash"`
	Kind      string        `bun:"kind"`
	Email     string        `bun:"email"`
	Name      string        `bun:"name"`
	Role      string        `bun:"role"`
	TenantID  uuid.NullUUID `bun:"tenant_id"`
	CreatedBy uuid.NullUUID `bun:"created_by"`
	CreatedAt time.Time     `bun:"created_at"`
	ExpiresAt time.Time     `bun:"expires_at"`
}

func (l *linkRow) link() domain.OneTimeLink {
	return domain.OneTimeLink{ID: l.ID, Hash: l.Hash, Kind: domain.LinkKind(l.Kind), Email: l.Email, Name: l.Name, Role: domain.Role(l.Role),
		TenantID: fromNull(l.TenantID), CreatedBy: fromNull(l.CreatedBy), CreatedAt: l.CreatedAt.UTC(), ExpiresAt: l.ExpiresAt.UTC()}
}

// AddLink stores a link. One for an unknown tenant is KindNotFound.
func (o OneTime) AddLink(ctx context.Context, l domain.OneTimeLink) (err error) {
	defer translated("add one-time link", &err)
	if l.TenantID != nil {
		if err := o.s.mustExist(ctx, *l.TenantID); err != nil {
			return err
		}
	}
	row := &linkRow{ID: l.ID, Hash: l.Hash, Kind: string(l.Kind), Email: domain.CleanText(l.Email), Name: domain.CleanText(l.Name), Role: string(l.Role),
		TenantID: toNull(l.TenantID), CreatedBy: toNull(l.CreatedBy), CreatedAt: stamp(l.CreatedAt), ExpiresAt: stamp(l.ExpiresAt)}
	_, err = o.s.write.NewInsert().Model(row).Exec(ctx)
	return err
}

// Link returns a link that still works. The contract is handlers.OneTime's.
func (o OneTime) Link(ctx context.Context, hash []byte, now time.Time) (link domain.OneTimeLink, err error) {
	defer translated("read one-time link", &err)
	row := new(linkRow)
	if err := o.s.read.NewSelect().Model(row).Where("token_hash = ? AND expires_at > ?", hash, stamp(now)).Scan(ctx); err != nil {
		return link, orNotFound(err, "link")
	}
	return row.link(), nil
}

// Redeem uses a link up and adds, or opens again, the user that it is for. The contract is
// handlers.OneTime's. When it fails the link still works.
func (o OneTime) Redeem(ctx context.Context, hash []byte, user domain.User, now time.Time) (err error) {
	defer translated("redeem one-time link", &err)
	if user.TenantID != nil {
		if err := o.s.mustExist(ctx, *user.TenantID); err != nil {
			return err
		}
	}
	err = o.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var kind string
		err := tx.NewRaw(`DELETE FROM one_time_links WHERE token_hash = ? AND expires_at > ? RETURNING kind`, hash, stamp(now)).Scan(ctx, &kind)
		if err != nil {
			return orNotFound(err, "link")
		}
		if domain.LinkKind(kind) == domain.LinkSetup {
			if err := o.s.noAdminYet(ctx, tx); err != nil {
				return err
			}
		}
		if again, err := reopen(ctx, tx, user); err != nil || again {
			return err
		}
		_, err = tx.NewInsert().Model(newUserRow(user)).Exec(ctx)
		return err
	})
	return emailTaken(err)
}

// reopen gives the disabled account of an address to whoever was invited to the
// same role; nothing that it was signed in with before is good any more.
func reopen(ctx context.Context, tx bun.Tx, user domain.User) (again bool, err error) {
	row := newUserRow(user)
	var ids []uuid.UUID
	err = tx.NewRaw(`UPDATE users SET name = ?, password_hash = ?, totp_secret = NULL, totp_step = 0, disabled = false, updated_at = ?
		WHERE email = ? AND disabled AND role = ? AND tenant_id IS NOT DISTINCT FROM ? RETURNING id`,
		row.Name, row.PasswordHash, row.UpdatedAt, row.Email, row.Role, row.TenantID).Scan(ctx, &ids)
	if err != nil || len(ids) == 0 {
		return false, err
	}
	if _, err := tx.NewDelete().Model((*recoveryCodeRow)(nil)).Where("user_id = ?", ids[0]).Exec(ctx); err != nil {
		return false, err
	}
	return true, endSessions(ctx, tx, "user_id = ?", ids[0])
}

// noAdminYet keeps others from adding users until the commit: two setup links
// must not make two first admins.
func (s *Store) noAdminYet(ctx context.Context, tx bun.Tx) error {
	if s.dialect == postgres {
		if _, err := tx.ExecContext(ctx, "LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"); err != nil {
			return err
		}
	}
	found, err := hasAdmin(ctx, tx)
	if err == nil && found {
		return domain.Errorf(domain.KindConflict, "There is an admin already. Ask them for an invitation.")
	}
	return err
}

// OpenInvites lists invitations that are neither used nor expired, newest first.
func (o OneTime) OpenInvites(ctx context.Context, now time.Time) (open []domain.OneTimeLink, err error) {
	defer translated("list invitations", &err)
	var rows []linkRow
	err = o.s.read.NewSelect().Model(&rows).Where("kind = ? AND expires_at > ?", string(domain.LinkInvite), stamp(now)).
		Order("id DESC").Limit(domain.MaxPageSize).Scan(ctx)
	for i := range rows {
		open = append(open, rows[i].link())
	}
	return open, err
}

// RevokeInvite takes an invitation back; KindNotFound when it was used already.
func (o OneTime) RevokeInvite(ctx context.Context, id uuid.UUID) (err error) {
	defer translated("revoke invitation", &err)
	done, err := changedAny(o.s.write.NewDelete().Model((*linkRow)(nil)).Where("id = ? AND kind = ?", id, string(domain.LinkInvite)).Exec(ctx))
	if err == nil && !done {
		return domain.NotFound("invitation")
	}
	return err
}
