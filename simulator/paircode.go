package simulator

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/hkdfutil"
	"go.mau.fi/whatsmeow/util/keys"
	"golang.org/x/crypto/curve25519"
	"golang.org/x/crypto/pbkdf2"
)

// pairingCodeRounds is what whatsmeow writes as 2<<16.
const pairingCodeRounds = 131_072

// codePairing is a companion that waits for its code to be typed on this phone.
type codePairing struct {
	phone   *Phone
	pending *pendingPairing
	ref     []byte
	wrapped []byte           // salt, IV and the companion's ephemeral key, encrypted with the code
	finish  chan finishHello // the companion's part of the exchange
}

type finishHello struct {
	bundle   []byte
	identity []byte
	answer   func(ok bool)
}

// iqPairingCode takes the two requests of a companion that pairs by code.
func (c *conn) iqPairingCode(n, reg *waBinary.Node) {
	if c.pending == nil {
		c.iqError(n, 400, "bad-request")
		return
	}
	switch attrString(reg, "stage") {
	case "companion_hello":
		c.pairingHello(n, reg)
	case "companion_finish":
		c.pairingFinish(n, reg)
	default:
		c.iqError(n, 400, "bad-request")
	}
}

func (c *conn) pairingHello(n, reg *waBinary.Node) {
	p := c.srv.phoneByJID(attrJID(reg, "jid"))
	wrapped := childBytes(reg, "link_code_pairing_wrapped_companion_ephemeral_pub")
	if p == nil {
		c.iqError(n, 404, "item-not-found")
		return
	}
	if len(wrapped) != 80 {
		c.iqError(n, 400, "bad-request")
		return
	}
	code := &codePairing{
		phone: p, pending: c.pending, ref: []byte("2@" + newIQID()), wrapped: bytes.Clone(wrapped),
		finish: make(chan finishHello, 1),
	}
	c.pending.mu.Lock()
	c.pending.code = code
	c.pending.mu.Unlock()
	p.mu.Lock()
	p.code = code // a newer request replaces the one before
	p.mu.Unlock()
	c.result(n, stanza("link_code_companion_reg", nil, leaf("link_code_pairing_ref", code.ref)))
}

func (c *conn) pairingFinish(n, reg *waBinary.Node) {
	c.pending.mu.Lock()
	code := c.pending.code
	c.pending.mu.Unlock()
	if code == nil || !bytes.Equal(childBytes(reg, "link_code_pairing_ref"), code.ref) {
		c.iqError(n, 404, "item-not-found")
		return
	}
	hello := finishHello{
		bundle:   bytes.Clone(childBytes(reg, "link_code_pairing_wrapped_key_bundle")),
		identity: bytes.Clone(childBytes(reg, "companion_identity_public")),
		answer: func(ok bool) {
			if ok {
				c.result(n)
			} else {
				c.iqError(n, 401, "not-authorized")
			}
		},
	}
	select {
	case code.finish <- hello:
	default: // nobody has asked for it
		hello.answer(false)
	}
}

func (p *Phone) dropPairingCode(code *codePairing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.code == code {
		p.code = nil
	}
}

// EnterPairingCode links the companion that asked for a pairing code for this number, as its owner does
// with "Link with phone number". Dashes and case do not matter. ErrWrongCode leaves the companion
// waiting, so that the right code may follow.
func (p *Phone) EnterPairingCode(ctx context.Context, code string) error {
	if p.Airplane() {
		return ErrOffline
	}
	p.mu.Lock()
	pairing := p.code
	p.mu.Unlock()
	if pairing == nil {
		return ErrNoPairingCode
	}
	code = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
	theirs, err := unwrapKey(code, pairing.wrapped)
	if err != nil {
		return err
	}
	ours := keys.NewKeyPair()
	wrapped, err := wrapKey(code, ours.Pub[:])
	if err != nil {
		return err
	}
	pairing.hello(p, wrapped)
	var hello finishHello
	select {
	case hello = <-pairing.finish:
	case <-pairing.pending.conn.ctx.Done():
		return fmt.Errorf("companion went away: %w", ErrPairRefused)
	case <-ctx.Done():
		return fmt.Errorf("wait for companion: %w", ctx.Err())
	}
	secret, err := p.openBundle(hello, pairing, ours, theirs)
	hello.answer(err == nil)
	if err != nil {
		return err
	}
	return p.link(ctx, pairing.pending, secret)
}

// hello sends the phone's ephemeral key to the companion.
func (c *codePairing) hello(p *Phone, wrapped []byte) {
	c.pending.conn.send(stanza("notification",
		waBinary.Attrs{"from": types.ServerJID, "type": "link_code_companion_reg", "id": newIQID(), "t": time.Now().Unix()},
		stanza("link_code_companion_reg", waBinary.Attrs{"stage": "primary_hello"},
			leaf("link_code_pairing_wrapped_primary_ephemeral_pub", wrapped),
			leaf("primary_identity_pub", p.keys().identity.Pub[:]),
			leaf("link_code_pairing_ref", c.ref),
		)))
}

// openBundle decrypts the companion's key bundle and derives the adv secret. A wrong code shows here and
// not earlier: the keys before are encrypted without authentication.
func (p *Phone) openBundle(hello finishHello, c *codePairing, ours *keys.KeyPair, theirs []byte) ([]byte, error) {
	if len(hello.bundle) < 44 || !bytes.Equal(hello.identity, c.pending.identity[:]) {
		return nil, fmt.Errorf("malformed key bundle: %w", ErrPairRefused)
	}
	shared, err := curve25519.X25519(ours.Priv[:], theirs)
	if err != nil {
		return nil, fmt.Errorf("ephemeral keys do not match: %w", ErrWrongCode)
	}
	salt, nonce, sealed := hello.bundle[:32], hello.bundle[32:44], hello.bundle[44:]
	key := hkdfutil.SHA256(shared, salt, []byte("link_code_pairing_key_bundle_encryption_key"), 32)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("key bundle cipher: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("key bundle gcm: %w", err)
	}
	plain, err := gcm.Open(nil, nonce, sealed, nil)
	if err != nil || len(plain) != 96 {
		return nil, fmt.Errorf("key bundle does not open: %w", ErrWrongCode)
	}
	identity := p.keys().identity
	if !bytes.Equal(plain[:32], c.pending.identity[:]) || !bytes.Equal(plain[32:64], identity.Pub[:]) {
		return nil, fmt.Errorf("key bundle names other identities: %w", ErrPairRefused)
	}
	identityShared, err := curve25519.X25519(identity.Priv[:], plain[:32])
	if err != nil {
		return nil, fmt.Errorf("identity keys: %w", err)
	}
	return hkdfutil.SHA256(concat(shared, identityShared, plain[64:]), nil, []byte("adv_secret"), 32), nil
}

// wrapKey encrypts a public key with a pairing code: 32 bytes of salt, 16 of IV, 32 of key.
func wrapKey(code string, pub []byte) ([]byte, error) {
	salt, iv := randomBytes(32), randomBytes(16)
	out, err := codeStream(code, salt, iv, pub)
	return concat(salt, iv, out), err
}

func unwrapKey(code string, wrapped []byte) ([]byte, error) {
	return codeStream(code, wrapped[:32], wrapped[32:48], wrapped[48:80])
}

func codeStream(code string, salt, iv, in []byte) ([]byte, error) {
	block, err := aes.NewCipher(pbkdf2.Key([]byte(code), salt, pairingCodeRounds, 32, sha256.New))
	if err != nil {
		return nil, fmt.Errorf("pairing code cipher: %w", err)
	}
	out := make([]byte, len(in))
	cipher.NewCTR(block, iv).XORKeyStream(out, in)
	return out, nil
}
