package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"flowhq/domain"
)

// attempt is one connection of a runner, as its PhoneHandler.
type attempt struct {
	runner *runner
	closed chan struct{} // closed when the runner has turned away from this connection

	answered bool // the last message has answers; of the goroutine that calls Message and HoldBack
}

var _ PhoneHandler = (*attempt)(nil)

func (a *attempt) post(e event) {
	e.phone = a
	select {
	case a.runner.events <- e:
	case <-a.closed:
	}
}

// Linking shows a code to scan.
func (a *attempt) Linking(code string, expires time.Time) {
	a.post(event{kind: eventQR, text: code, until: expires})
}

// Passkey says that the phone has to confirm a passkey.
func (a *attempt) Passkey() { a.post(event{kind: eventPasskey}) }

// Linked says that the phone accepted.
func (a *attempt) Linked(jid string) { a.post(event{kind: eventLinked, text: jid}) }

// Connected says that the connection is logged in.
func (a *attempt) Connected() { a.post(event{kind: eventConnected}) }

// CaughtUp says that the offline queue has arrived.
func (a *attempt) CaughtUp() { a.post(event{kind: eventCaughtUp}) }

// Noted tells people about a connection that goes on.
func (a *attempt) Noted(reason domain.Reason) { a.post(event{kind: eventNoted, reason: reason}) }

// Gone ends the attempt.
func (a *attempt) Gone(reason domain.Reason, detail string) {
	a.post(event{kind: eventGone, reason: reason, text: detail})
}

// Receipt stores a tick.
func (a *attempt) Receipt(t domain.Tick) { a.runner.sender.fin.tick(t) }

// Message stores one inbound message and what follows from it, and hands the
// answers to the sender. Only when it returns nil may WhatsApp be told.
func (a *attempt) Message(ctx context.Context, in domain.Incoming, ratchet *domain.RatchetWrites) error {
	r := a.runner
	d := decider{engine: r.svc.Engine, profile: r.profile.Load(), settings: r.svc.Settings}
	var silence bool
	a.answered = false
	r.svc.at("I2")
	receipt, err := r.svc.Inbox.Receive(ctx, r.tenure, in, ratchet, func(v domain.InboxView) (domain.Decision, error) {
		out, err := d.safely(in, v)
		silence = out.SilenceChat
		return out, err
	})
	var broken *conversationError
	switch {
	case errors.As(err, &broken):
		return a.quarantine(ctx, in, ratchet, broken)
	case errors.Is(err, domain.ErrFenced):
		r.lose(err)
		return err
	case err != nil:
		return err
	}
	r.svc.at("I3")
	if receipt.Duplicate {
		r.svc.Metrics.Duplicates.Inc()
		return nil
	}
	r.heard.Store(time.Now().UnixNano())
	r.svc.Metrics.MessagesIn.WithLabelValues(string(in.Kind)).Inc()
	if receipt.Moved != "" {
		r.sender.moved(receipt.Moved, in.Contact)
	}
	if silence {
		r.sender.silence(in.Contact)
	}
	r.sender.offer(receipt.Replies)
	a.answered = len(receipt.Replies) > 0
	return nil
}

// HoldBack holds the next message back while too many answers wait, and with it
// the receipt of the one that is stored, if that has added to them. It must not
// be a part of Message, during which the ratchet is locked: no answer could be
// sent meanwhile.
func (a *attempt) HoldBack(ctx context.Context, contact string) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for a.answered && a.runner.online.Load() {
		if chat, all := a.runner.sender.waiting(contact); chat < domain.MaxOutboxPerChat && all < maxQueued {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		case <-a.closed:
			return
		}
	}
}

// quarantine keeps a message on which the conversation failed.
func (a *attempt) quarantine(ctx context.Context, in domain.Incoming, ratchet *domain.RatchetWrites, cause *conversationError) error {
	r := a.runner
	r.logger.Error("message quarantined", "wa_id", in.WAID, "error", cause.err, "stack", cause.stack)
	r.svc.Metrics.Quarantined.Inc()
	return r.svc.Inbox.Quarantine(ctx, r.tenure, in, ratchet, cause.Error())
}

// conversationError marks a failure of the conversation itself: repeating the
// message would fail again.
type conversationError struct {
	err   error
	stack string
}

func (e *conversationError) Error() string { return fmt.Sprintf("conversation failed: %v", e.err) }

// safely is decide with panics turned into errors.
func (d *decider) safely(in domain.Incoming, v domain.InboxView) (out domain.Decision, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = domain.Decision{}, &conversationError{fmt.Errorf("panic: %v", p), string(debug.Stack())}
		}
	}()
	out, err = d.decide(in, v)
	if err != nil {
		err = &conversationError{err: err}
	}
	return out, err
}
