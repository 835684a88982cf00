package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// History is what happened to a tenant's link and who served it. The terms are
// written by a trigger on the lease, see 0002_portal.sql.
type History struct{ s *Store }

// History returns the store as the history of tenants.
func (s *Store) History() History { return History{s} }

// insertEvent names the replica by its id; the zero id is nobody.
var insertEvent = statement(`INSERT INTO tenant_events (tenant_id, id, at, event, reason, detail, replica)
	VALUES ($1, $2, $3, $4, $5, $6, coalesce((SELECT name FROM replicas WHERE id = $7), ''))`)

// event adds what a replica reported of a tenant, or with the zero replica what a person asked for.
func (b *batch) event(tenant, replica uuid.UUID, e domain.Event, reason domain.Reason, detail string, at time.Time) {
	b.add(insertEvent, tenant, domain.NewID(), stamp(at), string(e), string(reason), domain.CleanText(detail), replica)
}

type eventRow struct {
	bun.BaseModel `bun:"table:tenant_events,alias:te"`

	TenantID uuid.UUID `bun:"tenant_id,pk"`
	ID       uuid.UUID `bun:"id,pk"`
	At       time.Time `bun:"at"`
	Event    string    `bun:"event"`
	Reason   string    `bun:"reason"`
	Detail   string    `bun:"detail"`
	Replica  string    `bun:"replica"`
}

func (r *eventRow) event() domain.TenantEvent {
	return domain.TenantEvent{ID: r.ID, TenantID: r.TenantID, At: r.At.UTC(), Event: domain.Event(r.Event),
		Reason: domain.Reason(r.Reason), Detail: r.Detail, Replica: r.Replica}
}

// Events lists what happened, newest first. An unknown tenant is KindNotFound.
func (h History) Events(ctx context.Context, tenant uuid.UUID, q domain.PageQuery) (page domain.Page[domain.TenantEvent], err error) {
	defer translated("list events", &err)
	var rows []*eventRow
	if page, err = readPage(ctx, h.s.read.NewSelect().Model(&rows).Where("te.tenant_id = ?", tenant), &rows, "te.id", q,
		func(r *eventRow) uuid.UUID { return r.ID }, sure((*eventRow).event)); err == nil && len(rows) == 0 {
		err = h.s.mustExist(ctx, tenant)
	}
	return page, err
}

type termRow struct {
	bun.BaseModel `bun:"table:lease_terms,alias:lt"`

	TenantID   uuid.UUID  `bun:"tenant_id,pk"`
	Epoch      int64      `bun:"epoch,pk"`
	Replica    string     `bun:"replica"`
	AcquiredAt time.Time  `bun:"acquired_at"`
	ReleasedAt *time.Time `bun:"released_at"`
	Why        string     `bun:"why"`
}

// Terms lists the last terms of a tenant, newest first. An unknown tenant is KindNotFound.
func (h History) Terms(ctx context.Context, tenant uuid.UUID, limit int) (terms []domain.Term, err error) {
	defer translated("list terms", &err)
	var rows []termRow
	err = h.s.read.NewSelect().Model(&rows).Where("lt.tenant_id = ?", tenant).Order("epoch DESC").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, h.s.mustExist(ctx, tenant)
	}
	for _, r := range rows {
		terms = append(terms, domain.Term{TenantID: r.TenantID, Epoch: r.Epoch, Replica: r.Replica, AcquiredAt: r.AcquiredAt.UTC(),
			ReleasedAt: utc(r.ReleasedAt), Why: domain.TermEnd(r.Why)})
	}
	return terms, nil
}
