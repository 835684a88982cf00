// Package domain holds what the business knows: tenants, their WhatsApp
// sessions, messages, leases, and the rules between them. It knows no
// database, no web framework and no WhatsApp library.
package domain

import (
	"errors"
	"fmt"
)

// Kind classifies an error for whoever has to act on it. The web layer maps
// each kind to one HTTP status; the words are part of the public API.
type Kind string

const (
	KindInvalid      Kind = "invalid"      // the caller's input is wrong; Fields says where
	KindUnauthorized Kind = "unauthorized" // no valid identity
	KindForbidden    Kind = "forbidden"    // a valid identity without the right
	KindNotFound     Kind = "not_found"    // does not exist, or belongs to somebody else
	KindConflict     Kind = "conflict"     // not possible in the present state
	KindTooLarge     Kind = "too_large"    // a body or a text over its limit
	KindBusy         Kind = "busy"         // a bounded queue is full; try again later
	KindUnavailable  Kind = "unavailable"  // a dependency does not answer; try again later
	KindInternal     Kind = "internal"     // our fault; details are in the log only
)

// Error is the one error type that reaches people. Message is a sentence for
// them; Err, when set, is the cause and is only logged.
type Error struct {
	Kind    Kind
	Message string
	Fields  map[string]string // field name → what is wrong with it; KindInvalid only
	Err     error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Kind, e.Message, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Kind, e.Message)
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of err; an error without one is internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}

// Errorf makes an error of a kind with a sentence for people. A %w verb keeps
// its cause reachable without showing it.
func Errorf(kind Kind, format string, args ...any) *Error {
	wrapped := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Message: wrapped.Error(), Err: errors.Unwrap(wrapped)}
}

// NotFound says that there is no such thing for this caller.
func NotFound(what string) *Error {
	return &Error{Kind: KindNotFound, Message: "There is no such " + what + "."}
}

// Invalid collects field errors; Err returns nil while it is empty.
type Invalid map[string]string

// Add notes what is wrong with a field; the first note of a field is kept.
func (v Invalid) Add(field, problem string) {
	if _, ok := v[field]; !ok {
		v[field] = problem
	}
}

// Err returns nil or an error of KindInvalid with the collected fields.
func (v Invalid) Err() error {
	if len(v) == 0 {
		return nil
	}
	return &Error{Kind: KindInvalid, Message: "Some fields need correction.", Fields: v}
}

// ErrSettled says that a message has an outcome already, such as a delivery
// receipt or a person who answered in its place: it must not be sent.
var ErrSettled = errors.New("this message has an outcome already")

// ErrFenced is returned by every write of the message path whose tenure is
// over: the lease row names another owner or another epoch. The caller must
// stop acting for the tenant at once and must not retry.
var ErrFenced = errors.New("the lease of this tenant is held by somebody else")
