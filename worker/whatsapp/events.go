package whatsapp

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"flowhq/domain"
	"flowhq/worker"
)

// handle is the only event handler of a client. whatsmeow takes a panic in a
// handler for success and would acknowledge the message, so it recovers itself.
// False means: not stored, do not acknowledge.
func (ph *phone) handle(evt any) (ok bool) {
	if err := ph.gate.enter(); err != nil {
		return false
	}
	defer ph.gate.leave()
	defer func() {
		if p := recover(); p != nil {
			ph.Metrics.Panics.Inc()
			ph.logger.Error("event handler panicked", "event", fmt.Sprintf("%T", evt), "panic", p, "stack", string(debug.Stack()))
			ph.fail(fmt.Errorf("panic: %v", p))
			ok = false
		}
	}()
	return ph.dispatch(evt)
}

func (ph *phone) dispatch(evt any) bool {
	switch e := evt.(type) {
	case *events.Message:
		return ph.message(e)
	case *events.UndecryptableMessage:
		return ph.undecryptable(e)
	case *events.Receipt:
		ph.receipt(e)
	case *events.Connected:
		ph.handler.Connected()
	case *events.OfflineSyncCompleted:
		ph.caughtUp()
	case *events.QR:
		ph.showCodes(e.Codes)
	case *events.PairPasskeyRequest:
		ph.handler.Passkey()
	case *events.PairSuccess:
		ph.stopCodes()
		time.AfterFunc(reconnectWithin, ph.linked)
	case *events.ManualLoginReconnect:
		ph.linked()
	default:
		ph.ending(evt)
	}
	return true
}

// reconnectWithin is how long after a scan WhatsApp may take to ask for the
// connection that logs in. whatsmeow expects the end of this one from then on
// and tells nobody of it (pair.go), so a socket that is lost meanwhile would be
// the last that is heard of a linked phone.
const reconnectWithin = 10 * time.Second

// linked ends a connection that has linked a phone; the next one logs in.
func (ph *phone) linked() {
	if !ph.gone.Swap(true) {
		ph.handler.Linked(ph.client.Store.GetJID().String())
	}
}

// ending maps every event that ends a connection to its reason.
func (ph *phone) ending(evt any) {
	switch e := evt.(type) {
	case *events.PairError:
		ph.end(domain.ReasonPairFailed, e.Error.Error())
	case *events.PairPasskeyError:
		ph.end(domain.ReasonPairFailed, e.Error.Error())
	case *events.LoggedOut:
		ph.end(domain.ReasonLoggedOut, e.Reason.String())
	case *events.StreamReplaced:
		ph.end(domain.ReasonReplaced, "")
	case *events.TemporaryBan:
		until := ""
		if e.Expire > 0 {
			until = "until " + time.Now().Add(e.Expire).UTC().Format(time.RFC3339)
		}
		ph.end(domain.ReasonBanned, until)
	case *events.ClientOutdated:
		ph.end(domain.ReasonOutdated, "")
	case *events.ConnectFailure:
		if e.Reason == events.ConnectFailureServiceUnavailable || e.Reason == events.ConnectFailureInternalServerError {
			ph.end(domain.ReasonUnavailable, e.Reason.String())
			return
		}
		ph.end(domain.ReasonClientFailed, e.Reason.String())
	case *events.StreamError:
		ph.end(domain.ReasonUnavailable, "stream error "+e.Code)
	case *events.Disconnected:
		if ph.overloaded.Load() {
			ph.end(domain.ReasonUnavailable, "")
			return
		}
		ph.end(domain.ReasonNetwork, "")
	case *events.KeepAliveTimeout:
		go ph.askAgain()
	case *events.KeepAliveRestored:
		ph.handler.Noted(domain.ReasonNone)
	}
}

func (ph *phone) caughtUp() {
	if ks := ph.keys.Load(); ks != nil {
		ks.caughtUp.Store(true)
	}
	ph.handler.CaughtUp()
}

// fail ends the connection because a message could not be stored: WhatsApp
// gives it again at the next one.
func (ph *phone) fail(cause error) {
	if ks := ph.keys.Load(); ks != nil {
		ks.failed(ks.take(), cause)
	}
	ph.gate.poison(cause)
}

// message stores one message. Only a stored message is acknowledged.
func (ph *phone) message(e *events.Message) bool {
	in, chat := ph.incoming(e)
	if chat != "" {
		ph.Metrics.Ignored.WithLabelValues(chat).Inc()
		return true
	}
	ctx, cancel := context.WithTimeout(ph.gate.ctx, worker.InboxDeadline)
	defer cancel()
	ks := ph.keys.Load()
	p := ks.take()
	if err := ph.handler.Message(ctx, in, p.forInbox()); err != nil {
		ks.failed(p, err)
		ph.fail(err)
		return false
	}
	ks.stored(p)
	ph.handler.HoldBack(ctx, in.Contact)
	return true
}

// undecryptable leaves a placeholder in the log; the message itself comes
// again after the retry receipt that whatsmeow has sent.
func (ph *phone) undecryptable(e *events.UndecryptableMessage) bool {
	in, chat := ph.incoming(&events.Message{Info: e.Info})
	if chat != "" {
		return true
	}
	ph.Metrics.Undecrypted.Inc()
	in.Placeholder, in.Kind = true, domain.MediaOther
	ctx, cancel := context.WithTimeout(ph.gate.ctx, worker.InboxDeadline)
	defer cancel()
	if err := ph.handler.Message(ctx, in, nil); err != nil {
		ph.fail(err)
		return false
	}
	return true
}

func (ph *phone) receipt(e *events.Receipt) {
	var status domain.MessageStatus
	switch e.Type {
	case types.ReceiptTypeDelivered, types.ReceiptTypeInactive:
		status = domain.StatusDelivered
	case types.ReceiptTypeRead, types.ReceiptTypePlayed:
		status = domain.StatusRead
	case types.ReceiptTypeRetry:
		ph.Metrics.Retries.Inc()
		return
	default:
		return
	}
	if e.IsFromMe || e.IsGroup {
		return
	}
	for _, id := range e.MessageIDs {
		ph.handler.Receipt(domain.Tick{TenantID: ph.tenure.TenantID, WAID: id, Status: status})
	}
}

// codeRound shows the codes of one pairing connection one after the other.
type codeRound struct{ stop chan struct{} }

// How long WhatsApp accepts each code: the first for a minute, every further
// one for twenty seconds (qrchan.go of whatsmeow).
const (
	firstCodeLife = 60 * time.Second
	codeLife      = 20 * time.Second
)

func (ph *phone) showCodes(codes []string) {
	round := &codeRound{stop: make(chan struct{})}
	if old := ph.codes.Swap(round); old != nil {
		close(old.stop)
	}
	go func() {
		life := firstCodeLife
		for _, code := range codes {
			ph.handler.Linking(code, domain.Now().Add(life))
			select {
			case <-time.After(life):
			case <-round.stop:
				return
			case <-ph.gate.ctx.Done():
				return
			}
			life = codeLife
		}
		ph.end(domain.ReasonQRExpired, "")
	}()
}

func (ph *phone) stopCodes() {
	if round := ph.codes.Swap(nil); round != nil {
		close(round.stop)
	}
}
