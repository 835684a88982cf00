package handlers

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// tenantJSON is a tenant as the API shows it.
type tenantJSON struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	PhoneNumber string     `json:"phone_number"`
	Status      string     `json:"status"`
	Config      configJSON `json:"config"`
	Session     linkJSON   `json:"session"`
	Worker      workerJSON `json:"worker"`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
}

type configJSON struct {
	BusinessName string           `json:"business_name"`
	Address      string           `json:"address"`
	TemplateType string           `json:"template_type"`
	Language     string           `json:"language"`
	Timezone     string           `json:"timezone"`
	Hours        domain.Hours     `json:"hours"`
	Services     []domain.Service `json:"services"`
	BotEnabled   bool             `json:"bot_enabled"`
}

type linkJSON struct {
	State      string     `json:"state"`
	LastSeenAt *time.Time `json:"last_seen_at"`
}

type workerJSON struct {
	Status    string  `json:"status"`
	Replica   *string `json:"replica"`
	LastError *string `json:"last_error"`
}

func tenantOut(v domain.TenantView) tenantJSON {
	services := v.Config.Services
	if services == nil {
		services = []domain.Service{}
	}
	return tenantJSON{
		ID: v.ID.String(), Name: v.Name, PhoneNumber: string(v.Phone), Status: string(v.Status),
		Config: configJSON{BusinessName: v.Config.BusinessName, Address: v.Config.Address, TemplateType: string(v.Config.Template),
			Language: string(v.Config.Language), Timezone: v.Config.Timezone, Hours: v.Config.Hours, Services: services, BotEnabled: v.Config.BotEnabled},
		Session:   linkJSON{State: string(v.Session.State), LastSeenAt: v.Session.LastSeenAt},
		Worker:    workerJSON{Status: string(v.Worker.Status), Replica: orNull(v.Worker.Replica), LastError: orNull(v.Worker.LastError)},
		CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// tenantBody is what POST and PATCH take.
type tenantBody struct {
	Name         *string           `json:"name"`
	PhoneNumber  *string           `json:"phone_number"`
	BusinessName *string           `json:"business_name"`
	Address      *string           `json:"address"`
	TemplateType *string           `json:"template_type"`
	Language     *string           `json:"language"`
	Timezone     *string           `json:"timezone"`
	Hours        *domain.Hours     `json:"hours"`
	Services     *[]domain.Service `json:"services"`
	BotEnabled   *bool             `json:"bot_enabled"`
}

func (b tenantBody) input() domain.TenantInput {
	return domain.TenantInput{Name: b.Name, Phone: b.PhoneNumber, BusinessName: b.BusinessName, Address: b.Address, Template: b.TemplateType,
		Language: b.Language, Timezone: b.Timezone, Hours: b.Hours, Services: b.Services, BotEnabled: b.BotEnabled}
}

func (s *Server) createTenant(c *gin.Context) error {
	if !scopeOf(c).Admin {
		return domain.Errorf(domain.KindForbidden, "Only an admin key may create tenants.")
	}
	var body tenantBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	v, err := domain.NewTenant(body.input(), domain.Now())
	if err != nil {
		return err
	}
	if err := s.Tenants.Create(c.Request.Context(), v); err != nil {
		return err
	}
	s.noteCreated(c, v)
	c.Header("Location", "/api/v1/tenants/"+v.ID.String())
	c.JSON(http.StatusCreated, tenantOut(v))
	return nil
}

func (s *Server) listTenants(c *gin.Context) error {
	q, err := pageQuery(c)
	if err != nil {
		return err
	}
	f := domain.TenantFilter{Scope: scopeOf(c), Status: domain.TenantStatus(c.Query("status")), Search: c.Query("search")}
	page, err := s.Tenants.List(c.Request.Context(), f, q)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, listOf(page, tenantOut))
	return nil
}

func (s *Server) getTenant(c *gin.Context) error {
	v, err := s.Tenants.Get(c.Request.Context(), tenantOf(c))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, tenantOut(v))
	return nil
}

func (s *Server) patchTenant(c *gin.Context) error {
	var body tenantBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	var before domain.TenantView
	v, err := s.Tenants.Update(c.Request.Context(), tenantOf(c), func(v *domain.TenantView) error {
		before = *v
		return v.Patch(body.input(), domain.Now())
	})
	if err != nil {
		return err
	}
	s.noteUpdated(c, before, v)
	c.JSON(http.StatusOK, tenantOut(v))
	return nil
}

func (s *Server) deleteTenant(c *gin.Context) error {
	v, err := s.Tenants.Get(c.Request.Context(), tenantOf(c))
	if err != nil {
		return err
	}
	done, err := s.Tenants.Delete(c.Request.Context(), v.ID)
	if err != nil {
		return err
	}
	s.noteDeleted(c, v)
	if done {
		c.Status(http.StatusNoContent)
		return nil
	}
	c.Status(http.StatusAccepted) // the owner unlinks the phone and removes the rows
	return nil
}

// steer returns the action for start, stop, restart and reset.
func (s *Server) steer(e domain.Event, noted domain.AuditAction) action {
	return func(c *gin.Context) error {
		v, err := s.Tenants.Steer(c.Request.Context(), tenantOf(c), e)
		if err != nil {
			return err
		}
		s.auditTenant(c, noted, v)
		c.JSON(http.StatusAccepted, tenantOut(v))
		return nil
	}
}
