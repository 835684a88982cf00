package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// offline are tenants that are wanted and linked and yet not connected. They
// count from the moment when they were last seen, but only once they had the
// time to connect since somebody started them.
const offline = `SELECT t.id AS tenant_id, t.name AS tenant, ws.reason, coalesce(r.name, '') AS replica, 0 AS count, coalesce(ws.last_seen_at, t.updated_at) AS since
	FROM leases l JOIN tenants t ON t.id = l.tenant_id JOIN whatsapp_sessions ws ON ws.tenant_id = l.tenant_id LEFT JOIN replicas r ON r.id = l.owner
	WHERE l.wanted AND ws.jid <> '' AND ws.state <> 'CONNECTED' AND t.status <> 'ERROR' AND t.updated_at < ?`

// alertQueries list what is wrong, worst first. Each has a bound on time as its
// arguments, and answers tenant_id, tenant, reason, replica, count and since.
var alertQueries = []struct {
	kind domain.AlertKind
	text string
	args func(now time.Time) []any
}{
	{domain.AlertTenantUnserved, `SELECT count(*) AS count, min(not_before) AS since FROM leases WHERE owner IS NULL AND wanted AND not_before < ? HAVING count(*) > 0`,
		before(domain.AlertSilentAfter)},

	{domain.AlertReplicaLate, `SELECT name AS replica, heartbeat_at AS since FROM replicas WHERE state <> 'dead' AND heartbeat_at < ?`,
		before(domain.AlertReplicaAfter)},

	{domain.AlertTenantOffline, offline + ` AND coalesce(ws.last_seen_at, t.updated_at) < ?`,
		before(domain.AlertSilentAfter, domain.AlertOfflineAfter)},

	{domain.AlertTenantError, `SELECT t.id AS tenant_id, t.name AS tenant, ws.reason, coalesce(r.name, '') AS replica, ws.updated_at AS since
		FROM tenants t JOIN whatsapp_sessions ws ON ws.tenant_id = t.id JOIN leases l ON l.tenant_id = t.id LEFT JOIN replicas r ON r.id = l.owner
		WHERE t.status = 'ERROR'`, before()},

	{domain.AlertOutboxOld, `SELECT o.tenant_id, t.name AS tenant, count(*) AS count, min(o.run_at) AS since
		FROM outbox o JOIN tenants t ON t.id = o.tenant_id WHERE o.open AND o.run_at < ? GROUP BY o.tenant_id, t.name`,
		before(domain.AlertOutboxAfter)},

	{domain.AlertTenantSilent, offline + ` AND coalesce(ws.last_seen_at, t.updated_at) < ? AND coalesce(ws.last_seen_at, t.updated_at) >= ?`,
		before(domain.AlertSilentAfter, domain.AlertSilentAfter, domain.AlertOfflineAfter)},

	{domain.AlertDeadLetters, `SELECT o.tenant_id, t.name AS tenant, count(*) AS count, min(o.created_at) AS since
		FROM outbox o JOIN tenants t ON t.id = o.tenant_id
		WHERE NOT o.open AND o.sent_at IS NULL AND o.created_at >= ? AND o.status IN ('failed', 'expired') GROUP BY o.tenant_id, t.name`,
		before(24 * time.Hour)},

	{domain.AlertQuarantine, `SELECT q.tenant_id, t.name AS tenant, count(*) AS count, min(q.created_at) AS since
		FROM inbound_quarantine q JOIN tenants t ON t.id = q.tenant_id
		WHERE q.created_at >= ? GROUP BY q.tenant_id, t.name`, before(7 * 24 * time.Hour)},
}

func before(ages ...time.Duration) func(now time.Time) []any {
	return func(now time.Time) []any {
		var args []any
		for _, age := range ages {
			args = append(args, stamp(now.Add(-age)))
		}
		return args
	}
}

type alertRow struct {
	TenantID uuid.UUID
	Tenant   string
	Reason   string
	Replica  string
	Count    int
	Since    time.Time
}

// Alerts lists what needs somebody: the worst kinds first, and of each kind
// what has lasted longest. The contract is handlers.Operations'.
func (o Operations) Alerts(ctx context.Context, now time.Time, limit int) (alerts []domain.Alert, err error) {
	defer translated("look for trouble", &err)
	for _, q := range alertQueries {
		var rows []alertRow
		err := o.s.read.NewRaw(q.text+` ORDER BY since LIMIT ?`, append(q.args(now), limit)...).Scan(ctx, &rows)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			alerts = append(alerts, domain.Alert{Kind: q.kind, TenantID: r.TenantID, Tenant: r.Tenant, Reason: domain.Reason(r.Reason),
				Replica: r.Replica, Count: r.Count, Since: r.Since.UTC()})
		}
	}
	return alerts, nil
}
