package domain

import (
	"bytes"
	"time"

	"github.com/google/uuid"
)

// NewID returns a UUIDv7: ids made later sort later, so that a primary key
// doubles as the order of creation and no database sequence is needed.
func NewID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// NewIDAfter returns a new id that sorts after another one, also when that comes
// from a machine whose clock is ahead.
func NewIDAfter(last uuid.UUID) uuid.UUID {
	id := NewID()
	if bytes.Compare(id[:], last[:]) > 0 {
		return id
	}
	id = last
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}
	return id
}

// Now is the clock for stored times: UTC, cut to microseconds, which is what
// Postgres keeps, so that a time survives a round trip unchanged.
func Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Page is one page of a list, newest or first in order. NextCursor is empty
// on the last page; otherwise it is opaque and continues the same list.
type Page[T any] struct {
	Items      []T
	NextCursor string
}

// PageQuery asks for a page. Limit 0 means DefaultPageSize.
type PageQuery struct {
	Limit  int
	Cursor string
}

// DefaultPageSize and MaxPageSize bound every list of the API.
const (
	DefaultPageSize = 50
	MaxPageSize     = 500
)

// Size returns the number of rows to read, between 1 and MaxPageSize.
func (q PageQuery) Size() int {
	switch {
	case q.Limit <= 0:
		return DefaultPageSize
	case q.Limit > MaxPageSize:
		return MaxPageSize
	default:
		return q.Limit
	}
}
