package store

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"unicode"

	"github.com/uptrace/bun"
	sqlitedriver "modernc.org/sqlite"
)

// SQLite's own lower() knows the letters A to Z only.
func init() {
	sqlitedriver.MustRegisterDeterministicScalarFunction("flowhq_lower", 1, func(_ *sqlitedriver.FunctionContext, args []driver.Value) (driver.Value, error) {
		switch v := args[0].(type) {
		case nil:
			return nil, nil
		case string:
			return strings.ToLower(v), nil
		default:
			return nil, fmt.Errorf("flowhq_lower takes text, not %T", v)
		}
	})
}

// whereContains adds, with OR, that a column contains a text, whatever its
// case. Both sides are folded by the database, which alone knows its letters.
func (s *Store) whereContains(q *bun.SelectQuery, column, part string) *bun.SelectQuery {
	pattern, text := "%"+escapeLike(part)+"%", `lower(%s) LIKE lower(?) ESCAPE '!'`
	switch {
	case s.dialect == postgres:
	case isASCII(part):
		text = `%s LIKE ? ESCAPE '!'` // SQLite's LIKE ignores the case of A to Z by itself
	default:
		text = `flowhq_lower(%s) LIKE flowhq_lower(?) ESCAPE '!'`
	}
	return q.WhereOr(fmt.Sprintf(text, column), pattern)
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

// whereNumber adds, with OR, that a column contains the digits of a number
// however it is written. Fewer than three digits are none.
func whereNumber(q *bun.SelectQuery, column, part string) *bun.SelectQuery {
	digits := strings.TrimLeft(strings.Map(onlyDigits, part), "0")
	if len(digits) < 3 {
		return q
	}
	return q.WhereOr(column+" LIKE ?", "%"+digits+"%")
}

func onlyDigits(r rune) rune {
	if r < '0' || r > '9' {
		return -1
	}
	return r
}

func escapeLike(s string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(s)
}
