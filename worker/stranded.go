package worker

import (
	"context"
	"errors"
	"time"

	"flowhq/domain"
)

// A single tenant may be unable to connect from here although this replica's way
// to WhatsApp is in order: then another replica tries. When several have, it is
// the number, not the place, and it is tried ever more seldom.

const (
	// strandedAfter times to live of a lease a tenant may try to connect in vain.
	// As long again this replica leaves it to others.
	strandedAfter = 4
	// triedEnough replicas in a row: then people are told, and each further one
	// comes twice as late as the one before, between these.
	triedEnough = 3
	rarelyFirst = time.Minute
	rarelyLast  = 30 * time.Minute
)

var errStranded = errors.New("the tenant cannot connect from this replica")

// fitElsewhere reports whether a tenant that cannot connect would be better off
// on another replica: most of the others that are linked here are connected, and
// another replica is well.
func fitElsewhere(others, online int, peers []domain.Replica) bool {
	return float64(online) >= deafPart*float64(others) && anyWell(peers)
}

// restFor is how long nobody takes a tenant that could not connect from so many
// replicas in a row.
func restFor(failures int, ttl time.Duration) time.Duration {
	if failures < triedEnough {
		return ttl * 2 / 3
	}
	return min(rarelyFirst<<min(failures-triedEnough, 10), rarelyLast)
}

// passOnStranded ends the tenures of tenants that have tried to connect in vain
// for long enough, a few at once.
func (p *Pool) passOnStranded(peers []domain.Replica, now instant) {
	c := p.reach(peers)
	if !fitElsewhere(c.linked-1, c.online, peers) {
		return
	}
	left := shedMost
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.runners {
		if left > 0 && r.stranded(now) {
			r.cancel(errStranded)
			left--
		}
	}
}

func (r *runner) stranded(now instant) bool {
	since := r.tries.Load()
	return since != 0 && now.ran-time.Duration(since) >= strandedAfter*r.svc.Settings.Timings.TTL && !r.waits.Load() && !r.linking.Load() && r.ctx.Err() == nil
}

// giveBack releases the lease of a runner that has ended.
func (p *Pool) giveBack(ctx context.Context, r *runner) error {
	if errors.Is(context.Cause(r.ctx), errStranded) {
		return r.passOn(ctx)
	}
	return p.svc.Leases.Release(ctx, []domain.Tenure{r.tenure}, r.rests)
}

func unlinks(c domain.Command) bool { return c == domain.CommandReset || c == domain.CommandDelete }

// passOnUnreadable leaves tenants to other replicas whose stored settings this
// program cannot read: a newer program may, and what a person has broken may be
// mended.
func (p *Pool) passOnUnreadable(leases []domain.Lease) {
	for _, l := range leases {
		p.ending.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), storeDeadline)
			defer cancel()
			ttl := p.svc.Settings.Timings.TTL
			rest := restFor(l.Failures+1, ttl)
			at := domain.Now().Add(rest)
			err := p.svc.Reports.Report(ctx, l.Tenure, domain.LinkReport{Event: domain.EventLost, Reason: domain.ReasonUnreadable, RetryAt: &at})
			if errors.Is(err, domain.ErrFenced) {
				return // the tenant was removed meanwhile
			}
			p.svc.Metrics.PassedOn.Inc()
			if err := errors.Join(err, p.svc.Leases.PassOn(ctx, l.Tenure, rest, strandedAfter*ttl)); err != nil {
				p.svc.Logger.Warn("a tenant whose settings cannot be read is not passed on in good order", "tenant", l.TenantID, "error", err)
			}
		})
	}
}

// passOn leaves the tenant to another replica and tells people when it is tried again.
func (r *runner) passOn(ctx context.Context) error {
	ttl, failures := r.svc.Settings.Timings.TTL, r.failures+1
	rest := restFor(failures, ttl)
	at := domain.Now().Add(rest)
	said := domain.LinkReport{Event: domain.EventLost, Reason: domain.ReasonUnreachable, RetryAt: &at}
	if failures < triedEnough {
		said.Reason, said.Detail = r.lost, "This number could not be connected from one server; another one tries next."
	}
	if said.Reason == domain.ReasonNone {
		said.Reason = domain.ReasonUnavailable // the first attempt is not over yet
	}
	r.logger.Warn("the tenant cannot connect from here; another replica tries", "reason", r.lost, "failures", failures, "after", rest)
	r.svc.Metrics.PassedOn.Inc()
	r.report(said)
	return r.svc.Leases.PassOn(ctx, r.tenure, rest, strandedAfter*ttl)
}
