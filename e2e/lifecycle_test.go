package e2e

import (
	"fmt"
	"net/http"
	"testing"
)

// unserved waits until no replica serves the tenant any more.
func (s *shop) unserved(t *testing.T) {
	t.Helper()
	eventually(t, "nobody serves the tenant", patience, func() (bool, string) {
		v := s.tenant(t)
		return v.Worker.Replica == "", fmt.Sprintf("%+v", v)
	})
}

// connected reports whether a linked device of the shop is connected to WhatsApp.
func (s *shop) connected() bool {
	for _, d := range s.owner.Devices() {
		if d.Connected {
			return true
		}
	}
	return false
}

func TestStop_NeverShowsActiveAndDisconnects(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop := w.opened(t, salon)
		if v := shop.does(t, http.MethodPost, "/worker/stop", nil); v.Status != "PAUSED" || v.Worker.Status != "STOPPED" || v.Session.State != "DISCONNECTED" {
			t.Errorf("stop answers %+v, want PAUSED, STOPPED and DISCONNECTED", v)
		}
		eventually(t, "the connection is closed", patience, func() (bool, string) {
			if v := shop.tenant(t); v.Status != "PAUSED" || v.Session.State != "DISCONNECTED" || v.Worker.Status != "STOPPED" {
				t.Fatalf("a stopped tenant shows %+v", v)
			}
			return !shop.connected(), ""
		})
		shop.unserved(t)
		if n := len(shop.owner.Devices()); n != 1 {
			t.Errorf("the owner's phone has %d linked devices, want 1: stopping is not unlinking", n)
		}

		asha := w.customer(t, "Asha")
		asha.writes(t, shop, "hello")
		w.child.stop(t)
		w.serve(t)
		if v := shop.tenant(t); v.Status != "PAUSED" || shop.connected() {
			t.Errorf("after a restart of the program the stopped tenant is %+v", v)
		}
		shop.does(t, http.MethodPost, "/worker/start", nil)
		shop.becomes(t, "ACTIVE")
		asha.reads(t, shop)
	})
}

func TestStop_WhileACodeIsShown(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop := w.created(t, salon)
		shop.does(t, http.MethodPost, "/worker/start", nil)
		eventually(t, "a code is shown", patience, func() (bool, string) {
			link := shop.session(t)
			return link.QR != "", fmt.Sprintf("%+v", link)
		})
		if v := shop.does(t, http.MethodPost, "/worker/stop", nil); v.Status != "NEW" {
			t.Errorf("a tenant stopped before it was linked is %s, want NEW", v.Status)
		}
		shop.unserved(t)
		if link := shop.session(t); link.QR != "" || link.State != "DISCONNECTED" {
			t.Errorf("a stopped tenant shows %+v, want no code", link)
		}
		shop.does(t, http.MethodPost, "/worker/start", nil)
		shop.scanned(t)
		shop.becomes(t, "ACTIVE")
	})
}

func TestRestart_ConnectsAnewAndGoesOnAnswering(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		asha.asks(t, shop, "hello")
		logins := w.wa.Ledger().PerTenant[shop.owner.Number()].Logins
		shop.does(t, http.MethodPost, "/worker/restart", nil)
		eventually(t, "the device has logged in again", patience, func() (bool, string) {
			now := w.wa.Ledger().PerTenant[shop.owner.Number()].Logins
			return now > logins, fmt.Sprint(now)
		})
		shop.becomes(t, "ACTIVE")
		asha.asks(t, shop, "menu")
		if n := asha.shown(shop); n != 2 {
			t.Errorf("the customer sees %d answers, want 2", n)
		}
	})
}

func TestReset_UnlinksThePhoneAndCanBeScannedAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		asha.asks(t, shop, "hello")
		device := shop.session(t).JID
		if v := shop.does(t, http.MethodPost, "/session/reset", nil); v.Status != "NEW" {
			t.Errorf("reset answers %s, want NEW", v.Status)
		}
		shop.unserved(t)
		if v, link := shop.tenant(t), shop.session(t); v.Status != "NEW" || link.JID != "" || link.State != "DISCONNECTED" {
			t.Errorf("after a reset the tenant is %s and the session %+v, want NEW without a device", v.Status, link)
		}
		if n := len(shop.owner.Devices()); n != 0 {
			t.Errorf("the owner's phone still has %d linked devices", n)
		}
		w.keysAreGone(t, device)
		shop.does(t, http.MethodPost, "/worker/start", nil)
		shop.scanned(t)
		shop.becomes(t, "ACTIVE")
		asha.asks(t, shop, "menu")
	})
}

func TestReset_OfAStoppedTenantUnlinksToo(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop := w.opened(t, salon)
		device := shop.session(t).JID
		shop.does(t, http.MethodPost, "/worker/stop", nil)
		shop.unserved(t)
		shop.does(t, http.MethodPost, "/session/reset", nil)
		eventually(t, "the device is forgotten", patience, func() (bool, string) {
			link := shop.session(t)
			return link.JID == "" && w.keys(t, device) == 0, fmt.Sprintf("%+v", link)
		})
		shop.unserved(t)
		if v := shop.tenant(t); v.Status != "NEW" {
			t.Errorf("after a reset the tenant is %s, want NEW", v.Status)
		}
		shop.does(t, http.MethodPost, "/worker/start", nil)
		shop.scanned(t)
		shop.becomes(t, "ACTIVE")
	})
}

// keyTables are the tables of keys with the column that names the device.
var keyTables = map[string]string{
	"whatsmeow_device": "jid", "whatsmeow_identity_keys": "our_jid", "whatsmeow_pre_keys": "jid", "prekeys": "jid", "whatsmeow_sessions": "our_jid",
	"whatsmeow_sender_keys": "our_jid", "whatsmeow_app_state_sync_keys": "jid", "whatsmeow_app_state_version": "jid",
	"whatsmeow_contacts": "our_jid", "whatsmeow_chat_settings": "our_jid", "whatsmeow_message_secrets": "our_jid",
	"whatsmeow_privacy_tokens": "our_jid", "whatsmeow_event_buffer": "our_jid",
}

// keys counts what is stored of a device.
func (w *world) keys(t *testing.T, device string) int {
	t.Helper()
	n := 0
	for table, column := range keyTables {
		n += len(w.rows(t, "SELECT 1 FROM "+table+" WHERE "+column+" = $1", device))
	}
	return n
}

func (w *world) keysAreGone(t *testing.T, device string) {
	t.Helper()
	if n := w.keys(t, device); n != 0 {
		t.Errorf("%d rows of the removed device %s are left", n, device)
	}
}

func TestDelete_RemovesTheTenantAndItsKeys(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, other, asha := w.opened(t, salon), w.opened(t, salon), w.customer(t, "Asha")
		asha.asks(t, shop, "hello")
		asha.asks(t, other, "hello")
		device := shop.session(t).JID
		if w.keys(t, device) == 0 {
			t.Fatal("no keys of the linked device are found; the test looks in the wrong place")
		}
		r, err := w.try(http.MethodDelete, shop.path(""), w.key, nil)
		if err != nil || (r.status != http.StatusAccepted && r.status != http.StatusNoContent) {
			t.Fatalf("delete answers %d %s (%v), want 202 or 204", r.status, r.body, err)
		}
		eventually(t, "the tenant is gone", patience, func() (bool, string) {
			r, err := w.try(http.MethodGet, shop.path(""), w.key, nil)
			return err == nil && r.status == http.StatusNotFound, string(r.body)
		})
		w.keysAreGone(t, device)
		for _, table := range []string{"tenant_configs", "whatsapp_sessions", "worker_processes", "leases", "inbound_seen", "message_logs",
			"conversations", "customers", "outbox"} {
			if n := len(w.rows(t, "SELECT 1 FROM "+table+" WHERE tenant_id = $1", shop.id)); n != 0 {
				t.Errorf("%d rows of the deleted tenant are left in %s", n, table)
			}
		}
		eventually(t, "the phone shows no linked device", patience, func() (bool, string) {
			return len(shop.owner.Devices()) == 0, fmt.Sprint(shop.owner.Devices())
		})
		asha.asks(t, other, "menu")
		w.must(t, http.MethodPost, "/api/v1/tenants", input{"name": "again", "phone_number": shop.owner.Number()}, nil)
	})
}

func TestDelete_OfATenantThatWasNeverStarted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		shop := w.created(t, salon)
		r, err := w.try(http.MethodDelete, shop.path(""), w.key, nil)
		if err != nil || r.status != http.StatusNoContent {
			t.Fatalf("delete answers %d %s (%v), want 204", r.status, r.body, err)
		}
		w.refused(t, http.MethodGet, shop.path(""), w.key, nil, http.StatusNotFound, "not_found")
	})
}
