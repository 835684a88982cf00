package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

func TestSave_StoresWhatWhatsmeowReads(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		must(t, w.Ratchet().AddPreKeys(t.Context(), w.tenure, jid, preKeys(5)))
		must(t, w.Ratchet().Save(t.Context(), w.tenure, ratchetWrites(), uuid.Nil))

		db, dialect := w.DBForWhatsApp()
		device, err := types.ParseJID(jid)
		must(t, err)
		theirs := sqlstore.NewSQLStore(sqlstore.NewWithDB(db, dialect, nil), device)
		session, err := theirs.GetSession(t.Context(), "111:0")
		must(t, err)
		trusted, err := theirs.IsTrustedIdentity(t.Context(), "111:0", [32]byte{1})
		must(t, err)
		foreign, err := theirs.IsTrustedIdentity(t.Context(), "111:0", [32]byte{2})
		must(t, err)
		_, removed, err := w.Ratchet().PreKey(t.Context(), w.tenure.TenantID, jid, 5)
		must(t, err)
		_, kept, err := w.Ratchet().PreKey(t.Context(), w.tenure.TenantID, jid, 4)
		must(t, err)
		event, err := theirs.GetBufferedEvent(t.Context(), [32]byte{9})
		must(t, err)
		if string(session) != "session" || !trusted || foreign || removed || !kept {
			t.Errorf("session %q, trusted %v/%v, prekeys %v/%v", session, trusted, foreign, removed, kept)
		}
		if event == nil || string(event.Plaintext) != "plain" || event.ServerTime.Unix() != 1700000000 {
			t.Errorf("buffered event %+v", event)
		}
	})
}

func TestSave_ReplacesWhatWasStored(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		must(t, w.Ratchet().Save(t.Context(), w.tenure, ratchetWrites(), uuid.Nil))
		must(t, w.Ratchet().Save(t.Context(), w.tenure, &domain.RatchetWrites{JID: jid,
			Sessions: map[string][]byte{"111:0": []byte("newer"), "222:0": []byte("other")}, Identities: map[string][32]byte{"111:0": {2}}}, uuid.Nil))
		sessions, err := w.Ratchet().Sessions(t.Context(), jid, []string{"111:0", "222:0", "333:0"})
		must(t, err)
		if diff := cmp.Diff(map[string][]byte{"111:0": []byte("newer"), "222:0": []byte("other")}, sessions); diff != "" {
			t.Errorf("sessions (-want +got):\n%s", diff)
		}
		identities, err := w.Ratchet().Identities(t.Context(), jid, []string{"111:0", "222:0"})
		must(t, err)
		if diff := cmp.Diff(map[string][32]byte{"111:0": {2}}, identities); diff != "" {
			t.Errorf("identities (-want +got):\n%s", diff)
		}
	})
}

func TestSave_MarksTheRowThatItsCiphertextBelongsTo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.mustReceive(incoming("A", "habari"), answer("karibu")).Replies[0]
		must(t, w.Ratchet().Save(t.Context(), w.tenure, ratchetWrites(), m.ID))
		if got := w.row(m.WAID).Status; got != domain.StatusSending {
			t.Errorf("the row is %s", got)
		}
		log, err := w.Messages().Message(t.Context(), w.tenant.ID, m.ID)
		must(t, err)
		if log.Status != domain.StatusSending {
			t.Errorf("the log says %s", log.Status)
		}
	})
}

// The keys are used up all the same, so they have to be stored.
func TestSave_TellsThatItsRowHasAnOutcomeAlready(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.mustReceive(incoming("A", "habari"), answer("karibu")).Replies[0]
		w.finish(m, domain.StatusDelivered)
		for _, writes := range []*domain.RatchetWrites{ratchetWrites(), nil} {
			if err := w.Ratchet().Save(t.Context(), w.tenure, writes, m.ID); !errors.Is(err, domain.ErrSettled) {
				t.Errorf("error %v, want %v", err, domain.ErrSettled)
			}
		}
		if got := w.row(m.WAID).Status; got != domain.StatusDelivered {
			t.Errorf("the row is %s", got)
		}
		if found, err := w.Ratchet().Sessions(t.Context(), jid, []string{"111:0"}); err != nil || len(found) != 1 {
			t.Errorf("stored sessions %v, %v", found, err)
		}
	})
}

func TestRatchet_RefusesEveryWriteOfATenureThatIsOver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.mustReceive(incoming("A", "habari"), answer("karibu")).Replies[0]
		for name, tenure := range w.over() {
			t.Run(name, func(t *testing.T) {
				wantUnchanged(t, w.Store, func() {
					r := w.Ratchet()
					wantFenced(t, r.Save(t.Context(), tenure, ratchetWrites(), m.ID))
					wantFenced(t, r.Save(t.Context(), tenure, nil, m.ID))
					wantFenced(t, r.ClearBuffered(t.Context(), tenure, jid, [32]byte{9}))
					wantFenced(t, r.AddPreKeys(t.Context(), tenure, jid, preKeys(3)))
					wantFenced(t, r.LinkDevice(t.Context(), tenure, otherJID))
					wantFenced(t, r.Wipe(t.Context(), tenure, jid))
				})
			})
		}
	})
}

// A tenure that is on gives no right to the keys of another tenant's device.
func TestRatchet_RefusesAnotherTenantsDevice(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := storetest.Serve(t, w.Store, storetest.NewTenant(t, w.Store))
		wantUnchanged(t, w.Store, func() {
			wantFenced(t, w.Ratchet().Wipe(t.Context(), other, jid))
			wantKind(t, w.Ratchet().LinkDevice(t.Context(), other, jid), domain.KindConflict)
		})
	})
}

func TestLinkDevice_ForgetsTheDeviceBefore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		must(t, w.Ratchet().Save(t.Context(), w.tenure, ratchetWrites(), uuid.Nil))
		storetest.Device(t, w.Store, w.tenure, otherJID)
		if n := count(t, w.Store, "SELECT count(*) FROM whatsmeow_sessions"); n != 0 {
			t.Errorf("%d sessions of the old device remain", n)
		}
		l, err := w.Leases().Lease(t.Context(), w.tenant.ID)
		must(t, err)
		if l.DeviceJID != otherJID {
			t.Errorf("lease of %q", l.DeviceJID)
		}
		must(t, w.Ratchet().LinkDevice(t.Context(), w.tenure, otherJID)) // again: nothing happens
		if n := count(t, w.Store, "SELECT count(*) FROM whatsmeow_device WHERE jid = $1", otherJID); n != 1 {
			t.Errorf("%d rows of the new device", n)
		}
	})
}

func TestWipe_LeavesNothingOfADevice(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		must(t, w.Ratchet().AddPreKeys(t.Context(), w.tenure, jid, preKeys(5)))
		must(t, w.Ratchet().Save(t.Context(), w.tenure, ratchetWrites(), uuid.Nil))
		db, _ := w.DBForWhatsApp()
		_, err := db.ExecContext(t.Context(), "INSERT INTO whatsmeow_privacy_tokens (our_jid, their_jid, token, timestamp) VALUES ($1, 'x', $2, 1)", jid, []byte{1})
		must(t, err)
		for range 2 { // logging out wipes, and forgetting does it again
			must(t, w.Ratchet().Wipe(t.Context(), w.tenure, jid))
		}
		for table, rows := range everything(t, w.Store) {
			if len(rows) > 0 && len(table) > 10 && table[:10] == "whatsmeow_" && table != "whatsmeow_version" {
				t.Errorf("%s: %v", table, rows)
			}
		}
		l, err := w.Leases().Lease(t.Context(), w.tenant.ID)
		must(t, err)
		if l.DeviceJID != "" {
			t.Errorf("the lease still names %s", l.DeviceJID)
		}
	})
}

func TestBuffered_KeepsAPlaintextUntilItIsCleared(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r, hash := w.Ratchet(), [32]byte{9}
		if _, _, ok, err := r.Buffered(t.Context(), jid, hash); ok || err != nil {
			t.Errorf("found %v, error %v before it was kept", ok, err)
		}
		must(t, r.Save(t.Context(), w.tenure, ratchetWrites(), uuid.Nil))
		text, at, ok, err := r.Buffered(t.Context(), jid, hash)
		if err != nil || !ok || string(text) != "plain" || !at.Equal(time.Unix(1700000000, 0)) {
			t.Errorf("kept %q %v %v %v", text, at, ok, err)
		}
		must(t, r.ClearBuffered(t.Context(), w.tenure, jid, hash))
		text, _, ok, err = r.Buffered(t.Context(), jid, hash)
		if err != nil || !ok || text != nil {
			t.Errorf("cleared: %q %v %v, want a nil plaintext", text, ok, err)
		}
	})
}

// manyKeys stores what a device has after years, of each kind so many.
func manyKeys(t testing.TB, s *store.Store, device string, n int) {
	t.Helper()
	each := "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) "
	exec(t, s, each+"INSERT INTO whatsmeow_sessions (our_jid, their_id, session) SELECT $1, 'c' || i, $3 FROM n", device, n, []byte("session"))
	exec(t, s, each+"INSERT INTO whatsmeow_identity_keys (our_jid, their_id, identity) SELECT $1, 'c' || i, $3 FROM n", device, n, make([]byte, 32))
	exec(t, s, each+"INSERT INTO whatsmeow_privacy_tokens (our_jid, their_jid, token, timestamp) SELECT $1, 'c' || i, $3, 1 FROM n", device, n, []byte("token"))
}

// Of several hundred thousand one statement deletes none before it times out.
func TestRatchet_ManyKeysAreDeletedInTransactionsOfTheirOwn(t *testing.T) {
	for name, end := range map[string]func(w *world) error{
		"of a device that is wiped": func(w *world) error { return w.Ratchet().Wipe(context.Background(), w.tenure, jid) },
		"of a tenant that is removed": func(w *world) error {
			return w.Leases().CommandDone(context.Background(), w.tenure, domain.CommandDelete, false)
		},
	} {
		t.Run(name, func(t *testing.T) { manyKeysEnd(t, end) })
	}
}

func manyKeysEnd(t *testing.T, end func(w *world) error) {
	w := onPostgres(t)
	manyKeys(t, w.Store, jid, 2500)
	other := storetest.Serve(t, w.Store, storetest.NewTenant(t, w.Store))
	storetest.Device(t, w.Store, other, otherJID)
	manyKeys(t, w.Store, otherJID, 10)
	left := func(device string) (n int) {
		for _, table := range []string{"whatsmeow_sessions", "whatsmeow_identity_keys", "whatsmeow_privacy_tokens"} {
			n += count(t, w.Store, "SELECT count(*) FROM "+table+" WHERE our_jid = $1", device)
		}
		return n
	}
	// Somebody is in the way of the last step.
	reader, err := db(w).BeginTx(t.Context(), nil)
	must(t, err)
	defer reader.Rollback() //nolint:errcheck // done below
	_, err = reader.ExecContext(t.Context(), "SELECT 1 FROM whatsmeow_device WHERE jid = $1 FOR KEY SHARE", jid)
	must(t, err)
	ended := make(chan error, 1)
	go func() { ended <- end(w) }()
	waitForLock(t, w)
	if n := left(jid); n != 0 {
		t.Errorf("%d of 7500 keys are left when only the device itself is", n)
	}
	if l := leaseOf(t, w.Store, w.tenant.ID); l.DeviceJID != jid {
		t.Errorf("it counts as not linked before all is gone: %+v", l)
	}
	must(t, reader.Rollback())
	must(t, <-ended)
	if n := left(otherJID); n != 30 {
		t.Errorf("of another tenant %d of 30 keys are left", n)
	}
}

func TestWipe_LetsTheNextOwnerShowACode(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.report(domain.LinkReport{Event: domain.EventConnected, JID: jid})
		must(t, w.Ratchet().Wipe(t.Context(), w.tenure, jid))
		// The process dies here, before it reports the unlinking.
		v, err := w.Tenants().Get(t.Context(), w.tenant.ID)
		must(t, err)
		wantStates(t, v, domain.TenantQRPending, domain.SessionDisconnected, domain.WorkerRunning)
		must(t, w.Leases().Release(t.Context(), []domain.Tenure{w.tenure}, 0))
		taken, err := w.Leases().Acquire(t.Context(), w.ReplicaID(), 1)
		must(t, err)
		w.tenure = taken[0].Tenure
		v = w.report(domain.LinkReport{Event: domain.EventQR, QR: "2@code"})
		wantStates(t, v, domain.TenantQRPending, domain.SessionQRReady, domain.WorkerRunning)
		if v.Session.QR != "2@code" || v.Session.JID != "" || taken[0].DeviceJID != "" {
			t.Errorf("session %+v, lease %+v", v.Session, taken[0])
		}
	})
}

func TestWipe_OfAnotherDeviceLeavesTheTenantLinked(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		before := w.report(domain.LinkReport{Event: domain.EventConnected, JID: jid})
		must(t, w.Ratchet().Wipe(t.Context(), w.tenure, otherJID))
		after, err := w.Tenants().Get(t.Context(), w.tenant.ID)
		must(t, err)
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("the tenant changed (-before +after):\n%s", diff)
		}
	})
}

// preKeys makes n keys from the first free id on.
func preKeys(n int) func(first uint32) []domain.PreKeyPair {
	return func(first uint32) (pairs []domain.PreKeyPair) {
		for i := range n {
			pairs = append(pairs, domain.PreKeyPair{ID: first + uint32(i), Key: [32]byte{byte(i + 1)}})
		}
		return pairs
	}
}

func TestPreKeys_NeverReuseAnID(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.Ratchet()
		must(t, r.AddPreKeys(t.Context(), w.tenure, jid, preKeys(10)))
		must(t, r.Save(t.Context(), w.tenure, &domain.RatchetWrites{JID: jid, RemovePreKeys: []uint32{8, 9, 10}}, uuid.Nil))
		var first uint32
		must(t, r.AddPreKeys(t.Context(), w.tenure, jid, func(f uint32) []domain.PreKeyPair {
			first = f
			return preKeys(1)(f)
		}))
		if first != 11 {
			t.Errorf("the next id is %d, but 8 to 10 were used before", first)
		}
		if n, err := r.PreKeys(t.Context(), w.tenure.TenantID, jid); n != 8 || err != nil {
			t.Errorf("%d keys count as uploaded (%v), want all 8 that are left", n, err)
		}
	})
}

func TestPreKeys_ContinueAfterThoseThatWhatsmeowStored(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		db, _ := w.DBForWhatsApp()
		_, err := db.ExecContext(t.Context(), "INSERT INTO whatsmeow_pre_keys (jid, key_id, key, uploaded) VALUES ($1, 41, $2, true)", jid, make([]byte, 32))
		must(t, err)
		must(t, w.Ratchet().AddPreKeys(t.Context(), w.tenure, jid, func(first uint32) []domain.PreKeyPair {
			if first != 42 {
				t.Errorf("first free id is %d", first)
			}
			return preKeys(812)(first)
		}))
		if n, err := w.Ratchet().PreKeys(t.Context(), w.tenure.TenantID, jid); n != 813 || err != nil {
			t.Errorf("%d keys, %v", n, err)
		}
		if _, ok, err := w.Ratchet().PreKey(t.Context(), w.tenure.TenantID, jid, 853); !ok || err != nil {
			t.Errorf("the last key is not found: %v", err)
		}
		must(t, w.Ratchet().Save(t.Context(), w.tenure, &domain.RatchetWrites{JID: jid, RemovePreKeys: []uint32{41}}, uuid.Nil))
		if n, err := w.Ratchet().PreKeys(t.Context(), w.tenure.TenantID, jid); n != 812 || err != nil {
			t.Errorf("%d keys after one of whatsmeow's was used, %v", n, err)
		}
	})
}

func TestPreKeys_AreFoundUntilTheyAreUsedAndLeaveNothingBehind(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r, made := w.Ratchet(), map[uint32][32]byte{}
		for _, n := range []int{1, 28, 1, 57} { // ids 1, 2–29, 30 and 31–87
			must(t, r.AddPreKeys(t.Context(), w.tenure, jid, func(first uint32) []domain.PreKeyPair {
				pairs := preKeys(n)(first)
				for _, p := range pairs {
					made[p.ID] = p.Key
				}
				return pairs
			}))
		}
		use := func(ids ...uint32) {
			must(t, r.Save(t.Context(), w.tenure, &domain.RatchetWrites{JID: jid, RemovePreKeys: ids}, uuid.Nil))
		}
		use(1, 29, 30, 31, 58, 31, 88)
		for _, id := range []uint32{1, 29, 30, 31, 58} {
			delete(made, id)
		}
		for id := range uint32(90) {
			key, ok, err := r.PreKey(t.Context(), w.tenure.TenantID, jid, id)
			must(t, err)
			if want, left := made[id]; key != want || ok != left {
				t.Errorf("key %d is %x %v, want %x %v", id, key, ok, want, left)
			}
		}
		if n, err := r.PreKeys(t.Context(), w.tenure.TenantID, jid); n != len(made) || err != nil {
			t.Errorf("%d keys are left (%v), want %d", n, err, len(made))
		}
		use(87)
		must(t, r.AddPreKeys(t.Context(), w.tenure, jid, preKeys(1)))
		if n := count(t, w.Store, "SELECT count(*) FROM prekeys"); n != 4 {
			t.Errorf("%d rows are left, want 4: 2, 31, 59 and the new 88", n)
		}
		must(t, r.Wipe(t.Context(), w.tenure, jid))
		if n := count(t, w.Store, "SELECT count(*) FROM prekeys"); n != 0 {
			t.Errorf("%d rows are left of a wiped device", n)
		}
	})
}

func TestHasPNSessions_LooksForTheUserOnAnyDevice(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		must(t, w.Ratchet().Save(t.Context(), w.tenure, &domain.RatchetWrites{JID: jid, Sessions: map[string][]byte{"255700000001:4": {1}, "2557000000019:0": {1}, "111_1:0": {1}}}, uuid.Nil))
		for user, want := range map[string]bool{"255700000001": true, "25570000000": false, "255700000002": false, "111_1": true} {
			got, err := w.Ratchet().HasPNSessions(t.Context(), jid, user)
			if err != nil || got != want {
				t.Errorf("%s: %v %v, want %v", user, got, err, want)
			}
		}
		if got, err := w.Ratchet().HasPNSessions(t.Context(), otherJID, "255700000001"); got || err != nil {
			t.Errorf("another device: %v %v", got, err)
		}
	})
}

func TestSessions_AreReadInAnyNumber(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		writes := &domain.RatchetWrites{JID: jid, Sessions: map[string][]byte{}}
		var addresses []string
		for i := range 500 {
			a := fmt.Sprintf("%d:0", i)
			addresses = append(addresses, a)
			writes.Sessions[a] = []byte(a)
		}
		must(t, w.Ratchet().Save(t.Context(), w.tenure, writes, uuid.Nil))
		got, err := w.Ratchet().Sessions(t.Context(), jid, addresses)
		must(t, err)
		if diff := cmp.Diff(writes.Sessions, got); diff != "" {
			t.Errorf("sessions (-want +got):\n%s", diff)
		}
		if got, err := w.Ratchet().Sessions(t.Context(), jid, nil); err != nil || len(got) != 0 {
			t.Errorf("no addresses: %v %v", got, err)
		}
	})
}
