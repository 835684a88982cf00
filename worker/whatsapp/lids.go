package whatsapp

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
)

// lidStore is the map between numbers and LIDs behind the gate of one
// connection. Its table is shared by all tenants, its cache is not: whatsmeow's
// holds a lock while it asks the database, so that one silent connection would
// keep every tenant waiting, and it never forgets a number.
type lidStore struct {
	*gate
	fresh func() store.LIDStore

	mu    sync.RWMutex // held for reading during each call: no call may store something past the cache in use
	cache store.LIDStore
	asked atomic.Int64 // numbers since the cache is in use
}

// maxLIDs bounds how many numbers are looked up until a cache is replaced by an
// empty one. One entry takes about 200 bytes.
const maxLIDs = 20_000

func newLIDStore(g *gate, fresh func() store.LIDStore) *lidStore {
	return &lidStore{gate: g, fresh: fresh, cache: fresh()}
}

// lids makes the store for one connection.
func (p *Phones) lids(g *gate) *lidStore {
	return newLIDStore(g, func() store.LIDStore { return sqlstore.NewWithDB(p.DB, p.Dialect, nil).LIDMap })
}

// hold returns the cache for a call about n numbers; release ends the call. An
// old cache is replaced at a moment in which nobody uses it.
func (s *lidStore) hold(n int) (cache store.LIDStore, release func()) {
	if s.asked.Add(int64(n)) > maxLIDs && s.mu.TryLock() {
		s.cache = s.fresh()
		s.asked.Store(int64(n))
		s.mu.Unlock()
	}
	s.mu.RLock()
	return s.cache, s.mu.RUnlock
}

// asksKey marks the context of a send, whose questions WhatsApp itself answers.
type asksKey struct{}

// PutManyLIDMappings takes what WhatsApp answers to a send. whatsmeow would also
// store what a message of the account's own devices claims
// (Client.storeLIDSyncMessage), and with it one tenant could lead the messages
// of all others astray: the map decides to whom they go. The number of a customer
// comes with each message of theirs as well.
func (s *lidStore) PutManyLIDMappings(ctx context.Context, mappings []store.LIDMapping) error {
	if ctx.Value(asksKey{}) == nil || len(mappings) == 0 {
		return nil
	}
	mappings = slices.Clone(mappings)
	// Everybody locks the rows of the shared table in the same order.
	slices.SortFunc(mappings, func(a, b store.LIDMapping) int { return cmp.Compare(a.LID.User, b.LID.User) })
	return guardedDo(ctx, s.gate, func(ctx context.Context) error {
		cache, release := s.hold(len(mappings))
		defer release()
		return cache.PutManyLIDMappings(ctx, mappings)
	})
}

// PutLIDMapping writes only what is new: whatsmeow tells of the same customer
// with each message.
func (s *lidStore) PutLIDMapping(ctx context.Context, lid, pn types.JID) error {
	return guardedDo(ctx, s.gate, func(ctx context.Context) error {
		cache, release := s.hold(1)
		defer release()
		if pn.Server == types.DefaultUserServer {
			if known, err := cache.GetLIDForPN(ctx, pn); err != nil || known.User == lid.User && lid.User != "" {
				return err
			}
		}
		return cache.PutLIDMapping(ctx, lid, pn)
	})
}

func (s *lidStore) GetPNForLID(ctx context.Context, lid types.JID) (types.JID, error) {
	return guarded(ctx, s.gate, func(ctx context.Context) (types.JID, error) {
		cache, release := s.hold(1)
		defer release()
		return cache.GetPNForLID(ctx, lid)
	})
}

func (s *lidStore) GetLIDForPN(ctx context.Context, pn types.JID) (types.JID, error) {
	return guarded(ctx, s.gate, func(ctx context.Context) (types.JID, error) {
		cache, release := s.hold(1)
		defer release()
		return cache.GetLIDForPN(ctx, pn)
	})
}

func (s *lidStore) GetManyLIDsForPNs(ctx context.Context, pns []types.JID) (map[types.JID]types.JID, error) {
	return guarded(ctx, s.gate, func(ctx context.Context) (map[types.JID]types.JID, error) {
		cache, release := s.hold(len(pns))
		defer release()
		return cache.GetManyLIDsForPNs(ctx, pns)
	})
}
