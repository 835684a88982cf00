package worker

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// byRecency sorts leases by when a customer last wrote, latest first, and
// returns these times: after a restart of everything it takes minutes until all
// tenants are connected, and somebody may be waiting for an answer. It leaves
// time for what must be done: any order is better than none.
func (p *Pool) byRecency(ctx context.Context, leases []domain.Lease) map[uuid.UUID]time.Time {
	ctx, cancel := context.WithTimeout(ctx, p.svc.Settings.Timings.Tick/2)
	defer cancel()
	heard, err := p.svc.Profiles.LastHeard(ctx, tenantsOf(leases))
	if err != nil {
		p.svc.Logger.Warn("it is not known who wrote last; tenants connect in any order", "error", err)
		return nil
	}
	slices.SortStableFunc(leases, func(a, b domain.Lease) int { return heard[b.TenantID].Compare(heard[a.TenantID]) })
	return heard
}

func tenantsOf(leases []domain.Lease) []uuid.UUID {
	ids := make([]uuid.UUID, len(leases))
	for i, l := range leases {
		ids[i] = l.TenantID
	}
	return ids
}
