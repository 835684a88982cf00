package worker

import "context"

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
