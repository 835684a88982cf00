package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"flowhq/domain"
)

// How a replica gives its tenants away, so that the next owner never meets it on
// the way, and what it does when it cannot know whether they are still its own.

// renewed notes that a heartbeat which began then was confirmed.
func (p *Pool) renewed(began instant) {
	p.svc.Trust.renew(began)
	if p.watch == nil {
		p.watch = time.AfterFunc(p.svc.Trust.left(), p.expire)
		return
	}
	p.watch.Reset(p.svc.Trust.left())
}

// contactBefore ticks in touch with the database a replica does not judge others:
// after an outage of it all of them look dead, and each that lives gives a
// heartbeat within a tick.
const contactBefore = 2

func (p *Pool) seesOthers() bool {
	return p.beaten.ran-p.contact.ran >= contactBefore*p.svc.Settings.Timings.Tick
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

// straysAfter ticks with more leases than runners something is wrong; before,
// runners may just be ending.
const straysAfter = 2

// stray gives leases back that nobody serves here: the answer to an acquisition
// may have been lost on its way. A term whose runner is just ending may be among
// them; then what it sent last is sent again under the same id.
func (p *Pool) stray(ctx context.Context, leases int) {
	held, _ := p.count()
	if leases <= held {
		p.strays = time.Time{}
		return
	}
	if p.strays.IsZero() {
		p.strays = time.Now()
	}
	if time.Since(p.strays) < straysAfter*p.svc.Settings.Timings.Tick {
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

// beatOn keeps the replica trusted while its loop is busy with ending.
func (p *Pool) beatOn(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for began := instantNow(); ; began = instantNow() {
			view, err := p.heartbeat(ctx)
			if err == nil && view.State != "" {
				p.renewed(began)
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(p.svc.Settings.Timings.Tick):
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// handOver gives every tenant away, each as soon as it has ended, so that none
// waits for the slowest: disconnect, drain, release, in this order. It returns
// when all are given away, or with an error when ctx ends first.
func (p *Pool) handOver(ctx context.Context) error {
	stop := p.beatOn(ctx)
	defer stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	var failed error
	for leaving := p.cancelAll(errShutdown); len(leaving) > 0; {
		var ended []domain.Tenure
		leaving = slices.DeleteFunc(leaving, func(r *runner) bool {
			select {
			case <-r.done:
				ended = append(ended, r.tenure)
				return true
			default:
				return false
			}
		})
		if len(ended) > 0 {
			failed = errors.Join(failed, p.fin.flush(ctx), p.svc.Leases.Release(ctx, ended, 0))
			continue
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(failed, ctx.Err())
		}
	}
	return errors.Join(failed, p.releaseAll(ctx))
}

// shutdown hands everything over and says good-bye.
func (p *Pool) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := p.svc.Leases.Leave(ctx, p.self.ID); err != nil {
		p.svc.Logger.Warn("the others are not told that this replica leaves", "error", err)
	}
	err := p.handOver(ctx)
	if retired := p.svc.Leases.Retire(ctx, p.self.ID); retired != nil {
		err = errors.Join(err, fmt.Errorf("retire replica: %w", retired))
	}
	return err
}
