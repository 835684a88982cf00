package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"flowhq/domain"
	"flowhq/worker"
)

// ackTimeout is how long WhatsApp may take to acknowledge a message.
const ackTimeout = 20 * time.Second

// Send hands one message to WhatsApp under its reserved id.
func (ph *phone) Send(ctx context.Context, row domain.Outbound) (time.Time, error) {
	if err := ph.gate.enter(); err != nil {
		return time.Time{}, &worker.SendError{Kind: worker.SendPaused, Reason: "The connection ended.", Err: err}
	}
	defer ph.gate.leave()
	ks := ph.keys.Load()
	if ks == nil {
		return time.Time{}, &worker.SendError{Kind: worker.SendPaused, Reason: "No phone is linked.", Err: errNotLinked}
	}
	ctx = context.WithValue(ctx, asksKey{}, true)
	to, err := ph.recipient(ctx, row.ChatJID)
	if err != nil {
		return time.Time{}, ph.classify(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ph.gate.ctx, cancel)()
	o := &op{row: row.ID, own: ph.ownUsers(), toSelf: to.User == ph.client.Store.GetJID().User || to.User == ph.client.Store.GetLID().User,
		identities: map[string][32]byte{}, crash: ph.Crash}
	ph.sending.Store(true)
	defer ph.sending.Store(false)
	defer ks.end(o)
	resp, err := ph.client.SendMessage(context.WithValue(ctx, opKey{}, o), to, &waE2E.Message{Conversation: proto.String(row.Text)},
		whatsmeow.SendRequestExtra{ID: row.WAID, Timeout: ackTimeout})
	if err != nil {
		failed := ph.classify(err)
		failed.Unknown = o.stored && !errors.Is(err, whatsmeow.ErrServerReturnedError)
		return time.Time{}, failed
	}
	if !o.stored { // not one device could be encrypted for, and whatsmeow has sent an empty list
		return time.Time{}, ph.classify(errNoRecipient)
	}
	return resp.Timestamp, nil
}

func (ph *phone) ownUsers() []string {
	id, lid := ph.client.Store.GetJID(), ph.client.Store.GetLID()
	return []string{id.SignalAddressUser(), lid.SignalAddressUser()}
}

var errNotOnWhatsApp = errors.New("this number is not on WhatsApp")

// recipient returns the address to send to. A number that was never written to
// is looked up first: whatsmeow has no typed error for one without WhatsApp.
func (ph *phone) recipient(ctx context.Context, jid string) (types.JID, error) {
	to, err := types.ParseJID(jid)
	if err != nil {
		return to, fmt.Errorf("%w: %w", errNotOnWhatsApp, err)
	}
	if to.Server != types.DefaultUserServer {
		return to, nil
	}
	lid, err := ph.client.Store.LIDs.GetLIDForPN(ctx, to)
	if err != nil || !lid.IsEmpty() {
		return to, err
	}
	found, err := ph.client.IsOnWhatsApp(ctx, []string{"+" + to.User})
	if err != nil {
		return to, err
	}
	for _, f := range found {
		if f.IsIn {
			return to, nil
		}
	}
	return to, errNotOnWhatsApp
}

// Typing shows or hides "typing…"; it is a courtesy, so failures are ignored.
func (ph *phone) Typing(ctx context.Context, chatJID string, on bool) {
	to, err := types.ParseJID(chatJID)
	if err != nil || ph.gate.enter() != nil {
		return
	}
	defer ph.gate.leave()
	state := types.ChatPresencePaused
	if on {
		state = types.ChatPresenceComposing
	}
	_ = ph.client.SendChatPresence(ctx, to, state, types.ChatPresenceMediaText)
}

// Codes with which WhatsApp refuses a message (nack codes of its server).
const (
	codeRestricted = "463" // new chats are refused for a while
	codeInvalid    = "479"
	codeTooLarge   = "413"
)

// classify says what a failed send means for the row.
func (ph *phone) classify(err error) *worker.SendError {
	failed := func(kind worker.SendErrorKind, reason string) *worker.SendError {
		return &worker.SendError{Kind: kind, Reason: reason, Err: err}
	}
	switch {
	case errors.Is(err, domain.ErrFenced):
		return failed(worker.SendPaused, "Another replica serves this tenant.")
	case errors.Is(err, domain.ErrSettled):
		return failed(worker.SendSettled, "") // nobody is told
	case errors.Is(err, errNotOnWhatsApp):
		return failed(worker.SendRefused, "This number is not on WhatsApp.")
	case ph.gate.ctx.Err() != nil, errors.Is(err, whatsmeow.ErrNotConnected), errors.Is(err, whatsmeow.ErrNotLoggedIn), errors.Is(err, whatsmeow.ErrIQDisconnected):
		return failed(worker.SendPaused, "The connection to WhatsApp ended.")
	case errors.Is(err, whatsmeow.ErrMessageTimedOut):
		return failed(worker.SendRetry, "WhatsApp did not acknowledge the message in time.")
	case errors.Is(err, context.DeadlineExceeded): // before cancellations: a storeError is both
		return failed(worker.SendRetry, "The message could not be sent in time.")
	case errors.Is(err, context.Canceled):
		return failed(worker.SendPaused, "The connection to WhatsApp ended.")
	case errors.Is(err, whatsmeow.ErrServerReturnedError):
		return ph.refused(err, failed)
	case errors.Is(err, errNoRecipient):
		return failed(worker.SendRetry, "The message could not be encrypted for its recipient.")
	}
	return failed(worker.SendRetry, "WhatsApp did not accept the message.")
}

func (ph *phone) refused(err error, failed func(worker.SendErrorKind, string) *worker.SendError) *worker.SendError {
	switch text := err.Error(); {
	case strings.HasSuffix(text, codeRestricted):
		e := failed(worker.SendRetry, domain.ReasonRestricted.Text(domain.LanguageEnglish))
		e.Note = domain.ReasonRestricted
		return e
	case strings.HasSuffix(text, codeInvalid), strings.HasSuffix(text, codeTooLarge):
		return failed(worker.SendRefused, "WhatsApp refused the message.")
	}
	return failed(worker.SendRetry, "WhatsApp did not accept the message.")
}

// messageForRetry answers a recipient that could not decrypt a message, from
// the outbox, whichever replica sent it. whatsmeow acknowledges the request for
// a message that is not there, and nobody would ask again; when the outbox
// cannot be read the connection has to end first.
func (ph *phone) messageForRetry(_, _ types.JID, id types.MessageID) *waE2E.Message {
	ctx, cancel := context.WithTimeout(ph.gate.ctx, ackTimeout)
	defer cancel()
	text, err := guarded(ctx, ph.gate, func(ctx context.Context) (*string, error) {
		row, ok, err := ph.Outbox.ForRetry(ctx, ph.tenure.TenantID, id)
		if err != nil || !ok {
			return nil, err
		}
		return &row.Text, nil
	})
	if err != nil || text == nil {
		return nil
	}
	return &waE2E.Message{Conversation: text}
}
