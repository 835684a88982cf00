package whatsapp

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"

	"flowhq/domain"
	"flowhq/worker"
)

// keyStore is the store of one linked device during one connection. It puts
// four things around whatsmeow's own store: no call passes once the connection
// is closed, every failure ends the connection before whatsmeow can draw a
// wrong conclusion from it, sending and receiving do not interleave on a
// session, and what needs no write or read is not written or read.
type keyStore struct {
	*ratchet
	*sqlstore.SQLStore // what is not overridden below; never called unguarded
	jid                string
	tenure             domain.Tenure
	ratchets           worker.Ratchet
	metrics            *worker.Metrics
	settings           *appSync    // nil: whatsmeow fetches them itself
	caughtUp           atomic.Bool // the offline queue is done: nothing is redelivered any more

	small    sync.Mutex
	buffered map[[32]byte]bool // ciphertexts whose plaintext lies in the database
	migrated map[string]bool
	tokens   map[string]*store.PrivacyToken
	salt     *[]byte
}

var _ store.AllSessionSpecificStores = (*keyStore)(nil)

func newKeyStore(g *gate, c *sqlstore.Container, jid types.JID, t domain.Tenure, ratchets worker.Ratchet, m *worker.Metrics, unsafe Unsafe) *keyStore {
	ks := &keyStore{SQLStore: sqlstore.NewSQLStore(c, jid), jid: jid.String(), tenure: t, ratchets: ratchets, metrics: m,
		buffered: map[[32]byte]bool{}, migrated: map[string]bool{}, tokens: map[string]*store.PrivacyToken{}}
	ks.ratchet = newRatchet(g, ks, unsafe)
	return ks
}

// Sessions: the guarded ones of ratchet, not those of the SQL store.

func (ks *keyStore) GetSession(ctx context.Context, address string) ([]byte, error) {
	return ks.ratchet.GetSession(ctx, address)
}

func (ks *keyStore) HasSession(ctx context.Context, address string) (bool, error) {
	return ks.ratchet.HasSession(ctx, address)
}

func (ks *keyStore) GetManySessions(ctx context.Context, addresses []string) (map[string][]byte, error) {
	return ks.ratchet.GetManySessions(ctx, addresses)
}

func (ks *keyStore) PutSession(ctx context.Context, address string, session []byte) error {
	return ks.ratchet.PutSession(ctx, address, session)
}

func (ks *keyStore) PutManySessions(ctx context.Context, sessions map[string][]byte) error {
	return ks.ratchet.PutManySessions(ctx, sessions)
}

func (ks *keyStore) DoDecryptionTxn(ctx context.Context, fn func(context.Context) error) error {
	return ks.ratchet.DoDecryptionTxn(ctx, fn)
}

// DeleteAllSessions, DeleteSession: rare; the cache is dropped as a whole.

func (ks *keyStore) DeleteAllSessions(ctx context.Context, phone string) error {
	defer ks.forget(ctx)
	return guardedDo(ctx, ks.gate, func(ctx context.Context) error { return ks.SQLStore.DeleteAllSessions(ctx, phone) })
}

func (ks *keyStore) DeleteSession(ctx context.Context, address string) error {
	defer ks.forget(ctx, address)
	return guardedDo(ctx, ks.gate, func(ctx context.Context) error { return ks.SQLStore.DeleteSession(ctx, address) })
}

// forget drops what is cached about addresses, or about all.
func (ks *keyStore) forget(ctx context.Context, addresses ...string) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if len(addresses) == 0 {
		clear(ks.cache)
		clear(ks.known)
	}
	p, _ := ctx.Value(txnKey{}).(*pending)
	for _, a := range addresses {
		delete(ks.cache, a)
		delete(ks.known, a)
		if p != nil {
			delete(p.writes.Sessions, a)
			delete(p.writes.Identities, a)
		}
	}
}

// MigratePNToLID moves sessions that were stored under a phone number to the
// LID. whatsmeow's own store looks each time and remembers the migration as
// done before it is; nearly always there is nothing to move.
func (ks *keyStore) MigratePNToLID(ctx context.Context, pn, lid types.JID) error {
	user := pn.SignalAddressUser()
	ks.small.Lock()
	done := ks.migrated[user]
	ks.small.Unlock()
	if done {
		return nil
	}
	found, err := guarded(ctx, ks.gate, func(ctx context.Context) (bool, error) { return ks.ratchets.HasPNSessions(ctx, ks.jid, user) })
	if err != nil {
		return err
	}
	if found {
		if err := guardedDo(ctx, ks.gate, func(ctx context.Context) error { return ks.SQLStore.MigratePNToLID(ctx, pn, lid) }); err != nil {
			return err
		}
		ks.forget(ctx)
	}
	ks.small.Lock()
	defer ks.small.Unlock()
	if len(ks.migrated) > maxSmallCache {
		clear(ks.migrated)
	}
	ks.migrated[user] = true
	return nil
}

// maxSmallCache bounds each of the small caches of one tenant.
const maxSmallCache = 2000

// Identities: read once, written only when they change.

func (ks *keyStore) identity(ctx context.Context, address string) (key [32]byte, ok bool, err error) {
	if p, _ := ctx.Value(txnKey{}).(*pending); p != nil {
		if key, ok = p.writes.Identities[address]; ok {
			return key, true, nil
		}
	}
	ks.mu.Lock()
	key, ok = ks.known[address]
	ks.mu.Unlock()
	if ok {
		return key, true, nil
	}
	found, err := guarded(ctx, ks.gate, func(ctx context.Context) (map[string][32]byte, error) {
		return ks.ratchets.Identities(ctx, ks.jid, []string{address})
	})
	if err != nil {
		return key, false, err
	}
	if key, ok = found[address]; ok {
		ks.remember(&domain.RatchetWrites{Identities: found})
	}
	return key, ok, nil
}

// IsTrustedIdentity trusts an identity that is not known yet, as whatsmeow's store does.
func (ks *keyStore) IsTrustedIdentity(ctx context.Context, address string, key [32]byte) (bool, error) {
	known, ok, err := ks.identity(ctx, address)
	return err == nil && (!ok || known == key), err
}

func (ks *keyStore) PutIdentity(ctx context.Context, address string, key [32]byte) error {
	if known, ok, err := ks.identity(ctx, address); err != nil || (ok && known == key) {
		return err
	}
	if p, _ := ctx.Value(txnKey{}).(*pending); p != nil {
		p.writes.Identities[address] = key
		return nil
	}
	if o, _ := ctx.Value(opKey{}).(*op); o != nil && o.held {
		o.identities[address] = key
		return nil
	}
	return ks.save(ctx, &domain.RatchetWrites{JID: ks.jid, Identities: map[string][32]byte{address: key}}, noRow)
}

func (ks *keyStore) DeleteAllIdentities(ctx context.Context, phone string) error {
	defer ks.forget(ctx)
	return guardedDo(ctx, ks.gate, func(ctx context.Context) error { return ks.SQLStore.DeleteAllIdentities(ctx, phone) })
}

func (ks *keyStore) DeleteIdentity(ctx context.Context, address string) error {
	defer ks.forget(ctx, address)
	return guardedDo(ctx, ks.gate, func(ctx context.Context) error { return ks.SQLStore.DeleteIdentity(ctx, address) })
}

// Prekeys: new ones are stored by the batch, in one statement.

func (ks *keyStore) GetOrGenPreKeys(ctx context.Context, count uint32) ([]*keys.PreKey, error) {
	return ks.generate(ctx, int(count))
}

func (ks *keyStore) GenOnePreKey(ctx context.Context) (*keys.PreKey, error) {
	fresh, err := ks.generate(ctx, 1)
	if err != nil {
		return nil, err
	}
	return fresh[0], nil
}

// generate stores new prekeys as uploaded, before they are: that saves writing
// each of them a second time. Should the upload fail, WhatsApp's count stays low
// and whatsmeow asks for new ones; the others are never used.
func (ks *keyStore) generate(ctx context.Context, count int) ([]*keys.PreKey, error) {
	fresh := newPreKeys(count) // before a database connection is held
	err := guardedDo(ctx, ks.gate, func(ctx context.Context) error {
		return ks.ratchets.AddPreKeys(ctx, ks.tenure, ks.jid, func(first uint32) []domain.PreKeyPair {
			pairs := make([]domain.PreKeyPair, count)
			for i, k := range fresh {
				k.KeyID = first + uint32(i)
				pairs[i] = domain.PreKeyPair{ID: k.KeyID, Key: *k.Priv}
			}
			return pairs
		})
	})
	return fresh, err
}

// GetPreKey returns nil for a key that was used, as whatsmeow's store does.
func (ks *keyStore) GetPreKey(ctx context.Context, id uint32) (*keys.PreKey, error) {
	return guarded(ctx, ks.gate, func(ctx context.Context) (*keys.PreKey, error) {
		private, ok, err := ks.ratchets.PreKey(ctx, ks.tenure.TenantID, ks.jid, id)
		if err != nil || !ok {
			return nil, err
		}
		return &keys.PreKey{KeyPair: *keys.NewKeyPairFromPrivateKey(private), KeyID: id}, nil
	})
}

func (ks *keyStore) RemovePreKey(ctx context.Context, id uint32) error {
	if p, _ := ctx.Value(txnKey{}).(*pending); p != nil {
		p.writes.RemovePreKeys = append(p.writes.RemovePreKeys, id)
		return nil
	}
	return ks.save(ctx, &domain.RatchetWrites{JID: ks.jid, RemovePreKeys: []uint32{id}}, noRow)
}

func (ks *keyStore) MarkPreKeysAsUploaded(context.Context, uint32) error { return nil }

func (ks *keyStore) UploadedPreKeyCount(ctx context.Context) (int, error) {
	return guarded(ctx, ks.gate, func(ctx context.Context) (int, error) { return ks.ratchets.PreKeys(ctx, ks.tenure.TenantID, ks.jid) })
}

// The event buffer: plaintexts are kept only for messages that no inbox took.

func (ks *keyStore) GetBufferedEvent(ctx context.Context, hash [32]byte) (*store.BufferedEvent, error) {
	if ks.caughtUp.Load() {
		return nil, nil // WhatsApp redelivers at the beginning of a connection only
	}
	return guarded(ctx, ks.gate, func(ctx context.Context) (*store.BufferedEvent, error) {
		plaintext, at, ok, err := ks.ratchets.Buffered(ctx, ks.jid, hash)
		if err != nil || !ok {
			return nil, err
		}
		ks.noteBuffered(hash)
		return &store.BufferedEvent{Plaintext: plaintext, InsertTime: at, ServerTime: at}, nil
	})
}

func (ks *keyStore) PutBufferedEvent(ctx context.Context, hash [32]byte, plaintext []byte, at time.Time) error {
	p, _ := ctx.Value(txnKey{}).(*pending)
	if p == nil {
		return &storeError{errClosed} // whatsmeow only calls it within DoDecryptionTxn
	}
	p.writes.Buffered = append(p.writes.Buffered, domain.BufferedPlaintext{Hash: hash, Plaintext: plaintext, ServerTime: at})
	return nil
}

// ClearBufferedEventPlaintext is called when the handlers of a message are
// done. What the inbox stored is done already; anything else is stored now,
// without its plaintext.
func (ks *keyStore) ClearBufferedEventPlaintext(ctx context.Context, hash [32]byte) error {
	ks.mu.Lock()
	if ks.pending != nil {
		ks.pending.writes.Buffered = nil
	}
	waiting := ks.pending != nil
	ks.mu.Unlock()
	if waiting {
		return ks.flush(ctx)
	}
	ks.small.Lock()
	kept := ks.buffered[hash]
	delete(ks.buffered, hash)
	ks.small.Unlock()
	if !kept {
		return nil
	}
	return guardedDo(ctx, ks.gate, func(ctx context.Context) error {
		return ks.ratchets.ClearBuffered(ctx, ks.tenure, ks.jid, hash)
	})
}

func (ks *keyStore) noteBuffered(hash [32]byte) {
	ks.small.Lock()
	defer ks.small.Unlock()
	ks.buffered[hash] = true
}

// DeleteOldBufferedHashes and its outgoing twin are the pool's sweep, once for
// all tenants; retries are answered from the outbox.

func (ks *keyStore) DeleteOldBufferedHashes(context.Context) error { return nil }

func (ks *keyStore) DeleteOldOutgoingEvents(context.Context) error { return nil }

func (ks *keyStore) AddOutgoingEvent(context.Context, types.JID, types.MessageID, string, []byte) error {
	return nil
}

func (ks *keyStore) GetOutgoingEvent(context.Context, types.JID, types.JID, types.MessageID) (string, []byte, error) {
	return "", nil, nil
}
