package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

const (
	jid      = "255754000001:7@s.whatsapp.net"
	otherJID = "255754000002:3@s.whatsapp.net"
	neema    = "+255700000001"
)

// world is a store with one replica that serves one tenant with a linked device.
type world struct {
	*store.Store
	t      testing.TB
	self   domain.Replica
	tenant domain.TenantView
	tenure domain.Tenure
}

func newWorld(t testing.TB, s *store.Store) *world {
	t.Helper()
	w := &world{Store: s, t: t, self: storetest.Replica(t, s, "a"), tenant: storetest.NewTenant(t, s)}
	w.tenure = storetest.Serve(t, s, w.tenant)
	storetest.Device(t, s, w.tenure, jid)
	return w
}

// inWorld runs a test in a world of its own on each database.
func inWorld(t *testing.T, run func(t *testing.T, w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *store.Store) { run(t, newWorld(t, s)) })
}

// over are tenures that are not on: another epoch, another replica, another tenant.
func (w *world) over() map[string]domain.Tenure {
	epoch, replica, tenant := w.tenure, w.tenure, w.tenure
	epoch.Epoch--
	replica.Replica = domain.NewID()
	tenant.TenantID = storetest.NewTenant(w.t, w.Store).ID
	return map[string]domain.Tenure{"another epoch": epoch, "another replica": replica, "another tenant": tenant}
}

func (w *world) receive(in domain.Incoming, d decision) (domain.Receipt, error) {
	return w.Inbox().Receive(w.t.Context(), w.tenure, in, nil, d)
}

func (w *world) mustReceive(in domain.Incoming, d decision) domain.Receipt {
	w.t.Helper()
	r, err := w.receive(in, d)
	must(w.t, err)
	return r
}

// log returns all messages of the tenant, newest first.
func (w *world) log() []domain.MessageLog {
	w.t.Helper()
	page, err := w.Messages().ListMessages(w.t.Context(), w.tenant.ID, domain.MessageFilter{}, domain.PageQuery{})
	must(w.t, err)
	return page.Items
}

// row returns an outbox row by its WhatsApp id.
func (w *world) row(waID string) domain.Outbound {
	w.t.Helper()
	row, ok, err := w.Outbox().ForRetry(w.t.Context(), w.tenant.ID, waID)
	must(w.t, err)
	if !ok {
		w.t.Fatalf("no outbox row %s", waID)
	}
	return row
}

// finish stores an outcome of a reply under the world's tenure.
func (w *world) finish(m domain.Outbound, status domain.MessageStatus) {
	w.t.Helper()
	must(w.t, w.Outbox().Finish(w.t.Context(), []domain.Outcome{{Tenure: w.tenure, ID: m.ID, Status: status, Attempts: 1, ServerAt: domain.Now(), RunAt: domain.Now()}}))
}

type decision = func(domain.InboxView) (domain.Decision, error)

func incoming(waID, text string) domain.Incoming {
	return domain.Incoming{Contact: neema, ChatJID: "111@lid", Keys: [][]byte{[]byte("key-" + waID), []byte("alt-" + waID)},
		WAID: waID, Name: "Neema", Text: text, Kind: domain.MediaText, SentAt: domain.Now()}
}

func ratchetWrites() *domain.RatchetWrites {
	return &domain.RatchetWrites{JID: jid, Sessions: map[string][]byte{"111:0": []byte("session")},
		Identities: map[string][32]byte{"111:0": {1}}, RemovePreKeys: []uint32{5},
		Buffered: []domain.BufferedPlaintext{{Hash: [32]byte{9}, Plaintext: []byte("plain"), ServerTime: time.Unix(1700000000, 0)}}}
}

// ratchetOf is what decrypting a message of its own leaves behind.
func ratchetOf(waID string) *domain.RatchetWrites {
	w := ratchetWrites()
	copy(w.Buffered[0].Hash[:], waID)
	return w
}

func reply(text string, v domain.InboxView) domain.Outbound {
	id := domain.NewID()
	return domain.Outbound{ID: id, Contact: neema, ChatJID: "111@lid", Lane: domain.LaneReply, WAID: domain.DeriveWAID([]byte("k"), id),
		InReplyTo: "A", Text: text, RunAt: v.Now, CreatedAt: v.Now}
}

// silent decides that nothing follows.
func silent(domain.InboxView) (domain.Decision, error) { return domain.Decision{}, nil }

// answer decides on a conversation, a customer and one reply.
func answer(text string) decision {
	return func(v domain.InboxView) (domain.Decision, error) {
		conv := v.Conversation
		conv.State = []byte(`{"step":"asked"}`)
		conv.LastInAt = &v.Now
		return domain.Decision{
			Conversation: &conv,
			Customer:     &domain.Customer{ID: domain.NewID(), Name: "Neema", CreatedAt: v.Now, UpdatedAt: v.Now},
			Replies:      []domain.Outbound{reply(text, v)},
		}, nil
	}
}

func never(t testing.TB) decision {
	return func(domain.InboxView) (domain.Decision, error) {
		t.Error("decide was called")
		return domain.Decision{}, nil
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantFenced(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, domain.ErrFenced) {
		t.Errorf("error is %v, want domain.ErrFenced", err)
	}
}

func wantKind(t testing.TB, err error, kind domain.Kind) {
	t.Helper()
	if err == nil || domain.KindOf(err) != kind {
		t.Errorf("error is %v, want kind %q", err, kind)
	}
}

// everything is the content of all tables, by table, for comparison.
func everything(t testing.TB, s *store.Store) map[string][]string {
	t.Helper()
	db, dialect := s.DBForWhatsApp()
	list := `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`
	if dialect == "sqlite" {
		list = `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'`
	}
	all := map[string][]string{}
	for _, table := range column(t, db, list) {
		all[table] = rowsOf(t, db, table)
	}
	return all
}

func column(t testing.TB, db *sql.DB, query string, args ...any) (values []string) {
	t.Helper()
	found, err := db.QueryContext(t.Context(), query, args...)
	must(t, err)
	defer found.Close()
	for found.Next() {
		var v string
		must(t, found.Scan(&v))
		values = append(values, v)
	}
	must(t, found.Err())
	return values
}

func rowsOf(t testing.TB, db *sql.DB, table string) (lines []string) {
	t.Helper()
	found, err := db.QueryContext(t.Context(), "SELECT * FROM "+table)
	must(t, err)
	defer found.Close()
	names, err := found.Columns()
	must(t, err)
	for found.Next() {
		values := make([]any, len(names))
		for i := range values {
			values[i] = new(any)
		}
		must(t, found.Scan(values...))
		var line strings.Builder
		for i, v := range values {
			fmt.Fprintf(&line, "%s=%v ", names[i], *v.(*any))
		}
		lines = append(lines, line.String())
	}
	must(t, found.Err())
	slices.Sort(lines)
	return lines
}

// wantUnchanged fails when fn changes anything in the database.
func wantUnchanged(t testing.TB, s *store.Store, fn func()) {
	t.Helper()
	before := everything(t, s)
	fn()
	if diff := cmp.Diff(before, everything(t, s)); diff != "" {
		t.Errorf("the database changed (-before +after):\n%s", diff)
	}
}

func count(t testing.TB, s *store.Store, query string, args ...any) (n int) {
	t.Helper()
	db, _ := s.DBForWhatsApp()
	must(t, db.QueryRowContext(t.Context(), query, args...).Scan(&n))
	return n
}

func ids(leases []domain.Lease) (all []uuid.UUID) {
	for _, l := range leases {
		all = append(all, l.TenantID)
	}
	return all
}

// contextThatEnds is cancelled after a while, as when a person goes away.
func contextThatEnds(t testing.TB, after time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), after)
}
