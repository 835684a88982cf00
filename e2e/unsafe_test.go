package e2e

import (
	"testing"
)

// These tests test the tests: with a guarantee switched off the harness has to
// see the damage.

func TestUnsafe_WithoutTheRatchetMutexKeysAreUsedTwice(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		s := newStorm(t, newWorld(t, db, setting{"FLOWHQ_UNSAFE", "no-mutex"}), 1, 6)
		const rounds, messages = 10, 120
		s.begin(1, rounds*messages, 20)
		for round := 1; round <= rounds; round++ {
			seen := s.answers.Load()
			s.allow(messages)
			eventually(t, "keys are used twice or the round is over", patience, func() (bool, string) {
				return s.w.wa.Ledger().CounterReuse > 0 || s.answers.Load()-seen >= messages, ""
			})
			if n := s.w.wa.Ledger().CounterReuse; n > 0 {
				t.Logf("%d message keys were used twice after %d rounds", n, round)
				return
			}
		}
		t.Errorf("no harm was seen in %d messages without the mutex", rounds*messages)
	})
}

func TestUnsafe_WithoutTheEventBufferACrashLosesAMessage(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		w := newWorld(t, db, setting{"FLOWHQ_UNSAFE", "no-buffer"})
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		asha.asks(t, shop, "hello")
		asha.asks(t, shop, "menu") // from now on both sides have a session
		w.child.kill()
		w.spawn(t, setting{"FLOWHQ_CRASH_AT", "I2:1"})
		lost := asha.writes(t, shop, "menu")
		if !w.child.gone(readyWithin) {
			t.Fatal("the process did not reach the point between decryption and commit")
		}
		w.serve(t)
		marker := asha.writes(t, shop, "menu")
		asha.reads(t, shop)
		shop.logged(t, marker, "received")
		if n := shop.answersTo(t, lost); n != 0 {
			t.Errorf("the message has %d answers although it was decrypted and never stored; the test would not see a loss", n)
		}
		if n := len(w.rows(t, "SELECT 1 FROM message_logs WHERE tenant_id = $1 AND wa_message_id = $2 AND status = 'received'", shop.id, lost)); n != 0 {
			t.Errorf("the message is in the log although it cannot have been read again")
		}
	})
}
