package handlers

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"flowhq/domain"
)

// jobPage shows how far a bulk job is.
type jobPage struct {
	Job      domain.BulkJob
	Failures []domain.BulkItem
}

// Percent is the share that is dealt with.
func (p jobPage) Percent() int {
	if p.Job.Total == 0 {
		return 100
	}
	return (p.Job.Done + p.Job.Failed) * 100 / p.Job.Total
}

const shownFailures = 50

var bulkEvents = map[string]domain.Event{"start": domain.EventStart, "stop": domain.EventStop, "restart": domain.EventRestart}

// bulkPage asks before one click steers many tenants.
type bulkPage struct {
	Event   domain.Event
	N       int
	All     bool        // that match the filter, on every page
	Tenants []uuid.UUID // otherwise
	Query   string      // of the list
	Changed bool        // somebody agreed to another number
}

// Back is the list as it was.
func (p bulkPage) Back() string { return withFilter(tenantsPath, p.Query) }

// startBulk steers the chosen tenants, or all that the filter matches. What
// reaches further than what can be seen, or takes several off the air, is asked
// about first; "sure" is the number of tenants that somebody agreed to.
func (s *Server) startBulk(c *gin.Context) error {
	event, ok := bulkEvents[c.PostForm("do")]
	if !ok {
		return domain.Errorf(domain.KindInvalid, "Choose start, stop or restart.")
	}
	query, err := url.ParseQuery(c.PostForm("query"))
	if err != nil {
		return domain.Errorf(domain.KindInvalid, "The filter is not readable.")
	}
	chosen, err := s.chosenTenants(c, query)
	if err != nil {
		return s.backTo(c, chosenFrom(c), err)
	}
	page := bulkPage{Event: event, N: len(chosen), All: c.PostForm("all") != "", Query: query.Encode(), Changed: c.PostForm("sure") != ""}
	far := page.All || event != domain.EventStart && page.N > 1
	if far && page.N > 0 && c.PostForm("sure") != strconv.Itoa(page.N) {
		if !page.All {
			page.Tenants = chosen
		}
		belongsTo(c, page.Back())
		return s.page(c, http.StatusOK, "admin/bulk", page)
	}
	return s.beginBulk(c, event, chosen)
}

func (s *Server) beginBulk(c *gin.Context, event domain.Event, chosen []uuid.UUID) (err error) {
	job := domain.BulkJob{ID: domain.NewID(), Event: event, CreatedBy: visitorOf(c).User.ID, CreatedAt: domain.Now()}
	if job, err = s.Bulk.StartBulk(c.Request.Context(), job, chosen); err != nil {
		return s.backTo(c, chosenFrom(c), err)
	}
	s.BulkWaits()
	s.audit(c, domain.AuditEntry{Action: domain.AuditBulk, After: asJSON(map[string]any{"event": event, "tenants": job.Total, "job": job.ID})})
	return s.seeOther(c, "/admin/jobs/"+job.ID.String())
}

// chosenFrom is the list in which tenants were chosen, filtered as it was.
func chosenFrom(c *gin.Context) string { return withFilter(tenantsPath, c.PostForm("query")) }

func (s *Server) chosenTenants(c *gin.Context, query url.Values) (ids []uuid.UUID, err error) {
	if c.PostForm("all") == "" {
		for _, raw := range c.PostFormArray("tenant") {
			id, err := uuid.Parse(raw)
			if err != nil {
				return nil, domain.NotFound("tenant")
			}
			ids = append(ids, id)
		}
		return ids, nil
	}
	c.Request.URL.RawQuery = query.Encode()
	err = s.Operations.EachTenant(c.Request.Context(), tenantFilter(c), midnight(domain.Now()), func(r domain.TenantRow) error {
		if len(ids) >= domain.MaxBulk {
			return domain.Errorf(domain.KindInvalid, "At most 10,000 tenants can be steered at once. Narrow the filter.")
		}
		ids = append(ids, r.ID)
		return nil
	})
	return ids, err
}

func (s *Server) showJob(c *gin.Context) error {
	page, err := s.jobPage(c)
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "admin/job", page)
}

func (s *Server) jobPage(c *gin.Context) (page jobPage, err error) {
	id, err := uuid.Parse(c.Param("job"))
	if err != nil {
		return page, domain.NotFound("job")
	}
	if page.Job, err = s.Bulk.BulkJob(c.Request.Context(), id); err != nil {
		return page, err
	}
	if page.Job.Failed > 0 {
		page.Failures, err = s.Bulk.BulkFailures(c.Request.Context(), id, shownFailures)
	}
	return page, err
}

func (s *Server) liveJob() liveFragment {
	return liveFragment{page: "admin/job", block: "progress",
		version: func(c *gin.Context) (string, func(context.Context) (string, error)) {
			raw := c.Param("job")
			return "job " + raw, func(ctx context.Context) (string, error) {
				id, err := uuid.Parse(raw)
				if err != nil {
					return "", domain.NotFound("job")
				}
				job, err := s.Bulk.BulkJob(ctx, id)
				return asJSON(job), err
			}
		},
		load: func(c *gin.Context) (any, error) { return s.jobPage(c) }}
}
