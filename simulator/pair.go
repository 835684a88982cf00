package simulator

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

const refsPerConnection = 6

// Errors of pairing.
var (
	ErrBadQR         = errors.New("not a linking code of this server, or expired")
	ErrNoPairingCode = errors.New("nobody asked for a pairing code for this number")
	ErrWrongCode     = errors.New("wrong pairing code")
	ErrPairRefused   = errors.New("companion refused the pairing")
)

// pendingPairing is what an unpaired connection has announced about itself.
type pendingPairing struct {
	conn     *conn
	identity [32]byte
	regID    uint32
	skey     publicPreKey
	refs     []string
	timer    *time.Timer

	mu      sync.Mutex
	waiting map[string]chan *waBinary.Node // answers to iqs of ours, by id
	code    *codePairing
}

// offerPairing checks the registration data and hands out linking references.
func (c *conn) offerPairing(reg *waWa6.ClientPayload_DevicePairingRegistrationData) bool {
	identity, skey := reg.GetEIdent(), reg.GetESkeyVal()
	if len(identity) != 32 || len(skey) != 32 || len(reg.GetESkeySig()) != 64 || len(reg.GetERegid()) != 4 {
		c.srv.log.Warn("registration data has keys of wrong length")
		c.refuse(400, nil)
		return false
	}
	signed := append([]byte{ecc.DjbType}, skey...)
	if !ecc.VerifySignature(ecc.NewDjbECPublicKey([32]byte(identity)), signed, [64]byte(reg.GetESkeySig())) {
		c.srv.log.Warn("signed prekey of registration has a bad signature")
		c.refuse(400, nil)
		return false
	}
	p := &pendingPairing{
		conn: c, identity: [32]byte(identity), regID: fromBE(reg.GetERegid()),
		skey:    publicPreKey{id: fromBE(reg.GetESkeyID()), pub: [32]byte(skey), sig: bytes.Clone(reg.GetESkeySig())},
		waiting: map[string]chan *waBinary.Node{},
	}
	c.pending = p
	refs := make([]waBinary.Node, refsPerConnection)
	for i := range refs {
		ref := "2@" + base64.StdEncoding.EncodeToString(randomBytes(48))
		p.refs = append(p.refs, ref)
		c.srv.refs.Store(ref, c)
		refs[i] = leaf("ref", []byte(ref))
	}
	p.timer = time.AfterFunc(c.srv.opts.QRLife, c.drop)
	c.send(stanza("iq", waBinary.Attrs{"from": types.ServerJID, "type": "set", "id": newIQID(), "xmlns": "md"},
		stanza("pair-device", nil, refs...)))
	return true
}

func (p *pendingPairing) forget() {
	p.timer.Stop()
	for _, ref := range p.refs {
		p.conn.srv.refs.Delete(ref)
	}
	p.mu.Lock()
	code := p.code
	p.mu.Unlock()
	if code != nil {
		code.phone.dropPairingCode(code)
	}
}

// ask sends an iq and waits for the companion's answer.
func (p *pendingPairing) ask(ctx context.Context, id string, n waBinary.Node) (*waBinary.Node, error) {
	answer := make(chan *waBinary.Node, 1)
	p.mu.Lock()
	p.waiting[id] = answer
	p.mu.Unlock()
	p.conn.send(n)
	select {
	case node := <-answer:
		return node, nil
	case <-p.conn.ctx.Done():
		return nil, fmt.Errorf("companion went away: %w", ErrPairRefused)
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for companion: %w", ctx.Err())
	}
}

func (p *pendingPairing) answered(node *waBinary.Node) {
	id := attrString(node, "id")
	p.mu.Lock()
	answer := p.waiting[id]
	delete(p.waiting, id)
	p.mu.Unlock()
	if answer != nil {
		answer <- node
	}
}

// ScanQR links the companion that shows this code, as a phone's camera would. It checks the
// companion's keys and signature and returns when the companion is registered; the companion then
// reconnects by itself and logs in. The code may come with or without its https://wa.me prefix.
func (p *Phone) ScanQR(ctx context.Context, qr string) error {
	if p.Airplane() {
		return ErrOffline
	}
	_, fields, found := strings.Cut(qr, "#")
	if !found {
		fields = qr
	}
	parts := strings.Split(fields, ",")
	if len(parts) < 4 {
		return fmt.Errorf("%d fields: %w", len(parts), ErrBadQR)
	}
	found2, ok := p.srv.refs.Load(parts[0])
	if !ok {
		return ErrBadQR
	}
	pending := found2.(*conn).pending
	noise, err1 := base64.StdEncoding.DecodeString(parts[1])
	identity, err2 := base64.StdEncoding.DecodeString(parts[2])
	secret, err3 := base64.StdEncoding.DecodeString(parts[3])
	if err := errors.Join(err1, err2, err3); err != nil {
		return fmt.Errorf("decode linking code: %w", err)
	}
	if !bytes.Equal(noise, pending.conn.session.clientStatic[:]) || !bytes.Equal(identity, pending.identity[:]) {
		return fmt.Errorf("keys in the code are not those of the connection: %w", ErrBadQR)
	}
	return p.link(ctx, pending, secret)
}

// link signs the companion's identity with the account key, has the companion sign back, registers it
// and tells it to reconnect.
func (p *Phone) link(ctx context.Context, pending *pendingPairing, advSecret []byte) error {
	d, err := p.newDevice(pending)
	if err != nil {
		return err
	}
	signed, container, err := p.signIdentity(d, advSecret)
	if err != nil {
		return err
	}
	id := newIQID()
	answer, err := pending.ask(ctx, id, stanza("iq",
		waBinary.Attrs{"from": types.ServerJID, "type": "set", "id": id, "xmlns": "md", "t": time.Now().Unix()},
		stanza("pair-success", nil,
			leaf("device-identity", container),
			stanza("biz", waBinary.Attrs{"name": p.businessName}),
			stanza("device", waBinary.Attrs{"jid": d.jid, "lid": d.lid}),
			stanza("platform", waBinary.Attrs{"name": "android"}),
		)))
	if err != nil {
		return err
	}
	if err = checkDeviceSignature(answer, signed, d.identity); err != nil {
		return err
	}
	if err = p.register(ctx, d); err != nil {
		return err
	}
	if p.srv.faults.of(p).cutLinked {
		pending.conn.drop()
	} else {
		pending.conn.streamError(515, "")
	}
	return nil
}

// signIdentity returns the signed device identity and the container with its HMAC. The account key is
// the phone's Signal identity: whatsmeow pins it for device 0.
func (p *Phone) signIdentity(d *device, advSecret []byte) (*waAdv.ADVSignedDeviceIdentity, []byte, error) {
	identity := p.keys().identity
	details, err := proto.Marshal(&waAdv.ADVDeviceIdentity{
		RawID: proto.Uint32(p.rawID), KeyIndex: proto.Uint32(d.keyIndex),
		Timestamp: proto.Uint64(uint64(time.Now().Unix())),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("marshal device identity: %w", err)
	}
	sig := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*identity.Priv),
		concat(whatsmeow.AdvAccountSignaturePrefix, details, d.identity[:]))
	signed := &waAdv.ADVSignedDeviceIdentity{
		Details: details, AccountSignatureKey: identity.Pub[:], AccountSignature: sig[:],
	}
	inner, err := proto.Marshal(signed)
	if err != nil {
		return nil, nil, fmt.Errorf("marshal signed device identity: %w", err)
	}
	mac := hmac.New(sha256.New, advSecret)
	mac.Write(inner)
	container, err := proto.Marshal(&waAdv.ADVSignedDeviceIdentityHMAC{Details: inner, HMAC: mac.Sum(nil)})
	if err != nil {
		return nil, nil, fmt.Errorf("marshal identity container: %w", err)
	}
	return signed, container, nil
}

// checkDeviceSignature verifies the companion's answer. It comes without the account key, although the
// companion signed over it.
func checkDeviceSignature(answer *waBinary.Node, ours *waAdv.ADVSignedDeviceIdentity, identity [32]byte) error {
	if attrString(answer, "type") == "error" {
		e := answer.GetChildByTag("error")
		return fmt.Errorf("%s %s: %w", attrString(&e, "code"), attrString(&e, "text"), ErrPairRefused)
	}
	identityNode := answer.GetChildByTag("pair-device-sign", "device-identity")
	raw, _ := identityNode.Content.([]byte)
	var theirs waAdv.ADVSignedDeviceIdentity
	if err := proto.Unmarshal(raw, &theirs); err != nil {
		return fmt.Errorf("parse self-signed identity: %w", err)
	}
	if !bytes.Equal(theirs.Details, ours.Details) || !bytes.Equal(theirs.AccountSignature, ours.AccountSignature) {
		return fmt.Errorf("companion signed another identity: %w", ErrPairRefused)
	}
	message := concat(whatsmeow.AdvDeviceSignaturePrefix, ours.Details, identity[:], ours.AccountSignatureKey)
	if len(theirs.DeviceSignature) != 64 ||
		!ecc.VerifySignature(ecc.NewDjbECPublicKey(identity), message, [64]byte(theirs.DeviceSignature)) {
		return fmt.Errorf("bad device signature: %w", ErrPairRefused)
	}
	return nil
}

func concat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func newIQID() string { return fmt.Sprintf("%x", randomBytes(6)) }
