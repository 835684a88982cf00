package handlers

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/gin-contrib/gzip"
	"github.com/gin-gonic/gin"
	"github.com/gorilla/sessions"

	"flowhq/domain"
)

// web is what the portals need beside the ports: made once at the start.
type web struct {
	assets    *assets
	screens   *screens
	logins    *scs.SessionManager
	ui        *sessions.CookieStore
	pulse     *pulse
	drawn     drawings
	onlookers onlookers
	sealer    cipher.AEAD
	routes    gin.RoutesInfo
	hashing   chan struct{} // bounds the memory of password hashing
	started   string        // of this process: a new version of the program draws anew
}

func newWeb(s *Server) (*web, error) {
	a, err := newAssets(s.Static)
	if err != nil {
		return nil, fmt.Errorf("read the static files: %w", err)
	}
	sc, err := newScreens(s.Templates, a)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(deriveKey(s.Secret, "second factors"))
	if err != nil {
		return nil, err
	}
	sealer, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &web{assets: a, screens: sc, logins: newLogins(s.LoginStore, s.secure()), ui: newUIStore(s.Secret, s.secure()), pulse: newPulse(),
		drawn: drawings{byTag: map[string]*drawing{}}, onlookers: onlookers{known: map[string]onlooker{}}, sealer: sealer,
		hashing: make(chan struct{}, runtime.NumCPU()), started: strconv.FormatInt(time.Now().UnixNano(), 36)}, nil
}

// sessionless reports whether a request needs no login session of scs: those
// of programs, files, and polls, which have a way of their own (live.go).
func sessionless(path string) bool {
	return forPrograms(path) || strings.HasPrefix(path, staticRoot) || strings.HasPrefix(path, livePrefix) || path == demoLivePath
}

const (
	livePrefix   = "/admin/live/"
	demoLivePath = "/demo/live" // polled by strangers
)

// withSessions runs the login sessions around everything that needs them.
func (s *Server) withSessions(next http.Handler) http.Handler {
	s.web.logins.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		s.Logger.Error("login sessions are not readable", "error", err)
		w.Header().Set("Retry-After", strconv.Itoa(retrySeconds))
		http.Error(w, "The database does not answer. Please try again in a moment.", http.StatusServiceUnavailable)
	}
	guarded := s.web.logins.LoadAndSave(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sessionless(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// portal adds the routes of people.
func (s *Server) portal(r *gin.Engine) {
	r.GET(staticRoot+"*path", s.do(s.serveAsset))
	polls := r.Group(livePrefix, s.do(s.onlooker))
	s.liveRoutes(polls)
	pages := r.Group("", gzip.Gzip(gzip.DefaultCompression, gzip.WithExcludedExtensions([]string{".csv"})), s.do(s.identifyPerson))
	s.authRoutes(pages)
	admin := pages.Group("/admin", s.do(s.adminsOnly))
	s.adminRoutes(admin)
}

// identifyPerson notes who is signed in; strangers pass.
func (s *Server) identifyPerson(c *gin.Context) error {
	who, err := s.whoIs(c)
	if err != nil {
		return err
	}
	if who != nil {
		c.Set(visitorKey, who)
	}
	return nil
}

// adminsOnly guards the operator's pages.
func (s *Server) adminsOnly(c *gin.Context) error {
	who := visitorOf(c)
	if who == nil {
		return errSignIn
	}
	if who.User.Role != domain.RoleAdmin {
		return domain.Errorf(domain.KindForbidden, "This page is for the operator.")
	}
	missing, err := s.missesSecondFactor(c.Request.Context(), who, versionPeriod)
	if err != nil || !missing {
		return err
	}
	s.say(c, "bad", s.speak(c).must("totp.required"))
	c.Abort()
	return s.seeOther(c, "/account/second-factor")
}

// missesSecondFactor reports that this installation requires one and somebody
// has none, as far as was known within a period.
func (s *Server) missesSecondFactor(ctx context.Context, who *visitor, within time.Duration) (bool, error) {
	if who.User.TOTPSecret != nil {
		return false, nil
	}
	return s.secondFactorRequired(ctx, within)
}

// stepUp guards what cannot be undone: the visitor has proved within the last
// minutes who they are.
func (s *Server) stepUp(c *gin.Context) error {
	at := s.web.logins.GetInt64(c.Request.Context(), keyStepUp)
	if time.Since(time.Unix(at, 0)) > stepUpLife {
		return errStepUp
	}
	return nil
}
