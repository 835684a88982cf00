package store

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// order is how a list of tenants is sorted: by key, then by the tenant's id,
// which is the order of creation.
type order struct {
	key   string // empty: by id alone
	id    string
	join  string
	down  bool
	parse func(text string) (any, error) // what a key in a cursor is
}

const (
	nameKey   = "lower(t.name)"
	statusKey = "CASE t.status WHEN 'ERROR' THEN 0 WHEN 'QR_PENDING' THEN 1 WHEN 'NEW' THEN 2 WHEN 'PAUSED' THEN 3 ELSE 4 END"

	// seenKey puts tenants that were never seen behind all others.
	seenKey = "coalesce(ws.last_seen_at, '9999-12-31 00:00:00+00:00')"
)

func orderOf(f domain.TenantFilter) order {
	switch f.Sort {
	case domain.SortName:
		return order{key: nameKey, id: "t.id", down: f.Reverse, parse: parseText}
	case domain.SortStatus:
		return order{key: statusKey, id: "t.id", down: f.Reverse, parse: parseNumber}
	case domain.SortLastSeen:
		return order{key: seenKey, id: "ws.tenant_id", join: "JOIN whatsapp_sessions AS ws ON ws.tenant_id = t.id", down: f.Reverse, parse: parseTime}
	}
	return order{id: "t.id", down: !f.Reverse}
}

func parseText(text string) (any, error)   { return domain.CleanText(text), nil }
func parseNumber(text string) (any, error) { return strconv.Atoi(text) }

func parseTime(text string) (any, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return stamp(t), nil
	}
	t, err := time.Parse(sqliteTime, text)
	return stamp(t), err
}

// page narrows a query to the ids and keys of one page.
func (o order) page(query *bun.SelectQuery, q domain.PageQuery) (*bun.SelectQuery, error) {
	direction, beyond := "ASC", ">"
	if o.down {
		direction, beyond = "DESC", "<"
	}
	if o.join != "" {
		query.Join(o.join)
	}
	columns, values := o.id, "?"
	if o.key != "" {
		columns, values = o.key+", "+o.id, "?, ?"
		query.ColumnExpr(o.key + " AS key").OrderExpr(o.key + " " + direction)
	}
	query.ColumnExpr(o.id + " AS id").OrderExpr(o.id + " " + direction).Limit(int64(q.Size() + 1))
	if q.Cursor == "" {
		return query, nil
	}
	last, err := o.last(q.Cursor)
	if err != nil {
		return nil, domain.Invalid{"cursor": "This is not a cursor of this list."}.Err()
	}
	return query.Where(fmt.Sprintf("(%s) %s (%s)", columns, beyond, values), last...), nil
}

// last is where a page ended: the key, unless the order has none, and the id.
func (o order) last(cursor string) ([]any, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, err
	}
	first, key, _ := strings.Cut(string(raw), " ")
	id, err := uuid.Parse(first)
	if err != nil || o.key == "" {
		return []any{id}, err
	}
	value, err := o.parse(key)
	return []any{value, id}, err
}

// place is where a tenant stands in an order.
type place struct {
	ID  uuid.UUID
	Key any
}

// cursor continues a list behind this place.
func (p place) cursor() string {
	var key string
	switch v := p.Key.(type) {
	case time.Time:
		key = v.UTC().Format(time.RFC3339Nano)
	case []byte:
		key = string(v)
	case nil:
	default:
		key = fmt.Sprint(v)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(p.ID.String() + " " + key))
}
