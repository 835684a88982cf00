package handlers

import (
	"context"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// frame is what surrounds a page: who is there, where they are, how they like it.
type frame struct {
	Lang    string
	Theme   string // "", "light" or "dark"
	Path    string // where this page can be opened again, with its query
	Once    bool   // what the page shows is not shown again, so nothing offers to load it anew
	Section string // "tenants" in /admin/tenants/…
	User    *domain.User
	Flashes []flash
	Badges  badges
	Demo    bool
	Zone    string
}

// badges are the small numbers in the navigation.
type badges struct{ Alerts, Tenants int }

func (s *Server) frame(c *gin.Context) (frame, error) {
	u := s.uiOf(c)
	f := frame{Lang: s.lang(c), Theme: u.Theme, Path: s.addressOf(c), Demo: s.Extra != nil, Zone: operatorZone}
	if !fromHTMX(c) { // a fragment has no place for them
		f.Flashes = s.takeFlashes(c)
	}
	parts := strings.Split(strings.Trim(c.Request.URL.Path, "/"), "/")
	if len(parts) > 1 && parts[0] == "admin" {
		f.Section = parts[1]
	}
	if len(parts) > 2 && parts[1] == "live" {
		f.Section = parts[2]
	}
	if who := visitorOf(c); who != nil {
		f.User = &who.User
		if who.User.Role == domain.RoleAdmin {
			f.Badges = s.badges(c.Request.Context())
		}
	}
	return f, nil
}

// badges are the same for every admin and counted at most every few seconds;
// when they cannot be counted the page is shown without them.
func (s *Server) badges(ctx context.Context) badges {
	b, err := remember(ctx, s.web.pulse, "badges", 5*time.Second, func(ctx context.Context) (badges, error) {
		alerts, err := s.Operations.Alerts(ctx, domain.Now(), maxAlerts)
		if err != nil {
			return badges{}, err
		}
		counts, err := s.Operations.CountTenants(ctx, domain.TenantFilter{Scope: domain.Scope{Admin: true}})
		if err != nil {
			return badges{}, err
		}
		out := badges{Alerts: len(alerts)}
		for _, n := range counts {
			out.Tenants += n
		}
		return out, nil
	})
	if err != nil {
		s.Logger.Warn("the numbers in the navigation are not known", "error", err)
	}
	return b
}

// maxAlerts bounds the alerts of each kind on one page.
const maxAlerts = 100
