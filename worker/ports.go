// Package worker serves tenants: it holds leases, keeps one runner per tenant,
// takes inbound messages through the conversation and drains the outbox. It
// knows neither the database library nor the WhatsApp library.
package worker

import (
	"context"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// Leases is the table that says which replica serves which tenant. Only the
// database's clock decides who is dead.
type Leases interface {
	// Register adds the row of this process incarnation.
	Register(ctx context.Context, r domain.Replica, ttl time.Duration) error
	// Heartbeat renews the row of r.ID by compare-and-swap on the nonce:
	// accepted are the nonces that the caller may have written before. What it
	// holds, has connected and offers to serve is stored for the others. An
	// empty State in the answer means that this incarnation was declared dead
	// or cloned, and must exit.
	Heartbeat(ctx context.Context, r domain.Replica, accepted [][]byte, fresh []byte, ttl time.Duration) (domain.ClusterView, error)
	// Bury declares every replica dead whose row has expired, or that is gone:
	// its database connections are closed, and it carries the same name as
	// self (a restarted process) or has missed a heartbeat. It frees their
	// leases and returns how many. Without others only the processes before
	// this one are looked for.
	Bury(ctx context.Context, self domain.Replica, others bool) (freed int, err error)
	// Acquire takes up to limit free leases that are wanted or carry a command,
	// but none that this replica has passed on a short while ago.
	Acquire(ctx context.Context, replica uuid.UUID, limit int) ([]domain.Lease, error)
	// Owned lists the leases of a replica with what is wanted of them now.
	Owned(ctx context.Context, replica uuid.UUID) ([]domain.Lease, error)
	// Lease reads one lease, whoever owns it.
	Lease(ctx context.Context, tenant uuid.UUID) (domain.Lease, error)
	// Release gives up exactly these terms; a term that is no longer held is
	// skipped. The tenant may be taken again after the pause.
	Release(ctx context.Context, terms []domain.Tenure, pause time.Duration) error
	// Leave says that the replica hands everything over from now on, so that
	// the others count on taking its tenants.
	Leave(ctx context.Context, replica uuid.UUID) error
	// PassOn releases a term whose tenant cannot connect from its replica. The
	// tenant may be taken by others after the pause, by this replica only when
	// it is still free after avoid more. Failures counts these calls until the
	// tenant is reported as connected or a person asks for something. A term
	// that is no longer held is skipped.
	PassOn(ctx context.Context, t domain.Tenure, pause, avoid time.Duration) error
	// Retire marks the replica dead on a clean shutdown.
	Retire(ctx context.Context, replica uuid.UUID) error
	// CommandDone clears a command that the owner has carried out, and says
	// whether the tenant is wanted from now on. CommandDelete removes the tenant,
	// step by step: an error may leave a part of it, and the next call goes on.
	CommandDone(ctx context.Context, t domain.Tenure, done domain.Command, wanted bool) error
}

// Profiles reads what a runner has to know of its tenant.
type Profiles interface {
	// Profiles returns the tenants with these ids; unknown ids are left out, and
	// so are tenants whose stored settings this program cannot read.
	Profiles(ctx context.Context, ids []uuid.UUID) ([]domain.TenantProfile, error)
	// LastHeard says when a customer last wrote to each of these tenants, where
	// that is long ago to the hour. Those to whom nobody wrote are left out.
	LastHeard(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]time.Time, error)
}

// Reports writes what a runner observed of its link. Each write is fenced and
// passes through domain.Lifecycle; an event that the present state refuses
// (the tenant was stopped meanwhile) is an error of KindConflict and changes
// nothing.
type Reports interface {
	Report(ctx context.Context, t domain.Tenure, r domain.LinkReport) error
}

// Inbox takes inbound messages.
type Inbox interface {
	// Receive stores one inbound message and everything that follows from it
	// in one fenced transaction: the ratchet state that decrypting it left
	// behind, the dedup rows, the log row, and what decide returns. decide is
	// not called for a message that was seen before. It must not block and must
	// not touch the database. When Receive fails nothing is stored.
	Receive(ctx context.Context, t domain.Tenure, in domain.Incoming, ratchet *domain.RatchetWrites,
		decide func(domain.InboxView) (domain.Decision, error)) (domain.Receipt, error)
	// Quarantine keeps a message whose conversation failed: log row, dedup
	// rows, ratchet state and the cause, in one transaction.
	Quarantine(ctx context.Context, t domain.Tenure, in domain.Incoming, ratchet *domain.RatchetWrites, cause string) error
}

// Outbox is the queue of one tenant's outbound messages.
type Outbox interface {
	// Due returns unsent rows by lane and then by id, at most limit: those whose
	// time has come, and answers and those that wait for another attempt in any
	// case, because the rest of their chat waits behind them. after, if any, is
	// the last row of the page before. next is when the earliest of the other
	// rows falls due, zero when there is none.
	Due(ctx context.Context, tenant uuid.UUID, limit int, after *domain.Outbound) (due []domain.Outbound, next time.Time, err error)
	// Finish stores outcomes of many tenants in one statement; an outcome
	// whose tenure is over is dropped.
	Finish(ctx context.Context, outcomes []domain.Outcome) error
	// Ticks stores delivery and read receipts; a state never goes back.
	Ticks(ctx context.Context, ticks []domain.Tick) error
	// ForRetry returns the row with this WhatsApp id for a recipient that
	// could not decrypt it; ok is false when there is none.
	ForRetry(ctx context.Context, tenant uuid.UUID, waID string) (row domain.Outbound, ok bool, err error)
	// Overdue lists the tenants of a replica that have a message waiting since
	// before the time: their hint was lost.
	Overdue(ctx context.Context, replica uuid.UUID, before time.Time) ([]uuid.UUID, error)
	// Pending counts the unsent rows of a tenant.
	Pending(ctx context.Context, tenant uuid.UUID) (int, error)
}

// Ratchet stores the Signal state of linked devices. Reads are unfenced;
// writes fail with domain.ErrFenced when the tenure is over.
type Ratchet interface {
	// LinkDevice binds a device to the tenure's lease before its keys are stored.
	LinkDevice(ctx context.Context, t domain.Tenure, jid string) error
	// Save stores writes in one transaction. sending, when not the zero id,
	// marks that outbox row as sending in the same transaction: from here on
	// its ciphertext may be on the wire. When that row waits no longer the writes
	// are stored all the same, and the error is domain.ErrSettled.
	Save(ctx context.Context, t domain.Tenure, w *domain.RatchetWrites, sending uuid.UUID) error
	Sessions(ctx context.Context, jid string, addresses []string) (map[string][]byte, error)
	Identities(ctx context.Context, jid string, addresses []string) (map[string][32]byte, error)
	// Buffered returns the plaintext kept for a ciphertext; ok is false when
	// none was kept. A nil plaintext means that its handler is done.
	Buffered(ctx context.Context, jid string, hash [32]byte) (plaintext []byte, at time.Time, ok bool, err error)
	// ClearBuffered forgets a plaintext but keeps its hash.
	ClearBuffered(ctx context.Context, t domain.Tenure, jid string, hash [32]byte) error
	// AddPreKeys stores new one-time prekeys, which count as uploaded, in one
	// statement. Ids continue after the highest ever used; make is called with
	// the first free id and may be called again.
	AddPreKeys(ctx context.Context, t domain.Tenure, jid string, make func(first uint32) []domain.PreKeyPair) error
	// PreKey returns a one-time prekey; ok is false when it was used or never made.
	PreKey(ctx context.Context, tenant uuid.UUID, jid string, id uint32) (key [32]byte, ok bool, err error)
	// PreKeys counts those that were not used yet.
	PreKeys(ctx context.Context, tenant uuid.UUID, jid string) (int, error)
	// HasPNSessions reports whether sessions are stored under a phone number,
	// as "<digits>" without device, so that a migration to the LID is due.
	HasPNSessions(ctx context.Context, jid, user string) (bool, error)
	// Wipe deletes a device and all of its keys, the keys in steps; from then on
	// the tenant counts as not linked. An error may leave some of the keys, and
	// the next call goes on.
	Wipe(ctx context.Context, t domain.Tenure, jid string) error
	// Sweep deletes buffered hashes older than the age, of all devices.
	Sweep(ctx context.Context, age time.Duration) error
}
