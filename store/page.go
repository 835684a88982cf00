package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Lists are ordered by id: ids are made in the order of time, so the newest
// come first and a page continues exactly where the one before ended, whatever
// was added meanwhile. The cursor is the last id of a page.

// readPage reads one page of a list. query selects into rows, column is the one
// that the list is ordered by, id a row's value of it, and item what a row
// becomes.
func readPage[R, T any](ctx context.Context, query *bun.SelectQuery, rows *[]R, column string, q domain.PageQuery,
	id func(R) uuid.UUID, item func(R) (T, error)) (page domain.Page[T], err error) {
	if query, err = newestFirst(query, column, q); err != nil {
		return page, err
	}
	if err := query.Scan(ctx); err != nil {
		return page, err
	}
	found, next := cut(*rows, q, id)
	for _, row := range found {
		one, err := item(row)
		if err != nil {
			return page, err
		}
		page.Items = append(page.Items, one)
	}
	page.NextCursor = next
	return page, nil
}

// sure makes an item of readPage out of a row that is always readable.
func sure[R, T any](item func(R) T) func(R) (T, error) {
	return func(row R) (T, error) { return item(row), nil }
}

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
