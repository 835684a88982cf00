package handlers

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// tenantForm is the form of a new tenant and of a tenant's settings.
type tenantForm struct {
	Form      form
	Templates []domain.TemplateType
	Timezones []string
	Tenant    domain.TenantView // zero for a new one
}

var tenantFields = []string{"name", "phone_number", "business_name", "address", "template_type", "language", "timezone", "services", "bot_enabled"}

// commonZones are offered first; any IANA name may be typed.
var commonZones = []string{"Africa/Dar_es_Salaam", "Africa/Nairobi", "Africa/Kampala", "Africa/Kigali", "Africa/Bujumbura", "Africa/Addis_Ababa", "Africa/Mogadishu",
	"Africa/Juba", "Africa/Lubumbashi", "Africa/Kinshasa", "Africa/Lusaka", "Africa/Maputo", "Africa/Lagos", "Africa/Johannesburg", "Africa/Cairo", "Asia/Dubai", "Europe/London", "UTC"}

func newTenantForm(f form, v domain.TenantView) tenantForm {
	return tenantForm{Form: f, Templates: domain.TemplateTypes(), Timezones: commonZones, Tenant: v}
}

func (s *Server) newTenant(c *gin.Context) error {
	f := emptyForm()
	f.Values["template_type"], f.Values["language"], f.Values["timezone"] = string(domain.TemplateBooking), string(domain.LanguageSwahili), domain.DefaultTimezone
	return s.page(c, http.StatusOK, "admin/tenant_new", newTenantForm(f, domain.TenantView{}))
}

func (s *Server) addTenant(c *gin.Context) error {
	f := readForm(c, tenantFields...)
	in := inputOf(f)
	v, err := domain.NewTenant(in, domain.Now())
	if err == nil {
		err = s.Tenants.Create(c.Request.Context(), v)
	}
	if err != nil {
		if !f.refuse(err, s.speak(c)) {
			return err
		}
		return s.page(c, http.StatusUnprocessableEntity, "admin/tenant_new", newTenantForm(f, domain.TenantView{}))
	}
	s.web.pulse.forget(tenantsKey)
	s.noteCreated(c, v)
	s.say(c, "good", s.speak(c).must("tenant.created", "name", v.Name))
	return s.seeOther(c, "/admin/tenants/"+v.ID.String())
}

// inputOf is what the form of a new tenant sets.
func inputOf(f form) domain.TenantInput {
	value := func(name string) *string {
		v := f.Values[name]
		return &v
	}
	in := domain.TenantInput{Name: value("name"), Phone: value("phone_number"), Address: value("address"), Template: value("template_type"),
		Language: value("language"), Timezone: value("timezone")}
	if f.Values["business_name"] != "" {
		in.BusinessName = value("business_name")
	}
	return in
}

// normalisePhone answers how a number will be stored, when its field is left.
func (s *Server) normalisePhone(c *gin.Context) error {
	f := readForm(c, "phone_number")
	if raw := f.Values["phone_number"]; strings.TrimSpace(raw) != "" {
		phone, err := domain.ParsePhone(raw, domain.DefaultRegion)
		if err != nil {
			f.Errors["phone_number"] = s.speak(c).sentence(err.Error())
		} else {
			f.Values["phone_number"] = shownContact(string(phone))
		}
	}
	return s.block(c, http.StatusOK, "admin/tenant_new", "phone", tenantForm{Form: f})
}
