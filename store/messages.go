package store

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Messages are the log and the outbox of tenants.
type Messages struct{ s *Store }

// Messages returns the store as the messages that the portals show.
func (s *Store) Messages() Messages { return Messages{s} }

// messageRow is a log row with the state of its outbox row, which is the only
// place where an outbound message changes.
type messageRow struct {
	bun.BaseModel `bun:"table:message_logs,alias:m"`

	TenantID    uuid.UUID `bun:"tenant_id,pk"`
	ID          uuid.UUID `bun:"id,pk"`
	Direction   string    `bun:"direction"`
	Contact     string    `bun:"contact"`
	From        string    `bun:"from_number"`
	To          string    `bun:"to_number"`
	Text        string    `bun:"message_text"`
	Kind        string    `bun:"kind"`
	WAMessageID string    `bun:"wa_message_id"`
	Status      string    `bun:"status"`
	Reason      string    `bun:"reason"`
	FromPhone   bool      `bun:"from_phone"`
	CreatedAt   time.Time `bun:"created_at"`
}

func (m *messageRow) message() domain.MessageLog {
	return domain.MessageLog{ID: m.ID, TenantID: m.TenantID, Direction: domain.Direction(m.Direction), Contact: m.Contact, From: m.From, To: m.To,
		Text: m.Text, Kind: domain.MediaKind(m.Kind), WAMessageID: m.WAMessageID, Status: domain.MessageStatus(m.Status), Reason: m.Reason,
		FromPhone: m.FromPhone, CreatedAt: m.CreatedAt.UTC()}
}

func (m Messages) query(into any, tenant uuid.UUID) *bun.SelectQuery {
	return m.s.read.NewSelect().Model(into).ExcludeColumn("status", "reason").
		ColumnExpr("coalesce(o.status, m.status) AS status").ColumnExpr("coalesce(o.last_error, m.reason) AS reason").
		Join("LEFT JOIN outbox AS o ON o.tenant_id = m.tenant_id AND o.id = m.id").Where("m.tenant_id = ?", tenant)
}

// ListMessages returns messages that match, newest first. The contract is
// handlers.Messages'. An unknown tenant is KindNotFound.
func (m Messages) ListMessages(ctx context.Context, tenant uuid.UUID, f domain.MessageFilter, q domain.PageQuery) (page domain.Page[domain.MessageLog], err error) {
	defer translated("list messages", &err)
	var rows []*messageRow
	if page, err = readPage(ctx, m.filtered(m.query(&rows, tenant), tenant, f), &rows, "m.id", q,
		func(r *messageRow) uuid.UUID { return r.ID }, sure((*messageRow).message)); err == nil && len(rows) == 0 {
		err = m.s.mustExist(ctx, tenant)
	}
	return page, err
}

func (m Messages) filtered(query *bun.SelectQuery, tenant uuid.UUID, f domain.MessageFilter) *bun.SelectQuery {
	if f.Direction != "" {
		query.Where("m.direction = ?", string(f.Direction))
	}
	if f.Contact != "" {
		query.Where("m.contact = ?", f.Contact)
	}
	if f.Dead { // the first two conditions are those of the index outbox_unsent
		query.Where("m.id IN (SELECT d.id FROM outbox d WHERE NOT d.open AND d.sent_at IS NULL AND d.tenant_id = ? AND d.status IN (?, ?))",
			tenant, string(domain.StatusFailed), string(domain.StatusExpired))
	}
	if search := strings.TrimSpace(domain.CleanText(f.Search)); search != "" {
		query.WhereGroup(" AND ", func(g *bun.SelectQuery) *bun.SelectQuery {
			return whereNumber(m.s.whereContains(g, "m.message_text", search), "m.contact", search)
		})
	}
	return query
}

// mustExist tells an empty list from that of an unknown tenant.
func (s *Store) mustExist(ctx context.Context, tenant uuid.UUID) error {
	n, err := s.read.NewSelect().Table("tenants").Where("id = ?", tenant).Count(ctx)
	return orNotFoundRows(n, err, "tenant")
}

// Message returns one message.
func (m Messages) Message(ctx context.Context, tenant, id uuid.UUID) (msg domain.MessageLog, err error) {
	defer translated("read message", &err)
	row := new(messageRow)
	if err := m.query(row, tenant).Where("m.id = ?", id).Scan(ctx); err != nil {
		return msg, orNotFound(err, "message")
	}
	return row.message(), nil
}

// WAKey returns the key from which the WhatsApp ids of a tenant are derived.
func (m Messages) WAKey(ctx context.Context, tenant uuid.UUID) (key []byte, err error) {
	defer translated("read tenant", &err)
	err = m.s.read.NewSelect().Table("tenants").Column("wa_key").Where("id = ?", tenant).Scan(ctx, &key)
	return key, orNotFound(err, "tenant")
}

// RetryMessage puts a message that failed or expired back into the queue. The
// contract is handlers.Messages'. It is a person's message from here on: the
// bot's silence does not take it back.
func (m Messages) RetryMessage(ctx context.Context, tenant, id uuid.UUID) (err error) {
	defer translated("retry message", &err)
	err = m.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		now := domain.Now()
		queued, err := changedAny(tx.NewUpdate().Table("outbox").Set("status = ?", string(domain.StatusQueued)).Set("open = ?", true).
			Set("lane = ?", int(domain.LaneManual)).Set("attempts = 0").Set("last_error = ''").
			Set("run_at = ?", now).Set("expires_at = ?", now.Add(domain.ManualLife)).
			Where("tenant_id = ? AND id = ?", tenant, id).Where("NOT open").
			Where("status IN (?, ?)", string(domain.StatusFailed), string(domain.StatusExpired)).Exec(ctx))
		if err != nil || queued {
			return err
		}
		return m.whyNotRetried(ctx, tx, tenant, id)
	})
	if err == nil {
		m.s.hint(ctx, tenant)
	}
	return err
}

func (m Messages) whyNotRetried(ctx context.Context, tx bun.Tx, tenant, id uuid.UUID) error {
	var status, direction string
	var queued bool
	err := tx.NewRaw(`SELECT coalesce(o.status, m.status), m.direction, o.id IS NOT NULL FROM message_logs m
		LEFT JOIN outbox o ON o.tenant_id = m.tenant_id AND o.id = m.id WHERE m.tenant_id = ? AND m.id = ?`, tenant, id).Scan(ctx, &status, &direction, &queued)
	if err != nil {
		return orNotFound(err, "message")
	}
	switch s := domain.MessageStatus(status); {
	case domain.Direction(direction) == domain.DirectionIn:
		return domain.Errorf(domain.KindConflict, "This message came in; only messages that go out can be sent again.")
	case !queued:
		return domain.Errorf(domain.KindConflict, "This message was written on the phone and is not sent from here.")
	case s == domain.StatusQueued, s == domain.StatusSending:
		return domain.Errorf(domain.KindConflict, "This message is still being sent.")
	case s == domain.StatusCancelled:
		return domain.Errorf(domain.KindConflict, "This message was taken back because a person answered instead.")
	}
	return domain.Errorf(domain.KindConflict, "This message was sent already.")
}

// Waiting counts the messages of a tenant that are not sent yet.
func (m Messages) Waiting(ctx context.Context, tenant uuid.UUID) (int, error) {
	return m.s.Outbox().Pending(ctx, tenant)
}
