package handlers

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"flowhq/domain"
)

// usersPage lists the admins and the open invitations.
type usersPage struct {
	Rows    []domain.User
	Invites []domain.OneTimeLink
	Next    string
	Me      uuid.UUID
	Link    string // of an invitation that was just made, shown once
	Email   string
}

func (p usersPage) once() bool { return p.Link != "" }

func (s *Server) showUsers(c *gin.Context) error {
	page, err := s.usersPage(c)
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "admin/users", page)
}

func (s *Server) usersPage(c *gin.Context) (page usersPage, err error) {
	ctx := c.Request.Context()
	users, err := s.Users.ListUsers(ctx, domain.Scope{Admin: true}, domain.PageQuery{Cursor: c.Query("cursor")})
	if err != nil {
		return page, err
	}
	page = usersPage{Rows: users.Items, Next: users.NextCursor, Me: visitorOf(c).User.ID}
	page.Invites, err = s.OneTime.OpenInvites(ctx, domain.Now())
	return page, err
}

// inviteForm is the form of an invitation.
type inviteForm struct{ Form form }

func (s *Server) newInvite(c *gin.Context) error {
	return s.page(c, http.StatusOK, "admin/user_invite", inviteForm{emptyForm()})
}

func (s *Server) addInvite(c *gin.Context) error {
	ctx, f, who := c.Request.Context(), readForm(c, "email", "name"), visitorOf(c)
	link, token := NewOneTimeLink(domain.LinkInvite, domain.InviteLife)
	link.Name, link.CreatedBy = f.Values["name"], &who.User.ID
	err := s.checkInvite(c, f, &link)
	if err == nil {
		err = s.OneTime.AddLink(ctx, link)
	}
	if err != nil {
		if !f.refuse(err, s.speak(c)) {
			return err
		}
		return s.page(c, http.StatusUnprocessableEntity, "admin/user_invite", inviteForm{f})
	}
	s.audit(c, domain.AuditEntry{Action: domain.AuditUserInvited, After: asJSON(map[string]string{"email": link.Email})})
	page, err := s.usersPage(c)
	if err != nil {
		return err
	}
	page.Link, page.Email = s.site(c)+"/join/"+token, link.Email
	return s.page(c, http.StatusOK, "admin/users", page)
}

func (s *Server) checkInvite(c *gin.Context, f form, link *domain.OneTimeLink) error {
	bad := domain.Invalid{}
	email, err := domain.ParseEmail(f.Values["email"])
	if err != nil {
		bad.Add("email", err.Error())
		return bad.Err()
	}
	link.Email = email
	switch known, err := s.Users.UserByEmail(c.Request.Context(), email); {
	case err == nil && known.Disabled && known.Role == link.Role && known.TenantID == nil:
		// The invitation opens the account again: see OneTime.Redeem.
	case err == nil:
		bad.Add("email", "This address belongs to another user.")
	case domain.KindOf(err) != domain.KindNotFound:
		return err
	}
	if len(link.Name) > domain.MaxNameLength {
		bad.Add("name", "This is too long.")
	}
	return bad.Err()
}

// site is the address of this installation as browsers know it.
func (s *Server) site(c *gin.Context) string {
	if s.PublicURL != "" {
		return s.PublicURL
	}
	return "http://" + c.Request.Host
}

func (s *Server) revokeInvite(c *gin.Context) error {
	id, err := uuid.Parse(c.Param("invite"))
	if err != nil {
		return domain.NotFound("invitation")
	}
	if err := s.OneTime.RevokeInvite(c.Request.Context(), id); err != nil {
		return err
	}
	s.audit(c, domain.AuditEntry{Action: domain.AuditInviteRevoked})
	s.say(c, "good", s.speak(c).must("users.invite_revoked"))
	return s.seeOther(c, "/admin/users")
}

func (s *Server) disableUser(disabled bool) action {
	return func(c *gin.Context) error {
		id, err := uuid.Parse(c.Param("user"))
		if err != nil {
			return domain.NotFound("user")
		}
		if id == visitorOf(c).User.ID {
			return domain.Errorf(domain.KindConflict, "You cannot disable yourself.")
		}
		if err := s.Users.DisableUser(c.Request.Context(), domain.Scope{Admin: true}, id, disabled, domain.Now()); err != nil {
			return err
		}
		s.web.pulse.forget(sessionsKey)
		noted, word := domain.AuditUserDisabled, "users.disabled"
		if !disabled {
			noted, word = domain.AuditUserEnabled, "users.enabled"
		}
		s.audit(c, domain.AuditEntry{Action: noted, After: asJSON(map[string]string{"user": id.String()})})
		s.say(c, "good", s.speak(c).must(word))
		return s.seeOther(c, "/admin/users")
	}
}
