package whatsapp

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/worker"
)

// shelf is a database of sessions in memory.
type shelf struct {
	worker.Ratchet
	sessions map[string][]byte
	reads    func() // happens after a read and before its answer
}

func (s *shelf) Sessions(_ context.Context, _ string, addresses []string) (map[string][]byte, error) {
	found := map[string][]byte{}
	for _, a := range addresses {
		found[a] = s.sessions[a]
	}
	if s.reads != nil {
		s.reads()
	}
	return found, nil
}

func (s *shelf) Save(_ context.Context, _ domain.Tenure, w *domain.RatchetWrites, _ uuid.UUID) error {
	for a, session := range w.Sessions {
		s.sessions[a] = session
	}
	return nil
}

// atRatchet runs a test in virtual time.
func atRatchet(t *testing.T, test func(t *testing.T, r *ratchet, s *shelf)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{sessions: map[string][]byte{"customer:0": []byte("first"), "own:0": []byte("own")}}
		r := newRatchet(newGate(t.Context()), &keyStore{ratchets: s}, Unsafe{})
		test(t, r, s)
		r.gate.close(0)
	})
}

// begun calls something that may have to wait, and tells when it has returned.
func begun(call func() error) (returned func() bool) {
	done := make(chan error, 1)
	go func() { done <- call() }()
	return func() bool {
		synctest.Wait()
		return len(done) > 0
	}
}

func load(r *ratchet, address string) func() error {
	return func() error {
		_, err := r.GetSession(context.Background(), address)
		return err
	}
}

// used is a session in whose sending chain a message was encrypted: hasSent
// takes what it cannot read for one.
var used = []byte("used")

func TestRatchet_APlainLoadWaitsForTheOneBeforeWhateverItsAddress(t *testing.T) {
	for _, address := range []string{"customer:0", "own:0"} {
		atRatchet(t, func(t *testing.T, r *ratchet, _ *shelf) {
			if !begun(load(r, "own:0"))() {
				t.Fatal("the first load waits for nothing, and does not return")
			}
			second := begun(load(r, address))
			if second() {
				t.Errorf("%s is loaded while another message is being encrypted", address)
			}
			if err := r.PutSession(t.Context(), "own:0", used); err != nil {
				t.Fatal(err)
			}
			if !second() {
				t.Errorf("%s is not loaded although the other message is encrypted", address)
			}
		})
	}
}

func TestRatchet_StoringAnotherSessionDoesNotEndAPlainLoad(t *testing.T) {
	atRatchet(t, func(t *testing.T, r *ratchet, _ *shelf) {
		begun(load(r, "own:0"))()
		if err := r.PutSession(t.Context(), "customer:0", used); err != nil {
			t.Fatal(err)
		}
		if begun(load(r, "customer:0"))() {
			t.Error("the lock is gone although the message is not encrypted yet")
		}
	})
}

func TestRatchet_APlainLoadThatLastsTooLongEndsTheConnection(t *testing.T) {
	atRatchet(t, func(t *testing.T, r *ratchet, _ *shelf) {
		begun(load(r, "own:0"))()
		time.Sleep(bareLife + time.Second)
		if r.gate.ctx.Err() == nil {
			t.Error("others use the session that is still in use")
		}
	})
}

func TestRatchet_APanicOfADecryptionLeavesTheNextOneFree(t *testing.T) {
	atRatchet(t, func(t *testing.T, r *ratchet, _ *shelf) {
		func() {
			defer func() { _ = recover() }() // as whatsmeow does
			_ = r.DoDecryptionTxn(t.Context(), func(context.Context) error { panic("input not full blocks") })
		}()
		if !begun(func() error {
			return r.DoDecryptionTxn(t.Context(), func(context.Context) error { return errors.New("old") })
		})() {
			t.Error("one malformed message makes the tenant deaf and mute")
		}
	})
}

func TestRatchet_AQuestionWithoutTheLockDoesNotBringAnOldSessionBack(t *testing.T) {
	atRatchet(t, func(t *testing.T, r *ratchet, s *shelf) {
		late := make(chan struct{})
		s.reads = func() { <-late }
		asked := begun(func() error {
			_, err := r.HasSession(t.Context(), "customer:0")
			return err
		})
		asked()
		s.reads = nil
		o := &op{crash: func(string) {}}
		sending := context.WithValue(t.Context(), opKey{}, o)
		if _, err := r.GetManySessions(sending, []string{"customer:0"}); err != nil {
			t.Fatal(err)
		}
		if err := r.PutManySessions(sending, map[string][]byte{"customer:0": []byte("second")}); err != nil {
			t.Fatal(err)
		}
		close(late)
		if !asked() {
			t.Fatal("the question is not answered")
		}
		if now, _ := r.cached("customer:0"); string(now) != "second" {
			t.Errorf("the cache has the session %q, want the second: its key would be used twice", now)
		}
	})
}
