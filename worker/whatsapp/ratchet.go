package whatsapp

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.mau.fi/libsignal/signalerror"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/whatsmeow/store"

	"flowhq/domain"
)

// ratchet guards the Signal sessions of one connection.
//
// whatsmeow loads, changes and stores a session without a lock between sending
// and receiving; when both happen at once one of them is undone, a message key
// is used twice and the customer's phone silently drops a message. The lock
// here is held from loading to storing, on both sides:
//
//   - Receiving: from the start of DoDecryptionTxn until the changed session is
//     stored, which is in the inbox transaction of the message itself.
//   - Sending: from GetManySessions to PutManySessions, for contexts that carry
//     an op.
//   - Retry receipts and peer messages, which load and store one session with a
//     plain context: from that load until this session is stored with a sending
//     chain that has moved.
//
// Sessions are cached while the connection lasts: the tenure owns them.
type ratchet struct {
	*gate
	ks      *keyStore
	lock    chan struct{} // a mutex whose holder may change hands
	mu      sync.Mutex
	pending *pending          // decrypted, not stored yet; the lock is held for it
	bare    *bare             // the lock is held for a plain load; nil when not
	cache   map[string][]byte // address → session; nil value: known to be absent
	known   map[string][32]byte
	unsafe  Unsafe
}

// maxCachedSessions bounds the memory of one tenant, about 2 kB a session.
const maxCachedSessions = 400

// pending are the changes of one decryption.
type pending struct {
	writes domain.RatchetWrites
	watch  *time.Timer
}

// pendingLife bounds how long a decrypted message may wait for its handler
// before it is stored on its own, with its plaintext.
const pendingLife = 5 * time.Second

func newRatchet(g *gate, ks *keyStore, unsafe Unsafe) *ratchet {
	return &ratchet{gate: g, ks: ks, lock: make(chan struct{}, 1), cache: map[string][]byte{}, known: map[string][32]byte{}, unsafe: unsafe}
}

type txnKey struct{}
type opKey struct{}

// op is one send: it carries the outbox row into the store, where the row is
// marked in the same transaction that stores the ratchet.
type op struct {
	row        uuid.UUID
	own        []string // user parts of our own addresses
	toSelf     bool
	held       bool // the lock
	stored     bool // the ratchet is stored: the message may go out from here on
	identities map[string][32]byte
	crash      func(string)
}

var errNoRecipient = errors.New("the message could not be encrypted for its recipient")

func (r *ratchet) acquire(ctx context.Context) error {
	if r.unsafe.NoMutex {
		return nil
	}
	select {
	case r.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &storeError{context.Cause(ctx)}
	case <-r.gate.ctx.Done():
		return &storeError{errClosed}
	}
}

func (r *ratchet) release() {
	if !r.unsafe.NoMutex {
		<-r.lock
	}
}

// DoDecryptionTxn runs one decryption. Its changes are kept back: the inbox
// stores them together with the message.
func (r *ratchet) DoDecryptionTxn(ctx context.Context, fn func(context.Context) error) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	if err := r.acquire(ctx); err != nil {
		return err
	}
	p := &pending{writes: domain.RatchetWrites{JID: r.ks.jid, Sessions: map[string][]byte{}, Identities: map[string][32]byte{}}}
	kept := false
	defer func() {
		if !kept { // also when fn panics: whatsmeow acknowledges such a message and goes on
			r.release()
		}
	}()
	if err := fn(context.WithValue(ctx, txnKey{}, p)); err != nil {
		if errors.Is(err, signalerror.ErrOldCounter) {
			r.ks.metrics.OldCounter.Inc()
		}
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending, kept = p, true
	p.watch = time.AfterFunc(pendingLife, func() { _ = r.flush(context.WithoutCancel(ctx)) })
	return nil
}

// take hands the changes of the last decryption to the inbox; the caller must
// call stored or failed. It is nil when there are none.
func (r *ratchet) take() *pending {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pending
	r.pending = nil
	if p != nil {
		p.watch.Stop()
	}
	return p
}

// forInbox are the changes that go into the inbox transaction: there the
// message itself is stored, so its plaintext need not be kept.
func (p *pending) forInbox() *domain.RatchetWrites {
	if p == nil {
		return nil
	}
	w := p.writes
	w.Buffered = nil
	return &w
}

// stored makes the changes those that later loads see.
func (r *ratchet) stored(p *pending) {
	if p == nil {
		return
	}
	r.remember(&p.writes)
	r.release()
}

// failed drops the changes; the connection is of no more use.
func (r *ratchet) failed(p *pending, cause error) {
	r.poison(cause)
	if p != nil {
		r.release()
	}
}

// flush stores the changes of a decryption whose message no inbox took: a
// protocol message, an ignored chat, or a handler that takes too long.
func (r *ratchet) flush(ctx context.Context) error {
	p := r.take()
	if p == nil {
		return nil
	}
	err := guardedDo(ctx, r.gate, func(ctx context.Context) error {
		return r.ks.ratchets.Save(ctx, r.ks.tenure, &p.writes, uuid.Nil)
	})
	if err != nil {
		r.failed(p, err)
		return err
	}
	for _, b := range p.writes.Buffered {
		r.ks.noteBuffered(b.Hash)
	}
	r.stored(p)
	return nil
}

func (r *ratchet) remember(w *domain.RatchetWrites) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.cache)+len(w.Sessions) > maxCachedSessions {
		clear(r.cache)
	}
	maps.Copy(r.cache, w.Sessions)
	maps.Copy(r.known, w.Identities)
}

func (r *ratchet) cached(address string) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.cache[address]
	return s, ok
}

// load reads sessions through the cache; an absent one is nil in the answer.
// The cache keeps what is read only under the lock: without it a session may be
// replaced while the database answers, and the old one would be used again.
func (r *ratchet) load(ctx context.Context, addresses []string, locked bool) (map[string][]byte, error) {
	found := make(map[string][]byte, len(addresses))
	var missing []string
	p, _ := ctx.Value(txnKey{}).(*pending)
	for _, a := range addresses {
		if p != nil {
			if s, ok := p.writes.Sessions[a]; ok {
				found[a] = s
				continue
			}
		}
		if s, ok := r.cached(a); ok {
			found[a] = s
			continue
		}
		missing = append(missing, a)
	}
	if len(missing) == 0 {
		return found, nil
	}
	read, err := guarded(ctx, r.gate, func(ctx context.Context) (map[string][]byte, error) {
		return r.ks.ratchets.Sessions(ctx, r.ks.jid, missing)
	})
	if err != nil {
		return nil, err
	}
	fresh := make(map[string][]byte, len(missing))
	for _, a := range missing {
		fresh[a] = read[a]
		found[a] = read[a]
	}
	if locked {
		r.remember(&domain.RatchetWrites{Sessions: fresh})
	}
	return found, nil
}

// GetSession loads one session. With a plain context it belongs to a retry
// receipt or a peer message and takes the lock.
func (r *ratchet) GetSession(ctx context.Context, address string) ([]byte, error) {
	if ctx.Value(txnKey{}) == nil && ctx.Value(opKey{}) == nil {
		if err := r.beginBare(ctx, address); err != nil {
			return nil, err
		}
	}
	found, err := r.load(ctx, []string{address}, true)
	return found[address], err
}

// HasSession reports whether there is a session. Outside of a decryption it is
// called without the lock.
func (r *ratchet) HasSession(ctx context.Context, address string) (bool, error) {
	found, err := r.load(ctx, []string{address}, ctx.Value(txnKey{}) != nil)
	return found[address] != nil, err
}

// GetManySessions begins the encryption of a send.
func (r *ratchet) GetManySessions(ctx context.Context, addresses []string) (map[string][]byte, error) {
	o, _ := ctx.Value(opKey{}).(*op)
	if o != nil && !o.held {
		if err := r.acquire(ctx); err != nil {
			return nil, err
		}
		o.held = true
	}
	return r.load(ctx, addresses, o != nil)
}

// PutSession stores one session: within a decryption it is kept back, else it
// ends a plain load once its sending chain has moved.
func (r *ratchet) PutSession(ctx context.Context, address string, session []byte) error {
	if p, _ := ctx.Value(txnKey{}).(*pending); p != nil {
		p.writes.Sessions[address] = session
		return nil
	}
	err := r.save(ctx, &domain.RatchetWrites{JID: r.ks.jid, Sessions: map[string][]byte{address: session}}, uuid.Nil)
	r.storedBare(address, err != nil || hasSent(session))
	return err
}

// PutManySessions ends the encryption of a send. It refuses to store a message
// that was encrypted for nobody but ourselves: whatsmeow only logs when it
// cannot encrypt for a device, and would report success.
func (r *ratchet) PutManySessions(ctx context.Context, sessions map[string][]byte) error {
	w := &domain.RatchetWrites{JID: r.ks.jid, Sessions: sessions}
	o, _ := ctx.Value(opKey{}).(*op)
	if o == nil {
		return r.save(ctx, w, uuid.Nil)
	}
	defer r.end(o)
	if !o.reachesOthers(sessions) {
		return errNoRecipient
	}
	w.Identities = o.identities
	o.crash("O2")
	if err := r.save(ctx, w, o.row); err != nil {
		return err
	}
	o.stored = true
	o.crash("O3")
	return nil
}

// save stores writes. domain.ErrSettled is no failure of the store: it comes with
// writes that are stored, and the connection goes on.
func (r *ratchet) save(ctx context.Context, w *domain.RatchetWrites, sending uuid.UUID) error {
	settled, err := guarded(ctx, r.gate, func(ctx context.Context) (bool, error) {
		err := r.ks.ratchets.Save(ctx, r.ks.tenure, w, sending)
		if errors.Is(err, domain.ErrSettled) {
			return true, nil
		}
		return false, err
	})
	if err != nil {
		return err
	}
	r.remember(w)
	if settled {
		return domain.ErrSettled
	}
	return nil
}

// end gives the lock of a send back; it is called in any case.
func (r *ratchet) end(o *op) {
	if o.held {
		o.held = false
		r.release()
	}
}

// reachesOthers reports whether a session with somebody else was used.
func (o *op) reachesOthers(sessions map[string][]byte) bool {
	for address := range sessions {
		user, _, _ := strings.Cut(address, ":")
		if !slices.Contains(o.own, user) || o.toSelf {
			return true
		}
	}
	return false
}

// hasSent reports whether a message was encrypted in the session's present
// sending chain. A session that was only set up from a prekey bundle has not.
func hasSent(session []byte) bool {
	rec, err := record.NewSessionFromBytes(session, store.SignalProtobufSerializer.Session, store.SignalProtobufSerializer.State)
	if err != nil || !rec.SessionState().HasSenderChain() {
		return true // nothing to wait for
	}
	return rec.SessionState().SenderChainKey().Index() > 0
}
