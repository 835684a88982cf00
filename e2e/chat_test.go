package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowhq/simulator"
)

// answersTo counts the answers that were queued for a message of a customer.
func (s *shop) answersTo(t *testing.T, waID string) int {
	t.Helper()
	return len(s.w.rows(t, "SELECT 1 FROM outbox WHERE tenant_id = $1 AND in_reply_to = $2", s.id, waID))
}

func TestOwner_WhoAnswersByHandSilencesTheBotInThatChat(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha, juma := w.opened(t, salon), w.customer(t, "Asha"), w.customer(t, "Juma")
		asha.asks(t, shop, "hello")
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		id, err := shop.owner.SendText(ctx, asha.Phone, "Asha, it is me. Come at ten.")
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "what the owner wrote is logged", patience, func() (bool, string) {
			for _, m := range shop.log(t) {
				if m.WAMessageID == id {
					return m.Direction == "OUT" && m.ToNumber == asha.Number() && m.MessageText == "Asha, it is me. Come at ten.", ""
				}
			}
			return false, ""
		})
		// The decision about an answer is stored together with the message.
		question := asha.writes(t, shop, "menu")
		shop.logged(t, question, "received")
		if n := shop.answersTo(t, question); n != 0 {
			t.Errorf("the bot queued %d answers in a chat in which the owner writes, want none", n)
		}
		juma.asks(t, shop, "hello")
	})
}

func TestOwner_SwitchesTheBotOff(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		shop.does(t, "PATCH", "", input{"bot_enabled": false})
		// A change is in force at the latest when the owner has read it again.
		eventually(t, "the bot is silent", patience, func() (bool, string) {
			id := asha.writes(t, shop, "menu")
			shop.logged(t, id, "received")
			return shop.answersTo(t, id) == 0, "still answering"
		})
		shop.does(t, "PATCH", "", input{"bot_enabled": true})
		eventually(t, "the bot answers", patience, func() (bool, string) {
			id := asha.writes(t, shop, "menu")
			shop.logged(t, id, "received")
			return shop.answersTo(t, id) == 1, "still silent"
		})
	})
}

// people are the rows of the customers and the conversations of a shop.
func (s *shop) people(t *testing.T) (customers, conversations [][]string) {
	t.Helper()
	return s.w.rows(t, "SELECT contact FROM customers WHERE tenant_id = $1", s.id),
		s.w.rows(t, "SELECT contact FROM conversations WHERE tenant_id = $1", s.id)
}

func TestCustomer_IsOnePersonUnderBothAddresses(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for _, tt := range []struct {
			name   string
			lines  []said
			option func(i int) []simulator.SendOption
		}{
			{"number and LID in turn", bookingInEnglish, func(i int) []simulator.SendOption {
				if i%2 == 0 {
					return nil
				}
				return []simulator.SendOption{simulator.ViaPN()}
			}},
			{"later without the other address", bookingInEnglish, func(i int) []simulator.SendOption {
				switch {
				case i < 2:
					return nil
				case i%2 == 0:
					return []simulator.SendOption{simulator.WithoutAlternate()}
				}
				return []simulator.SendOption{simulator.ViaPN(), simulator.WithoutAlternate()}
			}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				shop, neema := w.opened(t, salon), w.customer(t, "")
				for i, line := range tt.lines {
					if answer := neema.asks(t, shop, line.text, tt.option(i)...); !strings.Contains(answer, line.want) {
						t.Fatalf("%q is answered by %q, want %q: the conversation is torn", line.text, answer, line.want)
					}
				}
				want := [][]string{{neema.Number()}}
				customers, conversations := shop.people(t)
				if diff := cmp.Diff(want, customers); diff != "" {
					t.Errorf("customers (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(want, conversations); diff != "" {
					t.Errorf("conversations (-want +got):\n%s", diff)
				}
			})
		}
	})
}

func TestCustomer_FirstKnownByLIDAloneKeepsTheConversation(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, neema := w.opened(t, salon), w.customer(t, "")
		for i, line := range bookingInEnglish {
			option := []simulator.SendOption{simulator.WithoutAlternate()}
			if i >= 3 {
				option = nil // from now on the number is told
			}
			if answer := neema.asks(t, shop, line.text, option...); !strings.Contains(answer, line.want) {
				t.Fatalf("%q is answered by %q, want %q: the conversation is torn", line.text, answer, line.want)
			}
		}
		customers, conversations := shop.people(t)
		if len(customers) != 1 || len(conversations) != 1 {
			t.Errorf("customers are %v and conversations %v, want one each", customers, conversations)
		}
	})
}

func TestRedelivery_IsAnsweredOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for _, tt := range []struct {
			name      string
			redeliver func(number string, n int) int
		}{
			{"the same ciphertext", w.wa.Faults().Redeliver},
			{"under the other address", w.wa.Faults().RedeliverOther},
		} {
			t.Run(tt.name, func(t *testing.T) {
				shop, asha := w.opened(t, salon), w.customer(t, "Asha")
				ids := []string{asha.writes(t, shop, "hello")}
				asha.reads(t, shop)
				ids = append(ids, asha.writes(t, shop, "menu"))
				asha.reads(t, shop)
				eventually(t, "both messages are acknowledged", patience, func() (bool, string) {
					left := w.wa.Unacked(shop.owner.Number())
					return len(left) == 0, strings.Join(left, " ")
				})
				if n := tt.redeliver(shop.owner.Number(), 2); n != 2 {
					t.Fatalf("%d messages were delivered again, want 2", n)
				}
				// Messages are handled in order, so an answer to a later one proves that the copies are done.
				ids = append(ids, asha.writes(t, shop, "menu"))
				asha.reads(t, shop)
				for _, id := range ids {
					if n := shop.answersTo(t, id); n != 1 {
						t.Errorf("message %s has %d answers, want 1", id, n)
					}
				}
				if n := asha.shown(shop); n != 3 {
					t.Errorf("the customer sees %d answers to 3 messages", n)
				}
				if n := len(w.rows(t, "SELECT 1 FROM message_logs WHERE tenant_id = $1 AND direction = 'IN'", shop.id)); n != 3 {
					t.Errorf("%d messages are logged, want 3", n)
				}
			})
		}
	})
}

func TestRedelivery_AfterARestartIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		w.wa.Faults().DropAcks(shop.owner.Number(), 1)
		for range 5 {
			asha.asks(t, shop, "menu")
		}
		w.crash(t)
		w.wa.Faults().DropAcks(shop.owner.Number(), 0)
		eventually(t, "all is acknowledged at last", patience, func() (bool, string) {
			left := w.wa.Unacked(shop.owner.Number())
			return len(left) == 0, strings.Join(left, " ")
		})
		asha.asks(t, shop, "menu")
		if n := asha.shown(shop); n != 6 {
			t.Errorf("the customer sees %d answers to 6 messages", n)
		}
	})
}

func TestRetry_WhatTheCustomerCannotReadIsSentAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		asha.asks(t, shop, "hello")
		w.wa.Faults().UndecryptableOnce(asha.Number())
		asha.writes(t, shop, "menu")
		answer := asha.reads(t, shop)
		if !answer.Retried || !strings.Contains(answer.Text, "1. Book an appointment") {
			t.Errorf("the answer is %+v, want the menu after a retry", answer)
		}
		shop.logged(t, answer.ID, "read") // else it would be sent again after the crash, and damaged in place of the next
		w.crash(t)
		w.wa.Faults().UndecryptableOnce(asha.Number())
		asha.writes(t, shop, "menu")
		if answer := asha.reads(t, shop); !answer.Retried {
			t.Errorf("the answer is %+v, want it after a retry", answer)
		}
		asha.asks(t, shop, "menu")
		if n := asha.shown(shop); n != 4 {
			t.Errorf("the customer sees %d answers to 4 messages", n)
		}
	})
}

func TestRetry_WhatTheBotCannotReadIsAskedForAgainAndAnsweredOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		asha.asks(t, shop, "hello")
		w.wa.Faults().CorruptOnce(asha.Number())
		id := asha.writes(t, shop, "menu")
		if answer := asha.reads(t, shop); !strings.Contains(answer.Text, "1. Book an appointment") {
			t.Errorf("the answer is %q, want the menu", answer.Text)
		}
		if m := shop.logged(t, id, "received"); m.MessageText != "menu" {
			t.Errorf("the message is logged as %+v, want its text", m)
		}
		asha.asks(t, shop, "menu")
		if n := asha.shown(shop); n != 3 {
			t.Errorf("the customer sees %d answers to 3 messages", n)
		}
		if n := len(w.rows(t, "SELECT 1 FROM message_logs WHERE tenant_id = $1 AND wa_message_id = $2", shop.id, id)); n != 1 {
			t.Errorf("the message is logged %d times, want once", n)
		}
	})
}

func TestMedia_IsLoggedAsWhatItIsAndAnswered(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, asha := w.opened(t, salon), w.customer(t, "Asha")
		asha.asks(t, shop, "hello")
		ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
		defer cancel()
		for kind, logged := range map[string]string{"image": "image", "video": "video", "audio": "audio", "ptt": "audio", "document": "document", "sticker": "sticker"} {
			id, err := asha.SendMedia(ctx, shop.owner, kind, []byte("the bytes of a "+kind))
			if err != nil {
				t.Fatalf("send %s: %v", kind, err)
			}
			if answer := asha.reads(t, shop); !strings.Contains(answer.Text, "only read written messages") {
				t.Errorf("%s is answered by %q, want that only text can be read", kind, answer.Text)
			}
			if m := shop.logged(t, id, "received"); m.Kind != logged || m.MessageText != "" {
				t.Errorf("%s is logged as %+v, want kind %s", kind, m, logged)
			}
		}
		id, err := asha.SendMedia(ctx, shop.owner, "image", []byte("a picture"), simulator.WithCaption("menu"))
		if err != nil {
			t.Fatal(err)
		}
		if answer := asha.reads(t, shop); !strings.Contains(answer.Text, "1. Book an appointment") {
			t.Errorf("a picture that says menu below is answered by %q, want the menu", answer.Text)
		}
		if m := shop.logged(t, id, "received"); m.Kind != "image" || m.MessageText != "menu" {
			t.Errorf("a picture with a caption is logged as %+v", m)
		}
	})
}
