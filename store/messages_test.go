package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store/storetest"
)

func TestEnqueue_StoresARowWithItsLogRow(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		expires := domain.Now().Add(time.Hour)
		m, err := w.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: w.tenant.ID, Contact: neema, ChatJID: "111@lid", Lane: domain.LaneManual,
			Text: "habari 👋🏾\x00", DedupKey: "k", ExpiresAt: &expires, Status: domain.StatusSent, Attempts: 9})
		must(t, err)
		key, err := w.Messages().WAKey(t.Context(), w.tenant.ID)
		must(t, err)
		if m.ID == uuid.Nil || m.WAID != domain.DeriveWAID(key, m.ID) || m.Status != domain.StatusQueued || m.Attempts != 0 || m.RunAt.IsZero() || m.Text != "habari 👋🏾" {
			t.Errorf("stored %+v", m)
		}
		if diff := cmp.Diff(m, w.row(m.WAID)); diff != "" {
			t.Errorf("outbox row (-returned +stored):\n%s", diff)
		}
		log, err := w.Messages().Message(t.Context(), w.tenant.ID, m.ID)
		must(t, err)
		want := domain.MessageLog{ID: m.ID, TenantID: w.tenant.ID, Direction: domain.DirectionOut, Contact: neema, From: string(w.tenant.Phone), To: neema,
			Text: m.Text, Kind: domain.MediaText, WAMessageID: m.WAID, Status: domain.StatusQueued, CreatedAt: m.CreatedAt}
		if diff := cmp.Diff(want, log); diff != "" {
			t.Errorf("log row (-want +got):\n%s", diff)
		}
	})
}

func TestEnqueue_AnswersARepeatedRequestWithTheFirstRow(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		request := domain.Outbound{TenantID: w.tenant.ID, Contact: neema, ChatJID: "111@lid", Lane: domain.LaneManual, Text: "habari", DedupKey: "k"}
		first, err := w.Messages().Enqueue(t.Context(), request)
		must(t, err)
		w.finish(first, domain.StatusSent)
		again, err := w.Messages().Enqueue(t.Context(), request)
		must(t, err)
		if again.ID != first.ID || again.Status != domain.StatusSent {
			t.Errorf("the repetition is %+v, want the row %s", again, first.ID)
		}
		for name, change := range map[string]func(*domain.Outbound){
			"another text":      func(m *domain.Outbound) { m.Text = "kwaheri" },
			"another recipient": func(m *domain.Outbound) { m.Contact = "+255799999999" },
		} {
			other := request
			change(&other)
			wantUnchanged(t, w.Store, func() {
				_, err := w.Messages().Enqueue(t.Context(), other)
				wantKind(t, err, domain.KindConflict)
			})
			_ = name
		}
		// Another tenant may use the same key.
		request.TenantID = storetest.NewTenant(t, w.Store).ID
		theirs, err := w.Messages().Enqueue(t.Context(), request)
		if err != nil || theirs.ID == first.ID {
			t.Errorf("another tenant: %+v %v", theirs, err)
		}
	})
}

func TestEnqueue_OfOneRequestAtOnceStoresOneRow(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const requests, copies = 12, 6
		for i := range requests {
			seen := make(chan uuid.UUID, copies)
			start := make(chan struct{})
			var all sync.WaitGroup
			for range copies {
				all.Go(func() {
					<-start
					m, err := w.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: w.tenant.ID, Contact: neema, ChatJID: "c", Text: "x", DedupKey: fmt.Sprint(i)})
					if err != nil {
						t.Error(err)
					}
					seen <- m.ID
				})
			}
			close(start)
			all.Wait()
			close(seen)
			first := <-seen
			for id := range seen {
				if id != first {
					t.Errorf("rows %s and %s", first, id)
				}
			}
		}
		if n := len(w.log()); n != requests {
			t.Errorf("%d log rows, want %d", n, requests)
		}
	})
}

func TestEnqueue_BoundsTheQueueOfAChat(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var last domain.Outbound
		for range domain.MaxOutboxPerChat {
			last = w.queue(neema, domain.LaneManual, domain.Now())
		}
		full := domain.Outbound{TenantID: w.tenant.ID, Contact: neema, ChatJID: "c", Text: "x"}
		wantUnchanged(t, w.Store, func() {
			_, err := w.Messages().Enqueue(t.Context(), full)
			wantKind(t, err, domain.KindBusy)
		})
		w.queue("another chat", domain.LaneManual, domain.Now())
		w.finish(last, domain.StatusSent)
		if _, err := w.Messages().Enqueue(t.Context(), full); err != nil {
			t.Errorf("after one was sent: %v", err)
		}
	})
}

func TestEnqueue_BoundsTheQueueOfATenant(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		db, dialect := w.DBForWhatsApp()
		fill := `INSERT INTO outbox (tenant_id, id, contact, chat_jid, lane, wa_id, in_reply_to, body, open, status, attempts, epoch, run_at, last_error, created_at)
			SELECT $1, %s, 'c' || n, 'c', 1, 'w' || n, '', 'x', true, 'queued', 0, 0, $2, '', $2 FROM %s`
		id, source := "gen_random_uuid()", "generate_series(1, 10000) n"
		if dialect == "sqlite" {
			id, source = "'id' || n", "(WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 10000) SELECT n FROM s)"
		}
		_, err := db.ExecContext(t.Context(), fmt.Sprintf(fill, id, source), w.tenant.ID, domain.Now())
		must(t, err)
		_, err = w.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: w.tenant.ID, Contact: neema, ChatJID: "c", Text: "x"})
		wantKind(t, err, domain.KindBusy)
	})
}

func TestEnqueue_ForAnUnknownTenantIsNotFound(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		wantUnchanged(t, w.Store, func() {
			_, err := w.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: domain.NewID(), Contact: neema, ChatJID: "c", Text: "x"})
			wantKind(t, err, domain.KindNotFound)
		})
	})
}

func TestListMessages_PagesNewestFirst(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var want []uuid.UUID
		for i := range 5 {
			want = append([]uuid.UUID{w.queue(fmt.Sprint(i), domain.LaneManual, domain.Now()).ID}, want...)
		}
		var got []uuid.UUID
		for q := (domain.PageQuery{Limit: 2}); ; {
			page, err := w.Messages().ListMessages(t.Context(), w.tenant.ID, domain.MessageFilter{}, q)
			must(t, err)
			for _, m := range page.Items {
				got = append(got, m.ID)
			}
			if q.Cursor = page.NextCursor; q.Cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
		_, err := w.Messages().ListMessages(t.Context(), domain.NewID(), domain.MessageFilter{}, domain.PageQuery{})
		wantKind(t, err, domain.KindNotFound)
		page, err := w.Messages().ListMessages(t.Context(), storetest.NewTenant(t, w.Store).ID, domain.MessageFilter{}, domain.PageQuery{})
		if err != nil || len(page.Items) != 0 {
			t.Errorf("a tenant without messages: %+v %v", page, err)
		}
		_, err = w.Messages().WAKey(t.Context(), domain.NewID())
		wantKind(t, err, domain.KindNotFound)
	})
}

func TestGauges_CountTheWholeInstallation(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		storetest.NewTenant(t, w.Store)
		old := domain.Now().Add(-time.Hour)
		_, err := w.Messages().Enqueue(t.Context(), domain.Outbound{TenantID: w.tenant.ID, Contact: neema, ChatJID: "c", Text: "x", CreatedAt: old})
		must(t, err)
		w.queue("later", domain.LaneManual, domain.Now().Add(time.Hour))
		w.finish(w.queue("done", domain.LaneManual, domain.Now()), domain.StatusSent)
		g, err := w.Gauges(t.Context())
		must(t, err)
		if g.TenantsByStatus[domain.TenantQRPending] != 1 || g.TenantsByStatus[domain.TenantNew] != 1 || g.OutboxOpen != 2 || g.Replicas != 1 {
			t.Errorf("gauges %+v", g)
		}
		if g.OutboxOldest < time.Hour || g.OutboxOldest > time.Hour+time.Minute {
			t.Errorf("the oldest message is %v old", g.OutboxOldest)
		}
		waiting := storetest.NewTenant(t, w.Store)
		start(t, w.Store, waiting.ID)
		_, err = w.Tenants().Steer(t.Context(), w.tenant.ID, domain.EventStop)
		must(t, err)
		g, err = w.Gauges(t.Context())
		must(t, err)
		if g.Unserved != 1 {
			t.Errorf("%d tenants are unserved, want the one that waits for a replica", g.Unserved)
		}
		must(t, w.Leases().Release(t.Context(), []domain.Tenure{storetest.Serve(t, w.Store, waiting)}, time.Hour))
		if g, err := w.Gauges(t.Context()); err != nil || g.Unserved != 0 {
			t.Errorf("%d tenants are unserved, error %v, want none while the only one rests", g.Unserved, err)
		}
		if g.OutboxOldest != 0 {
			t.Errorf("a message of a tenant that was stopped counts as waiting for %v", g.OutboxOldest)
		}
	})
}

func TestListMessages_NarrowsToWhatIsLookedFor(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.mustReceive(incoming("A", "Habari ya ÉCOLE 100%_x"), answer("Karibu SALUNI"))
		dead := w.queue("+255711222333", domain.LaneManual, domain.Now())
		w.finish(dead, domain.StatusFailed)
		w.queue("+255711222333", domain.LaneManual, domain.Now())
		for name, c := range map[string]struct {
			filter domain.MessageFilter
			want   int
		}{
			"everything":     {domain.MessageFilter{}, 4},
			"in":             {domain.MessageFilter{Direction: domain.DirectionIn}, 1},
			"out":            {domain.MessageFilter{Direction: domain.DirectionOut}, 3},
			"of a contact":   {domain.MessageFilter{Contact: neema}, 2},
			"text":           {domain.MessageFilter{Search: "saluni"}, 1},
			"special":        {domain.MessageFilter{Search: "0%_X"}, 1},
			"wild":           {domain.MessageFilter{Search: "0%x"}, 0},
			"number":         {domain.MessageFilter{Search: "0711 222"}, 2},
			"dead":           {domain.MessageFilter{Dead: true}, 1},
			"dead elsewhere": {domain.MessageFilter{Dead: true, Contact: neema}, 0},
			"letters":        {domain.MessageFilter{Search: "ÉCOLE"}, 1},
		} {
			page, err := w.Messages().ListMessages(t.Context(), w.tenant.ID, c.filter, domain.PageQuery{})
			if err != nil || len(page.Items) != c.want {
				t.Errorf("%s: %d messages, error %v, want %d", name, len(page.Items), err, c.want)
			}
		}
		_, err := w.Messages().ListMessages(t.Context(), domain.NewID(), domain.MessageFilter{Dead: true}, domain.PageQuery{})
		wantKind(t, err, domain.KindNotFound)
	})
}

func TestRetryMessage_PutsTheDeadBackUnderTheSameID(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, status := range []domain.MessageStatus{domain.StatusFailed, domain.StatusExpired} {
			m := w.queue(neema, domain.LaneReply, domain.Now())
			w.finish(m, status)
			wakes := w.Waker().Wakes(t.Context())
			must(t, w.Messages().RetryMessage(t.Context(), w.tenant.ID, m.ID))
			if got := <-wakes; got != w.tenant.ID {
				t.Errorf("woke %s", got)
			}
			row := w.row(m.WAID)
			if row.ID != m.ID || row.Status != domain.StatusQueued || row.Attempts != 0 || row.LastError != "" || row.RunAt.After(domain.Now()) ||
				row.ExpiresAt == nil || row.ExpiresAt.Before(domain.Now().Add(domain.ManualLife-time.Minute)) {
				t.Errorf("row %+v", row)
			}
			due, _, err := w.Outbox().Due(t.Context(), w.tenant.ID, 10, nil)
			if err != nil || len(due) != 1 || due[0].ID != m.ID {
				t.Errorf("due %v %v", due, err)
			}
			w.finish(m, domain.StatusSent)
		}
	})
}

func TestRetryMessage_RefusesEveryOtherState(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.mustReceive(incoming("A", "habari"), silent)
		in := w.log()[0]
		phone := incoming("B", "niko hapa")
		phone.FromMe = true
		w.mustReceive(phone, silent)
		fromPhone := w.log()[0]
		queued := w.queue(neema, domain.LaneManual, domain.Now())
		sent := w.queue(neema, domain.LaneManual, domain.Now())
		w.finish(sent, domain.StatusSent)
		must(t, w.Outbox().Ticks(t.Context(), []domain.Tick{{TenantID: w.tenant.ID, WAID: sent.WAID, Status: domain.StatusRead}}))
		failed := w.queue(neema, domain.LaneManual, domain.Now())
		w.finish(failed, domain.StatusFailed)
		other := storetest.NewTenant(t, w.Store).ID
		wantUnchanged(t, w.Store, func() {
			for _, id := range []uuid.UUID{in.ID, fromPhone.ID, queued.ID, sent.ID} {
				wantKind(t, w.Messages().RetryMessage(t.Context(), w.tenant.ID, id), domain.KindConflict)
			}
			wantKind(t, w.Messages().RetryMessage(t.Context(), w.tenant.ID, domain.NewID()), domain.KindNotFound)
			wantKind(t, w.Messages().RetryMessage(t.Context(), other, failed.ID), domain.KindNotFound)
		})
	})
}
