package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/google/uuid"

	"flowhq/domain"
)

// Versions are cheap marks of what the pages show.
type Versions struct{ s *Store }

// Versions returns the store as the marks of polled fragments.
func (s *Store) Versions() Versions { return Versions{s} }

// TenantsVersion changes whenever a list of tenants does. The sums see every
// change, whichever replica's clock stamped it and in whatever order the
// transactions end; the highest time would not.
func (v Versions) TenantsVersion(ctx context.Context) (string, error) {
	return v.mark(ctx, "mark the list of tenants", `SELECT `+v.rowsOf("tenants")+` || `+v.rowsOf("tenant_configs")+` || `+v.rowsOf("whatsapp_sessions")+
		` || `+v.rowsOf("worker_processes")+` || (SELECT concat(sum(epoch), '/') FROM leases)
		|| (SELECT concat(count(*), ' ', max(hour), ' ', sum(received), ' ', sum(sent)) FROM hourly_stats WHERE tenant_id = $1 AND hour > flowhq_after(-90000))`, uuid.Nil)
}

// rowsOf is a text that changes with every change of a table's rows. On
// Postgres it names the transactions that wrote them, on SQLite, which has one
// writer with one clock, the time of the last change.
func (v Versions) rowsOf(table string) string {
	if v.s.dialect == postgres {
		return `(SELECT concat(count(*), ' ', sum(xmin::text::bigint), '/') FROM ` + table + `)`
	}
	return `(SELECT concat(count(*), ' ', max(updated_at), '/') FROM ` + table + `)`
}

// TenantVersion changes whenever the page of a tenant does: its own rows, its
// lease, its messages and their states. KindNotFound when there is none.
func (v Versions) TenantVersion(ctx context.Context, tenant uuid.UUID) (string, error) {
	mark, err := v.mark(ctx, "mark the page of a tenant", `SELECT concat(t.updated_at, '/', c.updated_at, '/', s.updated_at, '/', w.updated_at, '/', l.epoch, l.wanted, l.command, '/',
		(SELECT e.id FROM tenant_events e WHERE e.tenant_id = $1 ORDER BY e.id DESC LIMIT 1), '/',
		(SELECT string_agg(concat(m.id, o.status, o.attempts, m.status), ' ' ORDER BY m.id) FROM (SELECT tenant_id, id, status FROM message_logs WHERE tenant_id = $1 ORDER BY id DESC LIMIT 50) m
			LEFT JOIN outbox o ON o.tenant_id = m.tenant_id AND o.id = m.id))
		FROM tenants t JOIN tenant_configs c ON c.tenant_id = t.id JOIN whatsapp_sessions s ON s.tenant_id = t.id
		JOIN worker_processes w ON w.tenant_id = t.id JOIN leases l ON l.tenant_id = t.id WHERE t.id = $1`, tenant)
	return mark, orNotFound(err, "tenant")
}

// ReplicasVersion changes whenever the list of replicas does. Heartbeats that
// come in time do not change it, one that is late does.
func (v Versions) ReplicasVersion(ctx context.Context) (string, error) {
	return v.mark(ctx, "mark the list of replicas", `SELECT coalesce(string_agg(mark, '/' ORDER BY mark), '') FROM (SELECT concat(id, ' ', state, ' ', name, ' ', version, ' ',
		capacity, ' ', held, ' ', connected, ' ', CASE WHEN heartbeat_at < flowhq_after($1) THEN 'late' END) AS mark
		FROM replicas WHERE `+shownReplicas+`) r`, -domain.AlertReplicaAfter.Seconds())
}

// mark shortens a text that a query answers. The revision of the login sessions
// stands before it: whoever polls needs both, and so gets them at once.
func (v Versions) mark(ctx context.Context, doing, query string, args ...any) (mark string, err error) {
	defer translated(doing, &err)
	var revision, text string
	both := `SELECT coalesce((SELECT value FROM settings WHERE key = '` + sessionRevision + `'), '0'), shown.* FROM (` + query + `) AS shown`
	if err := v.s.reader.QueryRowContext(ctx, v.s.text(both), args...).Scan(&revision, &text); err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(text))
	return revision + "|" + hex.EncodeToString(sum[:12]), nil
}
