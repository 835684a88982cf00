package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	sqlitedriver "modernc.org/sqlite"

	"flowhq/domain"
)

// sqliteTime is how every time is stored in SQLite, by the driver and by Bun:
// UTC, so that text sorts like time.
const sqliteTime = "2006-01-02 15:04:05.999999-07:00"

// now is the time by the database's clock. What is old enough to be deleted is
// decided by it: on one replica of many the clock may be wrong, and what that one
// deletes is gone for all.
func (s *Store) now(ctx context.Context) (now time.Time, err error) {
	if s.dialect == sqlite {
		return domain.Now(), nil
	}
	err = s.reader.QueryRowContext(ctx, `SELECT flowhq_after(0)`).Scan(&now)
	return now.UTC(), err
}

// flowhq_after is the clock of the leases. Postgres has a function of this
// name, made by the first migration; here it is this process's clock.
func init() {
	sqlitedriver.MustRegisterScalarFunction("flowhq_after", 1, func(_ *sqlitedriver.FunctionContext, args []driver.Value) (driver.Value, error) {
		var seconds float64
		switch v := args[0].(type) {
		case int64:
			seconds = float64(v)
		case float64:
			seconds = v
		default:
			return nil, fmt.Errorf("flowhq_after takes seconds, not %T", v)
		}
		return domain.Now().Add(time.Duration(seconds * float64(time.Second))).Format(sqliteTime), nil
	})
}
