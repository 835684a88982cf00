package simulator

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/proto/waCert"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/util/gcmutil"
	"go.mau.fi/whatsmeow/util/keys"
	"golang.org/x/crypto/curve25519"
	"google.golang.org/protobuf/proto"
)

// rootKey signs the Noise certificates of every server of this process.
var rootKey = sync.OnceValue(keys.NewKeyPair)

const intermediateSerial = 7

// noiseCertificates is the chain that whatsmeow's handshake verifies: an intermediate whose issuer
// has serial 0 and is signed by the root, and a leaf whose key is the server's static key.
func noiseCertificates(static []byte) ([]byte, error) {
	intermediate := keys.NewKeyPair()
	upper, err := noiseCertificate(rootKey(), intermediateSerial, 0, intermediate.Pub[:])
	if err != nil {
		return nil, err
	}
	leaf, err := noiseCertificate(intermediate, intermediateSerial+1, intermediateSerial, static)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(&waCert.CertChain{Leaf: leaf, Intermediate: upper})
}

func noiseCertificate(signer *keys.KeyPair, serial, issuer uint32, key []byte) (*waCert.CertChain_NoiseCertificate, error) {
	now := time.Now()
	details, err := proto.Marshal(&waCert.CertChain_NoiseCertificate_Details{
		Serial:       &serial,
		IssuerSerial: &issuer,
		Key:          key,
		NotBefore:    proto.Uint64(uint64(now.Add(-time.Hour).Unix())),
		NotAfter:     proto.Uint64(uint64(now.AddDate(2, 0, 0).Unix())),
	})
	if err != nil {
		return nil, fmt.Errorf("marshal certificate %d: %w", serial, err)
	}
	sig := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*signer.Priv), details)
	return &waCert.CertChain_NoiseCertificate{Details: details, Signature: sig[:]}, nil
}

// noiseState is the symmetric state of Noise_XX_25519_AESGCM_SHA256, responder side.
type noiseState struct {
	hash    []byte
	salt    []byte
	key     cipher.AEAD
	counter uint32
}

func newNoiseState() (*noiseState, error) {
	// The pattern name is exactly 32 bytes long and therefore taken as the hash without hashing.
	start := []byte(socket.NoiseStartPattern)
	key, err := gcmutil.Prepare(start)
	if err != nil {
		return nil, err
	}
	n := &noiseState{hash: start, salt: start, key: key}
	n.authenticate(socket.WAConnHeader)
	return n, nil
}

func (n *noiseState) authenticate(data []byte) {
	h := sha256.New()
	h.Write(n.hash)
	h.Write(data)
	n.hash = h.Sum(nil)
}

func (n *noiseState) encrypt(plaintext []byte) []byte {
	out := n.key.Seal(nil, noiseIV(n.counter), plaintext, n.hash)
	n.counter++
	n.authenticate(out)
	return out
}

func (n *noiseState) decrypt(ciphertext []byte) ([]byte, error) {
	out, err := n.key.Open(nil, noiseIV(n.counter), ciphertext, n.hash)
	if err != nil {
		return nil, err
	}
	n.counter++
	n.authenticate(ciphertext)
	return out, nil
}

func (n *noiseState) mix(priv *[32]byte, pub []byte) error {
	secret, err := curve25519.X25519(priv[:], pub)
	if err != nil {
		return fmt.Errorf("mix shared secret: %w", err)
	}
	first, second, err := n.expand(secret)
	if err != nil {
		return err
	}
	n.salt, n.counter = first, 0
	n.key, err = gcmutil.Prepare(second)
	return err
}

// split returns the keys of the transport phase: what the client writes with, then what it reads with.
func (n *noiseState) split() (clientWrite, clientRead cipher.AEAD, err error) {
	first, second, err := n.expand(nil)
	if err != nil {
		return nil, nil, err
	}
	if clientWrite, err = gcmutil.Prepare(first); err != nil {
		return nil, nil, err
	}
	clientRead, err = gcmutil.Prepare(second)
	return clientWrite, clientRead, err
}

func (n *noiseState) expand(secret []byte) (first, second []byte, err error) {
	out, err := hkdf.Key(sha256.New, secret, n.salt, "", 64)
	if err != nil {
		return nil, nil, fmt.Errorf("expand noise keys: %w", err)
	}
	return out[:32], out[32:], nil
}

func noiseIV(counter uint32) []byte {
	iv := make([]byte, 12)
	binary.BigEndian.PutUint32(iv[8:], counter)
	return iv
}

// noiseSession is the outcome of a handshake.
type noiseSession struct {
	read, write  cipher.AEAD
	clientStatic [32]byte
	payload      *waWa6.ClientPayload
}

// respond plays the server's part of the handshake over the given frame reader and writer.
func respond(static *keys.KeyPair, chain []byte, read func() ([]byte, error), write func([]byte) error) (*noiseSession, error) {
	n, err := newNoiseState()
	if err != nil {
		return nil, err
	}
	frame, err := read()
	if err != nil {
		return nil, fmt.Errorf("read client hello: %w", err)
	}
	var hello waWa6.HandshakeMessage
	if err = proto.Unmarshal(frame, &hello); err != nil {
		return nil, fmt.Errorf("parse client hello: %w", err)
	}
	clientEphemeral := hello.GetClientHello().GetEphemeral()
	if len(clientEphemeral) != 32 {
		return nil, fmt.Errorf("client hello has an ephemeral key of %d bytes", len(clientEphemeral))
	}
	n.authenticate(clientEphemeral)

	ephemeral := keys.NewKeyPair()
	n.authenticate(ephemeral.Pub[:])
	if err = n.mix(ephemeral.Priv, clientEphemeral); err != nil {
		return nil, err
	}
	encStatic := n.encrypt(static.Pub[:])
	if err = n.mix(static.Priv, clientEphemeral); err != nil {
		return nil, err
	}
	answer, err := proto.Marshal(&waWa6.HandshakeMessage{ServerHello: &waWa6.HandshakeMessage_ServerHello{
		Ephemeral: ephemeral.Pub[:], Static: encStatic, Payload: n.encrypt(chain),
	}})
	if err != nil {
		return nil, fmt.Errorf("marshal server hello: %w", err)
	}
	if err = write(answer); err != nil {
		return nil, fmt.Errorf("write server hello: %w", err)
	}
	return finish(n, ephemeral, read)
}

func finish(n *noiseState, ephemeral *keys.KeyPair, read func() ([]byte, error)) (*noiseSession, error) {
	frame, err := read()
	if err != nil {
		return nil, fmt.Errorf("read client finish: %w", err)
	}
	var msg waWa6.HandshakeMessage
	if err = proto.Unmarshal(frame, &msg); err != nil {
		return nil, fmt.Errorf("parse client finish: %w", err)
	}
	clientStatic, err := n.decrypt(msg.GetClientFinish().GetStatic())
	if err != nil {
		return nil, fmt.Errorf("decrypt client static key: %w", err)
	}
	if len(clientStatic) != 32 {
		return nil, fmt.Errorf("client static key has %d bytes", len(clientStatic))
	}
	if err = n.mix(ephemeral.Priv, clientStatic); err != nil {
		return nil, err
	}
	raw, err := n.decrypt(msg.GetClientFinish().GetPayload())
	if err != nil {
		return nil, fmt.Errorf("decrypt client payload: %w", err)
	}
	s := &noiseSession{clientStatic: [32]byte(clientStatic), payload: new(waWa6.ClientPayload)}
	if err = proto.Unmarshal(raw, s.payload); err != nil {
		return nil, fmt.Errorf("parse client payload: %w", err)
	}
	s.read, s.write, err = n.split()
	return s, err
}
