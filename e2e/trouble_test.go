package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// broken waits until the tenant is in ERROR for this reason.
func (s *shop) broken(t *testing.T, reason string) linkView {
	t.Helper()
	s.becomes(t, "ERROR")
	link, v := s.session(t), s.tenant(t)
	if link.Reason != reason || link.ReasonText == "" || link.State != "DISCONNECTED" || v.Worker.Status != "ERROR" {
		t.Errorf("the session is %+v and the worker %+v, want ERROR because of %s", link, v.Worker, reason)
	}
	return link
}

func TestTrouble_LoggedOutOnThePhoneNeedsAnotherScan(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		asha.asks(t, shop, "hello")
		device := shop.session(t).JID
		if err := shop.owner.Unlink(shop.owner.Devices()[0].Device); err != nil {
			t.Fatal(err)
		}
		if link := shop.broken(t, "logged_out"); link.JID != "" {
			t.Errorf("the session still names device %s", link.JID)
		}
		w.keysAreGone(t, device)
		if n := len(shop.log(t)); n != 2 {
			t.Errorf("%d messages are left in the log, want 2: the history stays", n)
		}
		shop.does(t, http.MethodPost, "/worker/start", nil)
		shop.scanned(t)
		shop.becomes(t, "ACTIVE")
		asha.asks(t, shop, "menu")
	})
}

func TestTrouble_LoggedOutWhileTheProgramWasAway(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop := w.opened(t, salon)
		w.child.stop(t)
		w.wa.Faults().LoggedOut(shop.owner.Number())
		w.serve(t)
		shop.broken(t, "logged_out")
	})
}

func TestTrouble_ATemporaryBanStopsTheTenant(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop := w.opened(t, salon)
		w.wa.Faults().TempBan(shop.owner.Number(), 101, time.Hour)
		if link := shop.broken(t, "banned"); link.JID == "" {
			t.Error("a banned tenant lost its device; the link is still there after the ban")
		}
		w.wa.Faults().TempBan(shop.owner.Number(), 0, 0)
		shop.does(t, http.MethodPost, "/worker/start", nil)
		shop.becomes(t, "ACTIVE")
	})
}

func TestTrouble_AnOutdatedVersionStopsTheTenant(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop := w.opened(t, salon)
		w.wa.Faults().Outdated405(true)
		w.wa.Faults().DropConnections(shop.owner.Number())
		shop.broken(t, "outdated")
		w.wa.Faults().Outdated405(false)
		shop.does(t, http.MethodPost, "/worker/start", nil)
		shop.becomes(t, "ACTIVE")
	})
}

func TestTrouble_ReplacedWaitsAndGivesWayTheThirdTime(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop := w.opened(t, salon)
		for range 2 {
			w.wa.Faults().Replaced(shop.owner.Number())
			link := shop.shows(t, "replaced")
			if v := shop.tenant(t); link.RetryAt == nil || v.Worker.Status != "RUNNING" || v.Session.State != "DISCONNECTED" {
				t.Errorf("after a replacement the session is %+v and the tenant %+v, want a planned retry", link, v)
			}
			shop.does(t, http.MethodPost, "/worker/restart", nil)
			shop.becomesConnected(t)
		}
		w.wa.Faults().Replaced(shop.owner.Number())
		shop.broken(t, "replaced")
	})
}

func (s *shop) becomesConnected(t *testing.T) {
	t.Helper()
	eventually(t, "the session is CONNECTED", patience, func() (bool, string) {
		v := s.tenant(t)
		return v.Session.State == "CONNECTED", fmt.Sprintf("%+v", v)
	})
}

func TestTrouble_WhatsAppUnavailableIsTriedAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		w.wa.Faults().ServiceUnavailable(shop.owner.Number(), true)
		link := shop.shows(t, "unavailable")
		if v := shop.tenant(t); v.Worker.Status != "RUNNING" || v.Status == "ERROR" || link.RetryAt == nil {
			t.Errorf("while WhatsApp is unavailable the tenant is %+v and the session %+v, want RUNNING with a planned retry", v, link)
		}
		asha.writes(t, shop, "hello")
		w.wa.Faults().ServiceUnavailable(shop.owner.Number(), false)
		shop.becomesConnected(t)
		asha.reads(t, shop)
	})
}

func TestTrouble_ACutConnectionComesBack(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		asha.asks(t, shop, "hello")
		w.wa.Faults().DropConnections(shop.owner.Number())
		asha.asks(t, shop, "menu")
		if n := asha.shown(shop); n != 2 {
			t.Errorf("the customer sees %d answers, want 2", n)
		}
	})
}
