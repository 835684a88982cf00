package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"flowhq/domain"
	"flowhq/store/storetest"
)

func (w *world) report(l domain.LinkReport) domain.TenantView {
	w.t.Helper()
	must(w.t, w.Reports().Report(w.t.Context(), w.tenure, l))
	v, err := w.Tenants().Get(w.t.Context(), w.tenant.ID)
	must(w.t, err)
	return v
}

func wantStates(t testing.TB, v domain.TenantView, tenant domain.TenantStatus, session domain.SessionState, worker domain.WorkerStatus) {
	t.Helper()
	if v.Status != tenant || v.Session.State != session || v.Worker.Status != worker {
		t.Errorf("tenant is %s/%s/%s, want %s/%s/%s", v.Status, v.Session.State, v.Worker.Status, tenant, session, worker)
	}
}

func TestReport_FollowsALinkFromItsCodeToItsEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		until, retry := domain.Now().Add(20*time.Second), domain.Now().Add(time.Minute)

		v := w.report(domain.LinkReport{Event: domain.EventQR, QR: "2@code", QRExpiresAt: &until})
		wantStates(t, v, domain.TenantQRPending, domain.SessionQRReady, domain.WorkerRunning)
		if v.Session.QR != "2@code" || !v.Session.QRExpiresAt.Equal(until) {
			t.Errorf("session %+v", v.Session)
		}
		v = w.report(domain.LinkReport{Event: domain.EventQR, PairingCode: "ABCD-EFGH", Reason: domain.ReasonPasskey})
		if v.Session.QR != "" || v.Session.QRExpiresAt != nil || v.Session.PairingCode != "ABCD-EFGH" || v.Session.Reason != domain.ReasonPasskey {
			t.Errorf("a report replaces code and reason as a whole: %+v", v.Session)
		}
		v = w.report(domain.LinkReport{Event: domain.EventScanned, JID: jid})
		wantStates(t, v, domain.TenantQRPending, domain.SessionDisconnected, domain.WorkerRunning)
		if v.Session.JID != jid || v.Session.PairingSince == nil || v.Session.PairingCode != "" {
			t.Errorf("session %+v", v.Session)
		}
		v = w.report(domain.LinkReport{Event: domain.EventConnected, JID: jid})
		wantStates(t, v, domain.TenantActive, domain.SessionConnected, domain.WorkerRunning)
		if v.Session.ConnectedAt == nil || v.Session.LastSeenAt == nil || v.Session.PairingSince != nil {
			t.Errorf("session %+v", v.Session)
		}
		connected := v.Session
		v = w.report(domain.LinkReport{Event: domain.EventLost, Reason: domain.ReasonNetwork, Detail: "reset", RetryAt: &retry})
		wantStates(t, v, domain.TenantActive, domain.SessionDisconnected, domain.WorkerRunning)
		want := connected
		want.State, want.Reason, want.ReasonDetail, want.RetryAt = domain.SessionDisconnected, domain.ReasonNetwork, "reset", &retry
		if diff := cmp.Diff(want, v.Session, cmpopts.IgnoreFields(domain.WhatsAppSession{}, "LastSeenAt", "UpdatedAt")); diff != "" {
			t.Errorf("after the loss (-want +got):\n%s", diff)
		}
		v = w.report(domain.LinkReport{Event: domain.EventFailed, Unlinked: true, Reason: domain.ReasonLoggedOut, LastError: "logged_out"})
		wantStates(t, v, domain.TenantError, domain.SessionDisconnected, domain.WorkerError)
		if v.Session.JID != "" || v.Worker.LastError != "logged_out" || v.Session.RetryAt != nil {
			t.Errorf("after the end: %+v %+v", v.Session, v.Worker)
		}
	})
}

func TestReport_IsRefusedOnceAPersonStoppedTheTenant(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, err := w.Tenants().Steer(t.Context(), w.tenant.ID, domain.EventStop)
		must(t, err)
		wantUnchanged(t, w.Store, func() {
			for _, e := range []domain.Event{domain.EventQR, domain.EventConnected, domain.EventLost, domain.EventFailed} {
				wantKind(t, w.Reports().Report(t.Context(), w.tenure, domain.LinkReport{Event: e, JID: jid}), domain.KindConflict)
			}
		})
	})
}

func TestReport_IsRefusedWhenTheTenureIsOver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, tenure := range w.over() {
			wantUnchanged(t, w.Store, func() {
				wantFenced(t, w.Reports().Report(t.Context(), tenure, domain.LinkReport{Event: domain.EventConnected, JID: jid}))
			})
		}
	})
}

func TestReport_AndSteerAtOnceNeverDeadlock(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		done := make(chan error, 1)
		go func() {
			for range 30 {
				if _, err := w.Tenants().Steer(t.Context(), w.tenant.ID, domain.EventRestart); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		for range 30 {
			must(t, w.Reports().Report(t.Context(), w.tenure, domain.LinkReport{Event: domain.EventConnected, JID: jid}))
			w.mustReceive(incoming(domain.NewID().String(), "x"), answer("y"))
		}
		must(t, <-done)
	})
}

func TestSession_ShowsWhatWasReported(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		v := w.report(domain.LinkReport{Event: domain.EventConnected, JID: jid})
		s, err := w.Links().Session(t.Context(), w.tenant.ID)
		must(t, err)
		if diff := cmp.Diff(v.Session, s); diff != "" {
			t.Errorf("session (-of the tenant +alone):\n%s", diff)
		}
		_, err = w.Links().Session(t.Context(), domain.NewID())
		wantKind(t, err, domain.KindNotFound)
	})
}

func TestAskPairingCode_LeavesTheWishAndClearsAnOlderCode(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.report(domain.LinkReport{Event: domain.EventQR, PairingCode: "OLD", Reason: domain.ReasonPairFailed})
		must(t, w.Links().AskPairingCode(t.Context(), w.tenant.ID, "+255754000009"))
		s, err := w.Links().Session(t.Context(), w.tenant.ID)
		must(t, err)
		if s.PairingPhone != "+255754000009" || s.PairingCode != "" || s.Reason != domain.ReasonNone {
			t.Errorf("session %+v", s)
		}
		if l := leaseOf(t, w.Store, w.tenant.ID); l.Command != domain.CommandPair || !l.Wanted {
			t.Errorf("lease %+v", l)
		}
		w.report(domain.LinkReport{Event: domain.EventConnected, JID: jid})
		wantKind(t, w.Links().AskPairingCode(t.Context(), w.tenant.ID, "+255754000009"), domain.KindConflict)
		wantKind(t, w.Links().AskPairingCode(t.Context(), domain.NewID(), "+255754000009"), domain.KindNotFound)
	})
}

func TestAskPairingCode_StartsATenantThatNobodyServes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		idle := storetest.NewTenant(t, w.Store)
		must(t, w.Links().AskPairingCode(t.Context(), idle.ID, "+255754000009"))
		taken, err := w.Leases().Acquire(t.Context(), w.ReplicaID(), 10)
		must(t, err)
		if len(taken) != 1 || taken[0].Command != domain.CommandPair {
			t.Errorf("leases %+v", taken)
		}
		must(t, w.Reports().Report(t.Context(), taken[0].Tenure, domain.LinkReport{Event: domain.EventQR, PairingCode: "NEW"}))
	})
}

func TestAskPairingCode_IsOverOnceItIsAnsweredOrAPersonDoesSomethingElse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ask := func() {
			t.Helper()
			must(t, w.Links().AskPairingCode(t.Context(), w.tenant.ID, "+255754000009"))
		}
		steer := func(e domain.Event) func() domain.TenantView {
			return func() domain.TenantView {
				v, err := w.Tenants().Steer(t.Context(), w.tenant.ID, e)
				must(t, err)
				return v
			}
		}
		w.report(domain.LinkReport{Event: domain.EventFailed, Unlinked: true, Reason: domain.ReasonLoggedOut})
		for name, end := range map[string]func() domain.TenantView{
			"a code": func() domain.TenantView {
				return w.report(domain.LinkReport{Event: domain.EventQR, Answers: true, PairingCode: "ABCD-EFGH"})
			},
			"no code": func() domain.TenantView {
				return w.report(domain.LinkReport{Event: domain.EventQR, Answers: true, Reason: domain.ReasonPairFailed})
			},
			"a stop":    steer(domain.EventStop),
			"a restart": steer(domain.EventRestart),
		} {
			ask()
			if v := w.report(domain.LinkReport{Event: domain.EventQR, QR: "2@next"}); v.Session.PairingPhone == "" {
				t.Errorf("%s: the next code to scan ends the wish", name)
			}
			if v := end(); v.Session.PairingPhone != "" {
				t.Errorf("after %s a code is still asked for %s", name, v.Session.PairingPhone)
			}
		}
	})
}

func TestReport_DoesNotAnswerAWishForAPairingCodeWithWhatWasSaidBeforeIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.report(domain.LinkReport{Event: domain.EventQR, Answers: true, PairingCode: "OLD"})
		must(t, w.Links().AskPairingCode(t.Context(), w.tenant.ID, "+255754000009"))
		v := w.report(domain.LinkReport{Event: domain.EventQR, QR: "2@next", PairingCode: "OLD", Reason: domain.ReasonPairFailed})
		if s := v.Session; s.QR != "2@next" || s.PairingCode != "" || s.Reason != domain.ReasonNone || s.PairingPhone == "" {
			t.Errorf("session %+v", s)
		}
		v = w.report(domain.LinkReport{Event: domain.EventQR, QR: "2@next", Answers: true, PairingCode: "NEW"})
		if s := v.Session; s.QR != "2@next" || s.PairingCode != "NEW" || s.PairingPhone != "" {
			t.Errorf("session %+v", s)
		}
	})
}
