package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

func TestLink_ByQRThenACustomerIsAnsweredWithTicks(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop := w.created(t, salon)
		if v := shop.tenant(t); v.Status != "NEW" || v.Worker.Status != "STOPPED" {
			t.Errorf("a new tenant is %s with worker %s, want NEW and STOPPED", v.Status, v.Worker.Status)
		}
		if v := shop.does(t, http.MethodPost, "/worker/start", nil); v.Status != "QR_PENDING" || v.Worker.Status != "RUNNING" {
			t.Errorf("start answers %s with worker %s, want QR_PENDING and RUNNING", v.Status, v.Worker.Status)
		}
		shop.scanned(t)
		shop.becomes(t, "ACTIVE")
		link := shop.session(t)
		if link.State != "CONNECTED" || link.QR != "" || link.Reason != "" || !strings.HasPrefix(link.JID, shop.owner.Number()[1:]) {
			t.Errorf("after the scan the session is %+v, want CONNECTED as the owner's number and no code", link)
		}
		if v := shop.tenant(t); v.Worker.Replica != "e2e" {
			t.Errorf("the worker runs on %q, want the name of the replica", v.Worker.Replica)
		}

		asha := w.customer(t, "Asha")
		question := asha.writes(t, shop, "hello")
		answer := asha.reads(t, shop)
		if !strings.Contains(answer.Text, "Welcome to *Asha Salon*") || !strings.Contains(answer.Text, "1. Book an appointment") {
			t.Errorf("the answer is %q, want the welcome and the menu", answer.Text)
		}
		in := shop.logged(t, question, "received")
		if in.Direction != "IN" || in.FromNumber != asha.Number() || in.ToNumber != shop.owner.Number() || in.MessageText != "hello" {
			t.Errorf("the question is logged as %+v", in)
		}
		if out := shop.logged(t, answer.ID, "read"); out.Direction != "OUT" || out.ToNumber != asha.Number() || out.MessageText != answer.Text {
			t.Errorf("the answer is logged as %+v", out)
		}
	})
}

func TestLink_IsNotForgottenWhenTheConnectionBreaksRightAfterTheScan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqliteDatabase(t))
	w.wa.Faults().CutLinked("", true)
	shop, asha := w.opened(t, salon), w.customer(t, "Asha")
	asha.asks(t, shop, "hello")
}

func TestLink_ByPairingCode(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop := w.created(t, salon)
		w.refused(t, http.MethodPost, shop.path("/session/pairing-code"), w.key, input{"phone": shop.owner.Number()}, http.StatusConflict, "conflict")
		shop.does(t, http.MethodPost, "/worker/start", nil)
		var answer struct {
			Code string `json:"pairing_code"`
		}
		w.must(t, http.MethodPost, shop.path("/session/pairing-code"), input{"phone": shop.owner.Number()}, &answer)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := shop.owner.EnterPairingCode(ctx, answer.Code); err != nil {
			t.Fatalf("enter %q: %v", answer.Code, err)
		}
		shop.becomes(t, "ACTIVE")
		if link := shop.session(t); link.PairingCode != "" || link.State != "CONNECTED" {
			t.Errorf("after linking the session is %+v, want CONNECTED and no code", link)
		}
		w.refused(t, http.MethodPost, shop.path("/session/pairing-code"), w.key, input{"phone": shop.owner.Number()}, http.StatusConflict, "conflict")
		if answer := w.customer(t, "Asha").asks(t, shop, "hello"); !strings.Contains(answer, "Welcome") {
			t.Errorf("the answer is %q, want a welcome", answer)
		}
	})
}

func TestLink_SurvivesARestartWithoutAnotherScan(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		asha.asks(t, shop, "hello")
		w.child.stop(t)
		missed := asha.writes(t, shop, "menu")
		w.serve(t)
		if answer := asha.reads(t, shop); !strings.Contains(answer.Text, "1. Book an appointment") {
			t.Errorf("what was written while the program was away is answered by %q, want the menu", answer.Text)
		}
		shop.logged(t, missed, "received")
		if n := len(shop.owner.Devices()); n != 1 {
			t.Errorf("the owner's phone has %d linked devices, want the one of before", n)
		}
	})
}
