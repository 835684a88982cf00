package store

import (
	"context"

	"github.com/google/uuid"

	"flowhq/domain"
)

// viewColumns are what scanView reads. Lists of tenants use Bun; a single tenant
// is read while numbers are linked, where planning six tables each time would
// cost more than everything else, so this is a prepared statement.
const viewColumns = `t.id, t.name, t.phone_number, t.status, t.wa_key, t.created_at, t.updated_at,
	c.template_type, c.business_name, c.address, c.language, c.timezone, c.hours_json, c.services_json, c.bot_enabled, c.updated_at,
	s.state, s.qr, s.qr_expires_at, s.pairing_code, s.pairing_phone, s.pairing_since, s.jid, s.reason, s.reason_detail, s.retry_at,
	s.last_seen_at, s.connected_at, s.updated_at, w.status, w.last_error, w.updated_at, l.command, l.owner, r.name
	FROM tenants t JOIN tenant_configs c ON c.tenant_id = t.id JOIN whatsapp_sessions s ON s.tenant_id = t.id
	JOIN worker_processes w ON w.tenant_id = t.id JOIN leases l ON l.tenant_id = t.id LEFT JOIN replicas r ON r.id = l.owner`

var (
	loadView = statement(`SELECT ` + viewColumns + ` WHERE t.id = $1`)

	loadViews = statements(`SELECT `+viewColumns+` WHERE t.id = ANY($1::text[]::uuid[])`,
		`SELECT `+viewColumns+` WHERE t.id IN (SELECT value FROM json_each(?1))`)
)

// scanView reads one tenant with all of its rows.
func scanView(found rows) (*tenantRow, error) {
	t, c, s, w, l := &tenantRow{}, &configRow{}, &sessionRow{}, &workerRow{}, &leaseRow{}
	var replica *string
	err := found.Scan(&t.ID, &t.Name, &t.Phone, &t.Status, &t.WAKey, &t.CreatedAt, &t.UpdatedAt,
		&c.Template, &c.BusinessName, &c.Address, &c.Language, &c.Timezone, &c.Hours, &c.Services, &c.BotEnabled, &c.UpdatedAt,
		&s.State, &s.QR, &s.QRExpiresAt, &s.PairingCode, &s.PairingPhone, &s.PairingSince, &s.JID, &s.Reason, &s.ReasonDetail, &s.RetryAt,
		&s.LastSeenAt, &s.ConnectedAt, &s.UpdatedAt, &w.Status, &w.LastError, &w.UpdatedAt, &l.Command, &l.Owner, &replica)
	c.TenantID, s.TenantID, w.TenantID, l.TenantID = t.ID, t.ID, t.ID, t.ID
	t.Config, t.Session, t.Worker, t.Lease = c, s, w, l
	if replica != nil {
		l.Replica = &replicaRow{ID: l.Owner.UUID, Name: *replica}
	}
	return t, err
}

// onlyView reads the one tenant that a query asks for.
func onlyView(found rows) (*tenantRow, error) {
	if !found.Next() {
		return nil, orElse(found.Err(), domain.NotFound("tenant"))
	}
	return scanView(found)
}

// readView adds the reading of one tenant to a batch.
func (b *batch) readView(id uuid.UUID, into **tenantRow) {
	b.read(func(found rows) (err error) {
		*into, err = onlyView(found)
		return err
	}, loadView, id)
}

// viewOf reads one tenant outside of a transaction.
func (s *Store) viewOf(ctx context.Context, id uuid.UUID) (*tenantRow, error) {
	found, err := s.reader.QueryContext(ctx, s.textOf(loadView), id)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	return onlyView(found)
}
