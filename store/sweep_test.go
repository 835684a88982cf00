package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

func TestSweep_DeletesOldHashesOfAllDevices(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := storetest.Serve(t, w.Store, storetest.NewTenant(t, w.Store))
		storetest.Device(t, w.Store, other, otherJID)
		for i, tenure := range []domain.Tenure{w.tenure, other} {
			writes := ratchetWrites()
			writes.JID = []string{jid, otherJID}[i]
			must(t, w.Ratchet().Save(t.Context(), tenure, writes, uuid.Nil))
		}
		stranger := storetest.Another(t, w.Store) // sweeping needs no lease
		must(t, stranger.Ratchet().Sweep(t.Context(), time.Hour))
		if n := count(t, w.Store, "SELECT count(*) FROM whatsmeow_event_buffer"); n != 2 {
			t.Errorf("%d hashes are left, want the young ones", n)
		}
		must(t, stranger.Ratchet().Sweep(t.Context(), -time.Hour))
		if n := count(t, w.Store, "SELECT count(*) FROM whatsmeow_event_buffer"); n != 0 {
			t.Errorf("%d hashes are left", n)
		}
	})
}

func TestSweep_ForgetsMessagesThatWhatsAppHasForgotten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.mustReceive(incoming("old", "x"), silent)
		db, _ := w.DBForWhatsApp()
		for i, age := range []time.Duration{46 * 24 * time.Hour, 44 * 24 * time.Hour} {
			_, err := db.ExecContext(t.Context(), "UPDATE inbound_seen SET seen_at = $1", domain.Now().Add(-age))
			must(t, err)
			w.mustReceive(incoming("young"+fmt.Sprint(i), "x"), silent)
			must(t, w.Ratchet().Sweep(t.Context(), time.Hour))
			if n, want := count(t, w.Store, "SELECT count(*) FROM inbound_seen"), 2+2*i; n != want {
				t.Errorf("after %v %d keys are left, want %d", age, n, want)
			}
		}
	})
}

// Another replica's clock may be right, and WhatsApp may deliver it again.
func TestSweep_ForgetsNothingThatIsYoungByTheClockOfTheDatabase(t *testing.T) {
	w := onPostgres(t)
	must(t, w.Ratchet().Save(t.Context(), w.tenure, ratchetWrites(), uuid.Nil))
	w.mustReceive(incoming("old", "x"), silent)
	exec(t, w.Store, "UPDATE inbound_seen SET seen_at = $1", domain.Now().Add(-46*24*time.Hour))
	passes(t, w.Store, -2*24*time.Hour)
	wantUnchanged(t, w.Store, func() { must(t, w.Ratchet().Sweep(t.Context(), -24*time.Hour)) })
}

// The room of what was swept is taken by new rows, so old ones lie anywhere.
func TestSweep_FindsOldKeysAmongYoungOnes(t *testing.T) {
	w := onPostgres(t)
	// About 300 pages, one row in ten is old.
	exec(t, w.Store, `INSERT INTO inbound_seen (tenant_id, wa_key, seen_at)
		SELECT $1, uuid_send(gen_random_uuid()), now() - CASE WHEN i % 10 = 0 THEN 46 ELSE 1 END * interval '1 day' FROM generate_series(1, 40000) i`, w.tenant.ID)
	must(t, w.Ratchet().Sweep(t.Context(), time.Hour))
	old := count(t, w.Store, "SELECT count(*) FROM inbound_seen WHERE seen_at < now() - interval '45 days'")
	if all := count(t, w.Store, "SELECT count(*) FROM inbound_seen"); old != 0 || all != 36000 {
		t.Errorf("%d keys are left and %d of them are old, want the 36000 young ones", all, old)
	}
}

func TestSweep_ReadsOnlyTheRowsOfOneStepAtATime(t *testing.T) {
	w := onPostgres(t)
	conn, err := db(w).Conn(t.Context())
	must(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "PREPARE step (text, text, timestamptz) AS "+store.SweepStatement())
	must(t, err)
	found, err := conn.QueryContext(t.Context(), "EXPLAIN EXECUTE step('(0,0)', '(128,0)', now())")
	must(t, err)
	defer found.Close()
	var plan strings.Builder
	for found.Next() {
		var line string
		must(t, found.Scan(&line))
		plan.WriteString(line + "\n")
	}
	if text := plan.String(); !strings.Contains(text, "Tid Range Scan") || strings.Contains(text, "Seq Scan") || strings.Contains(text, "Bitmap") {
		t.Errorf("the plan is\n%s", text)
	}
}

func TestSweep_ForgetsMessagesAlsoWhenHashesCannotBeDeleted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.mustReceive(incoming("old", "x"), silent)
		exec(t, w.Store, "UPDATE inbound_seen SET seen_at = $1", domain.Now().Add(-46*24*time.Hour))
		exec(t, w.Store, "ALTER TABLE whatsmeow_event_buffer RENAME TO elsewhere")
		if err := w.Ratchet().Sweep(t.Context(), time.Hour); err == nil {
			t.Error("the failure is not told")
		}
		if n := count(t, w.Store, "SELECT count(*) FROM inbound_seen"); n != 0 {
			t.Errorf("%d keys are left", n)
		}
	})
}
