package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// UseTOTPStep accepts a time step once. The contract is handlers.Users'.
func (a Accounts) UseTOTPStep(ctx context.Context, id uuid.UUID, step int64) (accepted bool, err error) {
	defer translated("use a code of the second factor", &err)
	return changedAny(a.s.write.NewUpdate().Model((*userRow)(nil)).Set("totp_step = ?", step).Where("id = ? AND totp_step < ?", id, step).Exec(ctx))
}

type recoveryCodeRow struct {
	bun.BaseModel `bun:"table:recovery_codes,alias:rc"`

	UserID uuid.UUID `bun:"user_id,pk"`
	Hash   []byte    `bun:"code_hash,pk"`
}

// PutRecoveryCodes replaces all recovery codes of a user.
func (a Accounts) PutRecoveryCodes(ctx context.Context, id uuid.UUID, hashes [][]byte) (err error) {
	defer translated("store recovery codes", &err)
	rows := make([]recoveryCodeRow, len(hashes))
	for i, hash := range hashes {
		rows[i] = recoveryCodeRow{UserID: id, Hash: hash}
	}
	return a.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		known, err := tx.NewSelect().Model((*userRow)(nil)).Where("id = ?", id).Count(ctx)
		if err := orNotFoundRows(known, err, "user"); err != nil {
			return err
		}
		if _, err := tx.NewDelete().Model((*recoveryCodeRow)(nil)).Where("user_id = ?", id).Exec(ctx); err != nil || len(rows) == 0 {
			return err
		}
		_, err = tx.NewInsert().Model(&rows).Exec(ctx)
		return err
	})
}

// UseRecoveryCode deletes a code. The contract is handlers.Users'.
func (a Accounts) UseRecoveryCode(ctx context.Context, id uuid.UUID, hash []byte) (used bool, err error) {
	defer translated("use a recovery code", &err)
	return changedAny(a.s.write.NewDelete().Model((*recoveryCodeRow)(nil)).Where("user_id = ? AND code_hash = ?", id, hash).Exec(ctx))
}

// RecoveryCodesLeft counts the unused codes of a user.
func (a Accounts) RecoveryCodesLeft(ctx context.Context, id uuid.UUID) (n int, err error) {
	defer translated("count recovery codes", &err)
	left, err := a.s.read.NewSelect().Model((*recoveryCodeRow)(nil)).Where("user_id = ?", id).Count(ctx)
	return int(left), err
}
