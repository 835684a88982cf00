package store_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

// Whoever may act for one tenant reaches nothing of another, by whatever method
// and with whatever ids of the other.
func TestIsolation_AForeignTenantsIDsReachNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		fill(t, w)
		m := w.queue(neema, domain.LaneManual, domain.Now())
		foreign := storetest.NewTenant(t, w.Store)
		tenure := storetest.Serve(t, w.Store, foreign)
		storetest.Device(t, w.Store, tenure, otherJID)
		must(t, w.Reports().Report(t.Context(), w.tenure, domain.LinkReport{Event: domain.EventConnected, JID: jid}))
		scope := domain.Scope{TenantID: foreign.ID}
		dead := w.queue(neema, domain.LaneManual, domain.Now())
		w.finish(dead, domain.StatusFailed)
		must(t, w.Audits().Record(t.Context(), domain.AuditEntry{Actor: "asha", TenantID: &w.tenant.ID, Action: domain.AuditTenantStop}))
		must(t, w.Audits().Record(t.Context(), domain.AuditEntry{Actor: "asha", Action: domain.AuditSetting}))
		must(t, w.Upkeep().Rollup(t.Context(), domain.Now()))
		user, key := column(t, db(w), "SELECT id FROM users")[0], column(t, db(w), "SELECT id FROM api_keys")[0]
		ctx := t.Context()

		reads := map[string]func() (found bool, err error){
			"Messages.Message": func() (bool, error) {
				_, err := w.Messages().Message(ctx, foreign.ID, m.ID)
				return err == nil, notFoundIsFine(err)
			},
			"Messages.ListMessages": func() (bool, error) {
				p, err := w.Messages().ListMessages(ctx, foreign.ID, domain.MessageFilter{}, domain.PageQuery{Cursor: uuid.Max.String()})
				return len(p.Items) > 0, err
			},
			"Outbox.ForRetry": func() (bool, error) { _, ok, err := w.Outbox().ForRetry(ctx, foreign.ID, m.WAID); return ok, err },
			"Outbox.Due":      func() (bool, error) { d, _, err := w.Outbox().Due(ctx, foreign.ID, 10, nil); return len(d) > 0, err },
			"Outbox.Pending":  func() (bool, error) { n, err := w.Outbox().Pending(ctx, foreign.ID); return n > 0, err },
			"Chats.Conversation": func() (bool, error) {
				_, err := w.Chats().Conversation(ctx, foreign.ID, neema)
				return err == nil, notFoundIsFine(err)
			},
			"Chats.Customer": func() (bool, error) {
				_, err := w.Chats().Customer(ctx, foreign.ID, neema)
				return err == nil, notFoundIsFine(err)
			},
			"Chats.Customers": func() (bool, error) {
				p, err := w.Chats().Customers(ctx, foreign.ID, domain.PageQuery{})
				return len(p.Items) > 0, err
			},
			"Calendar.Appointments": func() (bool, error) {
				a, err := w.Calendar().Appointments(ctx, foreign.ID, time.Time{}, domain.Now().Add(1000*time.Hour))
				return len(a) > 0, err
			},
			"Accounts.User": func() (bool, error) {
				_, err := w.Accounts().User(ctx, scope, uuid.MustParse(user))
				return err == nil, notFoundIsFine(err)
			},
			"Accounts.ListUsers": func() (bool, error) {
				p, err := w.Accounts().ListUsers(ctx, scope, domain.PageQuery{})
				return len(p.Items) > 0, err
			},
			"Accounts.ListKeys": func() (bool, error) {
				p, err := w.Accounts().ListKeys(ctx, scope, domain.PageQuery{})
				return len(p.Items) > 0, err
			},
			"Tenants.List": func() (bool, error) {
				p, err := w.Tenants().List(ctx, domain.TenantFilter{Scope: scope, Search: w.tenant.Name}, domain.PageQuery{})
				return len(p.Items) > 1 || len(p.Items) == 1 && p.Items[0].ID != foreign.ID, err
			},
			"Messages.ListMessages that match": func() (bool, error) {
				p, err := w.Messages().ListMessages(ctx, foreign.ID, domain.MessageFilter{Contact: neema, Search: "a"}, domain.PageQuery{})
				return len(p.Items) > 0, err
			},
			"Messages.ListMessages that are dead": func() (bool, error) {
				p, err := w.Messages().ListMessages(ctx, foreign.ID, domain.MessageFilter{Dead: true}, domain.PageQuery{})
				return len(p.Items) > 0, err
			},
			"Chats.Conversations": func() (bool, error) {
				p, err := w.Chats().Conversations(ctx, foreign.ID, "", domain.PageQuery{})
				return len(p.Items) > 0, err
			},
			"History.Events": func() (bool, error) {
				p, err := w.History().Events(ctx, foreign.ID, domain.PageQuery{})
				return len(p.Items) != 1, err // its own start
			},
			"History.Terms": func() (bool, error) {
				terms, err := w.History().Terms(ctx, foreign.ID, 10)
				return len(terms) != 1 || terms[0].Epoch != tenure.Epoch, err
			},
			"Operations.Rows": func() (bool, error) {
				p, err := w.Operations().Rows(ctx, domain.TenantFilter{Scope: scope, Sort: domain.SortName}, domain.Now(), domain.PageQuery{})
				return len(p.Items) != 1 || p.Items[0].ID != foreign.ID, err
			},
			"Operations.CountTenants": func() (bool, error) {
				counts, err := w.Operations().CountTenants(ctx, domain.TenantFilter{Scope: scope})
				return counts[domain.TenantActive] > 0, err
			},
			"Operations.Stats": func() (bool, error) {
				hours, err := w.Operations().Stats(ctx, foreign.ID, time.Time{}, domain.Now().Add(time.Hour))
				return len(hours) > 0, err
			},
			"Audits.Audit": func() (bool, error) {
				p, err := w.Audits().Audit(ctx, domain.AuditFilter{Scope: scope}, domain.PageQuery{})
				return len(p.Items) > 0, err
			},
			"Audits.Audit of the other": func() (bool, error) {
				p, err := w.Audits().Audit(ctx, domain.AuditFilter{Scope: scope, TenantID: w.tenant.ID, Search: "a"}, domain.PageQuery{})
				return len(p.Items) > 0, err
			},
			"Ratchet.Sessions": func() (bool, error) {
				s, err := w.Ratchet().Sessions(ctx, otherJID, []string{"111:0"})
				return len(s) > 0, err
			},
			"Ratchet.Identities": func() (bool, error) {
				s, err := w.Ratchet().Identities(ctx, otherJID, []string{"111:0"})
				return len(s) > 0, err
			},
			"Ratchet.Buffered": func() (bool, error) {
				_, _, ok, err := w.Ratchet().Buffered(ctx, otherJID, [32]byte{9})
				return ok, err
			},
			"Inbox.Receive shows": func() (found bool, err error) {
				_, err = w.Inbox().Receive(ctx, tenure, incoming("probe", ""), nil, func(v domain.InboxView) (domain.Decision, error) {
					found = v.Conversation.Version > 0 || !v.Customer.CreatedAt.IsZero() || v.Youngest != uuid.Nil || len(v.Booked) > 0
					return domain.Decision{}, errProbe
				})
				if domain.KindOf(err) == domain.KindInvalid {
					err = nil
				}
				return found, err
			},
		}
		for name, read := range reads {
			if found, err := read(); found || err != nil {
				t.Errorf("%s: found %v, error %v", name, found, err)
			}
		}

		writes := map[string]func() error{
			"Outbox.Finish": func() error {
				return w.Outbox().Finish(ctx, []domain.Outcome{{Tenure: tenure, ID: m.ID, Status: domain.StatusFailed}})
			},
			"Outbox.Ticks": func() error {
				return w.Outbox().Ticks(ctx, []domain.Tick{{TenantID: foreign.ID, WAID: m.WAID, Status: domain.StatusRead}})
			},
			"Ratchet.Save of a row": func() error { return w.Ratchet().Save(ctx, tenure, nil, m.ID) },
			"Ratchet.LinkDevice":    func() error { return w.Ratchet().LinkDevice(ctx, tenure, jid) },
			"Ratchet.Wipe":          func() error { return w.Ratchet().Wipe(ctx, tenure, jid) },
			"Accounts.RevokeKey":    func() error { return w.Accounts().RevokeKey(ctx, scope, uuid.MustParse(key), domain.Now()) },
			"Accounts.UpdateUser": func() error {
				return w.Accounts().UpdateUser(ctx, scope, domain.User{ID: uuid.MustParse(user), Role: domain.RoleAdmin})
			},
			"Accounts.DisableUser": func() error {
				return w.Accounts().DisableUser(ctx, scope, uuid.MustParse(user), true, domain.Now())
			},
			"Messages.RetryMessage": func() error { return w.Messages().RetryMessage(ctx, foreign.ID, dead.ID) },
			"Chats.Resume":          func() error { return w.Chats().Resume(ctx, foreign.ID, neema) },
			"WebSessions.LogOut":    func() error { return w.WebSessions().LogOut(ctx, foreign.ID, nil) },
			"Leases.Release": func() error {
				return w.Leases().Release(ctx, []domain.Tenure{{TenantID: w.tenant.ID, Replica: domain.NewID(), Epoch: w.tenure.Epoch}}, 0)
			},
			"Leases.CommandDone": func() error {
				return w.Leases().CommandDone(ctx, domain.Tenure{TenantID: w.tenant.ID, Replica: domain.NewID(), Epoch: w.tenure.Epoch}, domain.CommandDelete, false)
			},
			"Ratchet.Save of keys":  func() error { return w.Ratchet().Save(ctx, tenure, ratchetWrites(), uuid.Nil) },
			"Ratchet.ClearBuffered": func() error { return w.Ratchet().ClearBuffered(ctx, tenure, jid, [32]byte{9}) },
			"Inbox.Receive with a key": func() error {
				_, err := w.Inbox().Receive(ctx, tenure, incoming("x", ""), ratchetWrites(), silent)
				return err
			},
		}
		for name, write := range writes {
			wantUnchanged(t, w.Store, func() { t.Logf("%s: %v", name, write()) })
		}
	})
}

var errProbe = domain.Invalid{"probe": "x"}.Err()

func notFoundIsFine(err error) error {
	if err != nil && domain.KindOf(err) == domain.KindNotFound {
		return nil
	}
	return err
}

func db(w *world) *sql.DB { return dbOf(w.Store) }

func dbOf(s *store.Store) *sql.DB {
	db, _ := s.DBForWhatsApp()
	return db
}
