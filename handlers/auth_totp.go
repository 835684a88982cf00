package handlers

import (
	"context"
	"encoding/base32"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// totpPage sets a second factor up.
type totpPage struct {
	Form   form
	Secret string        // to type into an app without a camera
	QR     template.HTML // drawn by this program
	Codes  []string      // the recovery codes, shown once
}

func (p totpPage) once() bool { return p.Codes != nil }

// showTOTP draws a new secret, which is kept in the session until a code proves
// that an app has it.
func (s *Server) showTOTP(c *gin.Context) error {
	ctx := c.Request.Context()
	sealed := s.web.logins.GetBytes(ctx, keyTOTP)
	if sealed == nil {
		secret := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(randomBytes(20))
		sealed = s.seal([]byte(secret))
		s.web.logins.Put(ctx, keyTOTP, sealed)
	}
	return s.totpPage(c, http.StatusOK, sealed, emptyForm())
}

func (s *Server) totpPage(c *gin.Context, status int, sealed []byte, f form) error {
	secret, err := s.unseal(sealed)
	if err != nil {
		return err
	}
	account := url.PathEscape("Flow HQ:" + visitorOf(c).User.Email)
	drawing, err := drawQR(fmt.Sprintf("otpauth://totp/%s?secret=%s&issuer=%s", account, secret, url.QueryEscape("Flow HQ")))
	if err != nil {
		return err
	}
	return s.page(c, status, "auth/totp", totpPage{Form: f.shown(), Secret: string(secret), QR: drawing})
}

func (s *Server) confirmTOTP(c *gin.Context) error {
	ctx, user, f := c.Request.Context(), visitorOf(c).User, readForm(c, "code")
	sealed := s.web.logins.GetBytes(ctx, keyTOTP)
	if sealed == nil {
		return s.seeOther(c, "/account/second-factor")
	}
	secret, err := s.unseal(sealed)
	if err != nil {
		return err
	}
	step, ok := matchingStep(string(secret), plainCode(f.Values["code"]), domain.Now())
	if !ok {
		f.Errors["code"] = s.speak(c).must("code.wrong")
		return s.totpPage(c, http.StatusUnprocessableEntity, sealed, f)
	}
	user.TOTPSecret, user.TOTPStep = s.seal(secret), step
	s.web.logins.Remove(ctx, keyTOTP)
	if err := s.storeAndReopen(c, user); err != nil {
		return err
	}
	s.audit(c, domain.AuditEntry{Action: domain.AuditTOTPOn})
	return s.freshRecoveryCodes(c, user)
}

// freshRecoveryCodes replaces the recovery codes and shows the new ones, once.
func (s *Server) freshRecoveryCodes(c *gin.Context, user domain.User) error {
	codes, hashes := newRecoveryCodes()
	if err := s.Users.PutRecoveryCodes(c.Request.Context(), user.ID, hashes); err != nil {
		return err
	}
	s.audit(c, domain.AuditEntry{Action: domain.AuditRecoveryCodes})
	return s.page(c, http.StatusOK, "auth/recovery", totpPage{Codes: codes})
}

func (s *Server) renewRecoveryCodes(c *gin.Context) error {
	user := visitorOf(c).User
	if user.TOTPSecret == nil {
		return domain.Errorf(domain.KindConflict, "Set up the second factor first.")
	}
	return s.freshRecoveryCodes(c, user)
}

func (s *Server) removeTOTP(c *gin.Context) error {
	user := visitorOf(c).User
	required, err := s.secondFactorRequired(c.Request.Context(), versionPeriod)
	if err != nil {
		return err
	}
	if required && user.Role == domain.RoleAdmin {
		return domain.Errorf(domain.KindConflict, "This installation requires a second factor of every admin.")
	}
	user.TOTPSecret, user.TOTPStep = nil, 0
	if err := s.storeAndReopen(c, user); err != nil {
		return err
	}
	if err := s.Users.PutRecoveryCodes(c.Request.Context(), user.ID, nil); err != nil {
		return err
	}
	s.audit(c, domain.AuditEntry{Action: domain.AuditTOTPOff})
	s.say(c, "good", s.speak(c).must("totp.removed"))
	return s.seeOther(c, "/account")
}

// settingTOTP is "required" when every admin needs a second factor.
const settingTOTP = "admin_second_factor"

func (s *Server) secondFactorRequired(ctx context.Context, within time.Duration) (bool, error) {
	value, err := remember(ctx, s.web.pulse, settingTOTP, within, func(ctx context.Context) (string, error) {
		return s.Settings.Setting(ctx, settingTOTP)
	})
	return value == "required", err
}
