package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"

	"flowhq/domain"
	"flowhq/worker"
)

// A pause would mute the connection although it lives, and no pause would count
// as an attempt what only its end has prevented.
func TestClassify_OnlyTheEndOfAConnectionIsAPause(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		ended bool
		want  worker.SendErrorKind
	}{
		"the lease is gone":                      {&storeError{domain.ErrFenced}, true, worker.SendPaused},
		"the store failed, which ends it":        {&storeError{errors.New("broken")}, true, worker.SendPaused},
		"the store took too long, which ends it": {&storeError{context.DeadlineExceeded}, true, worker.SendPaused},
		"a store that is closed":                 {&storeError{errClosed}, false, worker.SendPaused},
		"it ended while a send waited":           {context.Canceled, true, worker.SendPaused},
		"a number without WhatsApp":              {errNotOnWhatsApp, false, worker.SendRefused},
		"it took too long, on a living one":      {context.DeadlineExceeded, false, worker.SendRetry},
		"the store was kept, on a living one":    {&storeError{context.DeadlineExceeded}, false, worker.SendRetry},
		"it could not be encrypted for a device": {errNoRecipient, false, worker.SendRetry},
	} {
		t.Run(name, func(t *testing.T) {
			ph := &phone{gate: newGate(t.Context())}
			if c.ended {
				ph.gate.cancel(errClosed)
			}
			if got := ph.classify(fmt.Errorf("send: %w", c.err)); got.Kind != c.want {
				t.Errorf("kind %d, want %d", got.Kind, c.want)
			}
		})
	}
}

func TestSend_ThatWaitsTooLongForTheRatchetIsTriedAgainOnTheSameConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ph := &phone{gate: newGate(t.Context())}
		defer ph.gate.close(0)
		r := newRatchet(ph.gate, &keyStore{}, Unsafe{})
		if err := r.acquire(t.Context()); err != nil { // something else holds it
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), opKey{}, &op{}), domain.SendDeadline)
		defer cancel()
		began := time.Now()
		_, err := r.GetManySessions(ctx, []string{"1:0"})
		if took := time.Since(began); err == nil || took != domain.SendDeadline {
			t.Fatalf("%v after %s, want a failure after %s", err, took, domain.SendDeadline)
		}
		if got := ph.classify(err); got.Kind != worker.SendRetry || ph.gate.ctx.Err() != nil {
			t.Errorf("kind %d, connection %v; want another attempt on a living connection", got.Kind, ph.gate.ctx.Err())
		}
	})
}

func TestClose_DoesNotWaitForASendThatHopesForTheNextConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ph := &phone{gate: newGate(t.Context()), client: whatsmeow.NewClient(store.NoopDevice, nil)}
		go func() {
			if ph.gate.enter() == nil {
				defer ph.gate.leave()
				// what the question for a recipient's devices does when its connection is lost
				//lint:ignore SA1019 a question that is asked in public needs a connection first
				_, _ = ph.client.DangerousInternals().RetryFrame(context.Background(), "info query", "1", nil, &waBinary.Node{Tag: "xmlstreamend"}, 0)
			}
		}()
		synctest.Wait()
		began := time.Now()
		ph.Close()
		if took := time.Since(began); took != 0 {
			t.Errorf("the end of the connection took %v", took)
		}
	})
}
