package handlers

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"flowhq/domain"
)

// replicasPage lists the processes that serve tenants.
type replicasPage struct{ Rows []replicaRow }

type replicaRow struct {
	domain.Replica
	Here     bool // this page comes from it
	Late     bool // without a sign of life for so long that it is an alert
	Share    int  // of its tenants that are connected, in percent
	Others   bool
	Draining bool
	Dead     bool
}

func (s *Server) replicasPage(ctx context.Context) (page replicasPage, err error) {
	all, err := s.Operations.Replicas(ctx)
	if err != nil {
		return page, err
	}
	alive, now := 0, domain.Now()
	for _, r := range all {
		row := replicaRow{Replica: r, Here: r.Name == s.About.Replica, Late: now.Sub(r.HeartbeatAt) > domain.AlertReplicaAfter, Draining: r.State == domain.ReplicaDraining, Dead: r.State == domain.ReplicaDead}
		if r.Held > 0 {
			row.Share = r.Connected * 100 / r.Held
		}
		if r.State == domain.ReplicaAlive {
			alive++
		}
		page.Rows = append(page.Rows, row)
	}
	for i := range page.Rows {
		page.Rows[i].Others = alive > 1
	}
	return page, nil
}

func (s *Server) showReplicas(c *gin.Context) error {
	page, err := s.replicasPage(c.Request.Context())
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "admin/replicas", page)
}

func (s *Server) liveReplicas() liveFragment {
	return liveFragment{page: "admin/replicas", block: "rows",
		version: func(*gin.Context) (string, func(context.Context) (string, error)) {
			return replicasKey, s.Versions.ReplicasVersion
		},
		load: func(c *gin.Context) (any, error) { return s.replicasPage(c.Request.Context()) }}
}

// drainReplica asks a replica to hand over all of its tenants, or lets it serve again.
func (s *Server) drainReplica(on bool) action {
	return func(c *gin.Context) error {
		id, err := uuid.Parse(c.Param("replica"))
		if err != nil {
			return domain.NotFound("replica")
		}
		if err := s.Operations.Drain(c.Request.Context(), id, on); err != nil {
			return err
		}
		noted, word := domain.AuditReplicaDrain, "replica.draining"
		if !on {
			noted, word = domain.AuditReplicaResume, "replica.resumed"
		}
		s.web.pulse.forget(replicasKey)
		s.audit(c, domain.AuditEntry{Action: noted, After: asJSON(map[string]string{"replica": id.String()})})
		s.say(c, "good", s.speak(c).must(word))
		return s.seeOther(c, "/admin/replicas")
	}
}
