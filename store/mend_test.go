package store_test

import (
	"testing"
	"time"

	"flowhq/domain"
	"flowhq/store/storetest"
)

// byLID is a message of the same customer that tells no number.
func byLID(waID, text string) domain.Incoming {
	in := incoming(waID, text)
	in.Contact = "lid:111"
	return in
}

func TestReceive_MovesWhatWasKnownByLIDToTheNumber(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		at := domain.Now().Add(time.Hour)
		first := w.mustReceive(byLID("A", "habari"), func(v domain.InboxView) (domain.Decision, error) {
			d, err := answer("karibu")(v)
			d.Replies[0].Contact = "lid:111"
			d.Appointments = []domain.Appointment{{ID: domain.NewID(), At: at, Status: domain.AppointmentPending}}
			return d, err
		}).Replies[0]
		known := w.mustReceive(incoming("B", "sawa"), func(v domain.InboxView) (domain.Decision, error) {
			if string(v.Conversation.State) != `{"step":"asked"}` || v.Conversation.Contact != neema || v.Customer.Name != "Neema" || v.Customer.LID != "111" || v.Youngest != first.ID {
				t.Errorf("the conversation is torn: %+v", v)
			}
			return domain.Decision{CancelAt: []time.Time{at}}, nil
		})
		if known.Moved != "lid:111" {
			t.Errorf("the sender is told that the customer was %q", known.Moved)
		}
		if again := w.mustReceive(incoming("C", "asante"), answer("karibu")); again.Moved != "" {
			t.Errorf("the customer moves twice, from %q", again.Moved)
		}
		for _, table := range []string{"conversations", "customers", "outbox", "message_logs", "appointments"} {
			if n := count(t, w.Store, "SELECT count(*) FROM "+table+" WHERE contact <> $1", neema); n != 0 {
				t.Errorf("%d rows of %s are not the number's", n, table)
			}
		}
		if n := count(t, w.Store, "SELECT count(*) FROM appointments WHERE status = 'CANCELLED'"); n != 1 {
			t.Error("the appointment of the LID is out of reach")
		}
		if w.row(first.WAID).Contact != neema {
			t.Error("the waiting answer is out of the chat's order")
		}
		for _, m := range w.log() {
			if m.From != neema && m.To != neema {
				t.Errorf("log row %+v", m)
			}
		}
	})
}

func TestReceive_JoinsTwoConversationsInTheNewer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		step := func(state string, optOut bool) decision {
			return func(v domain.InboxView) (domain.Decision, error) {
				d, err := answer("x")(v)
				d.Replies, d.Conversation.State, d.Customer.OptedOut = nil, []byte(state), optOut
				return d, err
			}
		}
		w.mustReceive(incomingWithoutLID("A"), step("old", false))
		w.mustReceive(byLID("B", "habari"), step("under way", true))
		w.mustReceive(incoming("C", "sawa"), func(v domain.InboxView) (domain.Decision, error) {
			if string(v.Conversation.State) != "under way" || !v.Customer.OptedOut {
				t.Errorf("view %+v", v)
			}
			return domain.Decision{}, nil
		})
		if n := count(t, w.Store, "SELECT count(*) FROM conversations") + count(t, w.Store, "SELECT count(*) FROM customers"); n != 2 {
			t.Errorf("%d conversations and customers, want one each", n)
		}
	})
}

func incomingWithoutLID(waID string) domain.Incoming {
	in := incoming(waID, "habari")
	in.ChatJID = "255700000001@s.whatsapp.net"
	return in
}

func TestReceive_LeavesTheAliasOfAnotherTenantAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := storetest.Serve(t, w.Store, storetest.NewTenant(t, w.Store))
		_, err := w.Inbox().Receive(t.Context(), other, byLID("A", "habari"), nil, answer("karibu"))
		must(t, err)
		w.mustReceive(byLID("A", "habari"), answer("karibu"))
		w.mustReceive(incoming("B", "sawa"), silent)
		if n := count(t, w.Store, "SELECT count(*) FROM conversations WHERE tenant_id = $1 AND contact = 'lid:111'", other.TenantID); n != 1 {
			t.Error("another tenant's conversation was moved")
		}
	})
}

func TestReceive_LogsAMessageThatCouldNotBeReadAtFirstOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		unreadable := incoming("A", "")
		unreadable.Placeholder = true
		for range 2 {
			w.mustReceive(unreadable, never(t))
		}
		if log := w.log(); len(log) != 1 || log[0].Status != domain.StatusPlaceholder {
			t.Errorf("after two placeholders: %+v", log)
		}
		hostile := incoming("A", "")
		hostile.Contact, hostile.ChatJID, hostile.Keys = "+255711111111", "222@lid", [][]byte{[]byte("hostile")}
		w.mustReceive(hostile, silent) // a sender chooses ids; another's placeholder stays
		if n := count(t, w.Store, "SELECT count(*) FROM message_logs WHERE status = 'placeholder'"); n != 1 {
			t.Errorf("%d placeholders after somebody else's message of the same id", n)
		}
		w.mustReceive(incoming("A", "habari"), silent)
		w.mustReceive(unreadable, never(t)) // a late copy
		if n := count(t, w.Store, "SELECT count(*) FROM message_logs WHERE contact = $1", neema); n != 1 || w.log()[0].Text != "habari" {
			t.Errorf("%d log rows: %+v", n, w.log())
		}
	})
}

func TestReceive_ReplacesAPlaceholderThatCameUnderTheLID(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		unreadable := byLID("A", "")
		unreadable.Placeholder = true
		w.mustReceive(unreadable, never(t))
		w.mustReceive(incoming("A", "habari"), silent)
		if log := w.log(); len(log) != 1 || log[0].Text != "habari" {
			t.Errorf("log %+v", log)
		}
	})
}

func TestReceive_TakesAPlaceholderWithoutKeys(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		in := incoming("A", "")
		in.Placeholder, in.Keys = true, nil
		if r := w.mustReceive(in, never(t)); r.Duplicate || len(w.log()) != 1 {
			t.Errorf("receipt %+v, %d log rows", r, len(w.log()))
		}
	})
}
