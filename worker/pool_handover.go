package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
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
	p.svc.Metrics.Cuts.Inc()
	p.svc.Logger.Error("the database has not confirmed this replica in time; all connections are closed until it does")
	p.cancelAll(errUnsure)
}

// errRegaining asks for another heartbeat soon.
var errRegaining = errors.New("connections of the time before are still closing")

// regain gives the leases of an interrupted time back, so that each tenure
// after it has an epoch of its own.
func (p *Pool) regain(ctx context.Context) error {
	if len(p.cancelAll(errUnsure)) > 0 {
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

// alive does work of the pool's loop. Should it outlast the time of the next
// heartbeat, the replica stays trusted meanwhile.
func (p *Pool) alive(ctx context.Context, work func()) {
	stop := p.beatOn(ctx, p.nextTick(p.beaten, nil))
	defer stop()
	work()
}

// beatOn gives heartbeats beside the pool's loop while that is busy, the first
// after a while.
func (p *Pool) beatOn(ctx context.Context, first time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for wait := first; ; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			began := instantNow()
			view, err := p.heartbeat(context.WithoutCancel(ctx))
			if err == nil && view.State != "" {
				p.renewed(began)
			}
			wait = p.nextTick(began, err)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// errMore means that some tenants are not given away yet.
var errMore = errors.New("some tenants are still served here")

// lastCall is the moment from which on handOver tells no tenant more to end: those
// that have begun must be given away before ctx ends.
func lastCall(ctx context.Context) time.Time {
	end, bounded := ctx.Deadline()
	if !bounded {
		return time.Now().Add(time.Hour)
	}
	return end.Add(-time.Until(end) * 3 / 8)
}

// handOver gives every tenant away, so many a second, each as soon as it has
// ended: finish the send under way, disconnect, drain, release, in this order. The
// cause is what its runner is told; only after errShutdown sends are finished.
// The others are served meanwhile; the caller sees to the heartbeats. It returns
// when all are given away, or with an error shortly before ctx ends.
func (p *Pool) handOver(ctx context.Context, perSecond float64, cause error) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	var failed error
	began, last, asked := time.Now(), lastCall(ctx), 0
	served, leaving := p.leavingOrder(), []*runner(nil)
	for len(served)+len(leaving) > 0 {
		late := time.Now().After(last)
		if n := min(allowed(perSecond, time.Since(began))-asked, len(served)); n > 0 && !late {
			for _, r := range served[:n] {
				r.cancel(cause)
			}
			served, leaving, asked = served[n:], append(leaving, served[:n]...), asked+n
		}
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
		if late && len(leaving) == 0 {
			return errors.Join(failed, errMore)
		}
		select {
		case <-ticker.C:
		case id := <-p.wakes:
			for _, r := range p.served(together(p.wakes, id)) {
				p.hint(ctx, r)
			}
		case <-ctx.Done():
			return errors.Join(failed, ctx.Err())
		}
	}
	return errors.Join(failed, p.releaseAll(ctx))
}

// allowed is how many tenants may be given away in a time at this pace: those of
// one second at once.
func allowed(perSecond float64, passed time.Duration) int {
	return int(min(perSecond*(1+passed.Seconds()), math.MaxInt32))
}

// leavingOrder is in which order tenants are given away: first those that are not
// connected, then those whose customers have been quiet the longest, at last
// phones that are being linked, whose code would change.
func (p *Pool) leavingOrder() []*runner {
	p.mu.Lock()
	all := slices.Collect(maps.Values(p.runners))
	p.mu.Unlock()
	rank := func(r *runner) int64 {
		switch {
		case r.linking.Load():
			return math.MaxInt64
		case !r.online.Load():
			return math.MinInt64
		}
		return r.heard.Load()
	}
	slices.SortFunc(all, func(a, b *runner) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

// paceOfOthers is how many tenants a second the others can connect; without
// limit when there are none, who then wait for nobody.
func (p *Pool) paceOfOthers() float64 {
	rate := p.svc.Settings.ConnectRate
	if p.takers == 0 || rate == 0 {
		return math.Inf(1)
	}
	return float64(p.takers) * rate
}

// graceOfHandOver is the part of the time to shut down in which the last tenant
// is told to end, also when the others cannot connect all of them so fast.
const graceOfHandOver = 15 * time.Second

// shutdown hands everything over and says good-bye.
func (p *Pool) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := p.svc.Leases.Leave(ctx, p.self.ID); err != nil {
		p.svc.Logger.Warn("the others are not told that this replica leaves", "error", err)
	}
	stop := p.beatOn(ctx, 0)
	held, _ := p.count()
	err := p.handOver(ctx, max(p.paceOfOthers(), float64(held)/graceOfHandOver.Seconds()), errShutdown)
	stop()
	if retired := p.svc.Leases.Retire(ctx, p.self.ID); retired != nil {
		err = errors.Join(err, fmt.Errorf("retire replica: %w", retired))
	}
	return err
}

// finishFor bounds the wait for a send under way when a tenant is handed over.
const finishFor = 2 * time.Second

// line is the context of one connection. It ends with the tenure; only one that
// is handed over in good order lets the send under way come to its end first. Cut
// off, that message would have to wait on the next replica for receipts that may
// prove it.
func (r *runner) line() (line context.Context, hangUp func()) {
	line, end := context.WithCancelCause(context.WithoutCancel(r.ctx))
	stop := context.AfterFunc(r.ctx, func() {
		cause := context.Cause(r.ctx)
		if errors.Is(cause, errReleased) || errors.Is(cause, errShutdown) {
			r.sender.finishUp(finishFor)
		}
		end(cause)
	})
	return line, func() {
		stop()
		end(context.Canceled)
	}
}

// stillOurs asks the database before each connection whether this term goes on,
// and ends it if not; it also sees a device that was linked meanwhile. WhatsApp
// lets in whoever comes last: a replica that was buried during an outage of its
// way to the database, and is back before its next heartbeat, would throw the
// next owner out.
func (r *runner) stillOurs() error {
	ctx, cancel := context.WithTimeout(r.ctx, storeDeadline)
	defer cancel()
	l, err := r.svc.Leases.Lease(ctx, r.tenure.TenantID)
	if err != nil && domain.KindOf(err) != domain.KindNotFound {
		return err
	}
	if l.Tenure != r.tenure {
		r.lose(domain.ErrFenced)
	}
	if r.jid == "" && l.DeviceJID != "" { // the last connection linked a phone and could not tell
		r.jid = l.DeviceJID
		r.paired.Store(true)
	}
	return nil
}
