package handlers

import (
	"context"
	"net/http"
	"net/url"

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

// startBulk steers the chosen tenants, or all that the filter matches.
func (s *Server) startBulk(c *gin.Context) error {
	event, ok := bulkEvents[c.PostForm("do")]
	if !ok {
		return domain.Errorf(domain.KindInvalid, "Choose start, stop or restart.")
	}
	chosen, err := s.chosenTenants(c)
	if err != nil {
		return s.backTo(c, chosenFrom(c), err)
	}
	job := domain.BulkJob{ID: domain.NewID(), Event: event, CreatedBy: visitorOf(c).User.ID, CreatedAt: domain.Now()}
	if job, err = s.Bulk.StartBulk(c.Request.Context(), job, chosen); err != nil {
		return s.backTo(c, chosenFrom(c), err)
	}
	s.BulkWaits()
	s.audit(c, domain.AuditEntry{Action: domain.AuditBulk, After: asJSON(map[string]any{"event": event, "tenants": job.Total, "job": job.ID})})
	return s.seeOther(c, "/admin/jobs/"+job.ID.String())
}

// chosenFrom is the list in which tenants were chosen, filtered as it was.
func chosenFrom(c *gin.Context) string {
	return tenantsPage{Query: c.PostForm("query")}.With("cursor", "")
}

func (s *Server) chosenTenants(c *gin.Context) (ids []uuid.UUID, err error) {
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
	query, err := url.ParseQuery(c.PostForm("query"))
	if err != nil {
		return nil, domain.Errorf(domain.KindInvalid, "The filter is not readable.")
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
