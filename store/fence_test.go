package store_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"flowhq/domain"
	"flowhq/store/storetest"
)

// onPostgres runs a test that only Postgres can pass: SQLite has one server.
func onPostgres(t *testing.T) *world {
	t.Helper()
	return newWorld(t, storetest.Open(t, storetest.Postgres(t)))
}

func fenceRejected(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "FQ001"
}

// whatsmeow's own statements, which know neither tenant nor epoch.
var whatsmeowWrites = map[string]string{
	"a session":       `INSERT INTO whatsmeow_sessions (our_jid, their_id, session) VALUES ('JID', '111:0', 'x') ON CONFLICT (our_jid, their_id) DO UPDATE SET session = excluded.session`,
	"a session gone":  `DELETE FROM whatsmeow_sessions WHERE our_jid = 'JID'`,
	"an identity":     `UPDATE whatsmeow_identity_keys SET identity = identity WHERE our_jid = 'JID'`,
	"a prekey gone":   `DELETE FROM whatsmeow_pre_keys WHERE jid = 'JID'`,
	"a sender key":    `INSERT INTO whatsmeow_sender_keys (our_jid, chat_id, sender_id, sender_key) VALUES ('JID', 'c', 's', 'x')`,
	"an app state":    `INSERT INTO whatsmeow_app_state_sync_keys (jid, key_id, key_data, timestamp, fingerprint) VALUES ('JID', 'x', 'x', 1, 'x')`,
	"a privacy token": `INSERT INTO whatsmeow_privacy_tokens (our_jid, their_jid, token, timestamp) VALUES ('JID', 'x', 'x', 1)`,
	"a contact":       `INSERT INTO whatsmeow_contacts (our_jid, their_jid, push_name) VALUES ('JID', 'x', 'x')`,
	"the device":      `UPDATE whatsmeow_device SET push_name = 'x' WHERE jid = 'JID'`,
	"the device gone": `DELETE FROM whatsmeow_device WHERE jid = 'JID'`,
	"a buffered text": `UPDATE whatsmeow_event_buffer SET plaintext = NULL WHERE our_jid = 'JID'`,
}

func TestFence_StopsEveryWriteOfWhatsmeowByAReplicaThatIsNotTheOwner(t *testing.T) {
	w := onPostgres(t)
	must(t, w.Ratchet().Save(t.Context(), w.tenure, ratchetWrites(), uuid.Nil))
	must(t, w.Ratchet().Save(t.Context(), w.tenure, ratchetOf("more"), uuid.Nil))
	stranger, _ := storetest.Another(t, w.Store).DBForWhatsApp()
	owner, _ := w.DBForWhatsApp()
	_, err := owner.ExecContext(t.Context(), "INSERT INTO whatsmeow_pre_keys (jid, key_id, key, uploaded) VALUES ($1, 6, $2, true)", jid, make([]byte, 32))
	must(t, err)
	for name, statement := range whatsmeowWrites {
		t.Run(name, func(t *testing.T) {
			statement = strings.ReplaceAll(statement, "JID", jid)
			wantUnchanged(t, w.Store, func() {
				if _, err := stranger.ExecContext(t.Context(), statement); !fenceRejected(err) {
					t.Errorf("a stranger's write: %v, want SQLSTATE FQ001", err)
				}
			})
			tx, err := owner.BeginTx(t.Context(), nil)
			must(t, err)
			defer tx.Rollback() //nolint:errcheck // the other cases need the rows
			res, err := tx.ExecContext(t.Context(), statement)
			must(t, err)
			if n, _ := res.RowsAffected(); n == 0 {
				t.Error("the statement meets no row, so this proves nothing")
			}
		})
	}
}

func TestFence_StopsTheFormerOwnerInTheMiddleOfItsConnection(t *testing.T) {
	w := onPostgres(t)
	owner, _ := w.DBForWhatsApp()
	write := strings.ReplaceAll(whatsmeowWrites["a session"], "JID", jid)
	_, err := owner.ExecContext(t.Context(), write)
	must(t, err)
	must(t, w.Leases().Release(t.Context(), []domain.Tenure{w.tenure}, 0))
	if _, err := owner.ExecContext(t.Context(), write); !fenceRejected(err) {
		t.Errorf("after the release: %v, want SQLSTATE FQ001", err)
	}
}

// A process that lost a tenant and got it back has the same id, but what it writes
// of keys and messages names the epoch. whatsmeow's own statements name nobody: of
// those docs/decisions.md says why they need not be stopped.
func TestFence_StopsKeysAndMessagesOfAnEarlierTenureOfTheSameReplica(t *testing.T) {
	w := onPostgres(t)
	before := w.tenure
	must(t, w.Ratchet().Save(t.Context(), before, ratchetWrites(), uuid.Nil))
	sent := w.queue("a", domain.LaneManual, domain.Now())
	must(t, w.Leases().Release(t.Context(), []domain.Tenure{before}, 0))
	between := storetest.Another(t, w.Store)
	storetest.Replica(t, between, "between")
	taken, err := between.Leases().Acquire(t.Context(), between.ReplicaID(), 1)
	must(t, err)
	must(t, w.Leases().Release(t.Context(), []domain.Tenure{taken[0].Tenure}, 0))
	again, err := w.Leases().Acquire(t.Context(), before.Replica, 1)
	must(t, err)
	if again[0].Replica != before.Replica || again[0].Epoch <= before.Epoch {
		t.Fatalf("it got back %+v after %+v", again[0], before)
	}
	writes := func(tenure domain.Tenure) map[string]error {
		r := w.Ratchet()
		_, received := w.Inbox().Receive(t.Context(), tenure, incoming("A", "habari"), ratchetOf("A"), answer("karibu"))
		return map[string]error{
			"Receive":       received,
			"Quarantine":    w.Inbox().Quarantine(t.Context(), tenure, incoming("B", "x"), ratchetOf("B"), "bug"),
			"Save":          r.Save(t.Context(), tenure, ratchetWrites(), uuid.Nil),
			"Save and send": r.Save(t.Context(), tenure, ratchetWrites(), sent.ID),
			"AddPreKeys":    r.AddPreKeys(t.Context(), tenure, jid, preKeys(3)),
			"ClearBuffered": r.ClearBuffered(t.Context(), tenure, jid, [32]byte{9}),
			"LinkDevice":    r.LinkDevice(t.Context(), tenure, jid),
		}
	}
	wantUnchanged(t, w.Store, func() {
		for name, err := range writes(before) {
			if !errors.Is(err, domain.ErrFenced) {
				t.Errorf("%s of the earlier tenure: %v, want domain.ErrFenced", name, err)
			}
		}
		wantFenced(t, w.Ratchet().Wipe(t.Context(), before, jid))
	})
	for name, err := range writes(again[0].Tenure) {
		if err != nil {
			t.Errorf("%s of the present tenure: %v", name, err)
		}
	}
}

// The note that a device was let pass must not outlive its transaction.
func TestFence_LetsNothingPassInTheNextTransaction(t *testing.T) {
	w := onPostgres(t)
	stranger := storetest.Another(t, w.Store)
	db, _ := stranger.DBForWhatsApp()
	db.SetMaxOpenConns(1)
	// The same connection first passes for its own tenant …
	storetest.Replica(t, stranger, "b")
	own := storetest.Serve(t, stranger, storetest.NewTenant(t, w.Store))
	storetest.Device(t, stranger, own, otherJID)
	must(t, stranger.Ratchet().Save(t.Context(), own, &domain.RatchetWrites{JID: otherJID, Sessions: map[string][]byte{"1:0": {1}}}, uuid.Nil))
	// … and then writes plainly for one device and the other.
	_, err := db.ExecContext(t.Context(), strings.ReplaceAll(whatsmeowWrites["a session"], "JID", otherJID))
	must(t, err)
	if _, err := db.ExecContext(t.Context(), strings.ReplaceAll(whatsmeowWrites["a session"], "JID", jid)); !fenceRejected(err) {
		t.Errorf("another tenant's device: %v, want SQLSTATE FQ001", err)
	}
	// A tenure that is on does not open the device of another tenant either.
	wantFenced(t, stranger.Ratchet().Save(t.Context(), own, ratchetWrites(), uuid.Nil))
	// The same device, once its lease has gone.
	must(t, w.Leases().Release(t.Context(), []domain.Tenure{own}, 0))
	if _, err := db.ExecContext(t.Context(), strings.ReplaceAll(whatsmeowWrites["a session"], "JID", otherJID)); !fenceRejected(err) {
		t.Errorf("a device of an earlier tenure: %v, want SQLSTATE FQ001", err)
	}
}

func TestFence_LetsWritesThatBelongToNoDevicePass(t *testing.T) {
	w := onPostgres(t)
	must(t, w.Ratchet().Save(t.Context(), w.tenure, ratchetWrites(), uuid.Nil))
	db, _ := storetest.Another(t, w.Store).DBForWhatsApp()
	for name, statement := range map[string]string{
		"a sweep of old hashes":    `DELETE FROM whatsmeow_event_buffer`,
		"a mapping of all tenants": `INSERT INTO whatsmeow_lid_map (lid, pn) VALUES ('1', '2')`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFence_MakesATakeOverWaitForAWriteUnderWay(t *testing.T) {
	w := onPostgres(t)
	db, _ := w.DBForWhatsApp()
	tx, err := db.BeginTx(t.Context(), nil)
	must(t, err)
	defer tx.Rollback() //nolint:errcheck // committed below
	_, err = tx.ExecContext(t.Context(), strings.ReplaceAll(whatsmeowWrites["a session"], "JID", jid))
	must(t, err)

	taken := make(chan error, 1)
	go func() { taken <- w.Leases().Release(context.Background(), []domain.Tenure{w.tenure}, 0) }()
	waitForLock(t, w)
	select {
	case err := <-taken:
		t.Fatalf("the lease changed hands while a write was under way: %v", err)
	default:
	}
	must(t, tx.Commit())
	must(t, <-taken)
}

func TestFence_StandsAroundEveryTableOfADevice(t *testing.T) {
	w := onPostgres(t)
	must(t, w.CheckFence(t.Context()))
	db, _ := w.DBForWhatsApp()
	fenced := column(t, db, `SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgname LIKE 'flowhq_fence%' ORDER BY 1`)
	if len(fenced) < 15 {
		t.Errorf("only %v are fenced", fenced)
	}
	change := func(table, statement string) {
		t.Helper()
		_, err := db.ExecContext(t.Context(), statement)
		must(t, err)
		if err := w.CheckFence(t.Context()); err == nil || !strings.Contains(err.Error(), table) {
			t.Errorf("error is %v, want one that names %s", err, table)
		}
	}
	change("whatsmeow_sessions", `DROP TRIGGER flowhq_fence ON whatsmeow_sessions`)
	must(t, w.Migrate(t.Context(), storetest.Upgrade)) // puts it back
	must(t, w.CheckFence(t.Context()))
	change("whatsmeow_novelty", `CREATE TABLE whatsmeow_novelty (device text)`)
	if err := w.Migrate(t.Context(), storetest.Upgrade); err == nil || !strings.Contains(err.Error(), "whatsmeow_novelty") {
		t.Errorf("migrating with a table of unknown shape: %v", err)
	}
}

// A later version of whatsmeow may change rows of all devices while it migrates.
func TestFence_LetsAMigrationPass(t *testing.T) {
	w := onPostgres(t)
	must(t, w.Ratchet().Save(t.Context(), w.tenure, ratchetWrites(), uuid.Nil))
	operator := storetest.Another(t, w.Store)
	must(t, operator.Migrate(t.Context(), func(ctx context.Context, db *sql.DB, dialect string) error {
		_, err := db.ExecContext(ctx, "UPDATE whatsmeow_sessions SET session = 'migrated'")
		return err
	}))
	if n := count(t, w.Store, "SELECT count(*) FROM whatsmeow_sessions WHERE session = 'migrated'"); n != 1 {
		t.Errorf("%d sessions are migrated", n)
	}
}

// waitFor waits for a condition that something else brings about.
func waitFor(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("timeout: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func TestFence_HoldsTheLeaseUntilAMessageIsStored(t *testing.T) {
	w := onPostgres(t)
	taken := make(chan error, 1)
	r := w.mustReceive(incoming("A", "habari"), func(v domain.InboxView) (domain.Decision, error) {
		go func() { taken <- w.Leases().Release(context.Background(), []domain.Tenure{w.tenure}, 0) }()
		waitForLock(t, w)
		return answer("karibu")(v)
	})
	must(t, <-taken)
	if w.row(r.Replies[0].WAID).Status != domain.StatusQueued {
		t.Error("the answer is not stored")
	}
	wantFenced(t, w.Ratchet().Save(t.Context(), w.tenure, ratchetWrites(), uuid.Nil))
}

// An outcome of the former owner may be under way while the next one takes the
// lease and sends the row again; its statement then still sees the old lease.
func TestFinish_DoesNotTouchARowThatTheNextOwnerTakesMeanwhile(t *testing.T) {
	w := onPostgres(t)
	m := w.queue("a", domain.LaneManual, domain.Now())
	db, _ := w.DBForWhatsApp()
	next, err := db.BeginTx(t.Context(), nil)
	must(t, err)
	defer next.Rollback() //nolint:errcheck // committed below
	for _, statement := range []string{`UPDATE leases SET epoch = epoch + 2`, `UPDATE outbox SET status = 'sending', epoch = (SELECT epoch FROM leases)`} {
		_, err := next.ExecContext(t.Context(), statement)
		must(t, err)
	}
	finished := make(chan error, 1)
	go func() {
		finished <- w.Outbox().Finish(context.Background(), []domain.Outcome{{Tenure: w.tenure, ID: m.ID, Status: domain.StatusQueued, RunAt: domain.Now(), Error: "late"}})
	}()
	waitForLock(t, w)
	must(t, next.Commit())
	must(t, <-finished)
	if r := w.row(m.WAID); r.Status != domain.StatusSending || r.LastError != "" {
		t.Errorf("the row is %+v", r)
	}
}

// waitForLock waits until a statement waits for another transaction.
func waitForLock(t testing.TB, w *world) {
	t.Helper()
	waitFor(t, "a statement waits for a lock", func() bool {
		return count(t, w.Store, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()") == 1
	})
}
