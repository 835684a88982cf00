package domain

import "time"

// RatchetWrites are changes of a device's Signal state that belong together:
// they are stored in one transaction or not at all. JID is the device's own.
type RatchetWrites struct {
	JID           string
	Sessions      map[string][]byte   // address → serialised session
	Identities    map[string][32]byte // address → identity key
	RemovePreKeys []uint32
	Buffered      []BufferedPlaintext
}

// Empty reports whether there is nothing to store.
func (w *RatchetWrites) Empty() bool {
	return w == nil || len(w.Sessions)+len(w.Identities)+len(w.RemovePreKeys)+len(w.Buffered) == 0
}

// BufferedPlaintext keeps a decrypted message until its handler is done: the
// ratchet has moved on and could not decrypt it a second time.
type BufferedPlaintext struct {
	Hash       [32]byte // of the ciphertext
	Plaintext  []byte
	ServerTime time.Time
}

// PreKeyPair is a stored one-time prekey.
type PreKeyPair struct {
	ID  uint32
	Key [32]byte
}
