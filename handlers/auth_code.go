package handlers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/pquerna/otp/hotp"

	"flowhq/domain"
)

// The second factor: RFC 6238 codes, and recovery codes that work once.

const totpPeriod = 30 * time.Second

type codePage struct{ Form form }

func (s *Server) showCode(c *gin.Context) error {
	if _, err := s.halfUser(c); err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "auth/code", codePage{emptyForm()})
}

// halfUser is who has given the right password and owes the code.
func (s *Server) halfUser(c *gin.Context) (domain.User, error) {
	id, err := uuid.Parse(s.web.logins.GetString(c.Request.Context(), keyHalf))
	if err != nil {
		return domain.User{}, errSignIn
	}
	who, err := s.visitorByID(c.Request.Context(), id)
	if err != nil {
		return domain.User{}, err
	}
	if who == nil || !bytes.Equal(s.web.logins.GetBytes(c.Request.Context(), keyProof), s.proofOf(who.User)) {
		return domain.User{}, errSignIn
	}
	return who.User, nil
}

func (s *Server) checkCode(c *gin.Context) error {
	user, err := s.halfUser(c)
	if err != nil {
		return err
	}
	f := readForm(c, "code")
	key := s.throttleKey("code", user.ID.String())
	if may, err := s.mayTry(c, &f, key); err != nil || !may {
		return orPage(err, func() error { return s.page(c, http.StatusTooManyRequests, "auth/code", codePage{f.shown()}) })
	}
	ok, err := s.codeAccepted(c.Request.Context(), user, f.Values["code"])
	if err != nil {
		return err
	}
	if !ok {
		s.audit(c, domain.AuditEntry{Action: domain.AuditSignInFailed, Actor: user.Email})
		f.Errors["code"] = s.speak(c).must("code.wrong")
		return s.page(c, http.StatusUnprocessableEntity, "auth/code", codePage{f.shown()})
	}
	if err := s.wentWell(c, key); err != nil {
		return err
	}
	return s.signIn(c, user)
}

// codeAccepted takes a code of the second factor or a recovery code; each works once.
func (s *Server) codeAccepted(ctx context.Context, user domain.User, code string) (bool, error) {
	code = plainCode(code)
	if len(code) == recoveryLength {
		return s.Users.UseRecoveryCode(ctx, user.ID, recoveryHash(code))
	}
	if user.TOTPSecret == nil {
		return false, nil // it was removed meanwhile; the password alone signs in
	}
	secret, err := s.unseal(user.TOTPSecret)
	if err != nil {
		return false, err
	}
	step, ok := matchingStep(string(secret), code, time.Now())
	if !ok || step <= user.TOTPStep {
		return false, nil
	}
	return s.Users.UseTOTPStep(ctx, user.ID, step)
}

// plainCode is a code as it was made, however it was typed: in groups, in small letters.
func plainCode(typed string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) {
			return -1
		}
		return r
	}, typed))
}

// matchingStep returns the time step to which a code belongs; clocks may be one step apart.
func matchingStep(secret, code string, now time.Time) (int64, bool) {
	current := now.Unix() / int64(totpPeriod.Seconds())
	for step := current - 1; step <= current+1; step++ {
		if hotp.Validate(code, uint64(step), secret) {
			return step, true
		}
	}
	return 0, false
}

// seal encrypts what must not be readable in a copy of the database.
func (s *Server) seal(plain []byte) []byte { return s.web.sealer.Seal(nil, nil, plain, nil) }

func (s *Server) unseal(sealed []byte) ([]byte, error) {
	plain, err := s.web.sealer.Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("a second factor cannot be decrypted; FLOWHQ_SECRET may have changed: %w", err)
	}
	return plain, nil
}

const (
	recoveryCodes  = 10
	recoveryLength = 16 // base32 digits, 80 bits
)

// newRecoveryCodes returns codes to write down and what is stored of them.
func newRecoveryCodes() (codes []string, hashes [][]byte) {
	for range recoveryCodes {
		raw := base32.StdEncoding.EncodeToString(randomBytes(10))
		codes = append(codes, raw[:4]+"-"+raw[4:8]+"-"+raw[8:12]+"-"+raw[12:])
		hashes = append(hashes, recoveryHash(raw))
	}
	return codes, hashes
}

func recoveryHash(code string) []byte {
	sum := sha256.Sum256([]byte("recovery " + code))
	return sum[:]
}
