package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/appstate"
)

// appSync fetches the settings that a phone shares with its companions, in place
// of whatsmeow. That does it in goroutines of its own in which nothing catches a
// panic, and it panics on what the owner of an account may well write: a
// setting without an index, or with a value that is too short
// (Client.dispatchAppState, appstate/hash.go). One tenant would end the process
// of all, and after it each process that takes its lease.
type appSync struct {
	fetch func(ctx context.Context, collection string) error

	mu   sync.Mutex
	busy map[string]bool // collections under way; true: asked for again meanwhile
}

// errFetchedApart is what whatsmeow is told when it begins to fetch; it only
// logs it.
var errFetchedApart = errors.New("settings are fetched apart")

// fetchesKey marks the context of a fetch of ours.
type fetchesKey struct{}

// fetchDeadline bounds one fetch, several pages long.
const fetchDeadline = 2 * time.Minute

// apart reports whether a fetch that begins is none of ours; then ours follows.
func (s *appSync) apart(ctx context.Context, collection string) bool {
	if s == nil || ctx.Value(fetchesKey{}) != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, under := s.busy[collection]; under {
		s.busy[collection] = true
		return true
	}
	s.busy[collection] = false
	go s.run(context.WithoutCancel(ctx), collection)
	return true
}

// run fetches until nobody has asked meanwhile.
func (s *appSync) run(ctx context.Context, collection string) {
	for {
		_ = s.fetch(context.WithValue(ctx, fetchesKey{}, true), collection) // logged there; the next change asks again
		s.mu.Lock()
		again := s.busy[collection]
		s.busy[collection] = false
		if !again {
			delete(s.busy, collection)
		}
		s.mu.Unlock()
		if !again {
			return
		}
	}
}

// fetchSettings reads what is new in one collection.
func (ph *phone) fetchSettings(ctx context.Context, collection string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchDeadline)
	defer cancel()
	defer context.AfterFunc(ph.gate.ctx, cancel)()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			ph.Metrics.Panics.Inc()
			ph.logger.Error("settings of the phone are not readable", "collection", collection, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	err = ph.client.FetchAppState(ctx, appstate.WAPatchName(collection), false, false)
	if err != nil && ph.gate.ctx.Err() == nil {
		ph.logger.Warn("settings of the phone are not fetched", "collection", collection, "error", err)
	}
	return err
}
