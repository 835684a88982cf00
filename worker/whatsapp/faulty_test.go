package whatsapp_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/worker"
)

// mode is a way in which a call of the store fails.
type mode string

const (
	refuses  mode = "nothing is done"          // and the caller is told that it failed for good
	forgets  mode = "done, but told otherwise" // the answer of a commit got lost
	hangs    mode = "no answer"                // until the caller's patience ends, or the database's
	stutters mode = "away for a moment"        // a failure that passes
)

// fault makes the next call of one method for one tenant fail.
type fault struct {
	method string
	mode   mode
	hang   time.Duration

	spent atomic.Bool
	over  time.Time     // when the failing call returned
	ended chan struct{} // closed then
}

// waits reports whether the fault is still to come.
func (f *fault) waits(method string) bool { return f != nil && f.method == method && !f.spent.Load() }

func (f *fault) end() {
	f.over = time.Now()
	close(f.ended)
}

var (
	errBroken = errors.New("the store is broken")
	errAway   = domain.Errorf(domain.KindUnavailable, "the database does not answer")
)

// faults are those in force, by the number of the tenant whose calls fail.
type faults struct {
	mu       sync.Mutex
	byNumber map[string]*fault
	numbers  map[uuid.UUID]string
	planted  map[string]domain.BufferedPlaintext
	leases   worker.Leases
}

func newFaults() *faults {
	return &faults{byNumber: map[string]*fault{}, numbers: map[uuid.UUID]string{}, planted: map[string]domain.BufferedPlaintext{}}
}

// between puts the faults between the worker and its store.
func (fs *faults) between(s *worker.Services) {
	fs.leases = s.Leases
	s.Ratchet = faultyRatchet{s.Ratchet, fs}
	s.Inbox = faultyInbox{s.Inbox, fs}
	s.Outbox = faultyOutbox{s.Outbox, fs}
}

// knows tells which number a tenant has; calls name one or the other.
func (fs *faults) knows(tenant uuid.UUID, number string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.numbers[tenant] = number
}

// plant lets the next message at a connection be one that was decrypted before,
// but whose handler never ran; nil takes it back.
func (fs *faults) plant(number string, plaintext []byte) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.planted, number)
	if plaintext != nil {
		fs.planted[number] = domain.BufferedPlaintext{Plaintext: plaintext, ServerTime: domain.Now()}
	}
}

func (fs *faults) plantedFor(number string) (message domain.BufferedPlaintext, tenant uuid.UUID, ok bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	message, ok = fs.planted[number]
	for id, known := range fs.numbers {
		if known == number {
			tenant = id
		}
	}
	return message, tenant, ok
}

func (fs *faults) arm(number string, f *fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.byNumber[number] = f
}

func (fs *faults) of(number string) *fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.byNumber[number]
}

func (fs *faults) tenant(id uuid.UUID) *fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.byNumber[fs.numbers[id]]
}

func (fs *faults) device(jid string) *fault { return fs.of(numberOf(jid)) }

// numberOf is the number of a device, which is named <digits>:<device>@….
func numberOf(jid string) string {
	user, _, _ := strings.Cut(jid, "@")
	user, _, _ = strings.Cut(user, ":")
	return "+" + user
}

// call does one call of the store, or lets it fail.
func (f *fault) call(ctx context.Context, method string, do func(context.Context) error) error {
	if !f.waits(method) || f.spent.Swap(true) {
		return do(ctx)
	}
	defer f.end()
	switch f.mode {
	case forgets:
		if err := do(ctx); err != nil {
			return err
		}
	case hangs:
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(f.hang):
		}
	case stutters:
		return errAway
	}
	return errBroken
}

type faultyRatchet struct {
	worker.Ratchet
	faults *faults
}

func (r faultyRatchet) LinkDevice(ctx context.Context, t domain.Tenure, jid string) error {
	return r.faults.device(jid).call(ctx, "LinkDevice", func(ctx context.Context) error { return r.Ratchet.LinkDevice(ctx, t, jid) })
}

func (r faultyRatchet) Save(ctx context.Context, t domain.Tenure, w *domain.RatchetWrites, sending uuid.UUID) error {
	return r.faults.tenant(t.TenantID).call(ctx, "Save", func(ctx context.Context) error { return r.Ratchet.Save(ctx, t, w, sending) })
}

func (r faultyRatchet) Sessions(ctx context.Context, jid string, addresses []string) (found map[string][]byte, err error) {
	err = r.faults.device(jid).call(ctx, "Sessions", func(ctx context.Context) (err error) {
		found, err = r.Ratchet.Sessions(ctx, jid, addresses)
		return err
	})
	return found, err
}

func (r faultyRatchet) Identities(ctx context.Context, jid string, addresses []string) (found map[string][32]byte, err error) {
	err = r.faults.device(jid).call(ctx, "Identities", func(ctx context.Context) (err error) {
		found, err = r.Ratchet.Identities(ctx, jid, addresses)
		return err
	})
	return found, err
}

// Buffered first stores what is planted for the device.
func (r faultyRatchet) Buffered(ctx context.Context, jid string, hash [32]byte) (plaintext []byte, at time.Time, ok bool, err error) {
	if err := r.plant(ctx, jid, hash); err != nil {
		return nil, at, false, err
	}
	err = r.faults.device(jid).call(ctx, "Buffered", func(ctx context.Context) (err error) {
		plaintext, at, ok, err = r.Ratchet.Buffered(ctx, jid, hash)
		return err
	})
	return plaintext, at, ok, err
}

func (r faultyRatchet) plant(ctx context.Context, jid string, hash [32]byte) error {
	message, tenant, ok := r.faults.plantedFor(numberOf(jid))
	if !ok {
		return nil
	}
	lease, err := r.faults.leases.Lease(ctx, tenant)
	if err != nil {
		return err
	}
	message.Hash = hash
	if err := r.Ratchet.Save(ctx, lease.Tenure, &domain.RatchetWrites{JID: jid, Buffered: []domain.BufferedPlaintext{message}}, uuid.Nil); err != nil {
		return err
	}
	r.faults.plant(numberOf(jid), nil)
	return nil
}

func (r faultyRatchet) ClearBuffered(ctx context.Context, t domain.Tenure, jid string, hash [32]byte) error {
	return r.faults.device(jid).call(ctx, "ClearBuffered", func(ctx context.Context) error { return r.Ratchet.ClearBuffered(ctx, t, jid, hash) })
}

func (r faultyRatchet) AddPreKeys(ctx context.Context, t domain.Tenure, jid string, make func(first uint32) []domain.PreKeyPair) error {
	return r.faults.device(jid).call(ctx, "AddPreKeys", func(ctx context.Context) error { return r.Ratchet.AddPreKeys(ctx, t, jid, make) })
}

func (r faultyRatchet) PreKey(ctx context.Context, tenant uuid.UUID, jid string, id uint32) (key [32]byte, ok bool, err error) {
	err = r.faults.device(jid).call(ctx, "PreKey", func(ctx context.Context) (err error) {
		key, ok, err = r.Ratchet.PreKey(ctx, tenant, jid, id)
		return err
	})
	return key, ok, err
}

func (r faultyRatchet) PreKeys(ctx context.Context, tenant uuid.UUID, jid string) (n int, err error) {
	err = r.faults.device(jid).call(ctx, "PreKeys", func(ctx context.Context) (err error) {
		n, err = r.Ratchet.PreKeys(ctx, tenant, jid)
		return err
	})
	return n, err
}

func (r faultyRatchet) HasPNSessions(ctx context.Context, jid, user string) (has bool, err error) {
	err = r.faults.device(jid).call(ctx, "HasPNSessions", func(ctx context.Context) (err error) {
		has, err = r.Ratchet.HasPNSessions(ctx, jid, user)
		return err
	})
	return has, err
}

func (r faultyRatchet) Wipe(ctx context.Context, t domain.Tenure, jid string) error {
	return r.faults.device(jid).call(ctx, "Wipe", func(ctx context.Context) error { return r.Ratchet.Wipe(ctx, t, jid) })
}

type faultyInbox struct {
	worker.Inbox
	faults *faults
}

func (i faultyInbox) Receive(ctx context.Context, t domain.Tenure, in domain.Incoming, ratchet *domain.RatchetWrites,
	decide func(domain.InboxView) (domain.Decision, error)) (receipt domain.Receipt, err error) {
	err = i.faults.tenant(t.TenantID).call(ctx, "Receive", func(ctx context.Context) (err error) {
		receipt, err = i.Inbox.Receive(ctx, t, in, ratchet, decide)
		return err
	})
	return receipt, err
}

func (i faultyInbox) Quarantine(ctx context.Context, t domain.Tenure, in domain.Incoming, ratchet *domain.RatchetWrites, cause string) error {
	return i.faults.tenant(t.TenantID).call(ctx, "Quarantine", func(ctx context.Context) error {
		return i.Inbox.Quarantine(ctx, t, in, ratchet, cause)
	})
}

type faultyOutbox struct {
	worker.Outbox
	faults *faults
}

func (o faultyOutbox) Due(ctx context.Context, tenant uuid.UUID, limit int, after *domain.Outbound) (due []domain.Outbound, next time.Time, err error) {
	err = o.faults.tenant(tenant).call(ctx, "Due", func(ctx context.Context) (err error) {
		due, next, err = o.Outbox.Due(ctx, tenant, limit, after)
		return err
	})
	return due, next, err
}

// Finish fails for all tenants of the call together.
func (o faultyOutbox) Finish(ctx context.Context, outcomes []domain.Outcome) error {
	do := func(ctx context.Context) error { return o.Outbox.Finish(ctx, outcomes) }
	for _, x := range outcomes {
		if f := o.faults.tenant(x.Tenure.TenantID); f.waits("Finish") {
			return f.call(ctx, "Finish", do)
		}
	}
	return do(ctx)
}

// Ticks fails for all tenants of the call together.
func (o faultyOutbox) Ticks(ctx context.Context, ticks []domain.Tick) error {
	do := func(ctx context.Context) error { return o.Outbox.Ticks(ctx, ticks) }
	for _, x := range ticks {
		if f := o.faults.tenant(x.TenantID); f.waits("Ticks") {
			return f.call(ctx, "Ticks", do)
		}
	}
	return do(ctx)
}

func (o faultyOutbox) ForRetry(ctx context.Context, tenant uuid.UUID, waID string) (row domain.Outbound, ok bool, err error) {
	err = o.faults.tenant(tenant).call(ctx, "ForRetry", func(ctx context.Context) (err error) {
		row, ok, err = o.Outbox.ForRetry(ctx, tenant, waID)
		return err
	})
	return row, ok, err
}
