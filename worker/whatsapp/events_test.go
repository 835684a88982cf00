package whatsapp

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"flowhq/domain"
	"flowhq/worker"
)

// crowded is a handler with so many unsent answers that it holds the next
// message back until one is on its way.
type crowded struct {
	worker.PhoneHandler
	storing func(context.Context) error // during the transaction of a message
	sends   func(context.Context) error // what it waits for
	err     error
}

func (c *crowded) Message(ctx context.Context, _ domain.Incoming, _ *domain.RatchetWrites) error {
	return c.storing(ctx)
}

func (c *crowded) HoldBack(ctx context.Context, _ string) { c.err = c.sends(ctx) }

func TestMessage_AnswersGoOutWhileTheNextMessageIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ph := &phone{gate: newGate(t.Context()), client: &whatsmeow.Client{Store: &store.Device{}}}
		defer ph.gate.close(0)
		ks := &keyStore{}
		ks.ratchet = newRatchet(ph.gate, ks, Unsafe{})
		ks.cache["1:0"] = []byte("a session")
		ph.keys.Store(ks)
		send := func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			o := &op{}
			defer ks.end(o)
			_, err := ks.GetManySessions(context.WithValue(ctx, opKey{}, o), []string{"1:0"})
			return err
		}
		var during error
		handler := &crowded{sends: send, storing: func(ctx context.Context) error { during = send(ctx); return nil }}
		ph.handler = handler

		if err := ks.DoDecryptionTxn(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Fatal(err)
		}
		source := types.MessageSource{Chat: hidden, Sender: hidden, SenderAlt: someone}
		if !ph.message(&events.Message{Info: types.MessageInfo{MessageSource: source}, Message: &waE2E.Message{Conversation: proto.String("menu")}}) {
			t.Error("a stored message is not acknowledged")
		}
		if !errors.Is(during, context.DeadlineExceeded) {
			t.Errorf("a send begins before the message's session is stored: %v", during)
		}
		if handler.err != nil {
			t.Errorf("no send can begin while the next message is held back: %v", handler.err)
		}
	})
}
