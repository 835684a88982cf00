package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"flowhq/domain"
)

// dashboardPage is the operator's first look.
type dashboardPage struct {
	Counts      []statusCount
	Total       int
	In, Out     dayCount
	Failed      int
	P50, P95    time.Duration
	Replied     bool
	Outbox      int
	OutboxAge   time.Duration
	Quarantined int
	Alerts      []domain.Alert
	Range       string
	Ranges      []string
	Chart       chart
}

// dayCount compares today with the same time of the same day last week.
type dayCount struct{ Today, LastWeek int }

// Change is the difference in percent; ok is false without a last week.
func (d dayCount) Change() int {
	if d.LastWeek == 0 {
		return 0
	}
	return (d.Today - d.LastWeek) * 100 / d.LastWeek
}

// chart is drawn by the browser from columns, and stands below it as a table.
type chart struct {
	Points []chartPoint
	Hourly bool
}

type chartPoint struct {
	At      time.Time
	In, Out int
	P95     time.Duration
}

var chartRanges = map[string]struct {
	span   time.Duration
	hourly bool
}{"24h": {24 * time.Hour, true}, "7d": {7 * 24 * time.Hour, false}, "30d": {30 * 24 * time.Hour, false}}

func (s *Server) showDashboard(c *gin.Context) error {
	page, err := s.dashboardPage(c)
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "admin/dashboard", page)
}

func (s *Server) liveDashboard() liveFragment {
	return liveFragment{page: "admin/dashboard", block: "numbers",
		version: s.tenantsVersion,
		load:    func(c *gin.Context) (any, error) { return s.dashboardPage(c) }}
}

func (s *Server) dashboardPage(c *gin.Context) (page dashboardPage, err error) {
	ctx, now := c.Request.Context(), domain.Now()
	page = dashboardPage{Range: c.Query("range"), Ranges: []string{"24h", "7d", "30d"}}
	if _, ok := chartRanges[page.Range]; !ok {
		page.Range = "24h"
	}
	if err := s.countStates(ctx, &page); err != nil {
		return page, err
	}
	if err := s.countDays(ctx, &page, now); err != nil {
		return page, err
	}
	if page.Alerts, err = s.Operations.Alerts(ctx, now, 10); err != nil {
		return page, err
	}
	page.Chart, err = s.chart(ctx, uuid.Nil, page.Range, now)
	return page, err
}

func (s *Server) countStates(ctx context.Context, page *dashboardPage) error {
	counts, err := s.Operations.CountTenants(ctx, domain.TenantFilter{Scope: domain.Scope{Admin: true}})
	if err != nil {
		return err
	}
	page.Counts, page.Total = inOrder(counts)
	gauges, err := s.Operations.Gauges(ctx)
	page.Outbox, page.OutboxAge, page.Quarantined = gauges.OutboxOpen, gauges.OutboxOldest, gauges.Quarantined
	return err
}

// countDays compares today with a week ago, up to the same hour.
func (s *Server) countDays(ctx context.Context, page *dashboardPage, now time.Time) error {
	day := midnight(now)
	today, err := s.Operations.Stats(ctx, uuid.Nil, day, now.Add(time.Hour))
	if err != nil {
		return err
	}
	before, err := s.Operations.Stats(ctx, uuid.Nil, day.AddDate(0, 0, -7), now.AddDate(0, 0, -7))
	if err != nil {
		return err
	}
	var sum, then domain.HourStat
	for _, h := range today {
		sum.Add(h)
	}
	for _, h := range before {
		then.Add(h)
	}
	page.In, page.Out, page.Failed = dayCount{sum.In, then.In}, dayCount{sum.Out, then.Out}, sum.Failed
	page.P50, page.Replied = sum.Replies.Quantile(0.50)
	page.P95, _ = sum.Replies.Quantile(0.95)
	return nil
}

// chart reads the hours of a range and, for the longer ones, adds them up by
// the operator's days. Hours without messages are zero.
func (s *Server) chart(ctx context.Context, tenant uuid.UUID, name string, now time.Time) (out chart, err error) {
	r := chartRanges[name]
	out.Hourly = r.hourly
	first, last := midnight(now.Add(-r.span+24*time.Hour)), now.Truncate(time.Hour)
	step := 24 * time.Hour
	if r.hourly {
		first, step = last.Add(-r.span+time.Hour), time.Hour
	}
	hours, err := s.Operations.Stats(ctx, tenant, first, last.Add(time.Hour))
	if err != nil {
		return out, err
	}
	n := int(last.Sub(first)/step) + 1
	replies := make([]domain.ReplyCounts, n)
	for i := range n {
		out.Points = append(out.Points, chartPoint{At: first.Add(time.Duration(i) * step)})
	}
	for _, h := range hours {
		i := int(h.Hour.Sub(first) / step)
		if i < 0 || i >= n {
			continue
		}
		out.Points[i].In, out.Points[i].Out = out.Points[i].In+h.In, out.Points[i].Out+h.Out
		replies[i].Add(h.Replies)
	}
	for i := range out.Points {
		out.Points[i].P95, _ = replies[i].Quantile(0.95)
	}
	return out, nil
}

// Columns are the points as the browser draws them: times, in, out.
func (ch chart) Columns() string {
	var at []int64
	var in, sent []int
	for _, p := range ch.Points {
		at, in, sent = append(at, p.At.Unix()), append(in, p.In), append(sent, p.Out)
	}
	return asJSON([]any{at, in, sent})
}

// Empty reports that there is nothing to draw.
func (ch chart) Empty() bool {
	for _, p := range ch.Points {
		if p.In+p.Out > 0 {
			return false
		}
	}
	return true
}

// Label writes the time of a point.
func (ch chart) Label(p chartPoint) string {
	local := p.At.In(zoneOf(operatorZone))
	if ch.Hourly {
		return local.Format("2006-01-02 15:04")
	}
	return local.Format("2006-01-02")
}

// alertsPage lists what needs somebody now.
type alertsPage struct{ Alerts []domain.Alert }

func (s *Server) showAlerts(c *gin.Context) error {
	alerts, err := s.Operations.Alerts(c.Request.Context(), domain.Now(), maxAlerts)
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "admin/alerts", alertsPage{alerts})
}

func (s *Server) liveAlerts() liveFragment {
	return liveFragment{page: "admin/alerts", block: "rows",
		version: func(*gin.Context) (string, func(context.Context) (string, error)) {
			return "alerts", func(ctx context.Context) (string, error) {
				alerts, err := s.Operations.Alerts(ctx, domain.Now(), maxAlerts)
				return asJSON(alerts), err
			}
		},
		load: func(c *gin.Context) (any, error) {
			alerts, err := s.Operations.Alerts(c.Request.Context(), domain.Now(), maxAlerts)
			return alertsPage{alerts}, err
		}}
}
