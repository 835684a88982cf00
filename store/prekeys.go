package store

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	"github.com/google/uuid"
	sqlitedriver "modernc.org/sqlite"

	"flowhq/domain"
)

const (
	// preKeyIDs is the number of ids that fit into 24 bits; 0 is not used.
	preKeyIDs = 1 << 24

	preKeySize = 32
	// preKeysPerRow keeps a row below 1 kB: it is rewritten when one of its keys
	// is used. 812, which a first link makes, is 29 full rows.
	preKeysPerRow = 28
)

// usedPreKey stands where a key was. No key is zero: clamping sets a bit.
var usedPreKey = make([]byte, preKeySize)

// flowhq_overlay(data, part, at) is what overlay does on Postgres.
func init() {
	sqlitedriver.MustRegisterDeterministicScalarFunction("flowhq_overlay", 3, func(_ *sqlitedriver.FunctionContext, args []driver.Value) (driver.Value, error) {
		data, one := args[0].([]byte)
		part, two := args[1].([]byte)
		at, three := args[2].(int64)
		if !one || !two || !three || at < 0 || int(at)+len(part) > len(data) {
			return nil, fmt.Errorf("flowhq_overlay cannot put %d bytes into %d at %v", len(part), len(data), args[2])
		}
		changed := slices.Clone(data)
		copy(changed[at:], part)
		return changed, nil
	})
}

// In these the row of key $3 of device $2 is the one whose first id is up to 27
// below, and the key stands at the byte behind the difference.
var (
	loadPreKeyIDs = statement(`SELECT s.next_prekey, (SELECT coalesce(max(key_id), 0) FROM whatsmeow_pre_keys WHERE jid = $2)
		FROM whatsapp_sessions s WHERE s.tenant_id = $1`)

	insertPreKeys = statements(`INSERT INTO prekeys (tenant_id, jid, first_id, keys, remaining)
			SELECT $4, $5, k.first_id, k.keys, k.remaining FROM unnest($1::int[], $2::bytea[], $3::int[]) AS k (first_id, keys, remaining)`,
		`INSERT INTO prekeys (tenant_id, jid, first_id, keys, remaining) VALUES (?4, ?5, ?1, ?2, ?3)`)

	storeNextPreKey = statement(`UPDATE whatsapp_sessions SET next_prekey = $2 WHERE tenant_id = $1`)

	usePreKey = statements(`UPDATE prekeys SET keys = overlay(keys PLACING $4 FROM ($3 - first_id) * 32 + 1), remaining = remaining - 1
			WHERE tenant_id = $1 AND jid = $2 AND first_id BETWEEN CAST($3 AS integer) - 27 AND $3
			AND substr(keys, ($3 - first_id) * 32 + 1, 32) NOT IN ('', $4)`,
		`UPDATE prekeys SET keys = flowhq_overlay(keys, ?4, (?3 - first_id) * 32), remaining = remaining - 1
			WHERE tenant_id = ?1 AND jid = ?2 AND first_id BETWEEN ?3 - 27 AND ?3
			AND substr(keys, (?3 - first_id) * 32 + 1, 32) NOT IN (x'', ?4)`)

	deletePreKey = statement(`DELETE FROM whatsmeow_pre_keys WHERE jid = $1 AND key_id = $2`)

	dropPreKeys = statement(`DELETE FROM prekeys WHERE tenant_id = $1 AND jid = $2`)

	dropUsedPreKeys = statement(`DELETE FROM prekeys WHERE tenant_id = $1 AND jid = $2 AND remaining = 0`)

	findPreKey = statement(`SELECT substr(keys, ($3 - first_id) * 32 + 1, 32) FROM prekeys
			WHERE tenant_id = $1 AND jid = $2 AND first_id BETWEEN CAST($3 AS integer) - 27 AND $3
		UNION ALL SELECT key FROM whatsmeow_pre_keys WHERE jid = $2 AND key_id = $3`)

	countPreKeys = statement(`SELECT (SELECT coalesce(sum(remaining), 0) FROM prekeys WHERE tenant_id = $1 AND jid = $2)
		+ (SELECT count(*) FROM whatsmeow_pre_keys WHERE jid = $2 AND uploaded)`)
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
		var out batch
		out.add(dropUsedPreKeys, t.TenantID, jid)
		preKeyRows(pairs).into(&out, r.s.dialect, insertPreKeys, t.TenantID, jid)
		out.add(storeNextPreKey, t.TenantID, next+int64(len(pairs)))
		out.add(commit)
		return c.run(ctx, &out)
	})
}

// preKeyRows packs keys whose ids follow each other.
func preKeyRows(pairs []domain.PreKeyPair) *columns {
	table := newColumns(3)
	for part := range slices.Chunk(pairs, preKeysPerRow) {
		keys := make([]byte, 0, len(part)*preKeySize)
		for _, p := range part {
			keys = append(keys, p.Key[:]...)
		}
		table.row(int64(part[0].ID), keys, int64(len(part)))
	}
	return table
}

// removePreKey deletes a key that was used, wherever it is.
func (b *batch) removePreKey(tenant uuid.UUID, jid string, id uint32) {
	b.add(usePreKey, tenant, jid, int64(id), usedPreKey)
	b.add(deletePreKey, jid, int64(id))
}

// PreKey returns a prekey that was not used yet. The contract is worker.Ratchet's.
func (r Ratchet) PreKey(ctx context.Context, tenant uuid.UUID, jid string, id uint32) (key [32]byte, ok bool, err error) {
	defer translated("read a prekey", &err)
	found, err := r.s.reader.QueryContext(ctx, r.s.textOf(findPreKey), tenant, jid, int64(id))
	if err != nil {
		return key, false, err
	}
	defer found.Close()
	for found.Next() {
		var raw []byte
		if err := found.Scan(&raw); err != nil {
			return key, false, err
		}
		if len(raw) == preKeySize && !bytes.Equal(raw, usedPreKey) {
			return [32]byte(raw), true, nil
		}
	}
	return key, false, found.Err()
}

// PreKeys counts the prekeys that were not used yet.
func (r Ratchet) PreKeys(ctx context.Context, tenant uuid.UUID, jid string) (n int, err error) {
	defer translated("count prekeys", &err)
	err = r.s.reader.QueryRowContext(ctx, r.s.textOf(countPreKeys), tenant, jid).Scan(&n)
	return n, err
}
