package worker

import (
	"context"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// obey carries out what the lease row now says. It reports true when the
// present connection must end. phone is nil while there is none. What it says
// after the tenure has ended is for the next owner, or was carried out with it.
func (r *runner) obey(o order, phone Phone) bool {
	if r.ctx.Err() != nil {
		return true
	}
	r.reload()
	r.sender.wake()
	var end bool
	switch {
	case o.lease.Command == domain.CommandRestart && !r.restarted.IsZero() && !o.asked.After(r.restarted):
		// Carried out since it was read.
	case o.lease.Command == domain.CommandRestart:
		end = r.restart()
	case o.lease.Command == domain.CommandReset, o.lease.Command == domain.CommandDelete:
		end = r.goodbye(o.lease.Command, phone)
	case o.lease.Command == domain.CommandPair && !r.gaveCode.IsZero() && !o.asked.After(r.gaveCode):
		// The wish that was read is met; a second code would end the first.
	case o.lease.Command == domain.CommandPair && r.jid != "":
		r.acknowledge(domain.CommandPair, true) // linked meanwhile, or never told that the code was given
	case o.lease.Command == domain.CommandPair:
		r.pairingCode(phone)
	case !o.lease.Wanted:
		r.cancel(errReleased)
		end = true
	}
	return end
}

// reload reads the tenant's configuration again, so that a change is in force
// with the next message.
func (r *runner) reload() {
	ctx, cancel := context.WithTimeout(r.ctx, storeDeadline)
	defer cancel()
	found, err := r.svc.Profiles.Profiles(ctx, []uuid.UUID{r.tenure.TenantID})
	if err != nil || len(found) == 0 {
		r.logger.Warn("configuration is not readable; the previous one stays in force", "error", err)
		return
	}
	r.profile.Store(&found[0])
}

func (r *runner) restart() bool {
	r.backoff.reset()
	r.rounds, r.failures = 0, 0
	r.tries.Store(0)
	r.acknowledge(domain.CommandRestart, true)
	r.restarted = time.Now()
	return true
}

// awaitTurn waits until this runner may connect; the first place in the line is
// taken by who makes the runner, because goroutines start in any order. What
// people want meanwhile is obeyed: behind thousands it takes minutes. Nor does
// the time count as trying in vain.
func (r *runner) awaitTurn() error {
	turn := r.turn
	if r.turn = nil; turn == nil {
		turn = r.turns.join(r.ctx)
	}
	began, come := time.Now(), make(chan error, 1)
	go func() { come <- turn() }()
	r.waits.Store(true)
	defer r.waits.Store(false)
	var err error
	for waiting := true; waiting || len(r.orders) > 0; {
		select {
		case err = <-come:
			waiting = false
		case o := <-r.orders:
			r.obey(o, nil)
		}
	}
	if since := r.tries.Load(); since != 0 {
		r.tries.CompareAndSwap(since, since+int64(time.Since(began)))
	}
	return err
}

// acknowledge tells the lease row that a command is carried out, CommandNone if
// there was none, and whether the tenant is wanted from now on.
func (r *runner) acknowledge(c domain.Command, wanted bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), storeDeadline)
	defer cancel()
	if err := r.svc.Leases.CommandDone(ctx, r.tenure, c, wanted); err != nil {
		r.logger.Error("command is not acknowledged", "command", c, "error", err)
	}
}

// goodbye unlinks the device, at WhatsApp too when that can be reached, wipes
// its keys and ends the tenure.
func (r *runner) goodbye(c domain.Command, phone Phone) bool {
	r.sender.stop()
	if r.jid != "" && phone != nil && r.online.Load() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), domain.SendDeadline)
		defer cancel()
		if err := phone.Logout(ctx); err != nil {
			r.logger.Warn("WhatsApp was not told of the unlinking", "error", err)
		}
	}
	err := r.dropKeys(context.WithoutCancel(r.ctx))
	if err != nil {
		r.rests = removeAgain
		r.logger.Error("the keys of the linked phone are not deleted yet; it goes on later", "after", removeAgain, "error", err)
	}
	switch {
	case c == domain.CommandDelete:
		r.remove()
	case err == nil: // else the tenant still has a phone, and nobody may be told otherwise
		r.report(domain.LinkReport{Event: domain.EventReset, Unlinked: true, Reason: domain.ReasonNone})
		r.acknowledge(c, false)
	}
	r.cancel(errReleased)
	return true
}

const (
	// removeDeadline bounds one attempt to remove a tenant or its keys; what was
	// removed is stored bit by bit.
	removeDeadline = time.Minute
	// removeAgain is how long a tenant rests that could not be removed to the end.
	removeAgain = time.Minute
)

// remove removes the tenant from the database. When it fails, another owner goes
// on from there, but not at once: nobody knows why it failed.
func (r *runner) remove() {
	ctx, cancel := context.WithTimeout(r.ctx, removeDeadline)
	defer cancel()
	if err := r.svc.Leases.CommandDone(ctx, r.tenure, domain.CommandDelete, false); err != nil {
		r.rests = removeAgain
		r.logger.Error("the tenant is not removed yet; it goes on later", "after", removeAgain, "error", err)
	}
}

// pairingCode answers the wish to link by phone number. Without a connection
// that shows codes the wish waits in the lease row for the next one.
func (r *runner) pairingCode(phone Phone) {
	r.wantsCode = true
	session := r.profile.Load().Session
	if phone == nil || r.jid != "" || session.PairingPhone == "" || r.shown.Event == "" {
		return
	}
	ctx, cancel := context.WithTimeout(r.ctx, domain.SendDeadline)
	defer cancel()
	code, err := phone.PairingCode(ctx, domain.Phone(session.PairingPhone))
	r.shown.PairingCode, r.shown.Reason, r.shown.Detail = code, domain.ReasonNone, ""
	if err != nil {
		r.logger.Warn("no pairing code", "error", err)
		r.shown.Reason, r.shown.Detail = domain.ReasonPairFailed, "WhatsApp did not issue a code for this number."
	}
	r.wantsCode = false
	answer := r.shown
	answer.Answers = true
	r.report(answer)
	r.acknowledge(domain.CommandPair, true)
	r.gaveCode = time.Now()
}
