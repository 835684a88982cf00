package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowhq/domain"
	"flowhq/store/storetest"
)

// chat lets a customer write and be answered.
func (w *world) chat(contact, name, text string) {
	w.t.Helper()
	in := incoming(domain.NewID().String(), text)
	in.Contact, in.ChatJID, in.Name = contact, contact[1:]+"@s.whatsapp.net", name
	w.mustReceive(in, func(v domain.InboxView) (domain.Decision, error) {
		conv := v.Conversation
		conv.State, conv.LastInAt = []byte("{}"), &v.Now
		return domain.Decision{Conversation: &conv, Customer: &domain.Customer{ID: domain.NewID(), Name: name, CreatedAt: v.Now, UpdatedAt: v.Now}}, nil
	})
}

func (w *world) conversations(search string, q domain.PageQuery) domain.Page[domain.ConversationRow] {
	w.t.Helper()
	page, err := w.Chats().Conversations(w.t.Context(), w.tenant.ID, search, q)
	must(w.t, err)
	return page
}

func contacts(rows []domain.ConversationRow) (all []string) {
	for _, r := range rows {
		all = append(all, r.Contact)
	}
	return all
}

func TestConversations_ComeByTheirLastMessage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first, second, third := "+255711000001", "+255711000002", "+255711000003"
		w.chat(first, "Asha", "habari")
		w.chat(second, "Baraka", "mambo")
		w.chat(third, "", "salama")
		w.queue(first, domain.LaneManual, domain.Now()) // from the portal, so the conversation's row does not change
		all := w.conversations("", domain.PageQuery{})
		if diff := cmp.Diff([]string{first, third, second}, contacts(all.Items)); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		if got := all.Items[2]; got.Name != "Baraka" || got.LastText != "mambo" || got.LastKind != domain.MediaText || got.LastFrom != domain.DirectionIn ||
			got.LastAt.IsZero() || got.TenantID != w.tenant.ID || string(got.State) != "{}" || got.Version != 1 || got.OptedOut {
			t.Errorf("conversation %+v", got)
		}
		if all.Items[0].LastFrom != domain.DirectionOut {
			t.Errorf("conversation %+v", all.Items[0])
		}
		var paged []string
		for q := (domain.PageQuery{Limit: 1}); ; {
			page := w.conversations("", q)
			paged = append(paged, contacts(page.Items)...)
			if q.Cursor = page.NextCursor; q.Cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(contacts(all.Items), paged); diff != "" {
			t.Errorf("pages (-want +got):\n%s", diff)
		}
	})
}

func TestConversations_AreFoundByNameAndNumber(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.chat("+255711000001", "Asha Juma", "habari")
		w.chat("+255711000002", "Baraka", "habari")
		for search, want := range map[string]int{"": 2, "JUMA": 1, "0711 000 002": 1, "habari": 0, "%": 0} {
			if page := w.conversations(search, domain.PageQuery{}); len(page.Items) != want {
				t.Errorf("%q finds %v, want %d", search, contacts(page.Items), want)
			}
		}
		_, err := w.Chats().Conversations(t.Context(), domain.NewID(), "", domain.PageQuery{})
		wantKind(t, err, domain.KindNotFound)
		_, err = w.Chats().Conversations(t.Context(), w.tenant.ID, "", domain.PageQuery{Cursor: "x"})
		wantKind(t, err, domain.KindInvalid)
		page, err := w.Chats().Conversations(t.Context(), storetest.NewTenant(t, w.Store).ID, "", domain.PageQuery{})
		if err != nil || len(page.Items) != 0 {
			t.Errorf("a tenant without any: %v %v", page, err)
		}
	})
}

func TestResume_EndsTheSilenceOfTheBot(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		until := domain.Now().Add(time.Hour)
		w.mustReceive(incoming("A", "habari"), func(v domain.InboxView) (domain.Decision, error) {
			conv := v.Conversation
			conv.State, conv.MutedUntil, conv.MutedReason = []byte("{}"), &until, "owner"
			return domain.Decision{Conversation: &conv}, nil
		})
		must(t, w.Chats().Resume(t.Context(), w.tenant.ID, neema))
		conv, err := w.Chats().Conversation(t.Context(), w.tenant.ID, neema)
		if err != nil || conv.MutedUntil != nil || conv.MutedReason != "" || conv.Version != 2 {
			t.Errorf("conversation %+v %v", conv, err)
		}
		wantKind(t, w.Chats().Resume(t.Context(), w.tenant.ID, "nobody"), domain.KindNotFound)
		wantKind(t, w.Chats().Resume(t.Context(), storetest.NewTenant(t, w.Store).ID, neema), domain.KindNotFound)
	})
}

func BenchmarkConversations(b *testing.B) {
	inWorldB(b, func(b *testing.B, w *world) {
		for i := range 1000 {
			w.chat(fmt.Sprintf("+2557%08d", i), "Neema", "habari")
		}
		for b.Loop() {
			w.conversations("", domain.PageQuery{})
		}
	})
}
