package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Settings are values that the installation keeps for itself.
type Settings struct{ s *Store }

// Settings returns the store as the settings of the installation.
func (s *Store) Settings() Settings { return Settings{s} }

// Setting returns a stored value, "" when there is none.
func (x Settings) Setting(ctx context.Context, key string) (value string, err error) {
	defer translated("read setting", &err)
	err = x.s.read.NewSelect().Table("settings").Column("value").Where("key = ?", key).Scan(ctx, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

// PutSetting stores a value.
func (x Settings) PutSetting(ctx context.Context, key, value string) (err error) {
	defer translated("store setting", &err)
	_, err = x.s.write.ExecContext(ctx, "INSERT INTO settings (key, value, updated_at) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
		key, domain.CleanText(value), domain.Now())
	return err
}

// Gauges counts what the metrics show. The contract is handlers.Health's.
func (s *Store) Gauges(ctx context.Context) (g domain.Gauges, err error) {
	defer translated("count", &err)
	g.TenantsByStatus = map[domain.TenantStatus]int{}
	var byStatus []struct {
		Status string
		N      int
	}
	if err := s.read.NewSelect().Table("tenants").ColumnExpr("status, count(*) AS n").Group("status").Scan(ctx, &byStatus); err != nil {
		return g, err
	}
	for _, row := range byStatus {
		g.TenantsByStatus[domain.TenantStatus(row.Status)] = row.N
	}
	now := domain.Now()
	var oldest []time.Time
	if err := s.read.NewSelect().Table("outbox").Column("created_at").Where("open").Where("run_at <= ?", now).Order("created_at").Limit(1).Scan(ctx, &oldest); err != nil {
		return g, err
	}
	if len(oldest) > 0 {
		g.OutboxOldest = max(0, now.Sub(oldest[0]))
	}
	for _, count := range []struct {
		into  *int
		query *bun.SelectQuery
	}{
		{&g.OutboxOpen, s.read.NewSelect().Table("outbox").Where("open")},
		{&g.Quarantined, s.read.NewSelect().Table("inbound_quarantine")},
		{&g.Replicas, s.read.NewSelect().Table("replicas").Where("state = 'alive'")},
	} {
		n, err := count.query.Count(ctx)
		if err != nil {
			return g, err
		}
		*count.into = int(n)
	}
	return g, nil
}
