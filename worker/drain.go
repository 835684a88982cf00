package worker

import (
	"context"
	"errors"
)

// drain hands every tenant over, once; the order is that of shutdown.
func (p *Pool) drain(ctx context.Context) {
	if p.drained {
		return
	}
	p.svc.Logger.Info("an operator asked this replica to hand over its tenants")
	if err := p.handOver(ctx); err != nil {
		p.svc.Logger.Warn("not everything is handed over; the next heartbeat tries again", "error", err)
		return
	}
	p.drained = true
}

// handOver gives every tenant away; the process goes on.
func (p *Pool) handOver(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeDeadline)
	defer cancel()
	p.stopAll(errShutdown)
	return errors.Join(p.fin.flush(ctx), p.releaseAll(ctx))
}
