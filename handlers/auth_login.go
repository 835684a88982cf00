package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"flowhq/domain"
)

type loginPage struct{ Form form }

func (s *Server) showLogin(c *gin.Context) error {
	if who := visitorOf(c); who != nil {
		return s.seeOther(c, "/")
	}
	has, err := s.Users.HasAdmin(c.Request.Context())
	if err != nil {
		return err
	}
	if !has {
		return s.page(c, http.StatusOK, "auth/unborn", nil)
	}
	return s.page(c, http.StatusOK, "auth/login", loginPage{emptyForm()})
}

// login checks address and password. Unknown address, wrong password and
// disabled account look the same and take the same time.
func (s *Server) login(c *gin.Context) error {
	ctx, f := c.Request.Context(), readForm(c, "email", "password")
	email, err := domain.ParseEmail(f.Values["email"])
	if err != nil {
		email = f.Values["email"]
	}
	account := s.loginKey(c, email)
	if may, err := s.mayTry(c, &f, account); err != nil || !may {
		return orPage(err, func() error { return s.page(c, http.StatusTooManyRequests, "auth/login", loginPage{f.shown()}) })
	}
	user, err := s.Users.UserByEmail(ctx, email)
	if err != nil && domain.KindOf(err) != domain.KindNotFound {
		return err
	}
	ok, err := s.checkPassword(ctx, f.Values["password"], user.PasswordHash)
	if err != nil {
		return err
	}
	if !ok || user.Disabled {
		return s.loginFailed(c, f, email)
	}
	if err := s.wentWell(c, account); err != nil {
		return err
	}
	if user.TOTPSecret != nil {
		return s.askForCode(c, user)
	}
	return s.signIn(c, user)
}

// mayTry counts an attempt to guess a secret of an account. When it has to wait
// it says so in the form.
func (s *Server) mayTry(c *gin.Context, f *form, account []byte) (bool, error) {
	ctx, now := c.Request.Context(), domain.Now()
	// The address first: who has to wait there must not count against the account.
	wait, err := s.Throttles.Attempt(ctx, s.addressKey(c), domain.ThrottleAddress, now)
	if err == nil && wait == 0 {
		if wait, err = s.Throttles.Attempt(ctx, account, domain.ThrottleAccount, now); err == nil && wait > 0 {
			err = s.Throttles.Forgive(ctx, s.addressKey(c))
		}
	}
	if err != nil || wait == 0 {
		return err == nil, err
	}
	t := s.speak(c)
	f.Problem = t.must("login.throttled", "wait", t.duration(wait.Round(time.Second)+time.Second))
	return false, nil
}

// wentWell takes back what mayTry has counted.
func (s *Server) wentWell(c *gin.Context, account []byte) error {
	if err := s.Throttles.ClearFailures(c.Request.Context(), account); err != nil {
		return err
	}
	return s.Throttles.Forgive(c.Request.Context(), s.addressKey(c))
}

func orPage(err error, page func() error) error {
	if err != nil {
		return err
	}
	return page()
}

func (s *Server) loginFailed(c *gin.Context, f form, email string) error {
	s.audit(c, domain.AuditEntry{Action: domain.AuditSignInFailed, Actor: email})
	f.Problem = s.speak(c).must("login.wrong")
	return s.page(c, http.StatusUnprocessableEntity, "auth/login", loginPage{f.shown()})
}

// askForCode remembers that the password was right and asks for the second factor.
func (s *Server) askForCode(c *gin.Context, user domain.User) error {
	ctx := c.Request.Context()
	if err := s.freshSession(ctx); err != nil {
		return err
	}
	s.web.logins.Put(ctx, keyHalf, user.ID.String())
	s.web.logins.Put(ctx, keyProof, s.proofOf(user))
	if err := s.keepSession(c, uuid.Nil); err != nil {
		return err
	}
	return s.seeOther(c, "/login/code")
}

// freshSession begins a session under a new token and with nothing in it: what
// another user left in this browser must not mix with the next one's.
func (s *Server) freshSession(ctx context.Context) error {
	if err := s.web.logins.RenewToken(ctx); err != nil {
		return err
	}
	return s.web.logins.Clear(ctx)
}

// proofOf marks the password that was right: changing it ends half a sign-in too.
func (s *Server) proofOf(user domain.User) []byte { return s.throttleKey("proof", user.PasswordHash) }

const maxAgent = 300

// keepSession stores the session now, with whom it belongs to. Only this makes
// a row: a session that was ended elsewhere meanwhile does not come back.
func (s *Server) keepSession(c *gin.Context, user uuid.UUID) error {
	agent := firstBytes(domain.CleanText(c.Request.UserAgent()), maxAgent)
	ctx := domain.WithVisitor(c.Request.Context(), domain.Visitor{UserID: user, Address: clientAddress(c), Agent: agent})
	_, _, err := s.web.logins.Commit(ctx)
	return err
}

// signIn makes the session one of the user and goes to where they wanted.
func (s *Server) signIn(c *gin.Context, user domain.User) error {
	ctx, now := c.Request.Context(), domain.Now()
	if err := s.freshSession(ctx); err != nil {
		return err
	}
	s.web.logins.Put(ctx, keyUser, user.ID.String())
	s.web.logins.Put(ctx, keyStepUp, now.Unix())
	s.uiOf(c).know(s.throttleKey("account", user.Email))
	if err := s.keepSession(c, user.ID); err != nil {
		return err
	}
	if err := s.Users.NoteLogin(ctx, user.ID, now); err != nil {
		return err
	}
	c.Set(visitorKey, &visitor{User: user})
	s.audit(c, domain.AuditEntry{Action: domain.AuditSignIn})
	return s.seeOther(c, s.takeReturn(c))
}

// takeReturn is the page that somebody wanted before they were asked to sign in.
func (s *Server) takeReturn(c *gin.Context) string {
	u := s.uiOf(c)
	to := localPath(u.Return)
	if u.Return != "" {
		u.Return, u.changed = "", true
	}
	if to == "" || to == "/login" {
		return "/"
	}
	return to
}

// logout ends this session.
func (s *Server) logout(c *gin.Context) error {
	s.audit(c, domain.AuditEntry{Action: domain.AuditSignOut})
	if err := s.endSession(c); err != nil {
		return err
	}
	c.Header("Clear-Site-Data", `"cache"`)
	return s.seeOther(c, "/login")
}

func (s *Server) endSession(c *gin.Context) error {
	who := visitorOf(c)
	if who != nil {
		if err := s.Logins.LogOut(c.Request.Context(), who.User.ID, s.storedToken(c)); err != nil {
			return err
		}
	}
	s.web.pulse.forget(sessionsKey)
	return s.web.logins.Destroy(c.Request.Context())
}

// home sends everybody to where they work.
func (s *Server) home(c *gin.Context) error {
	who := visitorOf(c)
	switch {
	case who == nil && s.Extra != nil:
		return s.seeOther(c, "/demo")
	case who == nil:
		return s.seeOther(c, "/login")
	case who.User.Role == domain.RoleAdmin:
		return s.seeOther(c, "/admin")
	}
	return s.page(c, http.StatusOK, "auth/no_portal", nil)
}
