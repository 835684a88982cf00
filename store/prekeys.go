package store

import (
	"context"

	"github.com/uptrace/bun"

	"flowhq/domain"
)

// preKeyIDs is the number of ids that whatsmeow's table allows, 24 bits; 0 is not used.
const preKeyIDs = 1 << 24

// PreKeys returns up to limit stored one-time prekeys that are not uploaded.
func (r Ratchet) PreKeys(ctx context.Context, jid string, limit int) (pairs []domain.PreKeyPair, err error) {
	defer translated("read prekeys", &err)
	found, err := r.s.reader.QueryContext(ctx, r.s.text(`SELECT key_id, key FROM whatsmeow_pre_keys
		WHERE jid = $1 AND uploaded = false ORDER BY key_id LIMIT $2`), jid, limit)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var p domain.PreKeyPair
		var key []byte
		if err := found.Scan(&p.ID, &key); err != nil {
			return nil, err
		}
		p.Key = [32]byte(key)
		pairs = append(pairs, p)
	}
	return pairs, found.Err()
}

// AddPreKeys stores new prekeys. The contract is worker.Ratchet's. The next id
// is kept beside the session: the highest stored key may have been used and
// deleted, and an id must not come twice while an old message may name it.
func (r Ratchet) AddPreKeys(ctx context.Context, t domain.Tenure, jid string, uploaded bool, make func(first uint32) []domain.PreKeyPair) (err error) {
	defer translated("store prekeys", &err)
	return r.s.fenced(ctx, t, func(ctx context.Context, tx bun.Tx) error {
		var next, highest int64
		if err := tx.QueryRowContext(ctx, "SELECT next_prekey FROM whatsapp_sessions WHERE tenant_id = ?", t.TenantID).Scan(&next); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, "SELECT coalesce(max(key_id), 0) FROM whatsmeow_pre_keys WHERE jid = ?", jid).Scan(&highest)
		if err != nil {
			return err
		}
		next = max(next, highest+1, 1)
		pairs := make(uint32(next))
		if next+int64(len(pairs)) > preKeyIDs {
			next = 1 // sixteen million keys later nobody remembers the first
			pairs = make(uint32(next))
		}
		if err := insertPreKeys(ctx, tx, jid, uploaded, pairs); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE whatsapp_sessions SET next_prekey = ? WHERE tenant_id = ?", next+int64(len(pairs)), t.TenantID)
		return err
	})
}

type preKeyRow struct {
	bun.BaseModel `bun:"table:whatsmeow_pre_keys"`

	JID      string `bun:"jid"`
	KeyID    int64  `bun:"key_id"`
	Key      []byte `bun:"key"`
	Uploaded bool   `bun:"uploaded"`
}

func insertPreKeys(ctx context.Context, tx bun.Tx, jid string, uploaded bool, pairs []domain.PreKeyPair) error {
	if len(pairs) == 0 {
		return nil
	}
	rows := make([]preKeyRow, len(pairs))
	for i, p := range pairs {
		rows[i] = preKeyRow{JID: jid, KeyID: int64(p.ID), Key: p.Key[:], Uploaded: uploaded}
	}
	_, err := tx.NewInsert().Model(&rows).Exec(ctx)
	return err
}
