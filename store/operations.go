package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Operations is what the operator sees across tenants.
type Operations struct{ s *Store }

// Operations returns the store as the desk of the operator.
func (s *Store) Operations() Operations { return Operations{s} }

// Gauges is Store.Gauges.
func (o Operations) Gauges(ctx context.Context) (domain.Gauges, error) { return o.s.Gauges(ctx) }

// Rows returns a page of tenants. The contract is handlers.Operations'. Only
// the ids of a page are read in order; what is shown of them is read by key.
func (o Operations) Rows(ctx context.Context, f domain.TenantFilter, midnight time.Time, q domain.PageQuery) (page domain.Page[domain.TenantRow], err error) {
	defer translated("list tenants", &err)
	order := orderOf(f)
	query, err := order.page(o.s.filtered(o.s.read.NewSelect().TableExpr("tenants AS t"), f), q)
	if err != nil {
		return page, err
	}
	var places []place
	if err := query.Scan(ctx, &places); err != nil {
		return page, err
	}
	if len(places) > q.Size() {
		places = places[:q.Size()]
		page.NextCursor = places[len(places)-1].cursor()
	}
	ids := make([]uuid.UUID, len(places))
	for i, p := range places {
		ids[i] = p.ID
	}
	page.Items, err = o.rows(ctx, ids, midnight)
	return page, err
}

// rows reads tenants in the order of their ids. One that is gone by now is left out.
func (o Operations) rows(ctx context.Context, ids []uuid.UUID, midnight time.Time) (found []domain.TenantRow, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []*tenantRow
	if err := viewQuery(o.s.read, &rows).Where("t.id IN (?)", bun.List(ids)).Scan(ctx); err != nil {
		return nil, err
	}
	today, err := o.today(ctx, ids, midnight)
	if err != nil {
		return nil, err
	}
	byID := make(map[uuid.UUID]*tenantRow, len(rows))
	for _, row := range rows {
		byID[row.ID] = row
	}
	for _, id := range ids {
		row, ok := byID[id]
		if !ok {
			continue
		}
		found = append(found, domain.TenantRow{TenantView: row.shown(), InToday: today[id].Received, OutToday: today[id].Sent})
	}
	return found, nil
}

type messagesToday struct {
	TenantID       uuid.UUID
	Received, Sent int
}

func (o Operations) today(ctx context.Context, ids []uuid.UUID, midnight time.Time) (map[uuid.UUID]messagesToday, error) {
	var sums []messagesToday
	err := o.s.read.NewSelect().TableExpr("hourly_stats AS h").Column("tenant_id").ColumnExpr("sum(received) AS received, sum(sent) AS sent").
		Where("tenant_id IN (?)", bun.List(ids)).Where("hour >= ?", stamp(midnight)).Group("tenant_id").Scan(ctx, &sums)
	byID := make(map[uuid.UUID]messagesToday, len(sums))
	for _, sum := range sums {
		byID[sum.TenantID] = sum
	}
	return byID, err
}

// EachTenant calls fn for every tenant that matches. The contract is handlers.Operations'.
func (o Operations) EachTenant(ctx context.Context, f domain.TenantFilter, midnight time.Time, fn func(domain.TenantRow) error) error {
	for q := (domain.PageQuery{Limit: domain.MaxPageSize}); ; {
		page, err := o.Rows(ctx, f, midnight, q)
		if err != nil {
			return err
		}
		for _, row := range page.Items {
			if err := fn(row); err != nil {
				return err
			}
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return nil
		}
	}
}

// CountTenants counts tenants that match, by status. f.Status is ignored.
func (o Operations) CountTenants(ctx context.Context, f domain.TenantFilter) (counts map[domain.TenantStatus]int, err error) {
	defer translated("count tenants", &err)
	f.Status = ""
	var rows []struct {
		Status string
		N      int
	}
	query := o.s.read.NewSelect().TableExpr("tenants AS t").ColumnExpr("t.status, count(*) AS n").GroupExpr("t.status")
	err = o.s.filtered(query, f).Scan(ctx, &rows)
	counts = make(map[domain.TenantStatus]int, len(rows))
	for _, row := range rows {
		counts[domain.TenantStatus(row.Status)] = row.N
	}
	return counts, err
}

// Stats returns the hours of a time that have messages. The contract is handlers.Operations'.
func (o Operations) Stats(ctx context.Context, tenant uuid.UUID, from, to time.Time) (hours []domain.HourStat, err error) {
	defer translated("read statistics", &err)
	var rows []statRow
	err = o.s.read.NewSelect().Model(&rows).Where("tenant_id = ?", tenant).Where("hour >= ? AND hour < ?", stamp(from), stamp(to)).
		Where("received + sent + failed > 0").Order("hour").Scan(ctx)
	for _, row := range rows {
		stat, err := row.stat()
		if err != nil {
			return nil, err
		}
		hours = append(hours, stat)
	}
	return hours, err
}
