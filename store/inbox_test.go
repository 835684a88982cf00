package store_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store/storetest"
)

func TestReceive_StoresAMessageAndAllThatFollows(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		at := domain.Now().Add(48 * time.Hour)
		r, err := w.Inbox().Receive(t.Context(), w.tenure, incoming("A", "habari"), ratchetWrites(), func(v domain.InboxView) (domain.Decision, error) {
			d, err := answer("karibu")(v)
			d.Appointments = []domain.Appointment{{ID: domain.NewID(), Name: "Neema", Service: "Kusuka", At: at, Status: domain.AppointmentPending}}
			return d, err
		})
		must(t, err)
		if r.Duplicate || len(r.Replies) != 1 || r.Replies[0].TenantID != w.tenant.ID || r.Replies[0].Status != domain.StatusQueued {
			t.Fatalf("receipt %+v", r)
		}
		if diff := cmp.Diff(r.Replies[0], w.row(r.Replies[0].WAID)); diff != "" {
			t.Errorf("the returned reply is not the stored one (-returned +stored):\n%s", diff)
		}
		log := w.log()
		if len(log) != 2 {
			t.Fatalf("%d log rows, want the message and its answer", len(log))
		}
		out, in := log[0], log[1]
		if out.ID != r.Replies[0].ID || out.Direction != domain.DirectionOut || out.From != string(w.tenant.Phone) || out.To != neema || out.Text != "karibu" || out.Status != domain.StatusQueued {
			t.Errorf("answer logged as %+v", out)
		}
		if in.Direction != domain.DirectionIn || in.From != neema || in.To != string(w.tenant.Phone) || in.Text != "habari" || in.WAMessageID != "A" || in.Status != domain.StatusReceived {
			t.Errorf("message logged as %+v", in)
		}
		sessions, err := w.Ratchet().Sessions(t.Context(), jid, []string{"111:0"})
		must(t, err)
		if string(sessions["111:0"]) != "session" {
			t.Errorf("sessions %v", sessions)
		}
	})
}

func TestReceive_ShowsTheNextDecisionWhatThePreviousStored(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		at := domain.Now().Add(48 * time.Hour)
		muted := domain.Now().Add(time.Hour)
		w.mustReceive(incoming("A", "habari"), func(v domain.InboxView) (domain.Decision, error) {
			if v.Conversation.Version != 0 || v.Conversation.ChatJID != "111@lid" || !v.Customer.CreatedAt.IsZero() || v.Youngest != uuid.Nil || len(v.Booked) != 0 {
				t.Errorf("first view %+v", v)
			}
			d, err := answer("karibu")(v)
			c := d.Conversation
			c.MutedUntil, c.MutedReason, c.LastText, c.SameCount, c.WindowCount, c.WindowStart, c.LastOutAt = &muted, "owner", "hash", 2, 3, &v.Now, &v.Now
			d.Appointments = []domain.Appointment{{ID: domain.NewID(), At: at, Status: domain.AppointmentConfirmed},
				{ID: domain.NewID(), At: at.Add(100 * 24 * time.Hour), Status: domain.AppointmentConfirmed}}
			return d, err
		})
		w.mustReceive(incoming("B", "sawa"), func(v domain.InboxView) (domain.Decision, error) {
			want := domain.Conversation{TenantID: w.tenant.ID, Contact: neema, ChatJID: "111@lid", State: []byte(`{"step":"asked"}`), Version: 1,
				MutedUntil: &muted, MutedReason: "owner", LastText: "hash", SameCount: 2, WindowCount: 3}
			got := v.Conversation
			if got.LastInAt == nil || got.LastOutAt == nil || got.WindowStart == nil || got.LastInAt.Location() != time.UTC {
				t.Errorf("times of the conversation: %+v", got)
			}
			got.LastInAt, got.LastOutAt, got.WindowStart = nil, nil, nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("conversation (-want +got):\n%s", diff)
			}
			if v.Customer.Name != "Neema" || v.Customer.Contact != neema || v.Youngest == uuid.Nil {
				t.Errorf("view %+v", v)
			}
			if diff := cmp.Diff([]time.Time{at}, v.Booked); diff != "" {
				t.Errorf("booked within 60 days (-want +got):\n%s", diff)
			}
			return domain.Decision{CancelAt: []time.Time{at}}, nil
		})
		w.mustReceive(incoming("C", "sawa"), func(v domain.InboxView) (domain.Decision, error) {
			if len(v.Booked) != 0 {
				t.Errorf("a cancelled time is still booked: %v", v.Booked)
			}
			if v.Conversation.Version != 1 {
				t.Errorf("a nil conversation changed the stored one: %+v", v.Conversation)
			}
			return domain.Decision{}, nil
		})
	})
}

func TestReceive_ShowsWhatIsBookedFromTheOneThatLastsToTheLastDayThatMayBeBooked(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		now := domain.Now()
		times := []time.Time{now.Add(-10 * time.Minute), now.Add(time.Hour), now.Add(60*24*time.Hour + 3*time.Hour)}
		w.mustReceive(incoming("A", "habari"), func(domain.InboxView) (d domain.Decision, _ error) {
			for _, at := range append(times, now.Add(-time.Hour)) {
				d.Appointments = append(d.Appointments, domain.Appointment{ID: domain.NewID(), Name: "Neema", Service: "Kusuka", At: at, Status: domain.AppointmentPending})
			}
			return d, nil
		})
		w.mustReceive(incoming("B", "habari"), func(v domain.InboxView) (domain.Decision, error) {
			if diff := cmp.Diff(times, v.Booked); diff != "" {
				t.Errorf("booked (-want +got):\n%s", diff)
			}
			return domain.Decision{}, nil
		})
	})
}

func TestReceive_TakesAMessageOnceUnderEitherOfItsKeys(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.mustReceive(incoming("A", "habari"), answer("karibu"))
		again := incoming("A", "habari")
		again.Keys = [][]byte{[]byte("alt-A"), []byte("third-A")}
		for _, keys := range [][][]byte{{[]byte("alt-A"), []byte("third-A")}, {[]byte("key-A")}, {[]byte("third-A"), []byte("fourth-A")}} {
			again.Keys = keys
			if r := w.mustReceive(again, never(t)); !r.Duplicate || r.Replies != nil {
				t.Errorf("keys %q: receipt %+v, want a duplicate", keys, r)
			}
		}
		if n := len(w.log()); n != 2 {
			t.Errorf("%d log rows, want those of the first", n)
		}
	})
}

func TestReceive_TakesAMessageWhoseKeysAreEqual(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		in := incoming("A", "habari")
		in.Keys = [][]byte{[]byte("same"), []byte("same")}
		if r := w.mustReceive(in, answer("karibu")); r.Duplicate {
			t.Error("a message is a duplicate of itself")
		}
	})
}

func TestReceive_StoresTheRatchetOfADuplicate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.mustReceive(incoming("A", "habari"), answer("karibu"))
		r, err := w.Inbox().Receive(t.Context(), w.tenure, incoming("A", "habari"), ratchetWrites(), never(t))
		must(t, err)
		sessions, err := w.Ratchet().Sessions(t.Context(), jid, []string{"111:0"})
		must(t, err)
		if !r.Duplicate || string(sessions["111:0"]) != "session" {
			t.Errorf("duplicate %v, sessions %v", r.Duplicate, sessions)
		}
	})
}

func TestReceive_AnswersOnceWhenAMessageComesTwiceAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var decided atomic.Int64
		var both sync.WaitGroup
		for range 8 {
			both.Go(func() {
				_, err := w.receive(incoming("A", "habari"), func(v domain.InboxView) (domain.Decision, error) {
					decided.Add(1)
					return answer("karibu")(v)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if decided.Load() != 1 || len(w.log()) != 2 {
			t.Errorf("decided %d times, %d log rows", decided.Load(), len(w.log()))
		}
	})
}

func TestReceive_StoresNothingWhenTheDecisionFails(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		cause := errors.New("no such step")
		wantUnchanged(t, w.Store, func() {
			_, err := w.Inbox().Receive(t.Context(), w.tenure, incoming("A", "habari"), ratchetWrites(), func(domain.InboxView) (domain.Decision, error) {
				return domain.Decision{}, cause
			})
			if !errors.Is(err, cause) {
				t.Errorf("error is %v, want that of the decision", err)
			}
		})
		if r := w.mustReceive(incoming("A", "habari"), silent); r.Duplicate {
			t.Error("the message counts as seen")
		}
	})
}

func TestReceive_StoresNothingWhenTheDecisionPanics(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		wantUnchanged(t, w.Store, func() {
			defer func() { _ = recover() }()
			_, _ = w.receive(incoming("A", "habari"), func(domain.InboxView) (domain.Decision, error) { panic("bug") })
		})
		if r := w.mustReceive(incoming("A", "habari"), silent); r.Duplicate {
			t.Error("the message counts as seen")
		}
	})
}

func TestReceive_StoresNothingWhenOneRowIsRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		wantUnchanged(t, w.Store, func() {
			_, err := w.Inbox().Receive(t.Context(), w.tenure, incoming("A", "habari"), ratchetWrites(), func(v domain.InboxView) (domain.Decision, error) {
				d, _ := answer("karibu")(v)
				d.Replies = append(d.Replies, d.Replies[0]) // the same id twice
				return d, nil
			})
			wantKind(t, err, domain.KindConflict)
		})
	})
}

func TestReceive_IsRefusedWhenTheTenureIsOver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for name, tenure := range w.over() {
			t.Run(name, func(t *testing.T) {
				wantUnchanged(t, w.Store, func() {
					_, err := w.Inbox().Receive(t.Context(), tenure, incoming("A", "habari"), nil, never(t))
					wantFenced(t, err)
					_, err = w.Inbox().Receive(t.Context(), tenure, incoming("A", "habari"), ratchetWrites(), never(t))
					wantFenced(t, err)
					wantFenced(t, w.Inbox().Quarantine(t.Context(), tenure, incoming("A", "habari"), ratchetWrites(), "bug"))
				})
			})
		}
	})
}

func TestReceive_KeepsAPlaceholderWithoutCountingItAsAMessage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		in := incoming("A", "")
		in.Placeholder = true
		if r := w.mustReceive(in, never(t)); r.Duplicate {
			t.Error("a placeholder is a duplicate")
		}
		if log := w.log(); len(log) != 1 || log[0].Status != domain.StatusPlaceholder {
			t.Errorf("log %+v", log)
		}
		if r := w.mustReceive(incoming("A", "habari"), answer("karibu")); r.Duplicate || len(r.Replies) != 1 {
			t.Errorf("the content of a placeholder is not taken: %+v", r)
		}
	})
}

func TestReceive_LogsWhatTheOwnerWroteOnThePhone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		in := incoming("A", "nakuja")
		in.FromMe = true
		w.mustReceive(in, silent)
		m := w.log()[0]
		if m.Direction != domain.DirectionOut || !m.FromPhone || m.From != string(w.tenant.Phone) || m.To != neema || m.Status != domain.StatusSent {
			t.Errorf("logged as %+v", m)
		}
	})
}

func TestReceive_SilencesAChat(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.mustReceive(incoming("A", "habari"), answer("karibu")).Replies[0]
		sent := w.mustReceive(incoming("B", "habari"), answer("imefika")).Replies[0]
		w.finish(sent, domain.StatusSent)
		manual := storeManual(t, w, "kwa mkono")
		next := w.mustReceive(incoming("C", "habari"), func(v domain.InboxView) (domain.Decision, error) {
			return domain.Decision{SilenceChat: true, Replies: []domain.Outbound{reply("la mwisho", v)}}, nil
		}).Replies[0]
		want := map[string]domain.MessageStatus{first.WAID: domain.StatusCancelled, sent.WAID: domain.StatusSent, manual.WAID: domain.StatusQueued, next.WAID: domain.StatusQueued}
		for waID, status := range want {
			if got := w.row(waID).Status; got != status {
				t.Errorf("%q is %s, want %s", w.row(waID).Text, got, status)
			}
		}
	})
}

func storeManual(t testing.TB, w *world, text string) domain.Outbound {
	t.Helper()
	stored, err := w.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: w.tenant.ID, Contact: neema, ChatJID: "111@lid", Lane: domain.LaneManual, Text: text})
	must(t, err)
	return stored
}

func TestReceive_WritesForItsOwnTenantWhateverTheDecisionNames(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := storetest.NewTenant(t, w.Store).ID
		w.mustReceive(incoming("A", "habari"), func(v domain.InboxView) (domain.Decision, error) {
			d, _ := answer("karibu")(v)
			d.Conversation.TenantID, d.Customer.TenantID, d.Replies[0].TenantID = other, other, other
			d.Conversation.Contact, d.Customer.Contact = "+255799999999", "+255799999999"
			d.Appointments = []domain.Appointment{{ID: domain.NewID(), TenantID: other, Contact: "+255799999999", At: v.Now, Status: domain.AppointmentPending}}
			return d, nil
		})
		for _, table := range []string{"conversations", "customers", "outbox", "appointments", "message_logs"} {
			if n := count(t, w.Store, "SELECT count(*) FROM "+table+" WHERE tenant_id = $1", other); n != 0 {
				t.Errorf("%d rows of %s were written for another tenant", n, table)
			}
			if n := count(t, w.Store, "SELECT count(*) FROM "+table+" WHERE contact <> $1", neema); n != 0 {
				t.Errorf("%d rows of %s were written for another contact", n, table)
			}
		}
	})
}

func TestReceive_KeepsEveryTextAsItIsButForNUL(t *testing.T) {
	texts := map[string]string{
		"emoji and right-to-left": "👩🏾‍🦱 مرحبا שלום 👍🏿",
		"64 KB":                   strings.Repeat("á", domain.MaxTextBytes/2),
		"quotes and backslashes":  `'; DROP TABLE tenants; -- \ "%_?$1`,
		"NUL":                     "ha\x00bari",
		"broken UTF-8":            "ha\xffbari",
		"empty":                   "",
	}
	inWorld(t, func(t *testing.T, w *world) {
		for name, text := range texts {
			t.Run(name, func(t *testing.T) {
				r := w.mustReceive(incoming(name, text), func(v domain.InboxView) (domain.Decision, error) {
					d, _ := answer(text)(v)
					d.Customer.Name = text
					return d, nil
				})
				want := domain.CleanText(text)
				if log := w.log(); log[1].Text != want || log[0].Text != want || r.Replies[0].Text != want || w.row(r.Replies[0].WAID).Text != want {
					t.Errorf("stored as %.40q and %.40q, want %.40q", log[1].Text, log[0].Text, want)
				}
			})
		}
	})
}

func TestQuarantine_KeepsAMessageAndItsCauseOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for range 2 {
			must(t, w.Inbox().Quarantine(t.Context(), w.tenure, incoming("A", "habari"), ratchetWrites(), "panic: bug"))
		}
		if n := count(t, w.Store, "SELECT count(*) FROM inbound_quarantine WHERE error = 'panic: bug' AND body = 'habari' AND wa_id = 'A'"); n != 1 {
			t.Errorf("%d rows in quarantine", n)
		}
		if n := len(w.log()); n != 1 {
			t.Errorf("%d log rows", n)
		}
		if r := w.mustReceive(incoming("A", "habari"), never(t)); !r.Duplicate {
			t.Error("a quarantined message is taken again")
		}
		g, err := w.Gauges(t.Context())
		must(t, err)
		if g.Quarantined != 1 {
			t.Errorf("gauges %+v", g)
		}
	})
}
