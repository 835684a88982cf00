package domain

import (
	"testing"

	"pgregory.net/rapid"
)

var everyEvent = []Event{EventStart, EventStop, EventRestart, EventReset, EventQR, EventScanned, EventConnected, EventLost, EventFailed, EventExpired}

func TestLifecycle_AStoppedBotNeverShowsActive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Lifecycle{Tenant: TenantNew, Session: SessionDisconnected, Worker: WorkerStopped}
		for _, e := range rapid.SliceOfN(rapid.SampledFrom(everyEvent), 1, 40).Draw(t, "events") {
			next, err := l.Apply(e)
			if err != nil {
				if next != l {
					t.Fatalf("refused %q changed %+v to %+v", e, l, next)
				}
				continue
			}
			if l = next; l.Worker != WorkerRunning && (l.Tenant == TenantActive || l.Session != SessionDisconnected) {
				t.Fatalf("after %q nobody serves the tenant, yet it shows %s and %s", e, l.Tenant, l.Session)
			}
			if l.Session == SessionConnected && l.Tenant != TenantActive {
				t.Fatalf("after %q the session is connected but the tenant is %s", e, l.Tenant)
			}
		}
	})
}

func TestLifecycle_LinkingATenant(t *testing.T) {
	l := Lifecycle{Tenant: TenantNew, Session: SessionDisconnected, Worker: WorkerStopped}
	for _, step := range []struct {
		event Event
		want  Lifecycle
	}{
		{EventStart, Lifecycle{TenantQRPending, SessionDisconnected, WorkerRunning, false}},
		{EventQR, Lifecycle{TenantQRPending, SessionQRReady, WorkerRunning, false}},
		{EventScanned, Lifecycle{TenantQRPending, SessionDisconnected, WorkerRunning, true}},
		{EventConnected, Lifecycle{TenantActive, SessionConnected, WorkerRunning, true}},
		{EventLost, Lifecycle{TenantActive, SessionDisconnected, WorkerRunning, true}},
		{EventConnected, Lifecycle{TenantActive, SessionConnected, WorkerRunning, true}},
		{EventStop, Lifecycle{TenantPaused, SessionDisconnected, WorkerStopped, true}},
		{EventReset, Lifecycle{TenantNew, SessionDisconnected, WorkerStopped, false}},
	} {
		next, err := l.Apply(step.event)
		if err != nil || next != step.want {
			t.Fatalf("%s: got %+v, %v, want %+v", step.event, next, err, step.want)
		}
		l = next
	}
}

func TestLifecycle_RefusesReportsOfAWorkerThatWasStopped(t *testing.T) {
	stopped := Lifecycle{Tenant: TenantPaused, Session: SessionDisconnected, Worker: WorkerStopped, Linked: true}
	for _, e := range []Event{EventQR, EventScanned, EventConnected, EventLost, EventFailed} {
		if _, err := stopped.Apply(e); KindOf(err) != KindConflict {
			t.Errorf("%s was not refused: %v", e, err)
		}
	}
}

func TestLifecycle_ALinkedTenantGetsNoCodeToScan(t *testing.T) {
	linked := Lifecycle{Tenant: TenantQRPending, Session: SessionDisconnected, Worker: WorkerRunning, Linked: true}
	if _, err := linked.Apply(EventQR); KindOf(err) != KindConflict {
		t.Fatalf("got %v, want a conflict", err)
	}
}

func TestReasons_EveryOneHasATextInBothLanguagesAndARemedy(t *testing.T) {
	for _, r := range Reasons() {
		if r == ReasonNone {
			continue
		}
		if r.Text(LanguageEnglish) == "" || r.Text(LanguageSwahili) == "" || r.Remedy() == "" {
			t.Errorf("reason %q lacks a text or a remedy", r)
		}
	}
}
