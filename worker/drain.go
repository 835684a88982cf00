package worker

import (
	"context"
	"errors"
)

// drain hands every tenant over, once, at the pace at which the others connect
// them; more than one heartbeat allows is handed over with the next ones.
func (p *Pool) drain(ctx context.Context) {
	if p.drained {
		return
	}
	if !p.drains {
		p.drains = true
		p.svc.Logger.Info("an operator asked this replica to hand over its tenants")
	}
	err := p.handOver(ctx, p.paceOfOthers(), errShutdown)
	if errors.Is(err, errMore) {
		return
	}
	if err != nil {
		p.svc.Logger.Warn("not everything is handed over; the next heartbeat tries again", "error", err)
		return
	}
	p.drained = true
}
