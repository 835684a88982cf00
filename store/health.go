package store

import (
	"context"
	"time"

	"flowhq/domain"
)

// Gauges counts what the metrics page shows, over all tenants.
func (s *Store) Gauges(ctx context.Context) (g domain.Gauges, err error) {
	defer translated("count for metrics", &err)
	var states []struct {
		Status string
		N      int
	}
	if err := s.read.NewSelect().Table("tenants").Column("status").ColumnExpr("count(*) AS n").Group("status").Scan(ctx, &states); err != nil {
		return g, err
	}
	g.TenantsByStatus = make(map[domain.TenantStatus]int, len(states))
	for _, row := range states {
		g.TenantsByStatus[domain.TenantStatus(row.Status)] = row.N
	}
	now := domain.Now()
	err = s.reader.QueryRowContext(ctx, s.text(`SELECT (SELECT count(*) FROM outbox WHERE open), (SELECT count(*) FROM inbound_quarantine),
		(SELECT count(*) FROM replicas WHERE state = 'alive' AND expires_at >= flowhq_after(0)),
		(SELECT count(*) FROM leases WHERE owner IS NULL AND wanted AND not_before <= flowhq_after(0)),
		(SELECT count(*) FROM leases WHERE wanted AND device_jid IS NOT NULL)`)).Scan(&g.OutboxOpen, &g.Quarantined, &g.Replicas, &g.Unserved, &g.Linked)
	if err != nil || g.OutboxOpen == 0 {
		return g, err
	}
	var oldest []time.Time
	err = s.read.NewSelect().Table("outbox").Column("created_at").Where("open AND run_at <= ?", now).
		Where("EXISTS (SELECT 1 FROM leases l WHERE l.tenant_id = outbox.tenant_id AND l.wanted)").Order("created_at").Limit(1).Scan(ctx, &oldest)
	if len(oldest) > 0 {
		g.OutboxOldest = max(0, now.Sub(oldest[0]))
	}
	return g, err
}
