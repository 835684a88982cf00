package whatsapp_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"flowhq/simulator"
	"flowhq/worker/whatsapp"
)

// flood lets customers write while the bot answers them, and waits until each
// message has its answer.
func (w *world) flood(owner *simulator.Phone, customers []*simulator.Phone, each int) (answers int) {
	w.t.Helper()
	var wg sync.WaitGroup
	for _, c := range customers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range each {
				if _, err := c.SendText(context.Background(), owner, "menu"); err != nil {
					w.t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	deadline := time.Now().Add(60 * time.Second)
	for {
		answers = 0
		for _, c := range customers {
			for _, m := range c.Messages(owner) {
				if m.From != c.Number() {
					answers++
				}
			}
		}
		if answers >= each*len(customers) || time.Now().After(deadline) || w.sim.Ledger().CounterReuse > 0 {
			return answers
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (w *world) customers(n int) []*simulator.Phone {
	out := make([]*simulator.Phone, n)
	for i := range out {
		out[i] = w.phone(fmt.Sprintf("+2557541%05d", w.next()), fmt.Sprintf("Customer %d", i))
	}
	return out
}

func TestAdapter_NothingIsLostWhileCustomersWriteAndTheBotAnswers(t *testing.T) {
	w := newWorld(t, whatsapp.Unsafe{})
	owner := w.phone("+255754000001", "Amina")
	w.link(w.tenant(owner.Number()), owner)
	const customers, each = 8, 40
	got := w.flood(owner, w.customers(customers), each)
	l := w.sim.Ledger()
	if got != customers*each || l.CounterReuse != 0 || l.Repeats != 0 {
		t.Errorf("%d of %d answered; ledger %+v", got, customers*each, l.Counts)
	}
}

// Without the lock between sending and receiving the same load makes the bot
// use a message key twice: a phone drops such a message silently.
func TestAdapter_WithoutTheRatchetLockMessagesAreLost(t *testing.T) {
	w := newWorld(t, whatsapp.Unsafe{NoMutex: true})
	owner := w.phone("+255754000001", "Amina")
	w.link(w.tenant(owner.Number()), owner)
	for round := range 20 {
		w.flood(owner, w.customers(4), 50)
		if w.sim.Ledger().CounterReuse > 0 {
			t.Logf("found in round %d", round+1)
			return
		}
	}
	t.Error("the lock makes no difference: either it is not needed or this test does not see it")
}

// next numbers phones, so that each has its own.
func (w *world) next() int {
	w.numbers++
	return w.numbers
}
