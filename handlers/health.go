package handlers

import (
	"context"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"flowhq/domain"
)

// ready says whether this replica can serve: the database answers and takes writes.
func (s *Server) ready(c *gin.Context) error {
	ctx, cancel := context.WithTimeout(c.Request.Context(), 2*time.Second)
	defer cancel()
	err := s.Health.Ping(ctx)
	if domain.KindOf(err) == domain.KindUnavailable {
		return err
	}
	if err != nil {
		return &domain.Error{Kind: domain.KindUnavailable, Message: "The database does not answer.", Err: err}
	}
	c.String(http.StatusOK, "ready\n")
	return nil
}

// metrics serves Prometheus.
func (s *Server) metrics() gin.HandlerFunc {
	s.Registry.MustRegister(&gauges{s})
	return s.private(promhttp.HandlerFor(s.Registry, promhttp.HandlerOpts{}))
}

// private serves the operator only: from this machine, or with the token.
func (s *Server) private(serve http.Handler) gin.HandlerFunc {
	return s.do(func(c *gin.Context) error {
		token, _ := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
		allowed := s.MetricsToken != "" && subtle.ConstantTimeCompare([]byte(token), []byte(s.MetricsToken)) == 1
		if !allowed && !(s.MetricsToken == "" && s.local(c.Request)) {
			return domain.Errorf(domain.KindUnauthorized, "This is for the same machine only, or for whoever has FLOWHQ_METRICS_TOKEN.")
		}
		serve.ServeHTTP(c.Writer, c.Request)
		return nil
	})
}

// local reports whether a request comes from this machine without a proxy.
func (s *Server) local(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && net.ParseIP(host).IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get(s.ClientHeader) == ""
}

// gauges counts the database when Prometheus asks.
type gauges struct{ s *Server }

var (
	tenantsDesc    = prometheus.NewDesc("flowhq_tenants", "Tenants by status.", []string{"status"}, nil)
	outboxDesc     = prometheus.NewDesc("flowhq_outbox_depth", "Messages waiting to be sent.", nil, nil)
	outboxAgeDesc  = prometheus.NewDesc("flowhq_outbox_age_seconds", "Age of the oldest message that could be sent now, of tenants that are to be connected.", nil, nil)
	quarantineDesc = prometheus.NewDesc("flowhq_quarantine_depth", "Messages in quarantine.", nil, nil)
	replicasDesc   = prometheus.NewDesc("flowhq_replicas", "Replicas alive.", nil, nil)
	unservedDesc   = prometheus.NewDesc("flowhq_tenants_unserved", "Tenants that are to be connected now and have no replica.", nil, nil)
	linkedDesc     = prometheus.NewDesc("flowhq_tenants_linked", "Tenants that are to be connected and have a phone.", nil, nil)
	heldDesc       = prometheus.NewDesc("flowhq_leases_held", "Tenants served by this replica.", nil, nil)
	connectedDesc  = prometheus.NewDesc("flowhq_connected", "Tenants of this replica that are connected to WhatsApp.", nil, nil)
)

func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{tenantsDesc, outboxDesc, outboxAgeDesc, quarantineDesc, replicasDesc, unservedDesc, linkedDesc, heldDesc, connectedDesc} {
		ch <- d
	}
}

func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	held, connected := g.s.Held()
	gauge(heldDesc, float64(held))
	gauge(connectedDesc, float64(connected))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	counts, err := g.s.Health.Gauges(ctx)
	if err != nil {
		g.s.Logger.Warn("gauges are not readable", "error", err)
		return
	}
	for _, status := range []domain.TenantStatus{domain.TenantNew, domain.TenantQRPending, domain.TenantActive, domain.TenantPaused, domain.TenantError} {
		gauge(tenantsDesc, float64(counts.TenantsByStatus[status]), string(status))
	}
	gauge(outboxDesc, float64(counts.OutboxOpen))
	gauge(outboxAgeDesc, counts.OutboxOldest.Seconds())
	gauge(quarantineDesc, float64(counts.Quarantined))
	gauge(replicasDesc, float64(counts.Replicas))
	gauge(unservedDesc, float64(counts.Unserved))
	gauge(linkedDesc, float64(counts.Linked))
}
