package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"flowhq/domain"
)

// Phones opens connections to WhatsApp. The one implementation is the adapter
// in worker/whatsapp; the port exists because it is a border of technology.
type Phones interface {
	// Open starts one connection for a tenure: it logs in with the stored
	// device named by jid, or begins to link a phone when jid is empty. It
	// returns once the connection is under way; everything else arrives at h.
	// A Phone is used for one connection and then thrown away.
	Open(ctx context.Context, p domain.TenantProfile, t domain.Tenure, jid string, h PhoneHandler) (Phone, error)
	// Forget deletes the stored device and its keys without telling WhatsApp.
	Forget(ctx context.Context, t domain.Tenure, jid string) error
}

// Phone is one connection.
type Phone interface {
	// Send hands one message to WhatsApp and waits for its acknowledgement.
	// The row is marked as sending in the transaction that stores the ratchet.
	// The error, if any, is a *SendError or the context's.
	Send(ctx context.Context, row domain.Outbound) (serverAt time.Time, err error)
	// Typing shows or hides "typing…" in a chat; best effort.
	Typing(ctx context.Context, chatJID string, on bool)
	// PairingCode asks for a code that links by phone number instead of by QR.
	PairingCode(ctx context.Context, phone domain.Phone) (string, error)
	// Logout unlinks the device at WhatsApp and deletes its keys.
	Logout(ctx context.Context) error
	// Close disconnects and returns once no store call of this connection is
	// under way. It is idempotent.
	Close()
}

// InboxDeadline bounds the handling of one inbound message, its transaction
// and its HoldBack together: WhatsApp waits for the acknowledgement meanwhile.
const InboxDeadline = 15 * time.Second

// PhoneHandler receives what happens on a connection. Message and HoldBack are
// called by one goroutine at a time, in the order in which WhatsApp delivered.
type PhoneHandler interface {
	Linking(code string, expires time.Time) // a QR code to show
	Passkey()                               // WhatsApp wants a passkey confirmed on the phone
	Linked(jid string)                      // the phone accepted; this connection ends, the next logs in
	Connected()
	CaughtUp() // the offline queue has been worked off
	// Noted tells people something about a connection that goes on; no reason
	// means that all is well again.
	Noted(reason domain.Reason)
	// Message stores a message. An error means that it is not stored and must
	// not be acknowledged; the connection is then of no more use. ctx ends
	// within InboxDeadline.
	Message(ctx context.Context, in domain.Incoming, ratchet *domain.RatchetWrites) error
	// HoldBack returns when the next message may come: it waits while too many
	// answers to this contact, or in all, are unsent, until ctx ends. It is
	// called when a message is stored and nothing is held any more that a send
	// needs; the message is acknowledged afterwards.
	HoldBack(ctx context.Context, contact string)
	Receipt(tick domain.Tick)
	// Gone is the last call: the connection ended by itself.
	Gone(reason domain.Reason, detail string)
}

// SendErrorKind says what to do after a failed send.
type SendErrorKind int

const (
	SendRetry   SendErrorKind = iota // try again later; counts as an attempt
	SendPaused                       // not an attempt: the connection or the lease is gone
	SendRefused                      // trying again cannot help
	SendSettled                      // the row has an outcome already, which stays: nothing went out
)

// SendError is a classified failure to send.
type SendError struct {
	Kind   SendErrorKind
	Reason string        // for people
	Note   domain.Reason // what it tells about the connection as a whole
	Err    error
	// Unknown means that the message may have gone out all the same.
	Unknown bool
}

func (e *SendError) Error() string {
	switch {
	case e.Err == nil:
		return e.Reason
	case e.Reason == "":
		return e.Err.Error()
	}
	return fmt.Sprintf("%s: %v", e.Reason, e.Err)
}

func (e *SendError) Unwrap() error { return e.Err }

// sendErrorOf classifies any error of Phone.Send.
func sendErrorOf(err error) *SendError {
	var se *SendError
	switch {
	case errors.As(err, &se):
		return se
	case errors.Is(err, domain.ErrFenced), errors.Is(err, context.Canceled):
		return &SendError{Kind: SendPaused, Reason: "The connection ended.", Err: err}
	default:
		return &SendError{Kind: SendRetry, Reason: "WhatsApp did not accept the message.", Err: err}
	}
}
