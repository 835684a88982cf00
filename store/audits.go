package store

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Audits is the audit log. On Postgres a trigger refuses to change or delete
// its entries; Housekeep alone may, once they are old.
type Audits struct{ s *Store }

// Audits returns the store as the audit log.
func (s *Store) Audits() Audits { return Audits{s} }

type auditRow struct {
	bun.BaseModel `bun:"table:audit_log,alias:al"`

	ID       uuid.UUID     `bun:"id,pk"`
	At       time.Time     `bun:"at"`
	ActorID  uuid.NullUUID `bun:"actor_id"`
	Actor    string        `bun:"actor"`
	TenantID uuid.NullUUID `bun:"tenant_id"`
	Tenant   string        `bun:"tenant"`
	Action   string        `bun:"action"`
	Address  string        `bun:"address"`
	Before   string        `bun:"before_json"`
	After    string        `bun:"after_json"`
}

func (r *auditRow) entry() domain.AuditEntry {
	return domain.AuditEntry{ID: r.ID, At: r.At.UTC(), ActorID: fromNull(r.ActorID), Actor: r.Actor, TenantID: fromNull(r.TenantID), Tenant: r.Tenant,
		Action: domain.AuditAction(r.Action), Address: r.Address, Before: r.Before, After: r.After}
}

// Record adds an entry. An id and a time that are missing are made here.
func (a Audits) Record(ctx context.Context, e domain.AuditEntry) (err error) {
	defer translated("record in the audit log", &err)
	if e.ID == uuid.Nil {
		e.ID = domain.NewID()
	}
	if e.At.IsZero() {
		e.At = domain.Now()
	}
	row := &auditRow{ID: e.ID, At: stamp(e.At), ActorID: toNull(e.ActorID), Actor: domain.CleanText(e.Actor), TenantID: toNull(e.TenantID),
		Tenant: domain.CleanText(e.Tenant), Action: string(e.Action), Address: domain.CleanText(e.Address),
		Before: domain.CleanText(e.Before), After: domain.CleanText(e.After)}
	_, err = a.s.write.NewInsert().Model(row).Exec(ctx)
	return err
}

// Audit lists entries, newest first. The contract is handlers.Audits'.
func (a Audits) Audit(ctx context.Context, f domain.AuditFilter, q domain.PageQuery) (page domain.Page[domain.AuditEntry], err error) {
	defer translated("list the audit log", &err)
	var rows []*auditRow
	return readPage(ctx, a.filtered(a.s.read.NewSelect().Model(&rows), f), &rows, "al.id", q,
		func(r *auditRow) uuid.UUID { return r.ID }, sure((*auditRow).entry))
}

func (a Audits) filtered(query *bun.SelectQuery, f domain.AuditFilter) *bun.SelectQuery {
	query = scoped(query, f.Scope)
	if f.TenantID != uuid.Nil {
		query.Where("al.tenant_id = ?", f.TenantID)
	}
	if f.ActorID != uuid.Nil {
		query.Where("al.actor_id = ?", f.ActorID)
	}
	if f.Area != "" {
		query.Where("al.action LIKE ? ESCAPE '!'", escapeLike(f.Area)+".%")
	}
	if search := strings.TrimSpace(domain.CleanText(f.Search)); search != "" {
		query.WhereGroup(" AND ", func(g *bun.SelectQuery) *bun.SelectQuery {
			return a.s.whereContains(a.s.whereContains(g, "al.actor", search), "al.tenant", search)
		})
	}
	return query
}
