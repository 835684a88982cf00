package store

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// lastHeard is when a customer last wrote to each of some tenants, or else the
// hour of it. Behind a campaign the last inbound message may lie tens of
// thousands of rows back, so the log is read for fifty rows only; beyond them
// the hour has to do. Both are plain columns: of others SQLite knows no type.
var lastHeard = statements(heardBy(`SELECT unnest($1::text[]::uuid[])`), heardBy(`SELECT value FROM json_each(?1)`))

func heardBy(ids string) string {
	return `WITH wanted (id) AS (` + ids + `), seen (id, at) AS MATERIALIZED (SELECT wanted.id,
		(SELECT latest.created_at FROM (SELECT m.id AS position, m.direction, m.created_at FROM message_logs m WHERE m.tenant_id = wanted.id
			ORDER BY m.id DESC LIMIT 50) latest WHERE latest.direction = 'IN' ORDER BY latest.position DESC LIMIT 1) FROM wanted)
		SELECT id, at, (SELECT h.hour FROM hourly_stats h WHERE at IS NULL AND h.tenant_id = seen.id AND h.received > 0 ORDER BY h.hour DESC LIMIT 1) FROM seen`
}

// LastHeard says when customers last wrote. The contract is worker.Profiles'.
func (p Profiles) LastHeard(ctx context.Context, ids []uuid.UUID) (heard map[uuid.UUID]time.Time, err error) {
	defer translated("read who wrote last", &err)
	heard = make(map[uuid.UUID]time.Time, len(ids))
	if len(ids) == 0 {
		return heard, nil
	}
	list, err := p.s.idList(ids)
	if err != nil {
		return nil, err
	}
	rows, err := p.s.reader.QueryContext(ctx, p.s.textOf(lastHeard), list)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id uuid.UUID
		var at, hour *time.Time
		if err := rows.Scan(&id, &at, &hour); err != nil {
			return nil, err
		}
		if at == nil {
			at = hour
		}
		if at != nil {
			heard[id] = at.UTC()
		}
	}
	return heard, rows.Err()
}
