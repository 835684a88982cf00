package store_test

import (
	"testing"
	"time"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

const jid = "255754000001:7@s.whatsapp.net"

func incoming(waID, text string) domain.Incoming {
	return domain.Incoming{Contact: "+255700000001", ChatJID: "111@lid", Keys: [][]byte{[]byte("key-" + waID), []byte("alt-" + waID)},
		WAID: waID, Name: "Neema", Text: text, Kind: domain.MediaText, SentAt: domain.Now()}
}

func ratchetWrites() *domain.RatchetWrites {
	return &domain.RatchetWrites{JID: jid, Sessions: map[string][]byte{"111:0": []byte("session")},
		Identities: map[string][32]byte{"111:0": {1}}, RemovePreKeys: []uint32{5},
		Buffered: []domain.BufferedPlaintext{{Hash: [32]byte{9}, Plaintext: []byte("plain"), ServerTime: time.Unix(1700000000, 0)}}}
}

// answer is a decision with a conversation, a customer, a booking and one reply.
func answer(t domain.Tenure, text string) func(domain.InboxView) (domain.Decision, error) {
	return func(v domain.InboxView) (domain.Decision, error) {
		conv := v.Conversation
		conv.State = []byte(`{"step":"asked"}`)
		conv.LastInAt = &v.Now
		id := domain.NewID()
		return domain.Decision{
			Conversation: &conv,
			Customer:     &domain.Customer{ID: domain.NewID(), Name: "Neema", CreatedAt: v.Now, UpdatedAt: v.Now},
			Replies: []domain.Outbound{{ID: id, Contact: "+255700000001", ChatJID: "111@lid", Lane: domain.LaneReply,
				WAID: domain.DeriveWAID([]byte("k"), id), Text: text, RunAt: v.Now, CreatedAt: v.Now}},
		}, nil
	}
}

func TestReceive_Smoke(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		storetest.Replica(t, s, "a")
		tenant := storetest.NewTenant(t, s)
		tenure := storetest.Serve(t, s, tenant)
		storetest.Device(t, s, tenure, jid)
		r, err := s.Inbox().Receive(t.Context(), tenure, incoming("A", "habari"), ratchetWrites(), answer(tenure, "karibu"))
		if err != nil {
			t.Fatal(err)
		}
		if r.Duplicate || len(r.Replies) != 1 {
			t.Fatalf("%+v", r)
		}
		if err := s.Ratchet().Save(t.Context(), tenure, ratchetWrites(), r.Replies[0].ID); err != nil {
			t.Fatal(err)
		}
		if err := s.Outbox().Finish(t.Context(), []domain.Outcome{{Tenure: tenure, ID: r.Replies[0].ID, Status: domain.StatusSent, ServerAt: domain.Now(), Attempts: 1}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Outbox().Ticks(t.Context(), []domain.Tick{{TenantID: tenant.ID, WAID: r.Replies[0].WAID, Status: domain.StatusRead}}); err != nil {
			t.Fatal(err)
		}
		row, ok, err := s.Outbox().ForRetry(t.Context(), tenant.ID, r.Replies[0].WAID)
		if err != nil || !ok || row.Status != domain.StatusRead {
			t.Fatalf("%+v %v %v", row, ok, err)
		}
		r, err = s.Inbox().Receive(t.Context(), tenure, incoming("A", "habari"), ratchetWrites(), answer(tenure, "karibu"))
		if err != nil || !r.Duplicate {
			t.Fatalf("%+v %v", r, err)
		}
		tenure.Epoch++
		if _, err = s.Inbox().Receive(t.Context(), tenure, incoming("B", "habari"), ratchetWrites(), answer(tenure, "karibu")); err == nil {
			t.Fatal("not fenced")
		} else {
			t.Log(err)
		}
	})
}
