package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// Ratchet keeps the Signal state of linked devices, in whatsmeow's own tables
// and exactly as whatsmeow's store would; only prekeys have a table of ours.
type Ratchet struct{ s *Store }

// Ratchet returns the store as the ratchet of the worker.
func (s *Store) Ratchet() Ratchet { return Ratchet{s} }

var (
	upsertSession = statement(`INSERT INTO whatsmeow_sessions (our_jid, their_id, session) VALUES ($1, $2, $3)
		ON CONFLICT (our_jid, their_id) DO UPDATE SET session = excluded.session`)

	upsertIdentity = statement(`INSERT INTO whatsmeow_identity_keys (our_jid, their_id, identity) VALUES ($1, $2, $3)
		ON CONFLICT (our_jid, their_id) DO UPDATE SET identity = excluded.identity`)

	insertBuffered = statement(`INSERT INTO whatsmeow_event_buffer (our_jid, ciphertext_hash, plaintext, server_timestamp, insert_timestamp)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (our_jid, ciphertext_hash) DO UPDATE SET plaintext = excluded.plaintext`)

	clearBuffered = statement(`UPDATE whatsmeow_event_buffer SET plaintext = NULL WHERE our_jid = $1 AND ciphertext_hash = $2`)

	loadDevice     = statement(`SELECT device_jid FROM leases WHERE tenant_id = $1`)
	loadOtherOwner = statement(`SELECT tenant_id FROM leases WHERE device_jid = $2 AND tenant_id <> $1`)
	bindDevice     = statement(`UPDATE leases SET device_jid = $2 WHERE tenant_id = $1`)
	unbindDevice   = statement(`UPDATE leases SET device_jid = NULL WHERE tenant_id = $1 AND device_jid = $2`)

	// What people see follows the lease in the same transaction. Else a process
	// that dies before it reports the unlinking leaves a tenant that counts as
	// linked, and the next owner may not show it a code.
	showUnlinked = statement(`UPDATE whatsapp_sessions SET jid = '', state = 'DISCONNECTED', updated_at = $2
		WHERE tenant_id = $1 AND jid <> '' AND NOT EXISTS (SELECT 1 FROM leases WHERE tenant_id = $1 AND device_jid IS NOT NULL)`)
	showUnlinkedTenant = statement(`UPDATE tenants SET status = CASE status WHEN 'ACTIVE' THEN 'QR_PENDING' ELSE 'NEW' END, updated_at = $2
		WHERE id = $1 AND status IN ('ACTIVE', 'PAUSED') AND NOT EXISTS (SELECT 1 FROM leases WHERE tenant_id = $1 AND device_jid IS NOT NULL)`)

	dropDevice = statement(`DELETE FROM whatsmeow_device WHERE jid = $1`)
	dropTokens = statement(`DELETE FROM whatsmeow_privacy_tokens WHERE our_jid = $1`)

	markSending = statement(`UPDATE outbox SET status = 'sending', epoch = $3 WHERE tenant_id = $1 AND id = $2 AND status IN ('queued', 'sending')`)
)

// deviceOf is the device whose keys are written.
func deviceOf(w *domain.RatchetWrites) string {
	if w.Empty() {
		return ""
	}
	return w.JID
}

// ratchet adds the writes of one decryption or encryption. They follow a fence
// in the same batch or transaction.
func (b *batch) ratchet(tenant uuid.UUID, w *domain.RatchetWrites) {
	if w.Empty() {
		return
	}
	for _, address := range slices.Sorted(maps.Keys(w.Sessions)) { // one order, against deadlocks
		b.add(upsertSession, w.JID, address, w.Sessions[address])
	}
	for _, address := range slices.Sorted(maps.Keys(w.Identities)) {
		key := w.Identities[address]
		b.add(upsertIdentity, w.JID, address, key[:])
	}
	for _, id := range w.RemovePreKeys {
		b.removePreKey(tenant, w.JID, id)
	}
	for _, m := range w.Buffered {
		b.add(insertBuffered, w.JID, m.Hash[:], m.Plaintext, m.ServerTime.Unix(), time.Now().UnixMilli())
	}
}

// Save stores writes in one round trip. The contract is worker.Ratchet's.
func (r Ratchet) Save(ctx context.Context, t domain.Tenure, w *domain.RatchetWrites, sending uuid.UUID) (err error) {
	defer translated("store ratchet", &err)
	var b batch
	b.fence(t, deviceOf(w))
	b.ratchet(t.TenantID, w)
	var marked int64
	if sending != uuid.Nil {
		b.counted(&marked, markSending, t.TenantID, sending, t.Epoch)
	}
	if err := r.s.runBatch(ctx, &b); err != nil {
		return err
	}
	if sending != uuid.Nil && marked == 0 {
		return domain.ErrSettled
	}
	return nil
}

// LinkDevice binds a device to the tenure's lease. A device that the tenant had
// before is forgotten. A device of another tenant is KindConflict.
func (r Ratchet) LinkDevice(ctx context.Context, t domain.Tenure, jid string) (err error) {
	defer translated("link device", &err)
	err = r.s.session(ctx, func(c session) error {
		var previous sql.NullString
		var in batch
		in.add(begin)
		in.readDevice(t, &previous)
		if err := c.run(ctx, &in); err != nil {
			return err
		}
		var out batch
		if previous.Valid && previous.String != jid {
			out.wipeDevice(t.TenantID, previous.String)
		}
		out.add(bindDevice, t.TenantID, jid)
		out.add(commit)
		return c.run(ctx, &out)
	})
	if violates(err, "device_jid") {
		return &domain.Error{Kind: domain.KindConflict, Message: "This phone is linked to another business.", Err: err}
	}
	return err
}

// readDevice adds the fence and the reading of the device that a lease names.
func (b *batch) readDevice(t domain.Tenure, into *sql.NullString) {
	b.fence(t, "")
	b.read(func(found rows) error {
		if !found.Next() {
			return orElse(found.Err(), domain.ErrFenced)
		}
		return found.Scan(into)
	}, loadDevice, t.TenantID)
}

// Wipe deletes a device and all of its keys. The contract is worker.Ratchet's.
func (r Ratchet) Wipe(ctx context.Context, t domain.Tenure, jid string) (err error) {
	defer translated("wipe device", &err)
	own, err := r.s.deviceOfTerm(ctx, t)
	if err != nil {
		return err
	}
	if own == jid { // of years, they may be too many for one statement
		if err := r.s.removeBit(ctx, t, jid, removeKeys, jid); err != nil {
			return err
		}
	}
	return r.s.session(ctx, func(c session) error {
		var bound bool
		var in batch
		in.add(begin)
		in.fence(t, "")
		in.read(func(found rows) error {
			bound = found.Next()
			return found.Err()
		}, loadOtherOwner, t.TenantID, jid)
		if err := c.run(ctx, &in); err != nil {
			return err
		}
		if bound {
			return domain.ErrFenced // the device serves another tenant now
		}
		// Unbound first: whoever writes a key at this moment is waited for, and
		// whoever comes later is refused, so that no row stays behind.
		var out batch
		out.add(unbindDevice, t.TenantID, jid)
		out.wipeDevice(t.TenantID, jid)
		out.add(showUnlinked, t.TenantID, domain.Now())
		out.add(showUnlinkedTenant, t.TenantID, domain.Now())
		out.add(commit)
		return c.run(ctx, &out)
	})
}

// wipeDevice deletes the device row, which takes most tables with it.
func (b *batch) wipeDevice(tenant uuid.UUID, jid string) {
	b.add(dropPreKeys, tenant, jid)
	b.add(dropDevice, jid)
	b.add(dropTokens, jid)
}

// Sessions returns the stored sessions among the addresses.
func (r Ratchet) Sessions(ctx context.Context, jid string, addresses []string) (found map[string][]byte, err error) {
	defer translated("read sessions", &err)
	found = make(map[string][]byte, len(addresses))
	err = r.s.byAddress(ctx, `SELECT their_id, session FROM whatsmeow_sessions WHERE our_jid = $1 AND their_id`, jid, addresses,
		func(address string, session []byte) { found[address] = session })
	return found, err
}

// Identities returns the stored identity keys among the addresses.
func (r Ratchet) Identities(ctx context.Context, jid string, addresses []string) (found map[string][32]byte, err error) {
	defer translated("read identities", &err)
	found = make(map[string][32]byte, len(addresses))
	err = r.s.byAddress(ctx, `SELECT their_id, identity FROM whatsmeow_identity_keys WHERE our_jid = $1 AND their_id`, jid, addresses,
		func(address string, key []byte) { found[address] = [32]byte(key) })
	return found, err
}

// byAddress runs a query that ends in "their_id" for a list of addresses.
func (s *Store) byAddress(ctx context.Context, text, jid string, addresses []string, each func(address string, value []byte)) error {
	var list any = addresses
	if s.dialect == postgres {
		text += ` = ANY($2)`
	} else {
		encoded, err := json.Marshal(addresses)
		if err != nil {
			return err
		}
		list = string(encoded)
		text = sqliteText(text + ` IN (SELECT value FROM json_each($2))`)
	}
	found, err := s.reader.QueryContext(ctx, text, jid, list)
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var address string
		var value []byte
		if err := found.Scan(&address, &value); err != nil {
			return err
		}
		each(address, value)
	}
	return found.Err()
}

// Buffered returns the plaintext kept for a ciphertext. The contract is worker.Ratchet's.
func (r Ratchet) Buffered(ctx context.Context, jid string, hash [32]byte) (plaintext []byte, at time.Time, ok bool, err error) {
	defer translated("read a buffered message", &err)
	var seconds int64
	err = r.s.reader.QueryRowContext(ctx, r.s.text(`SELECT plaintext, server_timestamp FROM whatsmeow_event_buffer
		WHERE our_jid = $1 AND ciphertext_hash = $2`), jid, hash[:]).Scan(&plaintext, &seconds)
	if err == sql.ErrNoRows {
		return nil, at, false, nil
	}
	return plaintext, time.Unix(seconds, 0).UTC(), err == nil, err
}

// ClearBuffered forgets a plaintext but keeps its hash.
func (r Ratchet) ClearBuffered(ctx context.Context, t domain.Tenure, jid string, hash [32]byte) (err error) {
	defer translated("clear a buffered message", &err)
	var b batch
	b.fence(t, jid)
	b.add(clearBuffered, jid, hash[:])
	return r.s.runBatch(ctx, &b)
}

// HasPNSessions reports whether sessions are stored under a phone number.
func (r Ratchet) HasPNSessions(ctx context.Context, jid, user string) (has bool, err error) {
	defer translated("look for sessions", &err)
	err = r.s.reader.QueryRowContext(ctx, r.s.text(`SELECT EXISTS (SELECT 1 FROM whatsmeow_sessions WHERE our_jid = $1 AND their_id LIKE $2)`),
		jid, user+":%").Scan(&has)
	return has, err
}
