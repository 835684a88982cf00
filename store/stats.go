package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Upkeep is the work in the background that one replica does for all.
type Upkeep struct{ s *Store }

// Upkeep returns the store as the caretaker of the installation.
func (s *Store) Upkeep() Upkeep { return Upkeep{s} }

const (
	// rollupClaim is the setting whose time says when the statistics were last
	// claimed, rollupHour the one with the last hour that was counted.
	rollupClaim = "stats_claim"
	rollupHour  = "stats_hour"

	// An outcome may come as late as a message lives, and belongs to the hour
	// of the message. Hours that old are counted anew once an hour.
	lateOutcomes = domain.ManualLife + time.Hour
	// maxCatchUp bounds what is counted after a downtime.
	maxCatchUp = 48 * time.Hour
)

type statRow struct {
	bun.BaseModel `bun:"table:hourly_stats,alias:h"`

	TenantID uuid.UUID `bun:"tenant_id,pk"`
	Hour     time.Time `bun:"hour,pk"`
	Received int       `bun:"received"`
	Sent     int       `bun:"sent"`
	Failed   int       `bun:"failed"`
	Replies  string    `bun:"replies"`
}

func (r *statRow) stat() (domain.HourStat, error) {
	s := domain.HourStat{TenantID: r.TenantID, Hour: r.Hour.UTC(), In: r.Received, Out: r.Sent, Failed: r.Failed}
	if err := json.Unmarshal([]byte(r.Replies), &s.Replies); err != nil {
		return s, fmt.Errorf("stored reply times of %s: %w", r.TenantID, err)
	}
	return s, nil
}

// ClaimRollup lets one caller of all replicas through per interval. A claim in
// the future, by a clock that is wrong, does not count.
func (u Upkeep) ClaimRollup(ctx context.Context, now time.Time, every time.Duration) (mine bool, err error) {
	defer translated("claim the statistics", &err)
	return changedAny(u.s.writer.ExecContext(ctx, u.s.text(`INSERT INTO settings (key, value, updated_at) VALUES ($1, '', $2)
		ON CONFLICT (key) DO UPDATE SET updated_at = excluded.updated_at WHERE settings.updated_at <= $3 OR settings.updated_at > $4`),
		rollupClaim, stamp(now), stamp(now.Add(-every)), stamp(now.Add(every))))
}

// Rollup counts the messages of the current and of the previous hour, of each
// tenant and of all together; the first time in an hour also those hours whose
// messages may have had an outcome since, and those of a downtime of up to two
// days. Doing it again changes nothing.
func (u Upkeep) Rollup(ctx context.Context, now time.Time) (err error) {
	defer translated("count messages", &err)
	current := stamp(now).Truncate(time.Hour)
	first, err := u.firstHour(ctx, current)
	if err != nil {
		return err
	}
	for hour := first; !hour.After(current); hour = hour.Add(time.Hour) {
		stats, err := u.count(ctx, hour)
		if err != nil {
			return err
		}
		if err := u.put(ctx, stats); err != nil {
			return err
		}
	}
	return u.s.Settings().PutSetting(ctx, rollupHour, current.Format(time.RFC3339))
}

func (u Upkeep) firstHour(ctx context.Context, current time.Time) (time.Time, error) {
	text, err := u.s.Settings().Setting(ctx, rollupHour)
	if err != nil {
		return current, err
	}
	last, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return current.Add(-maxCatchUp), nil // the first time, or somebody edited it
	}
	if !last.Before(current) {
		return current.Add(-time.Hour), nil
	}
	first := last
	if late := current.Add(-lateOutcomes); late.Before(first) {
		first = late
	}
	if bound := current.Add(-maxCatchUp); first.Before(bound) {
		first = bound
	}
	return first, nil
}

// countHour reads what an hour ($1 to $2) looks like. $3 is the lane of replies.
func (s *Store) countHour() string {
	seconds := "extract(epoch FROM o.sent_at - o.created_at)"
	if s.dialect == sqlite {
		seconds = "round((julianday(o.sent_at) - julianday(o.created_at)) * 86400, 3)"
	}
	var buckets strings.Builder
	from := "-1e9"
	for _, bound := range domain.ReplyBounds {
		to := fmt.Sprint(bound.Seconds())
		fmt.Fprintf(&buckets, ", count(*) FILTER (WHERE reply > %s AND reply <= %s)", from, to)
		from = to
	}
	fmt.Fprintf(&buckets, ", count(*) FILTER (WHERE reply > %s)", from)
	return s.text(`SELECT tenant_id, count(*) FILTER (WHERE direction = 'IN' AND status <> 'placeholder'),
		count(*) FILTER (WHERE direction = 'OUT' AND status IN ('sent', 'delivered', 'read')),
		count(*) FILTER (WHERE status IN ('failed', 'expired'))` + buckets.String() + `
		FROM (SELECT m.tenant_id, m.direction, coalesce(o.status, m.status) AS status, CASE WHEN o.lane = $3 THEN ` + seconds + ` END AS reply
			FROM message_logs m LEFT JOIN outbox o ON o.tenant_id = m.tenant_id AND o.id = m.id
			WHERE m.created_at >= $1 AND m.created_at < $2) x GROUP BY tenant_id`)
}

// count counts the messages of an hour; the last of the results is all together.
func (u Upkeep) count(ctx context.Context, hour time.Time) (stats []domain.HourStat, err error) {
	found, err := u.s.reader.QueryContext(ctx, u.s.countHour(), hour, hour.Add(time.Hour), int(domain.LaneReply))
	if err != nil {
		return nil, err
	}
	defer found.Close()
	all := domain.HourStat{Hour: hour}
	for found.Next() {
		stat := domain.HourStat{Hour: hour}
		into := []any{&stat.TenantID, &stat.In, &stat.Out, &stat.Failed}
		for i := range stat.Replies {
			into = append(into, &stat.Replies[i])
		}
		if err := found.Scan(into...); err != nil {
			return nil, err
		}
		all.Add(stat)
		stats = append(stats, stat)
	}
	if len(stats) == 0 {
		return nil, found.Err()
	}
	return append(stats, all), found.Err()
}

// upsertStats leaves rows alone that have not changed, and writes none for a
// tenant that was removed meanwhile.
var upsertStats = statsStatements()

func statsStatements() *query {
	text := func(source string) string {
		return `INSERT INTO hourly_stats AS h (tenant_id, hour, received, sent, failed, replies)
			SELECT u.tenant_id, u.hour, u.received, u.sent, u.failed, u.replies FROM ` + source + `
			WHERE u.tenant_id = u.everybody OR EXISTS (SELECT 1 FROM tenants t WHERE t.id = u.tenant_id)
			ON CONFLICT (tenant_id, hour) DO UPDATE SET received = excluded.received, sent = excluded.sent, failed = excluded.failed, replies = excluded.replies
			WHERE h.received <> excluded.received OR h.sent <> excluded.sent OR h.failed <> excluded.failed OR h.replies <> excluded.replies`
	}
	return statements(
		text(`unnest($1::uuid[], $2::timestamptz[], $3::int[], $4::int[], $5::int[], $6::text[], $7::uuid[])
			AS u (tenant_id, hour, received, sent, failed, replies, everybody)`),
		text(`(SELECT ?1 AS tenant_id, ?2 AS hour, ?3 AS received, ?4 AS sent, ?5 AS failed, ?6 AS replies, ?7 AS everybody) AS u`))
}

// statsBatch bounds one transaction, so that messages need not wait for it.
const statsBatch = 500

func (u Upkeep) put(ctx context.Context, stats []domain.HourStat) error {
	for len(stats) > 0 {
		part := stats[:min(statsBatch, len(stats))]
		stats = stats[len(part):]
		table := newColumns(7)
		for _, s := range part {
			replies, err := json.Marshal(s.Replies)
			if err != nil {
				return err
			}
			table.row(s.TenantID, s.Hour, s.In, s.Out, s.Failed, string(replies), uuid.Nil)
		}
		var b batch
		table.into(&b, u.s.dialect, upsertStats)
		if err := u.s.runBatch(ctx, &b); err != nil {
			return err
		}
	}
	return nil
}
