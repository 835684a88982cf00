package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	sqlitedriver "modernc.org/sqlite"
	sqlitecode "modernc.org/sqlite/lib"

	"flowhq/domain"
)

// fenceState is the SQLSTATE of our own fence, see fence.go.
const fenceState = "FQ001"

// translate turns a driver's error into one of ours and says what was
// attempted. Errors that are ours already and an ended context stay reachable.
func translate(doing string, err error) error {
	var ours *domain.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours):
		return err
	case sqlState(err) == fenceState, errors.Is(err, domain.ErrFenced):
		return fmt.Errorf("%s: %w", doing, domain.ErrFenced)
	case isUnique(err):
		return &domain.Error{Kind: domain.KindConflict, Message: "This exists already.", Err: fmt.Errorf("%s: %w", doing, err)}
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", doing, err)
	case isUnavailable(err):
		return &domain.Error{Kind: domain.KindUnavailable, Message: "The database does not answer. Try again in a moment.",
			Err: fmt.Errorf("%s: %w", doing, err)}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// translated is translate for a deferred call on a named result.
func translated(doing string, err *error) { *err = translate(doing, *err) }

// Transient reports whether the same call may succeed a moment later: the
// database was away, restarting, overloaded, or two transactions collided.
func Transient(err error) bool {
	switch state := sqlState(err); {
	case state == "40001", state == "40P01", state == "53300", strings.HasPrefix(state, "57P0"), strings.HasPrefix(state, "08"):
		return true
	case state != "":
		return false
	}
	return isBusy(err) || isDisconnected(err)
}

// undone reports that nothing of a transaction is stored and that it may run
// again at once: another one was in the way, or its connection was gone before
// it could say anything.
func undone(err error) bool {
	state := sqlState(err)
	return state == "40001" || state == "40P01" || pgconn.SafeToRetry(err)
}

// isUnavailable adds to Transient what only time can tell: deadlines of ours
// and of the database (57014 statement, 55P03 lock, 25P03 idle transaction).
func isUnavailable(err error) bool {
	switch sqlState(err) {
	case "57014", "55P03", "25P03":
		return true
	}
	return Transient(err) || errors.Is(err, context.DeadlineExceeded)
}

func isDisconnected(err error) bool {
	var connecting *pgconn.ConnectError
	if errors.As(err, &connecting) {
		return true
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return false // the caller's patience, not the network's; both look alike
	}
	if pgconn.SafeToRetry(err) {
		return true
	}
	var network net.Error
	return errors.As(err, &network) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func sqlState(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

func isBusy(err error) bool {
	code := sqliteCode(err) & 0xff
	return code == sqlitecode.SQLITE_BUSY || code == sqlitecode.SQLITE_LOCKED
}

func isUnique(err error) bool {
	code := sqliteCode(err)
	return sqlState(err) == "23505" || code == sqlitecode.SQLITE_CONSTRAINT_UNIQUE || code == sqlitecode.SQLITE_CONSTRAINT_PRIMARYKEY
}

// violates reports a broken unique rule that the given column is part of.
// Postgres names the constraint, SQLite the columns.
func violates(err error, column string) bool {
	if !isUnique(err) {
		return false
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return strings.Contains(refused.ConstraintName, column)
	}
	return strings.Contains(err.Error(), column)
}

func sqliteCode(err error) int {
	var e *sqlitedriver.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// orElse is err, or another error when there is none.
func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
