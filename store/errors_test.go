package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"flowhq/domain"
)

func state(code string) error { return fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code}) }

func TestTransient_IsWhatMaySucceedAMomentLater(t *testing.T) {
	for _, err := range []error{state("40001"), state("40P01"), state("57P01"), state("57P03"), state("53300"), state("08006"),
		syscall.ECONNREFUSED, fmt.Errorf("read: %w", syscall.ECONNRESET), io.ErrUnexpectedEOF, driver.ErrBadConn} {
		if !Transient(err) {
			t.Errorf("%v is not transient", err)
		}
		if kind := domain.KindOf(translate("x", err)); kind != domain.KindUnavailable {
			t.Errorf("%v is of kind %s", err, kind)
		}
		if !Transient(translate("x", err)) {
			t.Errorf("%v is not transient once translated", err)
		}
	}
	for _, err := range []error{nil, state("23505"), state("42P01"), state("FQ001"), errors.New("x"), context.Canceled, context.DeadlineExceeded} {
		if Transient(err) {
			t.Errorf("%v is transient", err)
		}
	}
}

func TestTranslate_GivesEveryErrorOneMeaning(t *testing.T) {
	own := domain.NotFound("tenant")
	for _, c := range []struct {
		err  error
		kind domain.Kind
		is   error
	}{
		{state("FQ001"), domain.KindInternal, domain.ErrFenced},
		{domain.ErrFenced, domain.KindInternal, domain.ErrFenced},
		{state("23505"), domain.KindConflict, nil},
		{state("57014"), domain.KindUnavailable, nil},
		{state("55P03"), domain.KindUnavailable, nil},
		{state("25P03"), domain.KindUnavailable, nil},
		{context.DeadlineExceeded, domain.KindUnavailable, context.DeadlineExceeded},
		{context.Canceled, domain.KindInternal, context.Canceled},
		{state("42P01"), domain.KindInternal, nil},
		{own, domain.KindNotFound, own},
	} {
		got := translate("do it", c.err)
		if domain.KindOf(got) != c.kind || (c.is != nil && !errors.Is(got, c.is)) {
			t.Errorf("%v became %v of kind %s, want %s", c.err, got, domain.KindOf(got), c.kind)
		}
	}
	if translate("do it", nil) != nil {
		t.Error("no error became one")
	}
}

func TestSQLiteText_NumbersPlaceholdersAndLeavesLocksOut(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT $1, $2, $1":                         "SELECT ?1, ?2, ?1",
		"SELECT x FROM t LIMIT $12 FOR UPDATE":      "SELECT x FROM t LIMIT ?12 ",
		"SELECT x FROM t FOR NO KEY UPDATE OF t":    "SELECT x FROM t ",
		"SELECT x FROM t FOR UPDATE SKIP LOCKED) p": "SELECT x FROM t ) p",
		"SELECT x FROM t FOR KEY SHARE":             "SELECT x FROM t ",
		"ON CONFLICT DO UPDATE SET a = $1":          "ON CONFLICT DO UPDATE SET a = ?1",
	} {
		if got := sqliteText(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
