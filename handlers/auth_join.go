package handlers

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// Accounts are made through links that work once: the first admin's from the
// start log, everybody else's from an admin.

// NewOneTimeLink makes a link and the token that goes into its address.
func NewOneTimeLink(kind domain.LinkKind, life time.Duration) (link domain.OneTimeLink, token string) {
	token = base64.RawURLEncoding.EncodeToString(randomBytes(32))
	now := domain.Now()
	return domain.OneTimeLink{ID: domain.NewID(), Hash: tokenHash(token), Kind: kind, Role: domain.RoleAdmin, CreatedAt: now, ExpiresAt: now.Add(life)}, token
}

// SetupLink makes the link to the first admin's form, as a path; "" when there is an admin already.
func SetupLink(ctx context.Context, users Users, links OneTime) (path string, err error) {
	has, err := users.HasAdmin(ctx)
	if err != nil || has {
		return "", err
	}
	link, token := NewOneTimeLink(domain.LinkSetup, domain.SetupLife)
	return "/join/" + token, links.AddLink(ctx, link)
}

func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

type joinPage struct {
	Form  form
	Kind  domain.LinkKind
	Email string // fixed by the invitation; "" lets the person choose
}

func (s *Server) joinLink(c *gin.Context) (domain.OneTimeLink, error) {
	link, err := s.OneTime.Link(c.Request.Context(), tokenHash(c.Param("token")), domain.Now())
	if domain.KindOf(err) == domain.KindNotFound {
		return link, domain.Errorf(domain.KindNotFound, "This link was used already or has expired. Ask for a new one; for the first account, restart Flow HQ and look at its log.")
	}
	return link, err
}

func (s *Server) showJoin(c *gin.Context) error {
	link, err := s.joinLink(c)
	if err != nil {
		return err
	}
	f := emptyForm()
	f.Values["name"] = link.Name
	return s.page(c, http.StatusOK, "auth/join", joinPage{f, link.Kind, link.Email})
}

// join makes the account, or opens a disabled one again, and signs its owner in.
func (s *Server) join(c *gin.Context) error {
	link, err := s.joinLink(c)
	if err != nil {
		return err
	}
	f := readForm(c, "name", "email", "password", "again")
	user, err := s.newUser(c.Request.Context(), link, f)
	if err == nil {
		err = s.OneTime.Redeem(c.Request.Context(), link.Hash, user, domain.Now())
	}
	if err != nil {
		if !f.refuse(err, s.speak(c)) {
			return err
		}
		return s.page(c, http.StatusUnprocessableEntity, "auth/join", joinPage{f.shown(), link.Kind, link.Email})
	}
	return s.joined(c, user)
}

// joined signs in who has redeemed a link.
func (s *Server) joined(c *gin.Context, made domain.User) error {
	user, err := s.Users.UserByEmail(c.Request.Context(), made.Email)
	if err != nil {
		return err
	}
	noted := domain.AuditUserCreated
	if user.ID != made.ID {
		noted = domain.AuditUserEnabled
	}
	s.audit(c, domain.AuditEntry{Action: noted, Actor: user.Email, ActorID: &user.ID})
	return s.signIn(c, user)
}

func (s *Server) newUser(ctx context.Context, link domain.OneTimeLink, f form) (domain.User, error) {
	bad, now := domain.Invalid{}, domain.Now()
	user := domain.User{ID: domain.NewID(), Name: f.Values["name"], Email: link.Email, Role: link.Role, TenantID: link.TenantID, CreatedAt: now, UpdatedAt: now}
	if user.Email == "" {
		email, err := domain.ParseEmail(f.Values["email"])
		if err != nil {
			bad.Add("email", err.Error())
		}
		user.Email = email
	}
	if user.Name == "" || len(user.Name) > domain.MaxNameLength {
		bad.Add("name", "Write the name that others will see.")
	}
	checkNewPassword(f, bad, user)
	if err := bad.Err(); err != nil {
		return user, err
	}
	var err error
	user.PasswordHash, err = s.hashPassword(ctx, f.Values["password"])
	return user, err
}

func checkNewPassword(f form, bad domain.Invalid, user domain.User) {
	if problem := domain.CheckPassword(f.Values["password"], append(strings.Fields(user.Name), user.Email)...); problem != "" {
		bad.Add("password", problem)
	}
	if f.Values["password"] != f.Values["again"] {
		bad.Add("again", "The two passwords are not the same.")
	}
}
