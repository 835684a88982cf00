package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// Outbox is the queue of each tenant's outbound messages.
type Outbox struct{ s *Store }

// Outbox returns the store as the outbox of the worker.
func (s *Store) Outbox() Outbox { return Outbox{s} }

var (
	insertOutbox = statement(`INSERT INTO outbox
		(tenant_id, id, contact, chat_jid, lane, wa_id, dedup_key, in_reply_to, body, open, status, attempts, epoch, run_at, expires_at, last_error, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, true, 'queued', 0, 0, $10, $11, '', $12)`)

	// silenceChat takes the automatic answers of a chat back, those of unknown
	// outcome too: should one have gone out, its receipt corrects the row.
	silenceChat = statement(`UPDATE outbox SET status = 'cancelled', open = false
		WHERE tenant_id = $1 AND contact = $2 AND open AND lane = 0`)

	// finish stores outcomes. The term guards twice: the lease row as it is now,
	// and the row's own epoch in case the owner changes while this runs. That a
	// message went out is a fact, so sent is stored whatever the row said.
	finish = outcomeStatements()

	tick = tickStatements()
)

// outboundColumns are what scanOutbound reads.
const outboundColumns = `id, tenant_id, contact, chat_jid, lane, wa_id, dedup_key, in_reply_to, body, status, attempts, run_at, expires_at, created_at, last_error`

func scanOutbound(found rows) (m domain.Outbound, err error) {
	var dedup *string
	err = found.Scan(&m.ID, &m.TenantID, &m.Contact, &m.ChatJID, &m.Lane, &m.WAID, &dedup, &m.InReplyTo, &m.Text, &m.Status,
		&m.Attempts, &m.RunAt, &m.ExpiresAt, &m.CreatedAt, &m.LastError)
	if dedup != nil {
		m.DedupKey = *dedup
	}
	m.RunAt, m.CreatedAt, m.ExpiresAt = m.RunAt.UTC(), m.CreatedAt.UTC(), utc(m.ExpiresAt)
	return m, err
}

// enqueue adds an outbox row and its log row, which have the same id, and
// returns the row as it is stored.
func (b *batch) enqueue(m domain.Outbound, from string) domain.Outbound {
	m.Status, m.Attempts, m.LastError = domain.StatusQueued, 0, ""
	m.Text, m.RunAt, m.CreatedAt, m.ExpiresAt = domain.CleanText(m.Text), stamp(m.RunAt), stamp(m.CreatedAt), stampOrNil(m.ExpiresAt)
	b.add(insertOutbox, m.TenantID, m.ID, m.Contact, m.ChatJID, int(m.Lane), m.WAID, textOrNil(m.DedupKey), m.InReplyTo, m.Text,
		m.RunAt, m.ExpiresAt, m.CreatedAt)
	b.add(insertLog, m.TenantID, m.ID, string(domain.DirectionOut), m.Contact, from, m.Contact, m.Text,
		string(domain.MediaText), m.WAID, string(domain.StatusQueued), false, m.CreatedAt)
	return m
}

// Due returns unsent answers, and other unsent rows whose time has come or whose
// attempt is to be repeated. The contract is worker.Outbox's.
func (o Outbox) Due(ctx context.Context, tenant uuid.UUID, limit int, after *domain.Outbound) (due []domain.Outbound, next time.Time, err error) {
	defer translated("read the outbox", &err)
	now := domain.Now()
	args := []any{tenant, now, limit}
	text := `SELECT ` + outboundColumns + ` FROM outbox WHERE tenant_id = $1 AND open AND (run_at <= $2 OR attempts > 0 OR lane = 0)`
	if after != nil {
		args = append(args, int(after.Lane), after.ID)
		text += ` AND (lane, id) > ($4, $5)`
	}
	found, err := o.s.reader.QueryContext(ctx, o.s.text(text+` ORDER BY lane, id LIMIT $3`), args...)
	if err != nil {
		return nil, next, err
	}
	defer found.Close()
	for found.Next() {
		m, err := scanOutbound(found)
		if err != nil {
			return nil, next, err
		}
		due = append(due, m)
	}
	if err := found.Err(); err != nil {
		return nil, next, err
	}
	next, err = o.later(ctx, tenant, now)
	return due, next, err
}

// later is when the next row falls due that was never attempted: Due leaves no
// other out.
func (o Outbox) later(ctx context.Context, tenant uuid.UUID, now time.Time) (time.Time, error) {
	var next time.Time
	err := o.s.reader.QueryRowContext(ctx, o.s.text(`SELECT run_at FROM outbox WHERE tenant_id = $1 AND open AND attempts = 0 AND lane > 0 AND run_at > $2 ORDER BY run_at LIMIT 1`),
		tenant, now).Scan(&next)
	if err == sql.ErrNoRows {
		return time.Time{}, nil
	}
	return next.UTC(), err
}

// ForRetry returns the row with a WhatsApp id. The contract is worker.Outbox's.
func (o Outbox) ForRetry(ctx context.Context, tenant uuid.UUID, waID string) (row domain.Outbound, ok bool, err error) {
	defer translated("read an outbox row", &err)
	found, err := o.s.reader.QueryContext(ctx, o.s.text(`SELECT `+outboundColumns+` FROM outbox WHERE tenant_id = $1 AND wa_id = $2`), tenant, waID)
	if err != nil {
		return row, false, err
	}
	defer found.Close()
	if !found.Next() {
		return row, false, found.Err()
	}
	row, err = scanOutbound(found)
	return row, err == nil, err
}

// Overdue lists the tenants of a replica with a message that waits since before
// the time. The contract is worker.Outbox's.
func (o Outbox) Overdue(ctx context.Context, replica uuid.UUID, before time.Time) (tenants []uuid.UUID, err error) {
	defer translated("read the outbox", &err)
	err = o.s.read.NewSelect().Table("outbox").ColumnExpr("DISTINCT outbox.tenant_id").
		Join("JOIN leases AS l ON l.tenant_id = outbox.tenant_id").
		Where("l.owner = ?", replica).Where("outbox.open").Where("outbox.run_at < ?", before).Scan(ctx, &tenants)
	return tenants, err
}

// Pending counts the unsent rows of a tenant.
func (o Outbox) Pending(ctx context.Context, tenant uuid.UUID) (n int, err error) {
	defer translated("count the outbox", &err)
	err = o.s.reader.QueryRowContext(ctx, o.s.text(`SELECT count(*) FROM outbox WHERE tenant_id = $1 AND open`), tenant).Scan(&n)
	return n, err
}

// text is a statement written for Postgres in the dialect of this store.
func (s *Store) text(postgresText string) string {
	if s.dialect == postgres {
		return postgresText
	}
	return sqliteText(postgresText)
}

// textOf is a statement in the dialect of this store.
func (s *Store) textOf(q *query) string {
	if s.dialect == postgres {
		return q.postgres
	}
	return q.sqlite
}
