package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"flowhq/domain"
)

// How a replica gives its tenants away: all at once, in the order disconnect,
// drain, release, so that the next owner never meets it on the way.

// gate stops every runner once the leases can no longer be trusted.
func (p *Pool) gate(now time.Time) {
	if p.gated || now.Sub(p.trusted) < p.svc.Settings.Timings.Hard {
		return
	}
	p.gated = true
	p.svc.Logger.Error("the database has not confirmed this replica in time; all connections are closed until it does")
	p.stopAll(errShutdown)
}

// regain gives the leases of an interrupted time back, so that each tenure
// after it has an epoch of its own.
func (p *Pool) regain(ctx context.Context) {
	if err := p.releaseAll(ctx); err != nil {
		p.svc.Logger.Warn("own leases are not given back", "error", err)
		return
	}
	p.gated = false
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

// stopAll ends every runner and waits for them.
func (p *Pool) stopAll(cause error) {
	p.mu.Lock()
	all := make([]*runner, 0, len(p.runners))
	for _, r := range p.runners {
		all = append(all, r)
	}
	p.mu.Unlock()
	var g errgroup.Group
	g.SetLimit(50)
	for _, r := range all {
		r.cancel(cause)
		g.Go(func() error {
			<-r.done
			return nil
		})
	}
	_ = g.Wait()
}

// shutdown hands every tenant back: disconnect, drain, release, in this order.
func (p *Pool) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	p.stopAll(errShutdown)
	err := errors.Join(p.fin.flush(ctx), p.releaseAll(ctx))
	if retired := p.svc.Leases.Retire(ctx, p.self.ID); retired != nil {
		err = errors.Join(err, fmt.Errorf("retire replica: %w", retired))
	}
	return err
}
