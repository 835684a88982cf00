package simulator

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"go.mau.fi/libsignal/ecc"
	groupRecord "go.mau.fi/libsignal/groups/state/record"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/logger"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/session"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/libsignal/util/optional"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/util/keys"
)

// libsignal prints its errors to stdout unless a logger is set, and setting one lazily is a data race
// inside that library. A logger that somebody else has set is left alone.
func init() {
	if logger.Logger == nil {
		logger.Logger = silentLogger{}
	}
}

type silentLogger struct{}

func (silentLogger) Debug(string, string)   {}
func (silentLogger) Info(string, string)    {}
func (silentLogger) Warning(string, string) {}
func (silentLogger) Error(string, string)   {}
func (silentLogger) Configure(string)       {}

var serializer = store.SignalProtobufSerializer

// phoneKeys are the long-term keys of a phone, made at first use: most contacts of a big test never
// say a word.
type phoneKeys struct {
	identity *keys.KeyPair
	signed   *keys.PreKey
	regID    uint32
}

func newPhoneKeys() *phoneKeys {
	id := keys.NewKeyPair()
	return &phoneKeys{identity: id, signed: id.CreateSignedPreKey(1), regID: rand.Uint32N(16380) + 1}
}

// ratchets are the Signal sessions of one phone, one per companion device whatever the addressing.
// They are kept as plain structures: libsignal changes a loaded record before it checks the MAC, so a
// store must hand out copies, and copying structures is ten times cheaper than JSON.
type ratchets struct {
	mu       sync.Mutex
	keys     *phoneKeys
	sessions map[string]*record.SessionStructure
	prekeys  map[uint32]*keys.KeyPair
	lastKey  uint32
}

var errNotUsed = errors.New("not used by phones")

// newPreKey makes a one-time prekey for somebody who wants to open a session.
func (r *ratchets) newPreKey() publicPreKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.prekeys == nil {
		r.prekeys = make(map[uint32]*keys.KeyPair)
	}
	r.lastKey = r.lastKey%0xfffffe + 1
	pair := keys.NewKeyPair()
	r.prekeys[r.lastKey] = pair
	return publicPreKey{id: r.lastKey, pub: *pair.Pub}
}

func (r *ratchets) cipher(d *device) (*session.Builder, *session.Cipher) {
	addr := d.lid.SignalAddress()
	b := session.NewBuilderFromSignal(r, addr, serializer)
	return b, session.NewCipher(b, addr)
}

// encrypt must be called with r.mu held, and the result must be sent before it is released, so that
// messages leave in the order of their counters.
func (r *ratchets) encrypt(d *device, plaintext []byte) (encType string, ciphertext []byte, err error) {
	builder, cipher := r.cipher(d)
	if r.sessions[d.lid.SignalAddress().String()] == nil {
		if err = r.open(builder, d.takeBundle(), d); err != nil {
			return "", nil, err
		}
	}
	msg, err := cipher.Encrypt(context.Background(), pad(plaintext))
	if err != nil {
		return "", nil, fmt.Errorf("encrypt for %s: %w", d.jid, err)
	}
	if msg.Type() == protocol.PREKEY_TYPE {
		return "pkmsg", msg.Serialize(), nil
	}
	return "msg", msg.Serialize(), nil
}

func (r *ratchets) open(builder *session.Builder, b bundle, d *device) error {
	id, onetime := optional.NewEmptyUint32(), ecc.ECPublicKeyable(nil)
	if b.onetime != nil {
		id, onetime = optional.NewOptionalUint32(b.onetime.id), ecc.NewDjbECPublicKey(b.onetime.pub)
	}
	err := builder.ProcessBundle(context.Background(), prekey.NewBundle(b.regID, uint32(d.id), id, b.skey.id,
		onetime, ecc.NewDjbECPublicKey(b.skey.pub), [64]byte(b.skey.sig),
		identity.NewKey(ecc.NewDjbECPublicKey(b.identity))))
	if err != nil {
		return fmt.Errorf("open session with %s: %w", d.jid, err)
	}
	return nil
}

// reopen starts a new session from a bundle that came with a retry receipt; r.mu must be held.
func (r *ratchets) reopen(d *device, b bundle) error {
	builder, _ := r.cipher(d)
	return r.open(builder, b, d)
}

// decrypt returns the plaintext and the counter in the sender's chain. r.mu must be held.
func (r *ratchets) decrypt(d *device, encType string, ciphertext []byte) ([]byte, uint32, error) {
	_, cipher := r.cipher(d)
	ctx := context.Background()
	var padded []byte
	var counter uint32
	switch encType {
	case "pkmsg":
		msg, err := protocol.NewPreKeySignalMessageFromBytes(ciphertext, serializer.PreKeySignalMessage, serializer.SignalMessage)
		if err != nil {
			return nil, 0, fmt.Errorf("parse prekey message: %w", err)
		}
		counter = msg.WhisperMessage().Counter()
		if padded, err = cipher.DecryptMessage(ctx, msg); err != nil {
			return nil, counter, err
		}
	case "msg":
		msg, err := protocol.NewSignalMessageFromBytes(ciphertext, serializer.SignalMessage)
		if err != nil {
			return nil, 0, fmt.Errorf("parse message: %w", err)
		}
		counter = msg.Counter()
		if padded, err = cipher.Decrypt(ctx, msg); err != nil {
			return nil, counter, err
		}
	default:
		return nil, 0, fmt.Errorf("unknown encryption %q", encType)
	}
	plain, err := unpad(padded)
	return plain, counter, err
}

// pad appends 1 to 15 bytes that each hold their own number.
func pad(plaintext []byte) []byte {
	n := 1 + rand.IntN(15)
	out := make([]byte, len(plaintext), len(plaintext)+n)
	copy(out, plaintext)
	for range n {
		out = append(out, byte(n))
	}
	return out
}

func unpad(padded []byte) ([]byte, error) {
	if len(padded) == 0 {
		return nil, errors.New("empty plaintext")
	}
	n := int(padded[len(padded)-1])
	if n == 0 || n > 15 || n > len(padded) {
		return nil, fmt.Errorf("bad padding of %d bytes", n)
	}
	return padded[:len(padded)-n], nil
}

// What follows is libsignal's store interface. Phones trust every identity.

func (r *ratchets) GetIdentityKeyPair() *identity.KeyPair {
	id := r.keys.identity
	return identity.NewKeyPair(identity.NewKey(ecc.NewDjbECPublicKey(*id.Pub)), ecc.NewDjbECPrivateKey(*id.Priv))
}

func (r *ratchets) GetLocalRegistrationID() uint32 { return r.keys.regID }

func (r *ratchets) SaveIdentity(context.Context, *protocol.SignalAddress, *identity.Key) error {
	return nil
}

func (r *ratchets) IsTrustedIdentity(context.Context, *protocol.SignalAddress, *identity.Key) (bool, error) {
	return true, nil
}

func (r *ratchets) LoadPreKey(_ context.Context, id uint32) (*record.PreKey, error) {
	pair := r.prekeys[id]
	if pair == nil {
		return nil, nil
	}
	return record.NewPreKey(id, eccPair(pair), nil), nil
}

func (r *ratchets) RemovePreKey(_ context.Context, id uint32) error {
	delete(r.prekeys, id)
	return nil
}

func (r *ratchets) LoadSession(_ context.Context, addr *protocol.SignalAddress) (*record.Session, error) {
	s := r.sessions[addr.String()]
	if s == nil {
		return record.NewSession(serializer.Session, serializer.State), nil
	}
	return record.NewSessionFromStructure(s, serializer.Session, serializer.State)
}

func (r *ratchets) StoreSession(_ context.Context, addr *protocol.SignalAddress, s *record.Session) error {
	if r.sessions == nil {
		r.sessions = make(map[string]*record.SessionStructure)
	}
	r.sessions[addr.String()] = s.Structure()
	return nil
}

func (r *ratchets) ContainsSession(_ context.Context, addr *protocol.SignalAddress) (bool, error) {
	return r.sessions[addr.String()] != nil, nil
}

func (r *ratchets) LoadSignedPreKey(_ context.Context, id uint32) (*record.SignedPreKey, error) {
	k := r.keys.signed
	if id != k.KeyID {
		return nil, nil
	}
	return record.NewSignedPreKey(id, 0, eccPair(&k.KeyPair), *k.Signature, nil), nil
}

func eccPair(p *keys.KeyPair) *ecc.ECKeyPair {
	return ecc.NewECKeyPair(ecc.NewDjbECPublicKey(*p.Pub), ecc.NewDjbECPrivateKey(*p.Priv))
}

func (*ratchets) StorePreKey(context.Context, uint32, *record.PreKey) error { return errNotUsed }
func (*ratchets) ContainsPreKey(context.Context, uint32) (bool, error)      { return false, errNotUsed }
func (*ratchets) DeleteAllSessions(context.Context) error                   { return errNotUsed }
func (*ratchets) RemoveSignedPreKey(context.Context, uint32) error          { return errNotUsed }
func (*ratchets) ContainsSignedPreKey(context.Context, uint32) (bool, error) {
	return false, errNotUsed
}

func (*ratchets) GetSubDeviceSessions(context.Context, string) ([]uint32, error) {
	return nil, errNotUsed
}

func (*ratchets) DeleteSession(context.Context, *protocol.SignalAddress) error { return errNotUsed }

func (*ratchets) LoadSignedPreKeys(context.Context) ([]*record.SignedPreKey, error) {
	return nil, errNotUsed
}

func (*ratchets) StoreSignedPreKey(context.Context, uint32, *record.SignedPreKey) error {
	return errNotUsed
}

func (*ratchets) StoreSenderKey(context.Context, *protocol.SenderKeyName, *groupRecord.SenderKey) error {
	return errNotUsed
}

func (*ratchets) LoadSenderKey(context.Context, *protocol.SenderKeyName) (*groupRecord.SenderKey, error) {
	return nil, errNotUsed
}
