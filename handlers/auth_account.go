package handlers

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// accountPage is what somebody sees of their own account.
type accountPage struct {
	Form      form
	Sessions  []loginRow
	CodesLeft int
}

type loginRow struct {
	ID      string // of the stored token, for the form that revokes it
	Current bool
	Address string
	Agent   string
	Since   time.Time
	Until   time.Time
}

func (s *Server) showAccount(c *gin.Context) error {
	return s.accountPage(c, http.StatusOK, emptyForm())
}

func (s *Server) accountPage(c *gin.Context, status int, f form) error {
	ctx, user := c.Request.Context(), visitorOf(c).User
	logins, err := s.Logins.Logins(ctx, user.ID)
	if err != nil {
		return err
	}
	page, mine := accountPage{Form: f.shown()}, s.storedToken(c)
	for _, l := range logins {
		page.Sessions = append(page.Sessions, loginRow{ID: hex.EncodeToString(l.Token), Current: bytes.Equal(l.Token, mine), Address: l.Address,
			Agent: browserName(l.Agent), Since: l.CreatedAt, Until: l.ExpiresAt})
	}
	if user.TOTPSecret != nil {
		if page.CodesLeft, err = s.Users.RecoveryCodesLeft(ctx, user.ID); err != nil {
			return err
		}
	}
	return s.page(c, status, "auth/account", page)
}

// storedToken is this session's token in the form in which scs stores it.
func (s *Server) storedToken(c *gin.Context) []byte {
	sum := sha256.Sum256([]byte(s.web.logins.Token(c.Request.Context())))
	return []byte(base64.RawURLEncoding.EncodeToString(sum[:]))
}

func (s *Server) changePassword(c *gin.Context) error {
	ctx, user, t := c.Request.Context(), visitorOf(c).User, s.speak(c)
	f := readForm(c, "current", "password", "again")
	key := s.throttleKey("confirm", user.ID.String())
	if may, err := s.mayTry(c, &f, key); err != nil || !may {
		return orPage(err, func() error { return s.accountPage(c, http.StatusTooManyRequests, f) })
	}
	bad := domain.Invalid{}
	ok, err := s.checkPassword(ctx, f.Values["current"], user.PasswordHash)
	if err != nil {
		return err
	}
	if !ok {
		bad.Add("current", "This is not your present password.")
	} else if err := s.wentWell(c, key); err != nil {
		return err
	}
	checkNewPassword(f, bad, user)
	if err := bad.Err(); err != nil {
		f.refuse(err, t)
		return s.accountPage(c, http.StatusUnprocessableEntity, f)
	}
	if user.PasswordHash, err = s.hashPassword(ctx, f.Values["password"]); err != nil {
		return err
	}
	if err := s.storeAndReopen(c, user); err != nil {
		return err
	}
	s.audit(c, domain.AuditEntry{Action: domain.AuditPassword})
	s.say(c, "good", t.must("account.password_changed"))
	return s.seeOther(c, "/account")
}

// storeAndReopen stores the changed secrets of a user, which ends all sessions,
// and opens a new one here: whoever knew the old secret is out.
func (s *Server) storeAndReopen(c *gin.Context, user domain.User) error {
	ctx := c.Request.Context()
	user.UpdatedAt = domain.Now()
	if err := s.Users.ChangeSecrets(ctx, user); err != nil {
		return err
	}
	s.web.pulse.forget(sessionsKey)
	if err := s.web.logins.RenewToken(ctx); err != nil {
		return err
	}
	return s.keepSession(c, user.ID)
}

func (s *Server) revokeSession(c *gin.Context) error {
	token, err := hex.DecodeString(c.Param("session"))
	if err != nil {
		return domain.NotFound("session")
	}
	if bytes.Equal(token, s.storedToken(c)) {
		return s.logout(c)
	}
	ctx, user := c.Request.Context(), visitorOf(c).User
	all, err := s.Logins.Logins(ctx, user.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(l domain.Login) bool { return bytes.Equal(l.Token, token) })
	if i < 0 {
		return domain.NotFound("session")
	}
	if err := s.Logins.LogOut(ctx, user.ID, token); err != nil {
		return err
	}
	s.web.pulse.forget(sessionsKey)
	s.audit(c, domain.AuditEntry{Action: domain.AuditSessionRevoked, Before: asJSON(map[string]string{"address": all[i].Address, "browser": browserName(all[i].Agent)})})
	s.say(c, "good", s.speak(c).must("account.session_ended"))
	return s.seeOther(c, "/account")
}

// revokeAllSessions signs the user out everywhere, here too.
func (s *Server) revokeAllSessions(c *gin.Context) error {
	ctx, who := c.Request.Context(), visitorOf(c)
	if err := s.Logins.LogOut(ctx, who.User.ID, nil); err != nil {
		return err
	}
	s.web.pulse.forget(sessionsKey)
	s.audit(c, domain.AuditEntry{Action: domain.AuditSessionsEnded})
	if err := s.web.logins.Destroy(ctx); err != nil {
		return err
	}
	s.say(c, "good", s.speak(c).must("account.all_ended"))
	return s.seeOther(c, "/login")
}
