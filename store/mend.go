package store

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// A customer may be known by LID alone at first, because WhatsApp does not tell
// the number, and by the number later. What was stored under the LID then moves
// to the number, so that a conversation under way goes on.

const lidServer = "@lid"

// aliasOf returns the contact under which the same customer may be stored from
// a time when only the LID was known. It is empty when the message tells no LID.
func aliasOf(in domain.Incoming) string {
	user, isLID := strings.CutSuffix(in.ChatJID, lidServer)
	if alias := domain.LIDContact(user); isLID && in.Contact != alias {
		return alias
	}
	return ""
}

// $1 is the tenant, $2 the contact that stays, $3 the alias that goes; what is left of the alias is dropped.
var (
	// dropOlder keeps the conversation that is under way, when there are two.
	dropOlder = statement(`DELETE FROM conversations WHERE tenant_id = $1 AND contact = $2 AND EXISTS (SELECT 1 FROM conversations a
		WHERE a.tenant_id = $1 AND a.contact = $3 AND (conversations.last_in_at IS NULL OR a.last_in_at > conversations.last_in_at))`)
	moveConversation = statement(`UPDATE conversations SET contact = $2 WHERE tenant_id = $1 AND contact = $3
		AND NOT EXISTS (SELECT 1 FROM conversations b WHERE b.tenant_id = $1 AND b.contact = $2)`)
	dropConversation = statement(`DELETE FROM conversations WHERE tenant_id = $1 AND contact = $2`)

	// joinCustomer: who asked for silence under either name has asked for it.
	joinCustomer = statement(`UPDATE customers AS b SET opted_out = b.opted_out OR a.opted_out, name = CASE WHEN b.name = '' THEN a.name ELSE b.name END
		FROM customers a WHERE b.tenant_id = $1 AND b.contact = $2 AND a.tenant_id = $1 AND a.contact = $3`)
	moveCustomer = statement(`UPDATE customers SET contact = $2, lid = $4 WHERE tenant_id = $1 AND contact = $3
		AND NOT EXISTS (SELECT 1 FROM customers b WHERE b.tenant_id = $1 AND b.contact = $2)`)
	dropCustomer = statement(`DELETE FROM customers WHERE tenant_id = $1 AND contact = $2`)

	moveOutbox       = statement(`UPDATE outbox SET contact = $2 WHERE tenant_id = $1 AND contact = $3 AND open`)
	moveAppointments = statement(`UPDATE appointments SET contact = $2 WHERE tenant_id = $1 AND contact = $3`)

	// moveLog looks only at what is as young as the customer: the log has no
	// index on the contact, but its ids are in the order of time.
	moveLog = statement(`UPDATE message_logs SET contact = $2, from_number = CASE WHEN from_number = $3 THEN $2 ELSE from_number END,
		to_number = CASE WHEN to_number = $3 THEN $2 ELSE to_number END WHERE tenant_id = $1 AND contact = $3 AND id >= $4`)

	aliasSince = statement(`SELECT created_at FROM customers WHERE tenant_id = $1 AND contact = $2`)
)

// mend moves what is stored under the alias to the contact and loads the chat
// again. It happens once in the life of a customer.
func (r *reception) mend(ctx context.Context, c session) error {
	var since time.Time
	var look batch
	look.read(func(found rows) error {
		if found.Next() {
			return found.Scan(&since)
		}
		return found.Err()
	}, aliasSince, r.tenure.TenantID, r.alias)
	if err := c.run(ctx, &look); err != nil {
		return err
	}
	tenant, contact, alias := r.tenure.TenantID, r.in.Contact, r.alias
	var b batch
	b.add(dropOlder, tenant, contact, alias)
	b.add(moveConversation, tenant, contact, alias)
	b.add(dropConversation, tenant, alias)
	b.add(joinCustomer, tenant, contact, alias)
	b.add(moveCustomer, tenant, contact, alias, strings.TrimPrefix(alias, domain.LIDContact("")))
	b.add(dropCustomer, tenant, alias)
	b.add(moveOutbox, tenant, contact, alias)
	b.add(moveAppointments, tenant, contact, alias)
	b.add(moveLog, tenant, contact, alias, earliestID(since))
	b.read(r.scanChat, loadChat, tenant, contact, r.in.WAID, alias)
	r.moved = true
	return c.run(ctx, &b)
}

// earliestID is at or before every UUIDv7 that was made at a time or later.
func earliestID(at time.Time) (id uuid.UUID) {
	if at.IsZero() {
		return id
	}
	ms := uint64(at.Add(-time.Minute).UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}
