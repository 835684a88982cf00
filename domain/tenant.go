package domain

import (
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// TenantStatus is the state that people filter by. What a person reads is
// derived from it together with the session and the worker.
type TenantStatus string

const (
	TenantNew       TenantStatus = "NEW"        // never linked, or reset
	TenantQRPending TenantStatus = "QR_PENDING" // started and not yet connected
	TenantActive    TenantStatus = "ACTIVE"     // connected and answering
	TenantPaused    TenantStatus = "PAUSED"     // stopped by a person or by the bill
	TenantError     TenantStatus = "ERROR"      // needs somebody; the worker's reason says what for
)

// TemplateType chooses the conversation that a tenant's bot holds.
type TemplateType string

const (
	TemplateBooking    TemplateType = "BOOKING"
	TemplateEcommerce  TemplateType = "ECOMMERCE"
	TemplateSupport    TemplateType = "SUPPORT"
	TemplateRealEstate TemplateType = "REAL_ESTATE"
	TemplateRestaurant TemplateType = "RESTAURANT"
	TemplateHealthcare TemplateType = "HEALTHCARE"
	TemplateSalon      TemplateType = "SALON"
	TemplateHotel      TemplateType = "HOTEL"
)

// TemplateTypes lists every template in the order in which forms show them.
func TemplateTypes() []TemplateType {
	return []TemplateType{TemplateBooking, TemplateSalon, TemplateHealthcare, TemplateRestaurant,
		TemplateEcommerce, TemplateHotel, TemplateRealEstate, TemplateSupport}
}

// Language is the language that a bot speaks unless the customer chooses.
type Language string

const (
	LanguageSwahili Language = "SW"
	LanguageEnglish Language = "EN"
)

// Service is something a tenant sells by appointment. Minutes 0 means unknown.
type Service struct {
	Name     string `json:"name"`
	PriceTZS int64  `json:"price_tzs,omitempty"`
	Minutes  int    `json:"minutes,omitempty"`
}

// Tenant is one business with one WhatsApp number.
type Tenant struct {
	ID        uuid.UUID
	Name      string
	Phone     Phone
	Status    TenantStatus
	CreatedAt time.Time
	UpdatedAt time.Time
}

// TenantConfig is what a tenant chose about its bot. Timezone is an IANA name.
type TenantConfig struct {
	TenantID     uuid.UUID
	Template     TemplateType
	BusinessName string
	Address      string
	Language     Language
	Timezone     string
	Hours        Hours // empty = always open
	Services     []Service
	BotEnabled   bool
	UpdatedAt    time.Time
}

// DefaultTimezone is that of Dar es Salaam and Nairobi.
const DefaultTimezone = "Africa/Dar_es_Salaam"

// Location returns the tenant's time zone; an unknown name falls back to EAT,
// which has no daylight saving.
func (c TenantConfig) Location() *time.Location {
	if loc, ok := locations.Load(c.Timezone); ok {
		return loc.(*time.Location)
	}
	loc, err := time.LoadLocation(c.Timezone)
	if err != nil || c.Timezone == "" {
		return eastAfrica
	}
	locations.Store(c.Timezone, loc)
	return loc
}

var (
	eastAfrica = time.FixedZone("EAT", 3*60*60)
	locations  sync.Map // name → *time.Location: loading one reads its file anew, and every message needs it
)

// TenantView is a tenant with all that a list or a page shows about it.
type TenantView struct {
	Tenant
	Config  TenantConfig
	Session WhatsAppSession
	Worker  WorkerProcess
}

// Limits of the free texts of a tenant, in characters.
const (
	MaxNameLength    = 200
	MaxAddressLength = 500
	MaxServices      = 50
)

// TenantInput is what a form or an API call may set. Nil leaves a field as it is.
type TenantInput struct {
	Name         *string
	Phone        *string
	BusinessName *string
	Address      *string
	Template     *string
	Language     *string
	Timezone     *string
	Hours        *Hours
	Services     *[]Service
	BotEnabled   *bool
}

// NewTenant makes a tenant from input; Name and Phone are required, the rest
// has defaults. The error is of KindInvalid and names every wrong field.
func NewTenant(in TenantInput, now time.Time) (TenantView, error) {
	id := NewID()
	v := TenantView{
		Tenant: Tenant{ID: id, Status: TenantNew, CreatedAt: now},
		Config: TenantConfig{TenantID: id, Template: TemplateBooking, Language: LanguageSwahili,
			Timezone: DefaultTimezone, BotEnabled: true},
		Session: WhatsAppSession{TenantID: id, State: SessionDisconnected, UpdatedAt: now},
		Worker:  WorkerProcess{TenantID: id, Status: WorkerStopped, UpdatedAt: now},
	}
	bad := Invalid{}
	if in.Name == nil {
		bad.Add("name", "A name is required.")
	}
	if in.Phone == nil {
		bad.Add("phone_number", "A phone number is required.")
	}
	v.apply(in, bad, now)
	if v.Config.BusinessName == "" {
		v.Config.BusinessName = v.Name
	}
	return v, bad.Err()
}

// Patch changes what in names. The error is of KindInvalid and names every
// wrong field; on error nothing is changed.
func (v *TenantView) Patch(in TenantInput, now time.Time) error {
	changed, bad := *v, Invalid{}
	changed.apply(in, bad, now)
	if err := bad.Err(); err != nil {
		return err
	}
	*v = changed
	return nil
}

func (v *TenantView) apply(in TenantInput, bad Invalid, now time.Time) {
	setText(&v.Name, in.Name, "name", true, MaxNameLength, bad)
	setText(&v.Config.BusinessName, in.BusinessName, "business_name", in.Name == nil, MaxNameLength, bad)
	setText(&v.Config.Address, in.Address, "address", false, MaxAddressLength, bad)
	if in.Phone != nil {
		phone, err := ParsePhone(*in.Phone, DefaultRegion)
		if err != nil {
			bad.Add("phone_number", err.Error())
		}
		v.Phone = phone
	}
	setChoice(&v.Config.Template, in.Template, "template_type", TemplateTypes(), bad)
	setChoice(&v.Config.Language, in.Language, "language", []Language{LanguageSwahili, LanguageEnglish}, bad)
	if in.Timezone != nil {
		if _, err := time.LoadLocation(*in.Timezone); err != nil || *in.Timezone == "" || *in.Timezone == "Local" {
			bad.Add("timezone", "This is not a time zone name such as Africa/Dar_es_Salaam.")
		}
		v.Config.Timezone = *in.Timezone
	}
	if in.Hours != nil {
		v.Config.Hours = *in.Hours
	}
	if in.Services != nil {
		v.Config.Services = checkServices(*in.Services, bad)
	}
	if in.BotEnabled != nil {
		v.Config.BotEnabled = *in.BotEnabled
	}
	v.UpdatedAt, v.Config.UpdatedAt = now, now
}

func checkServices(services []Service, bad Invalid) []Service {
	if len(services) > MaxServices {
		bad.Add("services", "At most 50 services are possible.")
	}
	for _, s := range services {
		if strings.TrimSpace(s.Name) == "" || utf8.RuneCountInString(s.Name) > 80 || s.PriceTZS < 0 || s.Minutes < 0 {
			bad.Add("services", "Each service needs a name of at most 80 characters; price and minutes cannot be negative.")
		}
	}
	return services
}

func setText(dst *string, value *string, field string, required bool, limit int, bad Invalid) {
	if value == nil {
		return
	}
	text := strings.TrimSpace(CleanText(*value))
	switch {
	case text == "" && required:
		bad.Add(field, "This cannot be empty.")
	case utf8.RuneCountInString(text) > limit:
		bad.Add(field, "This is too long.")
	}
	*dst = text
}

func setChoice[T ~string](dst *T, value *string, field string, choices []T, bad Invalid) {
	if value == nil {
		return
	}
	choice := T(strings.ToUpper(strings.TrimSpace(*value)))
	if !slices.Contains(choices, choice) {
		names := make([]string, len(choices))
		for i, c := range choices {
			names[i] = string(c)
		}
		bad.Add(field, "Choose one of "+strings.Join(names, ", ")+".")
	}
	*dst = choice
}

// CleanText makes any text fit for both databases: valid UTF-8 without NUL.
func CleanText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}
