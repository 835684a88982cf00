package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Messages are the log and the outbox of tenants as people see them.
type Messages struct{ s *Store }

// Messages returns the store as the messages of the handlers.
func (s *Store) Messages() Messages { return Messages{s} }

type messageRow struct {
	bun.BaseModel `bun:"table:message_logs,alias:m"`

	TenantID  uuid.UUID `bun:"tenant_id,pk"`
	ID        uuid.UUID `bun:"id,pk"`
	Direction string    `bun:"direction"`
	Contact   string    `bun:"contact"`
	From      string    `bun:"from_number"`
	To        string    `bun:"to_number"`
	Text      string    `bun:"message_text"`
	Kind      string    `bun:"kind"`
	WAID      string    `bun:"wa_message_id"`
	Status    string    `bun:"status"`
	Reason    string    `bun:"reason"`
	FromPhone bool      `bun:"from_phone"`
	CreatedAt time.Time `bun:"created_at"`

	// An outbound message has its state in the outbox while it has a row there.
	OutboxStatus *string `bun:"outbox_status,scanonly"`
	OutboxError  *string `bun:"outbox_error,scanonly"`
}

func (r *messageRow) message() domain.MessageLog {
	m := domain.MessageLog{ID: r.ID, TenantID: r.TenantID, Direction: domain.Direction(r.Direction), Contact: r.Contact, From: r.From, To: r.To,
		Text: r.Text, Kind: domain.MediaKind(r.Kind), WAMessageID: r.WAID, Status: domain.MessageStatus(r.Status), Reason: r.Reason,
		FromPhone: r.FromPhone, CreatedAt: r.CreatedAt.UTC()}
	if r.OutboxStatus != nil {
		m.Status, m.Reason = domain.MessageStatus(*r.OutboxStatus), *r.OutboxError
	}
	return m
}

// query reads messages of one tenant with the state of their outbox rows.
func (m Messages) query(into any, tenant uuid.UUID) *bun.SelectQuery {
	return m.s.read.NewSelect().Model(into).Column("m.*").
		ColumnExpr("o.status AS outbox_status, o.last_error AS outbox_error").
		Join("LEFT JOIN outbox AS o ON o.tenant_id = m.tenant_id AND o.id = m.id").
		Where("m.tenant_id = ?", tenant)
}

// ListMessages returns messages newest first. The contract is handlers.Messages'.
func (m Messages) ListMessages(ctx context.Context, tenant uuid.UUID, q domain.PageQuery) (page domain.Page[domain.MessageLog], err error) {
	defer translated("list messages", &err)
	var rows []*messageRow
	query, err := newestFirst(m.query(&rows, tenant), "m.id", q)
	if err != nil {
		return page, err
	}
	if err := query.Scan(ctx); err != nil {
		return page, err
	}
	rows, page.NextCursor = cut(rows, q, func(r *messageRow) uuid.UUID { return r.ID })
	for _, row := range rows {
		page.Items = append(page.Items, row.message())
	}
	if len(rows) == 0 {
		_, err = getTenant(ctx, m.s.read, tenant) // an empty list, or no such tenant
	}
	return page, err
}

// Message returns one message of a tenant.
func (m Messages) Message(ctx context.Context, tenant, id uuid.UUID) (found domain.MessageLog, err error) {
	defer translated("read message", &err)
	row := new(messageRow)
	if err := m.query(row, tenant).Where("m.id = ?", id).Scan(ctx); err != nil {
		return found, orNotFound(err, "message")
	}
	return row.message(), nil
}

// WAKey returns the key from which the WhatsApp ids of a tenant are derived.
func (m Messages) WAKey(ctx context.Context, tenant uuid.UUID) (key []byte, err error) {
	defer translated("read tenant", &err)
	err = m.s.read.NewSelect().Table("tenants").Column("wa_key").Where("id = ?", tenant).Scan(ctx, &key)
	return key, orNotFound(err, "tenant")
}

// Enqueue adds a message to the outbox. The contract is handlers.Messages'.
func (m Messages) Enqueue(ctx context.Context, row domain.Outbound) (stored domain.Outbound, err error) {
	defer translated("queue message", &err)
	var repeated bool
	err = m.s.session(ctx, func(c session) error {
		stored, repeated = domain.Outbound{}, false
		var number string
		var chat, all int
		var b batch
		b.add(begin)
		b.read(func(found rows) error {
			if !found.Next() {
				return errors.Join(found.Err(), domain.NotFound("tenant"))
			}
			return found.Scan(&number)
		}, lockTenant, row.TenantID)
		b.read(func(found rows) error {
			if found.Next() {
				repeated = true
				stored, err = scanOutbound(found)
				return err
			}
			return nil
		}, byDedupKey, row.TenantID, textOrNil(row.DedupKey))
		b.read(func(found rows) error {
			if found.Next() {
				return found.Scan(&chat, &all)
			}
			return nil
		}, countOpen, row.TenantID, row.Contact)
		if err := c.run(ctx, &b); err != nil {
			return err
		}
		if err := mayEnqueue(row, stored, repeated, chat, all); err != nil || repeated {
			return err
		}
		var out batch
		stored = out.enqueue(row, number)
		out.add(commit)
		return c.run(ctx, &out)
	})
	if err != nil {
		return domain.Outbound{}, err
	}
	if !repeated {
		m.s.hint(ctx, row.TenantID)
	}
	return stored, nil
}

var (
	// lockTenant makes requests of one tenant wait for each other, so that a
	// key is used once and the counts hold.
	lockTenant = once(`SELECT phone_number FROM tenants WHERE id = $1 FOR NO KEY UPDATE`)
	byDedupKey = once(`SELECT ` + outboundColumns + ` FROM outbox WHERE tenant_id = $1 AND dedup_key = $2`)
	countOpen  = once(`SELECT count(*) FILTER (WHERE contact = $2), count(*) FROM outbox WHERE tenant_id = $1 AND open`)
)

func mayEnqueue(row, stored domain.Outbound, repeated bool, chat, all int) error {
	switch {
	case repeated && (stored.Contact != row.Contact || stored.Text != row.Text):
		return domain.Errorf(domain.KindConflict, "This Idempotency-Key was used for another message.")
	case repeated:
		return nil
	case chat >= domain.MaxOutboxPerChat:
		return domain.Errorf(domain.KindBusy, "%d messages to this number wait already. Try again when they are sent.", chat)
	case all >= domain.MaxOutboxPerTenant:
		return domain.Errorf(domain.KindBusy, "%d messages wait already. Try again when some are sent.", all)
	}
	return nil
}
