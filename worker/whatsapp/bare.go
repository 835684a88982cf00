package whatsapp

import (
	"context"
	"errors"
	"time"
)

// bare is a plain load: the lock is held from it until its session is stored.
type bare struct {
	address string
	again   bool // a session was set up from a prekey bundle and is loaded once more, to encrypt
	watch   *time.Timer
}

// bareLife bounds how long a plain load may hold the lock. Whoever takes longer
// may still use what it has loaded, so the connection ends.
const bareLife = 10 * time.Second

var errSlowSend = errors.New("a repeated message took too long to encrypt")

func (r *ratchet) beginBare(ctx context.Context, address string) error {
	if r.unsafe.NoBuffer {
		return nil
	}
	r.mu.Lock()
	again := r.bare != nil && r.bare.address == address && r.bare.again
	if again {
		r.bare.again = false
	}
	r.mu.Unlock()
	if again {
		return nil
	}
	if err := r.acquire(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b := &bare{address: address}
	b.watch = time.AfterFunc(bareLife, func() {
		r.poison(errSlowSend)
		r.endBare(b)
	})
	r.bare = b
	return nil
}

// storedBare follows the storing of a session. Of an address that nobody has
// loaded plainly it means nothing.
func (r *ratchet) storedBare(address string, done bool) {
	r.mu.Lock()
	b := r.bare
	if b == nil || b.address != address {
		r.mu.Unlock()
		return
	}
	b.again = !done
	r.mu.Unlock()
	if done {
		r.endBare(b)
	}
}

func (r *ratchet) endBare(b *bare) {
	r.mu.Lock()
	held := r.bare == b
	if held {
		b.watch.Stop()
		r.bare = nil
	}
	r.mu.Unlock()
	if held {
		r.release()
	}
}
