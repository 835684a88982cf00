package handlers

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/alexedwards/scs/v2"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"flowhq/domain"
)

// Server answers HTTP. Every field is required unless it says otherwise.
type Server struct {
	Tenants    Tenants
	Links      Links
	Messages   Messages
	Keys       Keys
	Health     Health
	Users      Users
	OneTime    OneTime
	Throttles  Throttles
	Logins     Logins
	LoginStore scs.CtxStore
	Audits     Audits
	Operations Operations
	History    History
	Bulk       Bulk
	Versions   Versions
	Chats      Chats
	Settings   Settings
	Registry   *prometheus.Registry
	Logger     *slog.Logger
	// Held reports how many tenants this replica serves and how many of them are connected.
	Held func() (held, connected int)
	// BulkWaits pokes whoever carries out bulk jobs.
	BulkWaits func()
	// MetricsToken guards /metrics for callers that are not on this machine; empty = this machine only.
	MetricsToken string
	// Templates and Static are the files of the same names.
	Templates, Static fs.FS
	// Secret is that of the installation, at least 32 bytes.
	Secret []byte
	// PublicURL is the address in the browser, without a slash at its end; "" when it is that of the listener.
	PublicURL string
	// TrustedProxies are the networks whose ClientHeader counts.
	TrustedProxies []string
	// ClientHeader is the header in which they say who asks.
	ClientHeader string
	// About describes the installation on the page System.
	About About
	// Extra adds routes; used by the demo. May be nil.
	Extra func(*gin.Engine, Pages)

	web *web
}

// About is what the page System tells of an installation.
type About struct {
	Version, WhatsmeowVersion, Database, Replica string
	WhatsAppVersion                              func() string
	// Lines are the effective settings, names and values in turn, secrets masked.
	Lines []any
}

// Pages lets others answer with pages of the portals.
type Pages interface {
	// Page answers with templates/NAME.html.
	Page(c *gin.Context, name string, page any) error
	// Block answers with one block of it.
	Block(c *gin.Context, name, block string, page any) error
	// SignIn makes the visitor the user, unless somebody is signed in, and goes to a page.
	SignIn(c *gin.Context, user domain.User, to string) error
	// Do wraps an action whose errors are answered like those of every page.
	Do(func(*gin.Context) error) gin.HandlerFunc
}

// Page is part of Pages.
func (s *Server) Page(c *gin.Context, name string, page any) error {
	if err := s.identifyIfPerson(c); err != nil {
		return err
	}
	return s.page(c, http.StatusOK, name, page)
}

// Block is part of Pages.
func (s *Server) Block(c *gin.Context, name, block string, page any) error {
	return s.block(c, http.StatusOK, name, block, page)
}

// SignIn is part of Pages.
func (s *Server) SignIn(c *gin.Context, user domain.User, to string) error {
	if err := s.identifyPerson(c); err != nil {
		return err
	}
	if visitorOf(c) != nil {
		return s.seeOther(c, localPath(to))
	}
	u := s.uiOf(c)
	u.Return, u.changed = localPath(to), true
	return s.signIn(c, user)
}

// Do is part of Pages.
func (s *Server) Do(a func(*gin.Context) error) gin.HandlerFunc { return s.do(a) }

// secure reports whether browsers come through TLS.
func (s *Server) secure() bool { return strings.HasPrefix(s.PublicURL, "https://") }

// Handler returns the routes of the program.
func (s *Server) Handler() (http.Handler, error) {
	r, err := s.engine()
	if err != nil {
		return nil, err
	}
	// Browsers of other sites cannot make ours change anything; programs with a
	// key send no Origin and are not concerned.
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "This request came from another site and was refused.", http.StatusForbidden)
	}))
	return protection.Handler(s.withSessions(r)), nil
}

func (s *Server) engine() (*gin.Engine, error) {
	var err error
	if s.web, err = newWeb(s); err != nil {
		return nil, err
	}
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.RemoteIPHeaders = []string{s.ClientHeader}
	if err := r.SetTrustedProxies(s.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	r.Use(s.recovered, s.headers, limitBody, limitTime)
	r.NoRoute(s.do(s.identifyIfPerson), s.do(func(*gin.Context) error { return domain.NotFound("page") }))
	r.NoMethod(s.noMethod)
	r.GET("/healthz", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	r.GET("/readyz", s.do(s.ready))
	r.GET("/metrics", s.metrics())
	r.GET("/debug/pprof/profile", s.private(http.HandlerFunc(pprof.Profile)))
	r.GET("/debug/pprof/heap", s.private(pprof.Handler("heap")))
	r.GET("/debug/pprof/goroutine", s.private(pprof.Handler("goroutine")))
	s.api(r.Group("/api/v1", s.do(s.identify)))
	s.portal(r)
	if s.Extra != nil {
		s.Extra(r, s)
	}
	s.web.routes = r.Routes()
	return r, nil
}

// identifyIfPerson lets the page of a wrong address show who is signed in.
func (s *Server) identifyIfPerson(c *gin.Context) error {
	if sessionless(c.Request.URL.Path) {
		return nil
	}
	return s.identifyPerson(c)
}

func (s *Server) noMethod(c *gin.Context) {
	e := &domain.Error{Kind: domain.KindInvalid, Message: "This address does not take that method."}
	if !forPrograms(c.Request.URL.Path) {
		c.Abort()
		if err := s.answerPerson(c, http.StatusMethodNotAllowed, e); err == nil {
			return
		}
	}
	c.AbortWithStatusJSON(http.StatusMethodNotAllowed, gin.H{"error": apiError{Kind: e.Kind, Message: e.Message}})
}

func (s *Server) api(r *gin.RouterGroup) {
	r.POST("/tenants", s.do(s.createTenant))
	r.GET("/tenants", s.do(s.listTenants))
	t := r.Group("/tenants/:id", s.do(s.authorize))
	t.GET("", s.do(s.getTenant))
	t.PATCH("", s.do(s.patchTenant))
	t.DELETE("", s.do(s.deleteTenant))
	t.POST("/worker/start", s.do(s.steer(domain.EventStart, domain.AuditTenantStart)))
	t.POST("/worker/stop", s.do(s.steer(domain.EventStop, domain.AuditTenantStop)))
	t.POST("/worker/restart", s.do(s.steer(domain.EventRestart, domain.AuditTenantRestart)))
	t.GET("/session", s.do(s.getSession))
	t.POST("/session/pairing-code", s.do(s.pairingCode))
	t.POST("/session/reset", s.do(s.steer(domain.EventReset, domain.AuditTenantReset)))
	t.GET("/messages", s.do(s.listMessages))
	t.POST("/messages", s.do(s.sendMessage))
	t.GET("/messages/:message", s.do(s.getMessage))
}
