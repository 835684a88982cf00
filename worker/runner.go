package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"flowhq/domain"
)

// runner serves one tenant during one tenure: it keeps a connection, reports
// what it sees and carries out what people want. One goroutine supervises;
// messages pass by it, straight from the connection into the inbox.
type runner struct {
	svc     *Services
	tenure  domain.Tenure
	logger  *slog.Logger
	began   time.Time
	profile atomic.Pointer[domain.TenantProfile]
	sender  *sender
	turns   *turns
	turn    func() error // the place in their line that was taken at once; nil once it is used

	ctx    context.Context
	cancel context.CancelCauseFunc
	orders chan order         // from the pool
	events chan event         // from the connection
	notes  chan domain.Reason // from the sender
	done   chan struct{}

	jid       string
	shown     domain.LinkReport // by what a phone can be linked to the present connection; no event while it cannot
	wantsCode bool              // somebody asked for a pairing code
	gaveCode  time.Time
	restarted time.Time
	rests     time.Duration // how long nobody takes the tenant after this tenure
	rounds    int
	unlinked  *domain.LinkReport // what is to be told once the keys of a device are deleted that WhatsApp has unlinked
	linkedAt  time.Time          // when a phone was linked that has not connected yet
	backoff   reconnectDelay
	failures  int           // of the tenant to connect, on replicas before this one
	lost      domain.Reason // why it is not connected
	tries     atomic.Int64  // since when it tries to log in, instant.ran; 0 if that does not count, see reach
	waits     atomic.Bool   // for its turn to connect
	online    atomic.Bool
	silent    atomic.Bool  // the last keepalive is unanswered, or ended the connection and there is none yet
	paired    atomic.Bool  // a phone is linked
	linking   atomic.Bool  // a code is shown, or a scanned phone has not connected yet
	heard     atomic.Int64 // when a customer wrote last, unix nanoseconds
	replaced  []time.Time
}

// order is a lease row as it was read: what people want of the runner.
type order struct {
	lease domain.Lease
	asked time.Time // before it was read
}

// event is what a connection reports, in order.
type event struct {
	phone  *attempt
	kind   eventKind
	text   string // code, jid or detail
	until  time.Time
	reason domain.Reason
}

type eventKind int

const (
	eventQR eventKind = iota
	eventPasskey
	eventLinked
	eventConnected
	eventCaughtUp
	eventNoted
	eventGone
)

var (
	errReleased = errors.New("the tenant is no longer wanted here")
	errShutdown = errors.New("the process is shutting down")
	errUnsure   = errors.New("the database has not confirmed this replica in time")
)

func newRunner(svc *Services, fin *finisher, l domain.Lease, p domain.TenantProfile, turns *turns) *runner {
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &runner{svc: svc, tenure: l.Tenure, began: time.Now(), turns: turns, turn: turns.join(ctx), ctx: ctx, cancel: cancel, jid: l.DeviceJID, failures: l.Failures,
		orders: make(chan order, 4), events: make(chan event, 16), notes: make(chan domain.Reason, 1), done: make(chan struct{}),
		logger: svc.Logger.With("tenant", l.TenantID.String(), "epoch", l.Epoch)}
	r.profile.Store(&p)
	r.paired.Store(l.DeviceJID != "")
	r.sender = newSender(svc, fin, l.Tenure, r.lose, r.noted)
	return r
}

// lose ends the tenure at once: somebody else owns the tenant.
func (r *runner) lose(err error) {
	if errors.Is(err, domain.ErrFenced) {
		r.svc.Metrics.FenceRejects.Inc()
	}
	r.cancel(err)
}

// run serves until the tenure ends. The cause of the end is context.Cause.
func (r *runner) run() {
	defer close(r.done)
	defer r.sender.stop()
	for r.ctx.Err() == nil {
		wait := r.serve()
		if r.ctx.Err() != nil {
			return
		}
		r.pause(wait)
	}
}

// pause waits before the next connection; an order may end it early.
func (r *runner) pause(wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-timer.C:
			return
		case o := <-r.orders:
			if r.obey(o, nil) {
				return
			}
		case <-r.events: // late news of a connection that is already closed
		}
	}
}

// serve holds one connection and returns how long to wait before the next.
func (r *runner) serve() time.Duration {
	if r.unlinked != nil {
		return r.forget()
	}
	if r.awaitTurn() != nil {
		return 0
	}
	if err := r.stillOurs(); r.ctx.Err() != nil {
		return 0
	} else if err != nil {
		return r.ended(domain.ReasonDatabase, err.Error(), time.Time{})
	}
	if r.jid != "" {
		r.tries.CompareAndSwap(0, int64(instantNow().ran))
	}
	a := &attempt{runner: r, closed: make(chan struct{})}
	line, hangUp := r.line()
	defer hangUp()
	phone, err := r.svc.Phones.Open(line, *r.profile.Load(), r.tenure, r.jid, a)
	if err != nil {
		close(a.closed)
		reason := domain.ReasonNetwork
		if domain.KindOf(err) == domain.KindUnavailable {
			reason = domain.ReasonDatabase
		}
		return r.ended(reason, err.Error(), time.Time{})
	}
	defer func() {
		close(a.closed)
		r.online.Store(false)
		r.shown = domain.LinkReport{}
		r.sender.connected(nil)
		phone.Close()
	}()
	return r.follow(a, phone, line)
}

// follow handles the events of one connection until it ends.
func (r *runner) follow(a *attempt, phone Phone, line context.Context) time.Duration {
	var since time.Time
	deadline := time.NewTimer(connectDeadline)
	defer deadline.Stop()
	for {
		select {
		case <-r.ctx.Done():
			<-line.Done()
			return 0
		case <-deadline.C:
			return r.late()
		case o := <-r.orders:
			if r.obey(o, phone) {
				return 0
			}
		case reason := <-r.notes:
			r.note(reason)
		case e := <-r.events:
			if e.phone != a {
				continue
			}
			switch e.kind {
			case eventQR, eventPasskey:
				deadline.Stop()
				if r.showCode(e); r.wantsCode {
					r.pairingCode(phone)
				}
			case eventLinked:
				return r.linked(e.text)
			case eventConnected:
				deadline.Stop()
				since = time.Now()
				r.connectedNow(phone)
			case eventCaughtUp:
				r.sender.catchUp()
			case eventNoted:
				r.heardNothing(e.reason)
			case eventGone:
				return r.ended(e.reason, e.text, since)
			}
		}
	}
}

// connectDeadline is how long a connection may take until it shows a code or
// is logged in. After a scan the link as a whole must be done by then.
const connectDeadline = domain.PairingDeadline

// showCode renews the code to scan. What was said about one to type holds for
// as long as the connection.
func (r *runner) showCode(e event) {
	r.linking.Store(true)
	before := r.shown
	r.shown = domain.LinkReport{Event: domain.EventQR, PairingCode: before.PairingCode}
	if e.kind == eventPasskey {
		r.shown.Reason = domain.ReasonPasskey
	} else {
		r.shown.QR, r.shown.QRExpiresAt = e.text, &e.until
		if before.Reason == domain.ReasonPairFailed {
			r.shown.Reason, r.shown.Detail = before.Reason, before.Detail
		}
	}
	r.report(r.shown)
}

func (r *runner) linked(jid string) time.Duration {
	r.linking.Store(true)
	r.paired.Store(true)
	r.jid, r.rounds, r.linkedAt = jid, 0, time.Now()
	r.logger.Info("phone linked")
	r.report(domain.LinkReport{Event: domain.EventScanned, JID: jid})
	return 0 // the next connection logs in
}

func (r *runner) connectedNow(phone Phone) {
	r.linkedAt, r.failures, r.lost = time.Time{}, 0, domain.ReasonNone
	r.linking.Store(false)
	r.tries.Store(0)
	r.silent.Store(false)
	r.online.Store(true)
	r.logger.Info("connected to WhatsApp")
	r.report(domain.LinkReport{Event: domain.EventConnected, JID: r.jid})
	r.sender.connected(phone)
}

// noted takes what the sender has to tell about the connection; while
// something else waits to be told it is dropped.
func (r *runner) noted(reason domain.Reason) {
	select {
	case r.notes <- reason:
	default:
	}
}

// note tells people about a connection that goes on.
func (r *runner) note(reason domain.Reason) {
	if r.online.Load() {
		r.report(domain.LinkReport{Event: domain.EventNote, JID: r.jid, Reason: reason})
	}
}

// heardNothing takes what a connection tells of its keepalives. One that has
// gone silent is as good as trying in vain: should it end, no time starts anew.
func (r *runner) heardNothing(reason domain.Reason) {
	silent := reason == domain.ReasonSilent
	if !r.online.Load() || r.silent.Swap(silent) == silent {
		return
	}
	if silent {
		r.tries.CompareAndSwap(0, int64(instantNow().ran))
	} else {
		r.tries.Store(0)
	}
	r.note(reason)
}

// lastHeard is when a customer wrote last during this tenure.
func (r *runner) lastHeard() time.Time { return time.Unix(0, r.heard.Load()) }

// late is called when a connection neither showed a code nor logged in.
func (r *runner) late() time.Duration {
	if !r.linkedAt.IsZero() {
		return r.ended(domain.ReasonPairTimeout, "", time.Time{})
	}
	return r.ended(domain.ReasonUnavailable, "WhatsApp did not answer in time.", time.Time{})
}

// ended decides what follows from the end of a connection.
func (r *runner) ended(reason domain.Reason, detail string, since time.Time) time.Duration {
	r.svc.Metrics.Reconnects.WithLabelValues(string(reason)).Inc()
	r.logger.Info("connection to WhatsApp ended", "reason", reason, "detail", detail)
	if !r.linkedAt.IsZero() && time.Since(r.linkedAt) > domain.PairingDeadline && reason.Remedy() == domain.RemedyRetry {
		reason = domain.ReasonPairTimeout
	}
	switch {
	case reason == domain.ReasonQRExpired && r.rounds+1 < r.svc.Settings.QRRounds:
		r.rounds++
		return 0
	case reason == domain.ReasonQRExpired:
		return r.rest(domain.EventExpired, reason, detail)
	case reason == domain.ReasonReplaced:
		return r.wasReplaced(detail)
	case reason.Remedy() == domain.RemedyScanAgain:
		return r.unlink(reason, detail)
	case reason.Remedy() == domain.RemedyStop:
		return r.rest(domain.EventFailed, reason, detail)
	}
	if !since.IsZero() && time.Since(since) >= stableAfter {
		r.backoff.reset()
	}
	return r.reconnectLater(reason, detail)
}

func (r *runner) reconnectLater(reason domain.Reason, detail string) time.Duration {
	wait := databaseDelay()
	if reason != domain.ReasonDatabase {
		wait = r.backoff.next()
	}
	r.lost = reason
	at := domain.Now().Add(wait)
	r.report(domain.LinkReport{Event: domain.EventLost, Reason: reason, Detail: detail, RetryAt: &at})
	return wait
}

// wasReplaced handles another system on the same device: it waits and comes
// back, but a third time within ten minutes it gives way and alerts.
func (r *runner) wasReplaced(detail string) time.Duration {
	now := time.Now()
	recent := r.replaced[:0]
	for _, t := range r.replaced {
		if now.Sub(t) < 10*time.Minute {
			recent = append(recent, t)
		}
	}
	r.replaced = append(recent, now)
	if len(r.replaced) >= 3 {
		return r.rest(domain.EventFailed, domain.ReasonReplaced, detail)
	}
	wait := jittered(15 * time.Second)
	at := domain.Now().Add(wait)
	r.report(domain.LinkReport{Event: domain.EventLost, Reason: domain.ReasonReplaced, Detail: detail, RetryAt: &at})
	return wait
}

// rest ends the tenure: trying again would do harm or nobody is there.
func (r *runner) rest(e domain.Event, reason domain.Reason, detail string) time.Duration {
	r.report(domain.LinkReport{Event: e, Reason: reason, Detail: detail, LastError: string(reason)})
	r.acknowledge(domain.CommandNone, false)
	r.cancel(errReleased)
	return 0
}

// storeDeadline bounds one call to the database outside of the message path.
const storeDeadline = 10 * time.Second

func (r *runner) report(l domain.LinkReport) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), storeDeadline)
	defer cancel()
	err := r.svc.Reports.Report(ctx, r.tenure, l)
	switch {
	case err == nil:
	case errors.Is(err, domain.ErrFenced):
		r.lose(err)
	case domain.KindOf(err) == domain.KindConflict:
		r.logger.Info("report refused", "event", l.Event, "error", err)
	default:
		r.logger.Error("report not stored", "event", l.Event, "error", err)
	}
}
