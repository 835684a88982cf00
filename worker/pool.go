package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// Pool holds the leases of one replica and runs a runner for each.
type Pool struct {
	svc   *Services
	self  domain.Replica
	fin   *finisher
	turns *turns

	mu      sync.Mutex
	runners map[uuid.UUID]*runner
	ending  sync.WaitGroup // runners whose leases are not yet given back

	nonce    []byte // of the last heartbeat that was confirmed
	pending  []byte // of those of unknown outcome since
	wakes    <-chan uuid.UUID
	beaten   instant     // when the last heartbeat began
	turned   instant     // when the last one in turn began
	contact  instant     // since when no heartbeat has failed
	watch    *time.Timer // fires when no heartbeat was confirmed in time
	inspect  *time.Timer // fires when a replica has missed a heartbeat, unless it has given it meanwhile
	cut      atomic.Bool // it has fired: all runners are stopped, and nothing may be acquired
	skewed   bool        // the clock of this machine is wrong
	strays   time.Time   // since when the database has more leases of ours than there are runners
	drains   bool        // an operator's order to hand everything over is being carried out, or was
	drained  bool        // an operator asked for it: everything is handed over, nothing is acquired
	egress   egress      // likewise
	share    share       // of this replica; the loop of Run alone touches it
	takers   int         // other replicas that take tenants, at the last heartbeat
	sweeping time.Time
	relief   memoryRelief
}

// ErrBuried means that the other replicas have declared this process dead. It
// must exit: its leases may already belong to others.
var ErrBuried = errors.New("this replica was declared dead by the others")

// NewPool makes a pool for one process incarnation.
func NewPool(svc *Services, self domain.Replica) *Pool {
	return &Pool{svc: svc, self: self, fin: newFinisher(svc.Outbox, svc.Logger), runners: map[uuid.UUID]*runner{},
		turns: newTurns(svc.Settings.ConnectRate, svc.Settings.ConnectBurst), inspect: time.NewTimer(time.Hour), share: share{burst: atOnce(svc.Settings)}}
}

// Run serves until ctx ends, then hands everything back within the grace
// period. It returns ErrBuried when the process has to exit at once.
func (p *Pool) Run(ctx context.Context) error {
	if err := p.svc.Leases.Register(ctx, p.self, p.svc.Settings.Timings.TTL); err != nil {
		return fmt.Errorf("register replica: %w", err)
	}
	p.contact = instantNow()
	p.turned = p.contact
	p.renewed(p.contact)
	defer p.watch.Stop()
	hearing, deafen := context.WithCancel(context.WithoutCancel(ctx)) // hints matter until the last tenant is handed over
	defer deafen()
	p.wakes = p.svc.Waker.Wakes(hearing)
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer p.inspect.Stop()
	reconcile := time.NewTicker(10 * p.svc.Settings.Timings.Tick)
	defer reconcile.Stop()
	for {
		select {
		case <-ctx.Done():
			return p.shutdown()
		case <-timer.C:
			err := p.tick(ctx)
			if errors.Is(err, ErrBuried) {
				p.stopAll(err)
				return err
			}
			timer.Reset(p.nextTick(p.beaten, err))
		case <-p.svc.Trust.doubt:
			timer.Reset(p.sooner())
		case id := <-p.wakes:
			moved := false
			p.alive(ctx, func() { moved = p.woken(ctx, together(p.wakes, id)) })
			if moved {
				timer.Reset(p.sooner())
			}
		case <-p.inspect.C:
			p.alive(ctx, func() { p.bury(ctx) })
		case <-reconcile.C:
			p.alive(ctx, func() { p.reconcile(ctx) })
		}
	}
}

// tick renews the replica's row and takes what is free. Out of turn, which is
// sooner after another than heartbeats come by themselves, it gives nothing away:
// the balance is damped by their number. An error asks for another one soon.
func (p *Pool) tick(ctx context.Context) error {
	// Nothing of it may hold up the next heartbeat for good, not even a network
	// that swallows answers.
	ctx, cancel := context.WithTimeout(ctx, p.svc.Settings.Timings.Soft)
	defer cancel()
	p.beaten = instantNow()
	view, err := p.look(ctx)
	if err != nil {
		p.svc.Logger.Warn("heartbeat failed", "error", err)
		p.contact = instantNow()
		return err
	}
	if view.State == "" {
		if p.svc.Trust.blind {
			return nil
		}
		return ErrBuried
	}
	p.alive(ctx, func() { err = p.turn(ctx, view) })
	return err
}

// turn is what a replica does after a heartbeat.
func (p *Pool) turn(ctx context.Context, view domain.ClusterView) error {
	if p.cut.Load() {
		return p.regain(ctx)
	}
	p.inspectAt(view)
	p.takers = takers(view.Peers)
	p.sweep(p.beaten.wall)
	p.stray(ctx, view.Mine)
	if view.State == domain.ReplicaDraining {
		p.drain(ctx)
		return nil
	}
	p.passOnStranded(view.Peers, p.beaten)
	if p.deaf(ctx, view, p.beaten.steady()) {
		p.drained = true
		return nil
	}
	p.drains, p.drained = false, false
	held, _ := p.count()
	if p.beaten.ran-p.turned.ran < p.svc.Settings.Timings.Tick*9/10 {
		p.share.look(held, p.svc.Settings.Capacity, view)
		return p.acquire(ctx)
	}
	p.turned = p.beaten
	p.share.see(held, p.svc.Settings.Capacity, view)
	p.shed()
	return p.acquire(ctx)
}

// sweep removes what only had to be kept for a while, about once an hour.
func (p *Pool) sweep(now time.Time) {
	if now.Sub(p.sweeping) < time.Hour {
		return
	}
	p.sweeping = now
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := p.svc.Ratchet.Sweep(ctx, 14*24*time.Hour); err != nil {
			p.svc.Logger.Warn("old rows are not swept", "error", err)
		}
	}()
}

// acquireBatch bounds one statement of Acquire and one of Profiles.
const acquireBatch = 200

// acquire takes free leases up to the capacity and starts their runners, those
// first whose customers wrote last.
func (p *Pool) acquire(ctx context.Context) (err error) {
	var taken []domain.Lease
	for held, _ := p.count(); ; {
		room := min(p.share.room(held+len(taken), p.svc.Settings.Capacity), acquireBatch)
		if room <= 0 {
			break
		}
		var leases []domain.Lease
		if leases, err = p.svc.Leases.Acquire(ctx, p.self.ID, room); err != nil {
			p.svc.Logger.Warn("leases are not acquired", "error", err)
			break // those taken before are served
		}
		if len(leases) == 0 {
			break
		}
		taken = append(taken, leases...)
	}
	if len(taken) == 0 || errors.Is(ctx.Err(), context.Canceled) { // at the end all leases go back together
		return err
	}
	// What is ours must be served, also when the database was slow to give it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.svc.Settings.Timings.Tick)
	defer cancel()
	heard := p.byRecency(ctx, taken)
	for part := range slices.Chunk(taken, acquireBatch) {
		p.serve(ctx, part, heard)
	}
	return err
}

// serve starts a runner for each lease, in this order. heard says when customers wrote.
func (p *Pool) serve(ctx context.Context, leases []domain.Lease, heard map[uuid.UUID]time.Time) {
	profiles, err := p.svc.Profiles.Profiles(ctx, tenantsOf(leases))
	if err != nil {
		p.svc.Logger.Warn("tenants are not readable; their leases go back", "error", err)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.svc.Settings.Timings.Tick)
		defer cancel()
		if err := p.svc.Leases.Release(ctx, termsOf(leases), time.Second); err != nil {
			p.svc.Logger.Error("leases are not released", "error", err)
		}
		return
	}
	byID := make(map[uuid.UUID]domain.TenantProfile, len(profiles))
	for _, t := range profiles {
		byID[t.ID] = t
	}
	var unreadable []domain.Lease
	for _, l := range leases {
		if t, ok := byID[l.TenantID]; ok || unlinks(l.Command) { // for that nothing has to be known of the tenant
			p.begin(l, t, heard[l.TenantID])
		} else {
			unreadable = append(unreadable, l)
		}
	}
	p.passOnUnreadable(unreadable)
}

func (p *Pool) begin(l domain.Lease, t domain.TenantProfile, heard time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := p.runners[l.TenantID]; old != nil {
		old.lose(domain.ErrFenced) // a new term means that the old one is over
	}
	r := newRunner(p.svc, p.fin, l, t, p.turns)
	if !heard.IsZero() {
		r.heard.Store(heard.UnixNano())
	}
	p.runners[l.TenantID] = r
	if l.Command != domain.CommandNone {
		r.orders <- order{lease: l}
	}
	p.ending.Add(1)
	go func() {
		defer p.ending.Done()
		r.run()
		p.ended(r)
	}()
}

// ended gives the lease of a finished runner back.
func (p *Pool) ended(r *runner) {
	p.mu.Lock()
	if p.runners[r.tenure.TenantID] == r {
		delete(p.runners, r.tenure.TenantID)
	}
	p.mu.Unlock()
	switch cause := context.Cause(r.ctx); {
	case errors.Is(cause, domain.ErrFenced), errors.Is(cause, ErrBuried):
		return // it is not ours any more
	case errors.Is(cause, errShutdown), errors.Is(cause, errUnsure), errors.Is(cause, errDeaf):
		return // all leases go back together
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeDeadline)
	defer cancel()
	if err := p.fin.flush(ctx); err != nil {
		r.logger.Warn("outcomes are not stored; their messages are sent again with the same id", "error", err)
	}
	if err := p.giveBack(ctx, r); err != nil {
		r.logger.Warn("lease is not released", "error", err)
	}
}

// together takes the hints that wait behind the first, each tenant once.
func together(wakes <-chan uuid.UUID, first uuid.UUID) map[uuid.UUID]bool {
	hints := map[uuid.UUID]bool{first: true}
	for range len(wakes) {
		hints[<-wakes] = true
	}
	return hints
}

// woken passes hints to the runners of their tenants, and takes those tenants
// that have none. It reports true when some belong to others or to nobody: a
// replica that leaves hands its tenants over, and how many of them are ours to
// take is known with the next heartbeat.
func (p *Pool) woken(ctx context.Context, hints map[uuid.UUID]bool) (moved bool) {
	ctx, cancel := context.WithTimeout(ctx, p.svc.Settings.Timings.Tick)
	defer cancel()
	for _, r := range p.served(hints) {
		p.hint(ctx, r)
		delete(hints, r.tenure.TenantID)
	}
	if len(hints) == 0 || p.cut.Load() || p.drained {
		return false
	}
	_ = p.acquire(ctx) // logged there; the next tick tries again
	return true
}

// served are the runners of those tenants that have one.
func (p *Pool) served(hints map[uuid.UUID]bool) (runners []*runner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range hints {
		if r := p.runners[id]; r != nil {
			runners = append(runners, r)
		}
	}
	return runners
}

// hint shows a runner its lease row.
func (p *Pool) hint(ctx context.Context, r *runner) {
	id, asked := r.tenure.TenantID, time.Now()
	l, err := p.svc.Leases.Lease(ctx, id)
	if err != nil && domain.KindOf(err) != domain.KindNotFound {
		p.svc.Logger.Warn("lease is not readable", "tenant", id, "error", err)
		return
	}
	p.instruct(r, order{lease: l, asked: asked})
}

func (p *Pool) instruct(r *runner, o order) {
	if o.lease.Tenure != r.tenure {
		if !p.svc.Trust.blind {
			r.lose(domain.ErrFenced)
		}
		return
	}
	select {
	case r.orders <- o:
	default: // it has orders waiting; reconcile looks again
	}
}

// reconcile is the poll behind the hints: every runner sees its lease row, and
// its configuration when it was changed.
func (p *Pool) reconcile(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, p.svc.Settings.Timings.Tick)
	defer cancel()
	asked := time.Now()
	owned, err := p.svc.Leases.Owned(ctx, p.self.ID)
	if err != nil {
		p.svc.Logger.Warn("own leases are not readable", "error", err)
		return
	}
	byID := make(map[uuid.UUID]domain.Lease, len(owned))
	for _, l := range owned {
		byID[l.TenantID] = l
	}
	overdue, err := p.svc.Outbox.Overdue(ctx, p.self.ID, domain.Now().Add(-overdueAfter))
	if err != nil {
		p.svc.Logger.Warn("outbox is not readable", "error", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range overdue {
		if r := p.runners[id]; r != nil {
			r.sender.wake()
		}
	}
	for id, r := range p.runners {
		l := byID[id]
		changed := !l.Configured.Equal(r.profile.Load().Config.UpdatedAt)
		if l.Tenure != r.tenure || !l.Wanted || l.Command != domain.CommandNone || changed {
			p.instruct(r, order{lease: l, asked: asked})
		}
	}
}

// overdueAfter is how long a message may wait before its hint counts as lost.
const overdueAfter = 10 * time.Second

// count returns how many tenants are held and how many are connected.
func (p *Pool) count() (held, connected int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.runners {
		if r.online.Load() && !r.silent.Load() {
			connected++
		}
	}
	return len(p.runners), connected
}

// Held returns how many tenants this replica serves and how many of them are
// connected to WhatsApp and hear from it.
func (p *Pool) Held() (held, connected int) { return p.count() }
