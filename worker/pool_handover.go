package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"flowhq/domain"
)

// How a replica gives its tenants away: all at once, in the order disconnect,
// drain, release, so that the next owner never meets it on the way.

// renewed notes that a heartbeat which began then was confirmed.
func (p *Pool) renewed(began instant) {
	p.svc.Trust.renew(began)
	if p.watch == nil {
		p.watch = time.AfterFunc(p.svc.Trust.left(), p.expire)
		return
	}
	p.watch.Reset(p.svc.Trust.left())
}

// expire stops every runner once the leases can no longer be trusted. It runs
// beside the pool's loop, which may be stuck in a call to the database.
func (p *Pool) expire() {
	p.cut.Store(true)
	p.svc.Logger.Error("the database has not confirmed this replica in time; all connections are closed until it does")
	p.cancelAll(errShutdown)
}

// errRegaining asks for another heartbeat soon.
var errRegaining = errors.New("connections of the time before are still closing")

// regain gives the leases of an interrupted time back, so that each tenure
// after it has an epoch of its own.
func (p *Pool) regain(ctx context.Context) error {
	if len(p.cancelAll(errShutdown)) > 0 {
		return errRegaining
	}
	if err := p.releaseAll(ctx); err != nil {
		p.svc.Logger.Warn("own leases are not given back", "error", err)
		return err
	}
	p.cut.Store(false)
	return nil
}

// straysAfter heartbeats in a row with more leases than runners something is
// wrong; before, runners may just be ending.
const straysAfter = 2

// stray gives leases back that nobody serves here: the answer to an acquisition
// may have been lost on its way. A term whose runner is just ending may be among
// them; then what it sent last is sent again under the same id.
func (p *Pool) stray(ctx context.Context, leases int) {
	held, _ := p.count()
	if p.strays = counted(p.strays, leases > held); p.strays < straysAfter {
		return
	}
	owned, err := p.svc.Leases.Owned(ctx, p.self.ID)
	if err != nil {
		p.svc.Logger.Warn("own leases are not readable", "error", err)
		return
	}
	p.mu.Lock()
	unserved := slices.DeleteFunc(owned, func(l domain.Lease) bool { return p.runners[l.TenantID] != nil })
	p.mu.Unlock()
	if len(unserved) == 0 {
		return
	}
	p.svc.Logger.Warn("leases that nobody serves here go back", "leases", len(unserved))
	if err := p.svc.Leases.Release(ctx, termsOf(unserved), 0); err != nil {
		p.svc.Logger.Warn("leases are not released", "error", err)
	}
}

// releaseAll gives back every lease that the database holds for this replica.
func (p *Pool) releaseAll(ctx context.Context) error {
	p.ending.Wait()
	owned, err := p.svc.Leases.Owned(ctx, p.self.ID)
	if err != nil {
		return err
	}
	return p.svc.Leases.Release(ctx, termsOf(owned), 0)
}

func termsOf(leases []domain.Lease) []domain.Tenure {
	terms := make([]domain.Tenure, len(leases))
	for i, l := range leases {
		terms[i] = l.Tenure
	}
	return terms
}

// cancelAll tells every runner to end and returns them.
func (p *Pool) cancelAll(cause error) (all []*runner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.runners {
		r.cancel(cause)
		all = append(all, r)
	}
	return all
}

// stopAll ends every runner and waits for them.
func (p *Pool) stopAll(cause error) {
	for _, r := range p.cancelAll(cause) {
		<-r.done
	}
}

// shutdown hands every tenant back: disconnect, drain, release, in this order.
func (p *Pool) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := p.svc.Leases.Leave(ctx, p.self.ID); err != nil {
		p.svc.Logger.Warn("the others are not told that this replica leaves", "error", err)
	}
	p.stopAll(errShutdown)
	err := errors.Join(p.fin.flush(ctx), p.releaseAll(ctx))
	if retired := p.svc.Leases.Retire(ctx, p.self.ID); retired != nil {
		err = errors.Join(err, fmt.Errorf("retire replica: %w", retired))
	}
	return err
}
