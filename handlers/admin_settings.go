package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// settingsPage is the configuration of a tenant.
type settingsPage struct {
	tenantHead
	tenantForm
}

func (s *Server) showSettings(c *gin.Context) error {
	h, err := s.headOf(c, "settings")
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "admin/tenant_settings", settingsPage{h, newTenantForm(settingsOf(h.T), h.T)})
}

// settingsOf is a tenant as its form shows it.
func settingsOf(v domain.TenantView) form {
	f, config := emptyForm(), v.Config
	f.Values = map[string]string{"name": v.Name, "phone_number": shownContact(string(v.Phone)), "business_name": config.BusinessName, "address": config.Address,
		"template_type": string(config.Template), "language": string(config.Language), "timezone": config.Timezone, "services": formatServices(config.Services)}
	if config.BotEnabled {
		f.Values["bot_enabled"] = "on"
	}
	return f
}

func (s *Server) saveSettings(c *gin.Context) error {
	f := readForm(c, tenantFields...)
	in, err := settingsInput(f)
	var before domain.TenantView
	if err == nil {
		var v domain.TenantView
		v, err = s.Tenants.Update(c.Request.Context(), tenantOf(c), func(v *domain.TenantView) error {
			before = *v
			return v.Patch(in, domain.Now())
		})
		if err == nil {
			return s.saved(c, before, v, "settings")
		}
	}
	if !f.refuse(err, s.speak(c)) {
		return err
	}
	h, err := s.headOf(c, "settings")
	if err != nil {
		return err
	}
	return s.page(c, http.StatusUnprocessableEntity, "admin/tenant_settings", settingsPage{h, newTenantForm(f, h.T)})
}

// saved notes a change and goes back to the form.
func (s *Server) saved(c *gin.Context, before, after domain.TenantView, tab string) error {
	s.web.pulse.forget(tenantMark(after.ID))
	s.noteUpdated(c, before, after)
	s.say(c, "good", s.speak(c).must("tenant.saved"))
	return s.seeOther(c, "/admin/tenants/"+after.ID.String()+"/"+tab)
}

func settingsInput(f form) (domain.TenantInput, error) {
	in := inputOf(f)
	name, on := f.Values["business_name"], f.Values["bot_enabled"] != ""
	in.BusinessName, in.BotEnabled = &name, &on
	services, err := parseServices(f.Values["services"])
	in.Services = &services
	return in, err
}

// Services are typed one a line: name | price | minutes.

func formatServices(services []domain.Service) string {
	var out strings.Builder
	for _, s := range services {
		out.WriteString(s.Name)
		if s.PriceTZS > 0 || s.Minutes > 0 {
			fmt.Fprintf(&out, " | %d", s.PriceTZS)
		}
		if s.Minutes > 0 {
			fmt.Fprintf(&out, " | %d", s.Minutes)
		}
		out.WriteString("\n")
	}
	return out.String()
}

// fraction is the end of a number that is not whole: 15,000.00 is no 1,500,000.
var fraction = regexp.MustCompile(`[.,]\s*\d{1,2}\s*$`)

func parseServices(text string) (services []domain.Service, err error) {
	services = []domain.Service{}
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		parts := strings.Split(line, "|")
		s := domain.Service{Name: strings.TrimSpace(parts[0])}
		numbers := [2]int64{}
		for i, part := range parts[1:] {
			if fraction.MatchString(part) {
				return nil, domain.Invalid{"services": "Prices and minutes are whole numbers: write 15,000 or 15000, without cents."}.Err()
			}
			digits := strings.NewReplacer(",", "", ".", "", " ", "").Replace(strings.TrimSpace(part))
			if digits == "" {
				continue
			}
			n, err := strconv.ParseInt(digits, 10, 64)
			if err != nil || i > 1 {
				return nil, domain.Invalid{"services": "Write one service a line: name | price | minutes. Price and minutes are numbers and may be left out."}.Err()
			}
			numbers[i] = n
		}
		s.PriceTZS, s.Minutes = numbers[0], int(numbers[1])
		services = append(services, s)
	}
	return services, nil
}

// hoursPage is the opening hours of a tenant.
type hoursPage struct {
	tenantHead
	Form form
	Days []hoursDay
	Open bool // at this moment
}

type hoursDay struct{ Key, Label string }

// hoursKeys are the fields of the week, Monday first as calendars here have it.
var hoursKeys = []struct {
	key string
	day time.Weekday
}{{"mon", time.Monday}, {"tue", time.Tuesday}, {"wed", time.Wednesday}, {"thu", time.Thursday}, {"fri", time.Friday}, {"sat", time.Saturday}, {"sun", time.Sunday}}

func (s *Server) showHours(c *gin.Context) error {
	h, err := s.headOf(c, "hours")
	if err != nil {
		return err
	}
	f := emptyForm()
	for _, d := range hoursKeys {
		f.Values[d.key] = domain.FormatRanges(h.T.Config.Hours.Week[d.day])
	}
	f.Values["exceptions"] = domain.FormatExceptions(h.T.Config.Hours.Exceptions)
	if h.T.Config.Hours.Week == nil {
		f.Values["always"] = "on"
	}
	return s.hoursPage(c, http.StatusOK, h, f)
}

func (s *Server) hoursPage(c *gin.Context, status int, h tenantHead, f form) error {
	page := hoursPage{tenantHead: h, Form: f, Open: h.T.Config.Hours.Open(time.Now(), h.T.Config.Location())}
	for _, d := range hoursKeys {
		page.Days = append(page.Days, hoursDay{d.key, s.speak(c).must("weekday." + d.key)})
	}
	return s.page(c, status, "admin/tenant_hours", page)
}

func (s *Server) saveHours(c *gin.Context) error {
	f := readForm(c, "mon", "tue", "wed", "thu", "fri", "sat", "sun", "exceptions", "always")
	hours, err := hoursOf(f)
	var before, after domain.TenantView
	if err == nil {
		after, err = s.Tenants.Update(c.Request.Context(), tenantOf(c), func(v *domain.TenantView) error {
			before = *v
			return v.Patch(domain.TenantInput{Hours: &hours}, domain.Now())
		})
	}
	if err == nil {
		return s.saved(c, before, after, "hours")
	}
	if !f.refuse(err, s.speak(c)) {
		return err
	}
	h, err := s.headOf(c, "hours")
	if err != nil {
		return err
	}
	return s.hoursPage(c, http.StatusUnprocessableEntity, h, f)
}

// hoursOf reads the form; its errors name the days.
func hoursOf(f form) (h domain.Hours, err error) {
	bad := domain.Invalid{}
	if f.Values["always"] == "" {
		h.Week = map[time.Weekday][]domain.HoursRange{}
		for _, d := range hoursKeys {
			ranges, err := domain.ParseRanges(f.Values[d.key])
			if err != nil {
				bad.Add(d.key, err.Error())
			}
			if len(ranges) > 0 {
				h.Week[d.day] = ranges
			}
		}
	}
	if h.Exceptions, err = domain.ParseExceptions(f.Values["exceptions"]); err != nil {
		bad.Add("exceptions", err.Error())
	}
	var wrong *domain.HoursError
	if err := h.Validate(); len(bad) == 0 && errors.As(err, &wrong) {
		bad.Add(fieldOfHours(wrong.Field), "These hours do not fit: "+wrong.Problem+".")
	}
	return h, bad.Err()
}

// fieldOfHours is the form's field for a path such as week.mon[0].open.
func fieldOfHours(path string) string {
	if day, ok := strings.CutPrefix(path, "week."); ok && len(day) >= 3 {
		return day[:3]
	}
	return "exceptions"
}
