package handlers

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// confirmPage asks a signed-in visitor for password and code again.
type confirmPage struct {
	Form     form
	NeedCode bool
}

func (s *Server) showConfirm(c *gin.Context) error {
	return s.page(c, http.StatusOK, "auth/confirm", confirmPage{emptyForm(), visitorOf(c).User.TOTPSecret != nil})
}

func (s *Server) confirm(c *gin.Context) error {
	ctx, user, f := c.Request.Context(), visitorOf(c).User, readForm(c, "password", "code")
	key := s.throttleKey("confirm", user.ID.String())
	again := func(status int) error {
		return s.page(c, status, "auth/confirm", confirmPage{f.shown(), user.TOTPSecret != nil})
	}
	if may, err := s.mayTry(c, &f, key); err != nil || !may {
		return orPage(err, func() error { return again(http.StatusTooManyRequests) })
	}
	ok, err := s.proved(c, user, f)
	if err != nil {
		return err
	}
	if !ok {
		f.Problem = s.speak(c).must("confirm.wrong")
		return again(http.StatusUnprocessableEntity)
	}
	if err := s.wentWell(c, key); err != nil {
		return err
	}
	if err := s.web.logins.RenewToken(ctx); err != nil {
		return err
	}
	s.web.logins.Put(ctx, keyStepUp, domain.Now().Unix())
	if err := s.keepSession(c, user.ID); err != nil {
		return err
	}
	s.audit(c, domain.AuditEntry{Action: domain.AuditStepUp})
	return s.seeOther(c, s.takeReturn(c))
}

// proved checks password and, where there is one, the second factor.
func (s *Server) proved(c *gin.Context, user domain.User, f form) (bool, error) {
	ok, err := s.checkPassword(c.Request.Context(), f.Values["password"], user.PasswordHash)
	if err != nil || !ok || user.TOTPSecret == nil {
		return ok, err
	}
	return s.codeAccepted(c.Request.Context(), user, f.Values["code"])
}
