package store

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

type listedChatRow struct {
	conversationRow `bun:",extend"`

	Name     string    `bun:"name,scanonly"`
	OptedOut bool      `bun:"opted_out,scanonly"`
	LastID   uuid.UUID `bun:"last_id,scanonly"`
	LastAt   time.Time `bun:"last_at,scanonly"`
	LastBody string    `bun:"last_body,scanonly"`
	LastKind string    `bun:"last_kind,scanonly"`
	LastFrom string    `bun:"last_from,scanonly"`
}

func (r *listedChatRow) listed() domain.ConversationRow {
	return domain.ConversationRow{Conversation: r.conversation(), Name: r.Name, OptedOut: r.OptedOut,
		LastAt: r.LastAt.UTC(), LastText: r.LastBody, LastKind: domain.MediaKind(r.LastKind), LastFrom: domain.Direction(r.LastFrom)}
}

// Conversations lists conversations by their last message. The contract is
// handlers.Chats'. An unknown tenant is KindNotFound. The cursor is the last
// message of the last conversation: ids of messages are in the order of time.
func (c Chats) Conversations(ctx context.Context, tenant uuid.UUID, search string, q domain.PageQuery) (page domain.Page[domain.ConversationRow], err error) {
	defer translated("list conversations", &err)
	var rows []*listedChatRow
	if page, err = readPage(ctx, c.listed(&rows, tenant, search), &rows, "m.id", q,
		func(r *listedChatRow) uuid.UUID { return r.LastID }, sure((*listedChatRow).listed)); err == nil && len(rows) == 0 {
		err = c.s.mustExist(ctx, tenant)
	}
	return page, err
}

func (c Chats) listed(into any, tenant uuid.UUID, search string) *bun.SelectQuery {
	query := c.s.read.NewSelect().Model(into).ColumnExpr("c.*").
		ColumnExpr("coalesce(u.name, '') AS name").ColumnExpr("coalesce(u.opted_out, ?) AS opted_out", false).
		ColumnExpr("m.id AS last_id, m.created_at AS last_at, m.message_text AS last_body, m.kind AS last_kind, m.direction AS last_from").
		Join(`JOIN message_logs AS m ON m.tenant_id = c.tenant_id AND m.id = (SELECT l.id FROM message_logs AS l
			WHERE l.contact = c.contact AND l.tenant_id = c.tenant_id ORDER BY l.id DESC LIMIT 1)`).
		Join("LEFT JOIN customers AS u ON u.contact = c.contact AND u.tenant_id = c.tenant_id").
		Where("c.tenant_id = ?", tenant)
	if search = strings.TrimSpace(domain.CleanText(search)); search != "" {
		query.WhereGroup(" AND ", func(g *bun.SelectQuery) *bun.SelectQuery {
			return whereNumber(c.s.whereContains(g, "u.name", search), "c.contact", search)
		})
	}
	return query
}
