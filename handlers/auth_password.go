package handlers

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"

	"github.com/alexedwards/argon2id"
	"github.com/gin-gonic/gin"
)

// hashParams are one of the minimum sets of OWASP ASVS 5.0 (11.4.2).
var hashParams = &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// dummyHash takes the place of an unknown user's, so that the answer takes as long.
var dummyHash = func() string {
	h, err := argon2id.CreateHash("nobody has this password", hashParams)
	if err != nil {
		panic(err) // only without randomness
	}
	return h
}()

// HashPassword makes the stored form of a password.
func HashPassword(password string) (string, error) {
	hash, err := argon2id.CreateHash(password, hashParams)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// hashed runs fn while at most one hash per core is being made.
func (s *Server) hashed(ctx context.Context, fn func() error) error {
	select {
	case s.web.hashing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.web.hashing }()
	return fn()
}

func (s *Server) hashPassword(ctx context.Context, password string) (hash string, err error) {
	err = s.hashed(ctx, func() error {
		hash, err = HashPassword(password)
		return err
	})
	return hash, err
}

// checkPassword compares; an empty hash takes as long and never matches.
func (s *Server) checkPassword(ctx context.Context, password, hash string) (ok bool, err error) {
	known := hash != ""
	if !known {
		hash = dummyHash
	}
	err = s.hashed(ctx, func() error {
		ok, err = argon2id.ComparePasswordAndHash(password, hash)
		return err
	})
	return ok && known, err
}

// addressKey is what failures from a network address are counted under. Whoever
// has one address of IPv6 has 2^64 of them.
func (s *Server) addressKey(c *gin.Context) []byte {
	return s.throttleKey("address", networkOf(clientAddress(c)))
}

func networkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Unmap().Is4() {
		return address
	}
	network, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return network.String()
}

// loginKey is what wrong passwords of an account are counted under at the
// sign-in page. A device on which it has signed in before counts its own, so
// that strangers who guess cannot keep its owner out.
func (s *Server) loginKey(c *gin.Context, email string) []byte {
	account := s.throttleKey("account", email)
	if device := s.uiOf(c).device(account); device != "" {
		return s.throttleKey("device", device+"\x00"+email)
	}
	return account
}

// throttleKey names what failures are counted under without storing it.
func (s *Server) throttleKey(kind, what string) []byte {
	sum := sha256.Sum256(append(deriveKey(s.Secret, "throttle"), kind+"\x00"+what...))
	return sum[:]
}
