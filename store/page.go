package store

import (
	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Lists are ordered by id: ids are made in the order of time, so the newest
// come first and a page continues exactly where the one before ended, whatever
// was added meanwhile. The cursor is the last id of a page.

func newestFirst(query *bun.SelectQuery, column string, q domain.PageQuery) (*bun.SelectQuery, error) {
	if q.Cursor != "" {
		last, err := uuid.Parse(q.Cursor)
		if err != nil {
			return nil, domain.Invalid{"cursor": "This is not a cursor of this list."}.Err()
		}
		query = query.Where("? < ?", bun.Ident(column), last)
	}
	return query.OrderExpr("? DESC", bun.Ident(column)).Limit(int64(q.Size() + 1)), nil
}

// cut takes the row that was read beyond the page away and names where the next
// page begins; the cursor is empty on the last page.
func cut[R any](rows []R, q domain.PageQuery, id func(R) uuid.UUID) (page []R, next string) {
	if len(rows) <= q.Size() {
		return rows, ""
	}
	rows = rows[:q.Size()]
	return rows, id(rows[len(rows)-1]).String()
}
