package store

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

func placeholder(n int) string { return ", $" + strconv.Itoa(n) }

// Postgres takes all rows of a call as arrays in one statement, SQLite one row
// at a time; apart from their source the statements are the same.

func outcomeStatements() *query {
	text := func(source string) string {
		return `UPDATE outbox AS o SET
			status = CASE WHEN u.status = 'sent' AND o.status IN ('delivered', 'read') THEN o.status ELSE u.status END,
			open = u.status = 'queued',
			attempts = CASE WHEN o.attempts > u.attempts THEN o.attempts ELSE u.attempts END,
			run_at = CASE WHEN u.status = 'queued' THEN u.run_at ELSE o.run_at END,
			last_error = u.error,
			sent_at = CASE WHEN u.status = 'sent' THEN u.now ELSE o.sent_at END,
			server_at = coalesce(u.server_at, o.server_at)
			FROM ` + source + `, leases l
			WHERE l.tenant_id = u.tenant_id AND l.owner = u.owner AND l.epoch = u.epoch
			AND o.tenant_id = u.tenant_id AND o.id = u.id AND o.epoch <= u.epoch
			AND (o.status IN ('queued', 'sending') OR (u.status = 'sent' AND o.status <> 'sent'))`
	}
	return statements(
		text(`unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::int[], $7::timestamptz[], $8::text[], $9::timestamptz[], $10::timestamptz[])
			AS u (tenant_id, id, owner, epoch, status, attempts, run_at, error, server_at, now)`),
		text(`(SELECT ?1 AS tenant_id, ?2 AS id, ?3 AS owner, ?4 AS epoch, ?5 AS status, ?6 AS attempts, ?7 AS run_at, ?8 AS error, ?9 AS server_at, ?10 AS now) AS u`))
}

// Finish stores outcomes of many tenants. The contract is worker.Outbox's.
func (o Outbox) Finish(ctx context.Context, outcomes []domain.Outcome) (err error) {
	defer translated("store outcomes", &err)
	outcomes = lastOfEach(outcomes, func(x domain.Outcome) any { return [2]uuid.UUID{x.Tenure.TenantID, x.ID} })
	if len(outcomes) == 0 {
		return nil
	}
	now := domain.Now()
	var b batch
	table := newColumns(10)
	for _, x := range outcomes {
		var server *time.Time
		if !x.ServerAt.IsZero() {
			server = stampOrNil(&x.ServerAt)
		}
		table.row(x.Tenure.TenantID, x.ID, x.Tenure.Replica, x.Tenure.Epoch, string(x.Status), x.Attempts, stamp(x.RunAt), domain.CleanText(x.Error), server, now)
	}
	table.into(&b, o.s.dialect, finish)
	return o.s.runBatch(ctx, &b)
}

func tickStatements() *query {
	text := func(source string) string {
		return `UPDATE outbox AS o SET status = u.status, open = false
			FROM ` + source + `
			WHERE o.tenant_id = u.tenant_id AND o.wa_id = u.wa_id
			AND CASE o.status WHEN 'read' THEN 4 WHEN 'delivered' THEN 3 WHEN 'sent' THEN 2 ELSE 1 END < u.rank`
	}
	return statements(
		text(`unnest($1::uuid[], $2::text[], $3::text[], $4::int[]) AS u (tenant_id, wa_id, status, rank)`),
		text(`(SELECT ?1 AS tenant_id, ?2 AS wa_id, ?3 AS status, ?4 AS rank) AS u`))
}

// Ticks stores delivery and read receipts. The contract is worker.Outbox's.
// A receipt proves that a message went out, whatever its row said.
func (o Outbox) Ticks(ctx context.Context, ticks []domain.Tick) (err error) {
	defer translated("store receipts", &err)
	type message struct {
		tenant uuid.UUID
		waID   string
	}
	best := map[message]domain.MessageStatus{}
	order := make([]message, 0, len(ticks))
	for _, t := range ticks {
		m := message{t.TenantID, t.WAID}
		known, ok := best[m]
		if !ok {
			order = append(order, m)
		}
		if !ok || t.Status.After(known) {
			best[m] = t.Status
		}
	}
	var b batch
	table := newColumns(4)
	for _, m := range order {
		if status := best[m]; status.After(domain.StatusSending) {
			table.row(m.tenant, m.waID, string(status), status.Rank())
		}
	}
	if len(table.rows) == 0 {
		return nil
	}
	table.into(&b, o.s.dialect, tick)
	return o.s.runBatch(ctx, &b)
}

// lastOfEach keeps the last of the items with equal keys, in order.
func lastOfEach[T any](items []T, key func(T) any) []T {
	last := make(map[any]int, len(items))
	for i, item := range items {
		last[key(item)] = i
	}
	kept := make([]T, 0, len(last))
	for i, item := range items {
		if last[key(item)] == i {
			kept = append(kept, item)
		}
	}
	return kept
}

// columns are the rows of one call, by row for SQLite and by column for Postgres.
type columns struct {
	width int
	rows  [][]any
}

func newColumns(width int) *columns { return &columns{width: width} }

func (c *columns) row(values ...any) { c.rows = append(c.rows, values) }

// into adds the rows to a batch; more are further arguments, the same for all.
func (c *columns) into(b *batch, d dialect, q *query, more ...any) {
	if d == sqlite {
		for _, row := range c.rows {
			b.add(q, append(row, more...)...)
		}
		return
	}
	args := make([]any, c.width)
	for i := range args {
		column := make([]any, len(c.rows))
		for j, row := range c.rows {
			column[j] = row[i]
		}
		args[i] = column
	}
	b.add(q, append(args, more...)...)
}
