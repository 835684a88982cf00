package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowhq/simulator"
)

// sent is the answer to POST messages.
type sent struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

// sends queues a message through the API.
func (s *shop) sends(t *testing.T, to, text string, headers ...string) sent {
	t.Helper()
	var out sent
	s.w.must(t, http.MethodPost, s.path("/messages"), input{"to": to, "text": text}, &out, headers...)
	return out
}

// message reads one message.
func (s *shop) message(t *testing.T, id string) (m messageView) {
	t.Helper()
	s.w.must(t, http.MethodGet, s.path("/messages/"+id), nil, &m)
	return m
}

// settles waits until a message is in this state.
func (s *shop) settles(t *testing.T, id, status string) messageView {
	t.Helper()
	var m messageView
	eventually(t, "the message is "+status, patience, func() (bool, string) {
		m = s.message(t, id)
		return m.Status == status, m.Status + " " + m.Reason
	})
	return m
}

func TestSend_ReachesAStrangerOnceEvenIfAskedTwice(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		first := shop.sends(t, asha.Number(), "Your order is ready.", "Idempotency-Key", "order-1")
		if first.Status != "queued" {
			t.Errorf("a new message is %q, want queued", first.Status)
		}
		shown := asha.reads(t, shop)
		again := shop.sends(t, asha.Number(), "Your order is ready.", "Idempotency-Key", "order-1")
		if again.ID != first.ID {
			t.Errorf("the repeated request made message %s, want %s again", again.ID, first.ID)
		}
		r, err := w.try(http.MethodPost, shop.path("/messages"), w.key, input{"to": asha.Number(), "text": "Something else"}, "Idempotency-Key", "order-1")
		if err != nil || r.status != http.StatusConflict || r.failure().Error.Kind != "conflict" {
			t.Errorf("the same key for another text is answered by %d %s (%v), want a conflict", r.status, r.body, err)
		}
		marker := shop.sends(t, asha.Number(), "And this too.")
		shop.settles(t, marker.ID, "read")
		m := shop.settles(t, first.ID, "read")
		if m.WAMessageID != shown.ID || m.Direction != "OUT" || m.ToNumber != asha.Number() {
			t.Errorf("the message is %+v, want the one shown as %s", m, shown.ID)
		}
		want := []string{"Your order is ready.", "And this too."}
		if diff := cmp.Diff(want, texts(asha.Phone, shop)); diff != "" {
			t.Errorf("the customer sees (-want +got):\n%s", diff)
		}
	})
}

// texts are what a phone shows of a shop.
func texts(p *simulator.Phone, s *shop) []string {
	var out []string
	for _, m := range p.Messages(s.owner) {
		if m.From == s.owner.Number() {
			out = append(out, m.Text)
		}
	}
	return out
}

func TestSend_ToANumberWithoutWhatsAppFailsWithAReason(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop := w.opened(t, salon)
		m := shop.settles(t, shop.sends(t, "+255788999999", "hello").ID, "failed")
		if !strings.Contains(m.Reason, "not on WhatsApp") {
			t.Errorf("the reason is %q, want that the number is not on WhatsApp", m.Reason)
		}
		asha := w.customer(t, "Asha")
		shop.settles(t, shop.sends(t, asha.Number(), "hello").ID, "read")
	})
}

func TestSend_WhileStoppedWaitsForTheStart(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		shop.does(t, http.MethodPost, "/worker/stop", nil)
		shop.becomes(t, "PAUSED")
		shop.unserved(t)
		id := shop.sends(t, asha.Number(), "We open again on Monday.").ID
		if m := shop.message(t, id); m.Status != "queued" {
			t.Errorf("while stopped the message is %s, want queued", m.Status)
		}
		shop.does(t, http.MethodPost, "/worker/start", nil)
		shop.settles(t, id, "read")
		if diff := cmp.Diff([]string{"We open again on Monday."}, texts(asha.Phone, shop)); diff != "" {
			t.Errorf("the customer sees (-want +got):\n%s", diff)
		}
	})
}

func TestSend_WhileDisconnectedWaitsForTheConnection(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		w.wa.Faults().RefuseConnections(shop.owner.Number(), true)
		shop.shows(t, "network")
		id := shop.sends(t, asha.Number(), "We are open.").ID
		if m := shop.message(t, id); m.Status != "queued" {
			t.Errorf("while disconnected the message is %s, want queued", m.Status)
		}
		w.wa.Faults().RefuseConnections(shop.owner.Number(), false)
		shop.settles(t, id, "read")
	})
}

func TestSend_KeepsTheOrderOfAChatThroughARestartWhileTheOldestWaitsForItsRetry(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		w.wa.Faults().Restricted463(shop.owner.Number(), true)
		first := shop.sends(t, asha.Number(), "first").ID
		second := shop.sends(t, asha.Number(), "second").ID
		eventually(t, "two attempts failed, so that the next is ten seconds away", patience, func() (bool, string) {
			attempts := w.rows(t, "SELECT attempts FROM outbox WHERE tenant_id = $1 AND id = $2", shop.id, first)[0][0]
			return attempts == "2", attempts
		})
		w.child.kill()
		w.wa.Faults().Restricted463(shop.owner.Number(), false)
		w.serve(t)
		shop.settles(t, second, "read")
		if diff := cmp.Diff([]string{"first", "second"}, texts(asha.Phone, shop)); diff != "" {
			t.Errorf("the customer sees (-want +got):\n%s", diff)
		}
	})
}

func TestSend_ArrivesAsItWasWritten(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		for name, text := range map[string]string{
			"emoji":          "👩🏾‍🦱💇🏿‍♀️ 🇹🇿 asante!",
			"right to left":  "مرحبا بك في صالون آشا",
			"combining":      "e\u0301 n\u0303 \u200d \u202e",
			"64 KB":          strings.Repeat("habari ", 65536/7),
			"lines and tabs": "a\r\n\tb\n\n c ",
			"markup":         `<script>alert("1")</script> *bold* ' OR 1=1 --`,
		} {
			t.Run(name, func(t *testing.T) {
				id := shop.sends(t, asha.Number(), text).ID
				if shown := asha.reads(t, shop); shown.Text != text {
					t.Errorf("shown is %.80q, want %.80q", shown.Text, text)
				}
				if m := shop.settles(t, id, "read"); m.MessageText != text {
					t.Errorf("logged is %.80q, want %.80q", m.MessageText, text)
				}
				theirs := asha.writes(t, shop, text)
				if m := shop.logged(t, theirs, "received"); m.MessageText != text {
					t.Errorf("what the customer wrote is logged as %.80q, want %.80q", m.MessageText, text)
				}
				asha.reads(t, shop)
			})
		}
		t.Run("NUL", func(t *testing.T) {
			shop.sends(t, asha.Number(), "a\x00b")
			if shown := asha.reads(t, shop); shown.Text != "ab" {
				t.Errorf("shown is %q, want the text without NUL", shown.Text)
			}
			theirs := asha.writes(t, shop, "menu\x00")
			if m := shop.logged(t, theirs, "received"); m.MessageText != "menu" {
				t.Errorf("what the customer wrote is logged as %q, want it without NUL", m.MessageText)
			}
			asha.reads(t, shop)
		})
	})
}
