package store_test

import (
	"errors"
	"fmt"
	"log/slog"
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

func newTenant(t testing.TB, in domain.TenantInput) domain.TenantView {
	t.Helper()
	v, err := domain.NewTenant(in, domain.Now())
	must(t, err)
	return v
}

func TestTenants_ComeBackAsTheyWereStored(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		name, phone, address, template, language, on := "Saluni ya Zuhura 💇🏾‍♀️", "+255754123456", "Kariakoo, 'Mtaa wa \"Uhuru\"'", "SALON", "EN", false
		hours := domain.Hours{Week: map[time.Weekday][]domain.HoursRange{time.Monday: {{Open: 8 * 60, Close: 17 * 60}}}}
		services := []domain.Service{{Name: "Kusuka", PriceTZS: 15000, Minutes: 90}}
		v := newTenant(t, domain.TenantInput{Name: &name, Phone: &phone, Address: &address, Template: &template, Language: &language,
			Hours: &hours, Services: &services, BotEnabled: &on})
		must(t, s.Tenants().Create(t.Context(), v))
		got, err := s.Tenants().Get(t.Context(), v.ID)
		must(t, err)
		if diff := cmp.Diff(v, got); diff != "" {
			t.Errorf("tenant (-stored +read):\n%s", diff)
		}
		profiles, err := s.Profiles().Profiles(t.Context(), []uuid.UUID{v.ID, domain.NewID()})
		must(t, err)
		key, err := s.Messages().WAKey(t.Context(), v.ID)
		must(t, err)
		if len(profiles) != 1 || len(profiles[0].Key) != 32 || !cmp.Equal(profiles[0].Key, key) || profiles[0].Name != name {
			t.Errorf("profiles %+v", profiles)
		}
		if none, err := s.Profiles().Profiles(t.Context(), nil); err != nil || len(none) != 0 {
			t.Errorf("no ids: %v %v", none, err)
		}
	})
}

func TestTenants_HaveANumberOfTheirOwn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first, second := storetest.NewTenant(t, s), storetest.NewTenant(t, s)
		wantTaken := func(err error) {
			t.Helper()
			var e *domain.Error
			if !errors.As(err, &e) || e.Kind != domain.KindConflict || e.Fields["phone_number"] == "" {
				t.Errorf("error is %v, want a conflict that names phone_number", err)
			}
		}
		wantUnchanged(t, s, func() {
			name, phone := "Mwingine", string(first.Phone)
			wantTaken(s.Tenants().Create(t.Context(), newTenant(t, domain.TenantInput{Name: &name, Phone: &phone})))
			_, err := s.Tenants().Update(t.Context(), second.ID, func(v *domain.TenantView) error {
				v.Phone = first.Phone
				return nil
			})
			wantTaken(err)
		})
	})
}

func TestTenants_AreListedNewestFirstPageByPage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var want []uuid.UUID
		for range 5 {
			want = append([]uuid.UUID{storetest.NewTenant(t, s).ID}, want...)
		}
		var got []uuid.UUID
		q := domain.PageQuery{Limit: 2}
		for {
			page, err := s.Tenants().List(t.Context(), domain.TenantFilter{Scope: domain.Scope{Admin: true}}, q)
			must(t, err)
			for _, v := range page.Items {
				got = append(got, v.ID)
			}
			storetest.NewTenant(t, s) // added meanwhile; the pages neither repeat nor skip
			if q.Cursor = page.NextCursor; q.Cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
		_, err := s.Tenants().List(t.Context(), domain.TenantFilter{Scope: domain.Scope{Admin: true}}, domain.PageQuery{Cursor: "x'"})
		wantKind(t, err, domain.KindInvalid)
	})
}

func TestTenants_AreFoundByScopeStatusNameAndNumber(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		add := func(name, phone string) uuid.UUID {
			v := newTenant(t, domain.TenantInput{Name: &name, Phone: &phone})
			must(t, s.Tenants().Create(t.Context(), v))
			return v.ID
		}
		amina, juma := add("Duka la AMINA 100%", "0754 111 222"), add("Duka_la Juma", "0765 333 444")
		start(t, s, juma)
		admin := domain.Scope{Admin: true}
		for _, c := range []struct {
			name   string
			filter domain.TenantFilter
			want   []uuid.UUID
		}{
			{"everything", domain.TenantFilter{Scope: admin}, []uuid.UUID{juma, amina}},
			{"the zero scope", domain.TenantFilter{}, nil},
			{"one tenant", domain.TenantFilter{Scope: domain.Scope{TenantID: amina}}, []uuid.UUID{amina}},
			{"another tenant's status", domain.TenantFilter{Scope: domain.Scope{TenantID: amina}, Status: domain.TenantQRPending}, nil},
			{"a status", domain.TenantFilter{Scope: admin, Status: domain.TenantQRPending}, []uuid.UUID{juma}},
			{"a part of a name in another case", domain.TenantFilter{Scope: admin, Search: " amina "}, []uuid.UUID{amina}},
			{"a per cent sign is one", domain.TenantFilter{Scope: admin, Search: "%"}, []uuid.UUID{amina}},
			{"an underscore is one", domain.TenantFilter{Scope: admin, Search: "a_l"}, []uuid.UUID{juma}},
			{"a number as people write it", domain.TenantFilter{Scope: admin, Search: "0765 333"}, []uuid.UUID{juma}},
			{"a number with its country", domain.TenantFilter{Scope: admin, Search: "+255 754"}, []uuid.UUID{amina}},
			{"a search stays within the scope", domain.TenantFilter{Scope: domain.Scope{TenantID: amina}, Search: "0765 333"}, nil},
			{"a quote", domain.TenantFilter{Scope: admin, Search: "' OR 1=1 --"}, nil},
		} {
			page, err := s.Tenants().List(t.Context(), c.filter, domain.PageQuery{})
			must(t, err)
			var got []uuid.UUID
			for _, v := range page.Items {
				got = append(got, v.ID)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
		}
	})
}

func TestUpdate_StoresWhatChangesAndNothingOnAnError(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		v, err := w.Tenants().Update(t.Context(), w.tenant.ID, func(v *domain.TenantView) error {
			v.Name, v.Config.Address, v.Config.BotEnabled, v.Status = "Jina Jipya", "Mwanza", false, domain.TenantError
			v.Config.Services = []domain.Service{{Name: "Kusuka\x00"}}
			return nil
		})
		must(t, err)
		got, err := w.Tenants().Get(t.Context(), w.tenant.ID)
		must(t, err)
		if got.Name != "Jina Jipya" || got.Config.Address != "Mwanza" || got.Config.BotEnabled || got.Config.Services[0].Name != "Kusuka" || v.Name != got.Name {
			t.Errorf("stored %+v", got)
		}
		if got.Status != domain.TenantQRPending {
			t.Errorf("an update changed the status to %s", got.Status)
		}
		wantUnchanged(t, w.Store, func() {
			cause := domain.Invalid{"name": "x"}.Err()
			_, err := w.Tenants().Update(t.Context(), w.tenant.ID, func(v *domain.TenantView) error {
				v.Name = "nothing"
				return cause
			})
			if err != cause {
				t.Errorf("error is %v, want the caller's", err)
			}
		})
		_, err = w.Tenants().Update(t.Context(), domain.NewID(), func(*domain.TenantView) error { return nil })
		wantKind(t, err, domain.KindNotFound)
	})
}

func TestSteer_LeavesTheWishInTheLease(t *testing.T) {
	type events = []domain.Event
	cases := []struct {
		name    string
		owned   bool
		events  events
		status  domain.TenantStatus
		worker  domain.WorkerStatus
		wanted  bool
		command domain.Command
	}{
		{"start", false, events{"start"}, "QR_PENDING", "RUNNING", true, ""},
		{"start twice", false, events{"start", "start"}, "QR_PENDING", "RUNNING", true, ""},
		{"start while served", true, events{"start"}, "QR_PENDING", "RUNNING", true, ""},
		{"start while the runner may be ending", true, events{"stop", "start"}, "QR_PENDING", "RUNNING", true, "restart"},
		{"stop", true, events{"stop"}, "PAUSED", "STOPPED", false, ""},
		{"restart", true, events{"restart"}, "QR_PENDING", "RUNNING", true, "restart"},
		{"stop calls a restart off", true, events{"restart", "stop"}, "PAUSED", "STOPPED", false, ""},
		{"reset", true, events{"reset"}, "NEW", "STOPPED", false, "reset"},
		{"reset of one that nobody serves", false, events{"reset"}, "NEW", "STOPPED", false, "reset"},
		{"stop does not call a reset off", true, events{"reset", "stop"}, "NEW", "STOPPED", false, "reset"},
	}
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		storetest.Replica(t, s, "a")
		for i, c := range cases {
			tenant := storetest.NewTenant(t, s)
			if c.owned {
				tenure := storetest.Serve(t, s, tenant)
				must(t, s.Reports().Report(t.Context(), tenure, domain.LinkReport{Event: domain.EventScanned, JID: fmt.Sprint(i)}))
			}
			var v domain.TenantView
			for _, e := range c.events {
				var err error
				v, err = s.Tenants().Steer(t.Context(), tenant.ID, e)
				must(t, err)
			}
			stored, err := s.Tenants().Get(t.Context(), tenant.ID)
			must(t, err)
			if stored.Status != c.status || stored.Worker.Status != c.worker || v.Status != c.status {
				t.Errorf("%s: tenant is %s/%s, answered %s", c.name, stored.Status, stored.Worker.Status, v.Status)
			}
			if l := leaseOf(t, s, tenant.ID); l.Wanted != c.wanted || l.Command != c.command {
				t.Errorf("%s: lease says wanted %v, command %q", c.name, l.Wanted, l.Command)
			}
		}
	})
}

func TestSteer_RefusesWhatCannotBe(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, err := w.Tenants().Steer(t.Context(), domain.NewID(), domain.EventStart)
		wantKind(t, err, domain.KindNotFound)
		_, err = w.Tenants().Steer(t.Context(), w.tenant.ID, domain.EventReset)
		must(t, err)
		_, err = w.Tenants().Steer(t.Context(), w.tenant.ID, domain.EventStart)
		wantKind(t, err, domain.KindConflict) // its old device is still there
		_, err = w.Tenants().Delete(t.Context(), w.tenant.ID)
		must(t, err)
		_, err = w.Tenants().Steer(t.Context(), w.tenant.ID, domain.EventStop)
		wantKind(t, err, domain.KindConflict)
	})
}

func TestGet_NamesTheReplicaThatServes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		v, err := w.Tenants().Get(t.Context(), w.tenant.ID)
		must(t, err)
		if v.Worker.Replica != "a" {
			t.Errorf("replica %q", v.Worker.Replica)
		}
		must(t, w.Leases().Release(t.Context(), []domain.Tenure{w.tenure}, 0))
		v, err = w.Tenants().Get(t.Context(), w.tenant.ID)
		must(t, err)
		if v.Worker.Replica != "" {
			t.Errorf("replica %q after the release", v.Worker.Replica)
		}
	})
}

// fill gives the world's tenant rows in every table.
func fill(t testing.TB, w *world) {
	t.Helper()
	must(t, w.Ratchet().AddPreKeys(t.Context(), w.tenure, jid, preKeys(6)))
	_, err := w.Inbox().Receive(t.Context(), w.tenure, incoming("fill", "habari"), ratchetWrites(), func(v domain.InboxView) (domain.Decision, error) {
		d, err := answer("karibu")(v)
		d.Appointments = []domain.Appointment{{ID: domain.NewID(), At: v.Now.Add(time.Hour), Status: domain.AppointmentPending}}
		return d, err
	})
	must(t, err)
	must(t, w.Inbox().Quarantine(t.Context(), w.tenure, incoming("bad", "x"), nil, "bug"))
	user := domain.User{ID: domain.NewID(), TenantID: &w.tenant.ID, Name: "Amina", Email: w.tenant.ID.String() + "@example.com", Role: domain.RoleOwner, CreatedAt: domain.Now(), UpdatedAt: domain.Now()}
	must(t, w.Accounts().AddUser(t.Context(), user))
	must(t, w.Accounts().AddKey(t.Context(), domain.APIKey{ID: domain.NewID(), Label: "k", TenantID: &w.tenant.ID, Hash: w.tenant.ID[:], CreatedAt: domain.Now()}))
	must(t, w.WebSessions().CommitCtx(domain.WithVisitor(t.Context(), domain.Visitor{UserID: user.ID}), "token-"+w.tenant.ID.String(), []byte("d"), domain.Now().Add(time.Hour)))
	db, _ := w.DBForWhatsApp()
	_, err = db.ExecContext(t.Context(), "INSERT INTO whatsmeow_privacy_tokens (our_jid, their_jid, token, timestamp) VALUES ($1, 'x', $2, 1)", jid, []byte{1})
	must(t, err)
}

// wantGone fails when a row anywhere still names the world's tenant or its device.
func wantGone(t testing.TB, w *world) {
	t.Helper()
	_, err := w.Tenants().Get(t.Context(), w.tenant.ID)
	wantKind(t, err, domain.KindNotFound)
	for table, rows := range everything(t, w.Store) {
		if strings.HasPrefix(table, "goose") || table == "replicas" || table == "whatsmeow_version" || table == "settings" {
			continue
		}
		if len(rows) != 0 {
			t.Errorf("%s still has %v", table, rows)
		}
	}
}

func TestDelete_RemovesATenantThatNobodyServesWithAllItsRows(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		fill(t, w)
		must(t, w.Leases().Release(t.Context(), []domain.Tenure{w.tenure}, 0))
		operator := storetest.Another(t, w.Store) // another process than the one that linked it
		done, err := operator.Tenants().Delete(t.Context(), w.tenant.ID)
		if err != nil || !done {
			t.Fatalf("done %v, error %v", done, err)
		}
		wantGone(t, w)
		_, err = operator.Tenants().Delete(t.Context(), w.tenant.ID)
		wantKind(t, err, domain.KindNotFound)
	})
}

func TestDelete_LeavesOtherTenantsAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		fill(t, w)
		other := storetest.NewTenant(t, w.Store)
		before := everything(t, w.Store)
		bystander := storetest.NewTenant(t, w.Store)
		if done, err := w.Tenants().Delete(t.Context(), bystander.ID); err != nil || !done {
			t.Fatalf("done %v, error %v", done, err)
		}
		if diff := cmp.Diff(before, everything(t, w.Store)); diff != "" {
			t.Errorf("other rows changed (-before +after):\n%s", diff)
		}
		if _, err := w.Tenants().Get(t.Context(), other.ID); err != nil {
			t.Error(err)
		}
	})
}

// Somebody has edited it by hand, or a newer program stores another form of it.
func TestTenants_OneWhoseSettingsCannotBeReadKeepsNoOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var log strings.Builder
		options := storetest.Options(storetest.URL(s))
		options.Logger = slog.New(slog.NewTextHandler(&log, nil))
		watched, err := store.Open(t.Context(), options)
		must(t, err)
		defer watched.Close()
		for _, column := range []string{"hours_json", "services_json"} {
			broken, sound := storetest.NewTenant(t, s), storetest.NewTenant(t, s)
			exec(t, s, "UPDATE tenant_configs SET "+column+" = '\"always\"' WHERE tenant_id = $1", broken.ID)
			profiles, err := watched.Profiles().Profiles(t.Context(), []uuid.UUID{broken.ID, sound.ID})
			must(t, err)
			if len(profiles) != 1 || profiles[0].ID != sound.ID {
				t.Errorf("%s: the profiles are %+v, want the sound one", column, profiles)
			}
			if line := log.String(); !strings.Contains(line, broken.ID.String()) || !strings.Contains(line, column) || strings.Contains(line, sound.ID.String()) {
				t.Errorf("%s: the log says %q, want the tenant and the column", column, line)
			}
			log.Reset()

			everybody := domain.TenantFilter{Scope: everywhere}
			rows, err := s.Operations().Rows(t.Context(), everybody, noon, domain.PageQuery{})
			must(t, err)
			list, err := s.Tenants().List(t.Context(), everybody, domain.PageQuery{})
			must(t, err)
			if !slices.ContainsFunc(rows.Items, func(r domain.TenantRow) bool { return r.ID == broken.ID }) ||
				!slices.ContainsFunc(list.Items, func(v domain.TenantView) bool { return v.ID == broken.ID }) {
				t.Errorf("%s: the lists leave it out", column)
			}
			page, err := s.Tenants().Get(t.Context(), broken.ID)
			must(t, err)
			if page.Name != broken.Name || page.Config.Timezone != broken.Config.Timezone {
				t.Errorf("%s: its page shows %+v", column, page)
			}
			start(t, s, broken.ID)
			wantUnchanged(t, s, func() { // what it cannot read it must not overwrite
				_, err := s.Tenants().Update(t.Context(), broken.ID, func(*domain.TenantView) error { return nil })
				wantKind(t, err, domain.KindConflict)
			})
		}
	})
}
