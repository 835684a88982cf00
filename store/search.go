package store

import (
	"database/sql/driver"
	"fmt"
	"strings"

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
	lower := "lower"
	if s.dialect == sqlite {
		lower = "flowhq_lower"
	}
	return q.WhereOr(fmt.Sprintf(`%s(%s) LIKE %s(?) ESCAPE '!'`, lower, column, lower), "%"+escapeLike(part)+"%")
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
