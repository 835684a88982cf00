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
	keys := [][]byte{s.throttleKey("account", user.Email), s.addressKey(c)}
	page := confirmPage{NeedCode: user.TOTPSecret != nil}
	waiting, err := s.throttled(c, &f, keys)
	if err != nil {
		return err
	}
	ok := false
	if !waiting {
		if ok, err = s.proved(c, user, f); err != nil {
			return err
		}
	}
	if !ok {
		if !waiting {
			f.Problem = s.speak(c).must("confirm.wrong")
			if err := s.noteFailures(c, keys); err != nil {
				return err
			}
		}
		page.Form = f.shown()
		return s.page(c, http.StatusUnprocessableEntity, "auth/confirm", page)
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
