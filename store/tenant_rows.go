package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

type tenantRow struct {
	bun.BaseModel `bun:"table:tenants,alias:t"`

	ID        uuid.UUID `bun:"id,pk"`
	Name      string    `bun:"name"`
	Phone     string    `bun:"phone_number"`
	Status    string    `bun:"status"`
	WAKey     []byte    `bun:"wa_key"`
	CreatedAt time.Time `bun:"created_at"`
	UpdatedAt time.Time `bun:"updated_at"`

	Config  *configRow  `bun:"rel:has-one,join:id=tenant_id"`
	Session *sessionRow `bun:"rel:has-one,join:id=tenant_id"`
	Worker  *workerRow  `bun:"rel:has-one,join:id=tenant_id"`
	Lease   *leaseRow   `bun:"rel:has-one,join:id=tenant_id"`
}

type configRow struct {
	bun.BaseModel `bun:"table:tenant_configs,alias:cfg"`

	TenantID     uuid.UUID `bun:"tenant_id,pk"`
	Template     string    `bun:"template_type"`
	BusinessName string    `bun:"business_name"`
	Address      string    `bun:"address"`
	Language     string    `bun:"language"`
	Timezone     string    `bun:"timezone"`
	Hours        string    `bun:"hours_json"`
	Services     string    `bun:"services_json"`
	BotEnabled   bool      `bun:"bot_enabled"`
	UpdatedAt    time.Time `bun:"updated_at"`
}

type sessionRow struct {
	bun.BaseModel `bun:"table:whatsapp_sessions,alias:ws"`

	TenantID     uuid.UUID  `bun:"tenant_id,pk"`
	State        string     `bun:"state"`
	QR           string     `bun:"qr"`
	QRExpiresAt  *time.Time `bun:"qr_expires_at"`
	PairingCode  string     `bun:"pairing_code"`
	PairingPhone string     `bun:"pairing_phone"`
	PairingSince *time.Time `bun:"pairing_since"`
	JID          string     `bun:"jid"`
	NextPreKey   int64      `bun:"next_prekey"`
	Reason       string     `bun:"reason"`
	ReasonDetail string     `bun:"reason_detail"`
	RetryAt      *time.Time `bun:"retry_at"`
	LastSeenAt   *time.Time `bun:"last_seen_at"`
	ConnectedAt  *time.Time `bun:"connected_at"`
	UpdatedAt    time.Time  `bun:"updated_at"`
}

type workerRow struct {
	bun.BaseModel `bun:"table:worker_processes,alias:wp"`

	TenantID  uuid.UUID `bun:"tenant_id,pk"`
	Status    string    `bun:"status"`
	LastError string    `bun:"last_error"`
	UpdatedAt time.Time `bun:"updated_at"`
}

type leaseRow struct {
	bun.BaseModel `bun:"table:leases,alias:l"`

	TenantID   uuid.UUID     `bun:"tenant_id,pk"`
	DeviceJID  *string       `bun:"device_jid"`
	Wanted     bool          `bun:"wanted"`
	Command    string        `bun:"command"`
	Owner      uuid.NullUUID `bun:"owner"`
	Epoch      int64         `bun:"epoch"`
	AcquiredAt *time.Time    `bun:"acquired_at"`
	ReleasedAt *time.Time    `bun:"released_at"`
	NotBefore  time.Time     `bun:"not_before"`
	FailCount  int           `bun:"fail_count"`

	Replica *replicaRow `bun:"rel:belongs-to,join:owner=id"`
}

type replicaRow struct {
	bun.BaseModel `bun:"table:replicas,alias:r"`

	ID   uuid.UUID `bun:"id,pk"`
	Name string    `bun:"name"`
}

// view is the tenant as people see it. All of its rows must be loaded. With an
// error, which says what cannot be read of its settings, it is the rest.
func (t *tenantRow) view() (domain.TenantView, error) {
	v := domain.TenantView{
		Tenant: domain.Tenant{ID: t.ID, Name: t.Name, Phone: domain.Phone(t.Phone), Status: domain.TenantStatus(t.Status),
			CreatedAt: t.CreatedAt.UTC(), UpdatedAt: t.UpdatedAt.UTC()},
		Session: t.Session.session(),
		Worker: domain.WorkerProcess{TenantID: t.ID, Status: domain.WorkerStatus(t.Worker.Status), LastError: t.Worker.LastError,
			UpdatedAt: t.Worker.UpdatedAt.UTC()},
	}
	if t.Lease != nil && t.Lease.Replica != nil {
		v.Worker.Replica = t.Lease.Replica.Name
	}
	var err error
	v.Config, err = t.Config.config()
	return v, err
}

func (c *configRow) config() (domain.TenantConfig, error) {
	out := domain.TenantConfig{TenantID: c.TenantID, Template: domain.TemplateType(c.Template), BusinessName: c.BusinessName, Address: c.Address,
		Language: domain.Language(c.Language), Timezone: c.Timezone, BotEnabled: c.BotEnabled, UpdatedAt: c.UpdatedAt.UTC()}
	if err := errors.Join(decode("hours_json", c.Hours, &out.Hours), decode("services_json", c.Services, &out.Services)); err != nil {
		return out, &domain.Error{Kind: domain.KindConflict, Message: "The stored settings of this tenant cannot be read, so they are not changed.", Err: err}
	}
	return out, nil
}

// decode reads a column that a person may have edited, or to which a newer
// program may have stored more than this one knows.
func decode[T any](column, text string, into *T) error {
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return fmt.Errorf("%s: %w", column, err)
	}
	*into = value
	return nil
}

// shown is view for lists and pages: they are worth more without a tenant's
// settings than not at all.
func (t *tenantRow) shown() domain.TenantView {
	v, _ := t.view()
	return v
}

func (w *sessionRow) session() domain.WhatsAppSession {
	return domain.WhatsAppSession{TenantID: w.TenantID, State: domain.SessionState(w.State), QR: w.QR, QRExpiresAt: utc(w.QRExpiresAt),
		PairingCode: w.PairingCode, JID: w.JID, Reason: domain.Reason(w.Reason), ReasonDetail: w.ReasonDetail, RetryAt: utc(w.RetryAt),
		LastSeenAt: utc(w.LastSeenAt), ConnectedAt: utc(w.ConnectedAt), PairingPhone: w.PairingPhone, PairingSince: utc(w.PairingSince),
		UpdatedAt: w.UpdatedAt.UTC()}
}

func newTenantRow(v domain.TenantView) *tenantRow {
	return &tenantRow{ID: v.ID, Name: domain.CleanText(v.Name), Phone: string(v.Phone), Status: string(v.Status),
		CreatedAt: stamp(v.CreatedAt), UpdatedAt: stamp(v.UpdatedAt)}
}

func newConfigRow(id uuid.UUID, c domain.TenantConfig) (*configRow, error) {
	hours, err := json.Marshal(c.Hours)
	if err != nil {
		return nil, fmt.Errorf("encode opening hours: %w", err)
	}
	services := make([]domain.Service, len(c.Services))
	for i, s := range c.Services {
		s.Name = domain.CleanText(s.Name)
		services[i] = s
	}
	offered, err := json.Marshal(services)
	if err != nil {
		return nil, fmt.Errorf("encode services: %w", err)
	}
	return &configRow{TenantID: id, Template: string(c.Template), BusinessName: domain.CleanText(c.BusinessName), Address: domain.CleanText(c.Address),
		Language: string(c.Language), Timezone: c.Timezone, Hours: string(hours), Services: string(offered), BotEnabled: c.BotEnabled,
		UpdatedAt: stamp(c.UpdatedAt)}, nil
}
