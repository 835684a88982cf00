package store

import (
	"context"

	"flowhq/domain"
)

// preKeyIDs is the number of ids that whatsmeow's table allows, 24 bits; 0 is not used.
const preKeyIDs = 1 << 24

var (
	loadPreKeyIDs = statement(`SELECT s.next_prekey, (SELECT coalesce(max(key_id), 0) FROM whatsmeow_pre_keys WHERE jid = $2)
		FROM whatsapp_sessions s WHERE s.tenant_id = $1`)

	insertPreKeys = statements(`INSERT INTO whatsmeow_pre_keys (jid, key_id, key, uploaded)
			SELECT $3, k.id, k.key, true FROM unnest($1::int[], $2::bytea[]) AS k (id, key)`,
		`INSERT INTO whatsmeow_pre_keys (jid, key_id, key, uploaded) VALUES (?3, ?1, ?2, true)`)

	storeNextPreKey = statement(`UPDATE whatsapp_sessions SET next_prekey = $2 WHERE tenant_id = $1`)
)

// AddPreKeys stores new prekeys. The contract is worker.Ratchet's. The next id
// is kept beside the session: the highest stored key may have been used and
// deleted, and an id must not come twice while an old message may name it.
func (r Ratchet) AddPreKeys(ctx context.Context, t domain.Tenure, jid string, make func(first uint32) []domain.PreKeyPair) (err error) {
	defer translated("store prekeys", &err)
	return r.s.session(ctx, func(c session) error {
		var next, highest int64
		var ids batch
		ids.add(begin)
		ids.fence(t, jid)
		ids.read(func(found rows) error {
			if !found.Next() {
				return orElse(found.Err(), domain.ErrFenced)
			}
			return found.Scan(&next, &highest)
		}, loadPreKeyIDs, t.TenantID, jid)
		if err := c.run(ctx, &ids); err != nil {
			return err
		}
		next = max(next, highest+1, 1)
		pairs := make(uint32(next))
		if next+int64(len(pairs)) > preKeyIDs {
			next = 1 // sixteen million keys later nobody remembers the first
			pairs = make(uint32(next))
		}
		table := newColumns(2)
		for _, p := range pairs {
			table.row(int64(p.ID), p.Key[:])
		}
		var out batch
		table.into(&out, r.s.dialect, insertPreKeys, jid)
		out.add(storeNextPreKey, t.TenantID, next+int64(len(pairs)))
		out.add(commit)
		return c.run(ctx, &out)
	})
}
