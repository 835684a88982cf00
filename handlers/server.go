package handlers

import (
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/pprof"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"flowhq/domain"
)

// Server answers HTTP. Every field is required unless it says otherwise.
type Server struct {
	Tenants  Tenants
	Links    Links
	Messages Messages
	Keys     Keys
	Health   Health
	Registry *prometheus.Registry
	Logger   *slog.Logger
	// Held reports how many tenants this replica serves and how many of them are connected.
	Held func() (held, connected int)
	// MetricsToken guards /metrics for callers that are not on this machine; empty = this machine only.
	MetricsToken string
	// Static holds css, js and icons, served below /static.
	Static fs.FS
	// Extra adds routes; used by the demo. May be nil.
	Extra func(*gin.Engine)
}

// Handler returns the routes of the program.
func (s *Server) Handler() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.HandleMethodNotAllowed = true
	_ = r.SetTrustedProxies(nil)
	r.Use(s.recovered, headers, limitBody, limitTime)
	r.NoRoute(s.do(func(*gin.Context) error { return domain.NotFound("page") }))
	r.NoMethod(func(c *gin.Context) {
		c.AbortWithStatusJSON(http.StatusMethodNotAllowed, gin.H{"error": apiError{Kind: domain.KindInvalid, Message: "This address does not take that method."}})
	})
	r.GET("/healthz", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	r.GET("/readyz", s.do(s.ready))
	r.GET("/metrics", s.metrics())
	r.GET("/debug/pprof/profile", s.private(http.HandlerFunc(pprof.Profile)))
	r.GET("/debug/pprof/heap", s.private(pprof.Handler("heap")))
	r.GET("/debug/pprof/goroutine", s.private(pprof.Handler("goroutine")))
	r.StaticFS("/static", http.FS(s.Static))
	s.api(r.Group("/api/v1", s.do(s.identify)))
	if s.Extra != nil {
		s.Extra(r)
	}
	// Browsers of other sites cannot make ours change anything; programs with a
	// key send no Origin and are not concerned.
	return http.NewCrossOriginProtection().Handler(r)
}

func (s *Server) api(r *gin.RouterGroup) {
	r.POST("/tenants", s.do(s.createTenant))
	r.GET("/tenants", s.do(s.listTenants))
	t := r.Group("/tenants/:id", s.do(s.authorize))
	t.GET("", s.do(s.getTenant))
	t.PATCH("", s.do(s.patchTenant))
	t.DELETE("", s.do(s.deleteTenant))
	t.POST("/worker/start", s.do(s.steer(domain.EventStart)))
	t.POST("/worker/stop", s.do(s.steer(domain.EventStop)))
	t.POST("/worker/restart", s.do(s.steer(domain.EventRestart)))
	t.GET("/session", s.do(s.getSession))
	t.POST("/session/pairing-code", s.do(s.pairingCode))
	t.POST("/session/reset", s.do(s.steer(domain.EventReset)))
	t.GET("/messages", s.do(s.listMessages))
	t.POST("/messages", s.do(s.sendMessage))
	t.GET("/messages/:message", s.do(s.getMessage))
}
