package handlers

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/gob"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/gorilla/sessions"

	"flowhq/domain"
)

// Two cookies: scs knows who somebody is (rows in the database, listable and
// revocable), the gorilla cookie knows what they like (signed and encrypted:
// theme, language, one-time messages, the page to return to) and which accounts
// have signed in on their device.

// How long a login lasts without a click, and at all.
const (
	idleLife     = 30 * time.Minute
	absoluteLife = 12 * time.Hour
	stepUpLife   = 10 * time.Minute
)

// Keys of the login session.
const (
	keyUser   = "user"    // id, once all factors are given
	keyHalf   = "half"    // id, when the password was right and the code is missing
	keyProof  = "proof"   // of the password that was right
	keyStepUp = "step_up" // unix seconds of the last full authentication
	keyTOTP   = "totp"    // sealed secret of a second factor that is being set up
)

// uiCookie is the name of the second cookie.
func (s *Server) uiCookie() string {
	if s.secure() {
		return "__Host-fhq_ui"
	}
	return "fhq_ui"
}

// newLogins makes the session manager. Behind TLS the cookie is bound to the host.
func newLogins(store scs.Store, secure bool) *scs.SessionManager {
	m := scs.New()
	m.Store = store
	m.HashTokenInStore = true
	m.IdleTimeout, m.Lifetime = idleLife, absoluteLife
	m.Cookie.Name = "fhq_a"
	if secure {
		m.Cookie.Name = "__Host-fhq_a"
	}
	m.Cookie.HttpOnly, m.Cookie.Secure, m.Cookie.Path = true, secure, "/"
	// Lax and not Strict: whoever follows a link to the portal is signed in. What
	// changes anything is a POST, which CrossOriginProtection guards.
	m.Cookie.SameSite = http.SameSiteLaxMode
	return m
}

// deriveKey makes a key of its own for each purpose out of the installation's secret.
func deriveKey(secret []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, "flowhq "+purpose, 32)
	if err != nil {
		panic(err) // only for an impossible length
	}
	return key
}

func newUIStore(secret []byte, secure bool) *sessions.CookieStore {
	store := sessions.NewCookieStore(deriveKey(secret, "ui cookie signature"), deriveKey(secret, "ui cookie encryption"))
	store.Options = &sessions.Options{Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode}
	store.MaxAge(store.Options.MaxAge)
	return store
}

// ui is what the second cookie holds.
type ui struct {
	Theme   string // "", "light" or "dark"; "" follows the device
	Lang    string // "" follows the browser
	Flash   []flash
	Return  string // where to go after signing in
	Known   []knownDevice
	changed bool
}

// flash is a message that is shown once, on the next page.
type flash struct {
	Tone string // "good" or "bad"
	Text string
}

func init() { gob.Register(ui{}) }

const uiKey = "ui"

// uiOf reads the second cookie; a cookie that is not ours counts as empty.
func (s *Server) uiOf(c *gin.Context) *ui {
	if u, ok := c.Get(uiKey); ok {
		return u.(*ui)
	}
	stored := new(ui)
	if session, err := s.web.ui.Get(c.Request, s.uiCookie()); err == nil {
		if u, ok := session.Values[uiKey].(ui); ok {
			*stored = u
		}
	}
	c.Set(uiKey, stored)
	return stored
}

// saveUI writes the cookie when something changed. It must come before the body.
func (s *Server) saveUI(c *gin.Context) error {
	u := s.uiOf(c)
	if !u.changed {
		return nil
	}
	u.changed = false
	session, _ := s.web.ui.Get(c.Request, s.uiCookie()) // a broken cookie is replaced
	session.Values[uiKey] = *u
	if err := session.Save(c.Request, c.Writer); err != nil {
		return fmt.Errorf("save the preference cookie: %w", err)
	}
	return nil
}

const maxFlashes = 4

// say shows a message on the next page.
func (s *Server) say(c *gin.Context, tone, text string) {
	u := s.uiOf(c)
	if len(u.Flash) >= maxFlashes {
		u.Flash = u.Flash[1:]
	}
	u.Flash, u.changed = append(u.Flash, flash{tone, text}), true
}

// takeFlashes returns the waiting messages; they are shown once.
func (s *Server) takeFlashes(c *gin.Context) []flash {
	u := s.uiOf(c)
	waiting := u.Flash
	if len(waiting) > 0 {
		u.Flash, u.changed = nil, true
	}
	return waiting
}

// lang is the language of a visitor: chosen, or the browser's.
func (s *Server) lang(c *gin.Context) string {
	if chosen := s.uiOf(c).Lang; chosen == english || chosen == swahili {
		return chosen
	}
	for _, part := range strings.Split(c.GetHeader("Accept-Language"), ",") {
		switch {
		case strings.HasPrefix(strings.TrimSpace(part), swahili):
			return swahili
		case strings.HasPrefix(strings.TrimSpace(part), english):
			return english
		}
	}
	return english
}

func (s *Server) speak(c *gin.Context) *translator { return s.web.screens.translators[s.lang(c)] }

// localPath returns an address within this site, or "" for any other.
func localPath(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") || strings.Contains(raw, "\\") {
		return ""
	}
	return u.RequestURI()
}

const visitorKey = "visitor"

// visitor is who makes a request.
type visitor struct {
	User domain.User
}

// whoIs returns the signed-in user of a request that came through the
// sessions; nil when nobody is signed in.
func (s *Server) whoIs(c *gin.Context) (*visitor, error) {
	id, err := uuid.Parse(s.web.logins.GetString(c.Request.Context(), keyUser))
	if err != nil {
		return nil, nil
	}
	return s.visitorByID(c.Request.Context(), id)
}

func (s *Server) visitorByID(ctx context.Context, id uuid.UUID) (*visitor, error) {
	user, err := s.Users.User(ctx, domain.Scope{Admin: true}, id)
	switch {
	case domain.KindOf(err) == domain.KindNotFound && err != nil:
		return nil, nil
	case err != nil:
		return nil, err
	case user.Disabled:
		return nil, nil
	}
	return &visitor{User: user}, nil
}

// visitorOf returns the user that a middleware has found; nil for strangers.
func visitorOf(c *gin.Context) *visitor {
	v, _ := c.Get(visitorKey)
	who, _ := v.(*visitor)
	return who
}

// clientAddress is where a request comes from, trusted proxies taken into account.
func clientAddress(c *gin.Context) string { return c.ClientIP() }
