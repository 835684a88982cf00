package store

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// Inbox takes inbound messages.
type Inbox struct{ s *Store }

// Inbox returns the store as the inbox of the worker.
func (s *Store) Inbox() Inbox { return Inbox{s} }

var (
	findSeen = statement(`SELECT 1 FROM inbound_seen WHERE tenant_id = $1 AND wa_key IN ($2, $3) LIMIT 1`)

	insertSeen  = statement(`INSERT INTO inbound_seen (tenant_id, wa_key, seen_at) VALUES ($1, $3, $2) ON CONFLICT DO NOTHING`)
	insertSeen2 = statement(`INSERT INTO inbound_seen (tenant_id, wa_key, seen_at) VALUES ($1, $3, $2), ($1, $4, $2) ON CONFLICT DO NOTHING`)

	// loadChat answers one row: what is known of the conversation and of the
	// customer, each all NULL when there is none; the last unsent row; whether
	// the message was logged before it could be read; and whether something is
	// stored under the alias. The conversation is locked against the portal, which may mute it.
	loadChat = statement(`SELECT t.phone_number,
		c.chat_jid, c.state, c.version, c.muted_until, c.muted_reason, c.last_in_at, c.last_out_at, c.window_start, c.window_count, c.last_text, c.same_count,
		u.id, u.lid, u.name, u.opted_out, u.created_at, u.updated_at,
		(SELECT o.id FROM outbox o WHERE o.tenant_id = $1 AND o.contact = $2 AND o.open ORDER BY o.id DESC LIMIT 1),
		EXISTS (SELECT 1 FROM message_logs m WHERE ` + isPlaceholder + `),
		EXISTS (SELECT 1 FROM conversations x WHERE x.tenant_id = $1 AND x.contact = $4)
		FROM tenants t
		LEFT JOIN (SELECT * FROM conversations WHERE tenant_id = $1 AND contact = $2 FOR UPDATE) c ON true
		LEFT JOIN customers u ON u.tenant_id = $1 AND u.contact = $2
		WHERE t.id = $1`)

	deletePlaceholder = statement(`DELETE FROM message_logs AS m WHERE ` + isPlaceholder)

	loadBooked = statement(`SELECT at FROM appointments WHERE tenant_id = $1 AND at >= $2 AND at < $3
		AND status IN ('PENDING', 'CONFIRMED') ORDER BY at LIMIT 500`)

	insertLog = statement(`INSERT INTO message_logs
		(tenant_id, id, direction, contact, from_number, to_number, message_text, kind, wa_message_id, status, reason, from_phone, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', $11, $12)`)

	upsertConversation = statement(`INSERT INTO conversations AS c
		(tenant_id, contact, chat_jid, state, version, muted_until, muted_reason, last_in_at, last_out_at, window_start, window_count, last_text, same_count)
		VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (tenant_id, contact) DO UPDATE SET chat_jid = excluded.chat_jid, state = excluded.state, version = c.version + 1,
		muted_until = excluded.muted_until, muted_reason = excluded.muted_reason, last_in_at = excluded.last_in_at, last_out_at = excluded.last_out_at,
		window_start = excluded.window_start, window_count = excluded.window_count, last_text = excluded.last_text, same_count = excluded.same_count`)

	upsertCustomer = statement(`INSERT INTO customers (tenant_id, id, contact, lid, name, opted_out, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (tenant_id, contact) DO UPDATE SET lid = excluded.lid, name = excluded.name, opted_out = excluded.opted_out, updated_at = excluded.updated_at`)

	insertAppointment = statement(`INSERT INTO appointments (tenant_id, id, contact, name, service, at, status, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`)

	cancelAppointment = statement(`UPDATE appointments SET status = 'CANCELLED'
		WHERE tenant_id = $1 AND contact = $2 AND at = $3 AND status IN ('PENDING', 'CONFIRMED')`)

	insertQuarantine = statement(`INSERT INTO inbound_quarantine (tenant_id, id, contact, wa_id, body, error, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`)
)

// isPlaceholder finds the log row that a message had before it could be read.
// Its index begins with the WhatsApp id; the tenant is compared so that no index
// that begins with the tenant looks as good to Postgres on a young table.
const isPlaceholder = `m.wa_message_id = $3 AND m.status = 'placeholder' AND (m.tenant_id = $1) IS TRUE AND m.contact IN ($2, $4)`

// bookedAhead is how far a decision sees the tenant's calendar: all of the last day that may be booked (domain/flow,
// slots.go). bookedBefore is how long an appointment that has begun takes.
const (
	bookedAhead  = 62 * 24 * time.Hour
	bookedBefore = 30 * time.Minute
)

// Receive stores one inbound message and everything that follows from it, in
// two round trips. The contract is worker.Inbox's.
func (i Inbox) Receive(ctx context.Context, t domain.Tenure, in domain.Incoming, ratchet *domain.RatchetWrites,
	decide func(domain.InboxView) (domain.Decision, error)) (receipt domain.Receipt, err error) {
	defer translated("store inbound message", &err)
	err = i.s.session(ctx, func(c session) error {
		r := newReception(t, in, ratchet)
		if err := r.open(ctx, c); err != nil {
			return err
		}
		receipt = domain.Receipt{Duplicate: r.duplicate()}
		if r.moved {
			receipt.Moved = r.alias
		}
		var out batch
		out.ratchet(t.TenantID, ratchet)
		switch {
		case receipt.Duplicate:
		case in.Placeholder:
			r.placeholder(&out)
		default:
			decision, err := decide(r.view)
			if err != nil {
				return err
			}
			receipt.Replies = r.store(&out, decision)
		}
		out.add(commit)
		return c.run(ctx, &out)
	})
	return receipt, err
}

// Quarantine keeps a message whose conversation failed. The contract is
// worker.Inbox's; a message that was seen before is not kept again.
func (i Inbox) Quarantine(ctx context.Context, t domain.Tenure, in domain.Incoming, ratchet *domain.RatchetWrites, cause string) (err error) {
	defer translated("quarantine inbound message", &err)
	return i.s.session(ctx, func(c session) error {
		r := newReception(t, in, ratchet)
		if err := r.open(ctx, c); err != nil {
			return err
		}
		var out batch
		out.ratchet(t.TenantID, ratchet)
		if !r.duplicate() {
			r.log(&out)
			out.add(insertQuarantine, t.TenantID, r.view.MessageID, in.Contact, in.WAID, domain.CleanText(in.Text), domain.CleanText(cause), r.view.Now)
		}
		out.add(commit)
		return c.run(ctx, &out)
	})
}

// reception is one message on its way into the database.
type reception struct {
	tenure domain.Tenure
	in     domain.Incoming
	keys   [][]byte // distinct, in one order, so that two receptions cannot deadlock
	fresh  int64    // how many of the keys were new
	device string   // whose keys are written, empty when none
	alias  string   // the contact's other name, empty when there is none
	number string   // the tenant's
	view   domain.InboxView

	unread bool // a placeholder of this message is in the log
	torn   bool // there is a conversation under the alias
	moved  bool // it was moved to the contact
}

func newReception(t domain.Tenure, in domain.Incoming, ratchet *domain.RatchetWrites) *reception {
	r := &reception{tenure: t, in: in, keys: slices.Clone(in.Keys), device: deviceOf(ratchet), alias: aliasOf(in)}
	slices.SortFunc(r.keys, bytes.Compare)
	r.keys = slices.CompactFunc(r.keys, bytes.Equal)
	r.view.Now, r.view.MessageID = domain.Now(), domain.NewID()
	return r
}

func (r *reception) duplicate() bool { return r.fresh < int64(len(r.keys)) }

// open begins the transaction, takes the message's keys and loads what a
// decision depends on.
func (r *reception) open(ctx context.Context, c session) error {
	var b batch
	b.add(begin)
	b.fence(r.tenure, r.device)
	r.fresh, r.moved = 0, false // a repeated transaction counts anew
	for pair := range slices.Chunk(r.keys, 2) {
		r.take(&b, pair[0], pair[len(pair)-1])
	}
	b.read(r.scanChat, loadChat, r.tenure.TenantID, r.in.Contact, r.in.WAID, r.alias)
	if !r.in.Placeholder {
		b.read(r.scanBooked, loadBooked, r.tenure.TenantID, r.view.Now.Add(-bookedBefore), r.view.Now.Add(bookedAhead))
	}
	if err := c.run(ctx, &b); err != nil || !r.torn || r.duplicate() {
		return err
	}
	return r.mend(ctx, c)
}

// take adds two keys of the message, or one twice. Those that are there already
// make it a duplicate. A placeholder only looks: the message is still to come.
func (r *reception) take(b *batch, first, second []byte) {
	tenant, distinct := r.tenure.TenantID, int64(1)
	if !bytes.Equal(first, second) {
		distinct = 2
	}
	switch {
	case r.in.Placeholder:
		b.read(func(found rows) error {
			if !found.Next() {
				r.fresh += distinct
			}
			return found.Err()
		}, findSeen, tenant, first, second)
	case distinct == 2:
		b.counted(&r.fresh, insertSeen2, tenant, r.view.Now, first, second)
	default:
		b.counted(&r.fresh, insertSeen, tenant, r.view.Now, first)
	}
}

func (r *reception) scanChat(found rows) error {
	if !found.Next() {
		return orElse(found.Err(), domain.ErrFenced) // no tenant, no lease
	}
	var (
		c struct {
			chatJID, state, mutedReason, lastText        *string
			version, windowCount, sameCount              *int64
			mutedUntil, lastInAt, lastOutAt, windowStart *time.Time
		}
		u struct {
			id           uuid.NullUUID
			lid, name    *string
			optedOut     *bool
			made, edited *time.Time
		}
		youngest uuid.NullUUID
	)
	if err := found.Scan(&r.number, &c.chatJID, &c.state, &c.version, &c.mutedUntil, &c.mutedReason, &c.lastInAt, &c.lastOutAt,
		&c.windowStart, &c.windowCount, &c.lastText, &c.sameCount,
		&u.id, &u.lid, &u.name, &u.optedOut, &u.made, &u.edited, &youngest, &r.unread, &r.torn); err != nil {
		return err
	}
	conv := domain.Conversation{TenantID: r.tenure.TenantID, Contact: r.in.Contact, ChatJID: r.in.ChatJID}
	if c.version != nil {
		conv.ChatJID, conv.State, conv.Version = *c.chatJID, []byte(*c.state), *c.version
		conv.MutedUntil, conv.MutedReason, conv.LastInAt, conv.LastOutAt = utc(c.mutedUntil), *c.mutedReason, utc(c.lastInAt), utc(c.lastOutAt)
		conv.WindowStart, conv.WindowCount = utc(c.windowStart), int(*c.windowCount)
		conv.LastText, conv.SameCount = *c.lastText, int(*c.sameCount)
	}
	r.view.Conversation, r.view.Youngest = conv, youngest.UUID
	if u.id.Valid {
		r.view.Customer = domain.Customer{ID: u.id.UUID, TenantID: r.tenure.TenantID, Contact: r.in.Contact, LID: *u.lid, Name: *u.name,
			OptedOut: *u.optedOut, CreatedAt: u.made.UTC(), UpdatedAt: u.edited.UTC()}
	}
	return nil
}

func (r *reception) scanBooked(found rows) error {
	for found.Next() {
		var at time.Time
		if err := found.Scan(&at); err != nil {
			return err
		}
		r.view.Booked = append(r.view.Booked, at.UTC())
	}
	return found.Err()
}

// placeholder logs a message that cannot be read yet, once.
func (r *reception) placeholder(b *batch) {
	if !r.unread {
		r.insertLog(b, domain.StatusPlaceholder)
	}
}

// log adds the row of the message itself, in place of its placeholder.
func (r *reception) log(b *batch) {
	if r.unread {
		b.add(deletePlaceholder, r.tenure.TenantID, r.in.Contact, r.in.WAID, r.alias)
	}
	r.insertLog(b, domain.StatusReceived)
}

func (r *reception) insertLog(b *batch, status domain.MessageStatus) {
	direction, from, to := domain.DirectionIn, r.in.Contact, r.number
	if r.in.FromMe {
		direction, from, to = domain.DirectionOut, to, from
		if status == domain.StatusReceived {
			status = domain.StatusSent
		}
	}
	b.add(insertLog, r.tenure.TenantID, r.view.MessageID, string(direction), r.in.Contact, from, to, domain.CleanText(r.in.Text),
		string(r.in.Kind), r.in.WAID, string(status), r.in.FromMe, r.view.Now)
}

// store adds everything that follows from a message. Whatever ids the decision
// carries, all rows belong to the tenure's tenant.
func (r *reception) store(b *batch, d domain.Decision) (replies []domain.Outbound) {
	r.log(b)
	tenant := r.tenure.TenantID
	if c := d.Conversation; c != nil {
		b.add(upsertConversation, tenant, r.in.Contact, c.ChatJID, domain.CleanText(string(c.State)), stampOrNil(c.MutedUntil), c.MutedReason,
			stampOrNil(c.LastInAt), stampOrNil(c.LastOutAt), stampOrNil(c.WindowStart), c.WindowCount, c.LastText, c.SameCount)
	}
	if u := d.Customer; u != nil {
		b.add(upsertCustomer, tenant, u.ID, r.in.Contact, cmp.Or(u.LID, strings.TrimPrefix(r.alias, domain.LIDContact(""))), domain.CleanText(u.Name), u.OptedOut, stamp(u.CreatedAt), stamp(u.UpdatedAt))
	}
	for _, at := range d.CancelAt {
		b.add(cancelAppointment, tenant, r.in.Contact, stamp(at))
	}
	for _, a := range d.Appointments {
		b.add(insertAppointment, tenant, a.ID, r.in.Contact, domain.CleanText(a.Name), domain.CleanText(a.Service), stamp(a.At), string(a.Status), r.view.Now)
	}
	if d.SilenceChat {
		b.add(silenceChat, tenant, r.in.Contact)
	}
	for _, m := range d.Replies {
		m.TenantID = tenant
		replies = append(replies, b.enqueue(m, r.number))
	}
	return replies
}
