package domain

import "fmt"

// Event is something that happens to a tenant's link. People cause start,
// stop, restart and reset; the owning replica reports the others.
type Event string

const (
	EventStart     Event = "start"
	EventStop      Event = "stop"
	EventRestart   Event = "restart"
	EventReset     Event = "reset"
	EventQR        Event = "qr"        // a code to scan was issued
	EventScanned   Event = "scanned"   // the phone accepted; connecting
	EventConnected Event = "connected" // logged in
	EventLost      Event = "lost"      // disconnected, will be retried by itself
	EventFailed    Event = "failed"    // disconnected for good: somebody has to act
	EventExpired   Event = "expired"   // nobody scanned in time
	EventNote      Event = "note"      // connected, but something is worth telling: the reason says what
)

// Lifecycle is the three states that move together. Linked means that a
// device is paired and its keys are stored.
type Lifecycle struct {
	Tenant  TenantStatus
	Session SessionState
	Worker  WorkerStatus
	Linked  bool
}

// Lifecycle returns the states of a tenant as one value.
func (v TenantView) Lifecycle() Lifecycle {
	return Lifecycle{Tenant: v.Status, Session: v.Session.State, Worker: v.Worker.Status, Linked: v.Session.JID != ""}
}

// Apply returns the states after an event, or an error of KindConflict when
// the event is not possible in the present state. Whatever the events, two
// things hold: only a running worker shows ACTIVE or CONNECTED, and CONNECTED
// comes with ACTIVE.
func (l Lifecycle) Apply(e Event) (Lifecycle, error) {
	switch e {
	case EventStart, EventRestart:
		if e == EventStart && l.Worker == WorkerRunning {
			return l, nil
		}
		return l.with(TenantQRPending, SessionDisconnected, WorkerRunning), nil
	case EventStop:
		return l.with(l.resting(), SessionDisconnected, WorkerStopped), nil
	case EventReset:
		l.Linked = false
		return l.with(TenantNew, SessionDisconnected, WorkerStopped), nil
	}
	if l.Worker != WorkerRunning {
		return l, Errorf(KindConflict, "%q cannot happen while the worker is %s", e, l.Worker)
	}
	return l.report(e)
}

// report applies what a running worker reports.
func (l Lifecycle) report(e Event) (Lifecycle, error) {
	switch e {
	case EventQR:
		if l.Linked {
			return l, Errorf(KindConflict, "a linked tenant gets no code to scan")
		}
		return l.with(TenantQRPending, SessionQRReady, WorkerRunning), nil
	case EventScanned:
		l.Linked = true
		return l.with(TenantQRPending, SessionDisconnected, WorkerRunning), nil
	case EventConnected:
		l.Linked = true
		return l.with(TenantActive, SessionConnected, WorkerRunning), nil
	case EventLost:
		return l.with(l.Tenant, SessionDisconnected, WorkerRunning), nil
	case EventNote:
		if l.Session != SessionConnected {
			return l, Errorf(KindConflict, "a note is for a connected tenant")
		}
		return l, nil
	case EventFailed:
		return l.with(TenantError, SessionDisconnected, WorkerError), nil
	case EventExpired:
		return l.with(l.resting(), SessionDisconnected, WorkerStopped), nil
	}
	return l, fmt.Errorf("unknown lifecycle event %q", e)
}

func (l Lifecycle) with(t TenantStatus, s SessionState, w WorkerStatus) Lifecycle {
	return Lifecycle{Tenant: t, Session: s, Worker: w, Linked: l.Linked}
}

// resting is the status of a tenant that nobody serves.
func (l Lifecycle) resting() TenantStatus {
	if l.Linked {
		return TenantPaused
	}
	return TenantNew
}
