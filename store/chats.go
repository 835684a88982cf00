package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Chats are the customers of tenants and their conversations.
type Chats struct{ s *Store }

// Chats returns the store as the chats of tenants.
func (s *Store) Chats() Chats { return Chats{s} }

type conversationRow struct {
	bun.BaseModel `bun:"table:conversations,alias:c"`

	TenantID    uuid.UUID  `bun:"tenant_id,pk"`
	Contact     string     `bun:"contact,pk"`
	ChatJID     string     `bun:"chat_jid"`
	State       string     `bun:"state"`
	Version     int64      `bun:"version"`
	MutedUntil  *time.Time `bun:"muted_until"`
	MutedReason string     `bun:"muted_reason"`
	LastInAt    *time.Time `bun:"last_in_at"`
	LastOutAt   *time.Time `bun:"last_out_at"`
	WindowStart *time.Time `bun:"window_start"`
	WindowCount int        `bun:"window_count"`
	LastText    string     `bun:"last_text"`
	SameCount   int        `bun:"same_count"`
}

func (r *conversationRow) conversation() domain.Conversation {
	return domain.Conversation{TenantID: r.TenantID, Contact: r.Contact, ChatJID: r.ChatJID, State: []byte(r.State), Version: r.Version,
		MutedUntil: utc(r.MutedUntil), MutedReason: r.MutedReason, LastInAt: utc(r.LastInAt), LastOutAt: utc(r.LastOutAt),
		WindowStart: utc(r.WindowStart), WindowCount: r.WindowCount, LastText: r.LastText, SameCount: r.SameCount}
}

// Conversation returns the conversation with one contact.
func (c Chats) Conversation(ctx context.Context, tenant uuid.UUID, contact string) (conv domain.Conversation, err error) {
	defer translated("read conversation", &err)
	r := &conversationRow{TenantID: tenant, Contact: contact}
	if err := c.s.read.NewSelect().Model(r).WherePK().Scan(ctx); err != nil {
		return conv, orNotFound(err, "conversation")
	}
	return r.conversation(), nil
}

type customerRow struct {
	bun.BaseModel `bun:"table:customers,alias:u"`

	TenantID  uuid.UUID `bun:"tenant_id,pk"`
	ID        uuid.UUID `bun:"id,pk"`
	Contact   string    `bun:"contact"`
	LID       string    `bun:"lid"`
	Name      string    `bun:"name"`
	OptedOut  bool      `bun:"opted_out"`
	CreatedAt time.Time `bun:"created_at"`
	UpdatedAt time.Time `bun:"updated_at"`
}

func (r *customerRow) customer() domain.Customer {
	return domain.Customer{ID: r.ID, TenantID: r.TenantID, Contact: r.Contact, LID: r.LID, Name: r.Name, OptedOut: r.OptedOut,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC()}
}

// Customer returns one customer of a tenant.
func (c Chats) Customer(ctx context.Context, tenant uuid.UUID, contact string) (customer domain.Customer, err error) {
	defer translated("read customer", &err)
	r := new(customerRow)
	if err := c.s.read.NewSelect().Model(r).Where("contact = ? AND tenant_id = ?", contact, tenant).Scan(ctx); err != nil {
		return customer, orNotFound(err, "customer")
	}
	return r.customer(), nil
}

// Customers returns the customers of a tenant, newest first.
func (c Chats) Customers(ctx context.Context, tenant uuid.UUID, q domain.PageQuery) (page domain.Page[domain.Customer], err error) {
	defer translated("list customers", &err)
	var rows []*customerRow
	return readPage(ctx, c.s.read.NewSelect().Model(&rows).Where("tenant_id = ?", tenant), &rows, "u.id", q,
		func(r *customerRow) uuid.UUID { return r.ID }, sure((*customerRow).customer))
}

// Resume ends the silence of the bot in a conversation.
func (c Chats) Resume(ctx context.Context, tenant uuid.UUID, contact string) (err error) {
	defer translated("resume conversation", &err)
	return changedOne(ctx, c.s.write.NewUpdate().Model((*conversationRow)(nil)).Set("muted_until = NULL").Set("muted_reason = ''").
		Set("version = version + 1").Where("tenant_id = ? AND contact = ?", tenant, contact), "conversation")
}
