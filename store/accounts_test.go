package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

func TestKeys_AreFoundByTheirHashUntilRevoked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		a, tenant := s.Accounts(), storetest.NewTenant(t, s).ID
		own := domain.APIKey{ID: domain.NewID(), Label: "duka", TenantID: &tenant, Hash: []byte("hash of own"), CreatedAt: domain.Now()}
		admin := domain.APIKey{ID: domain.NewID(), Label: "admin", Hash: []byte("hash of admin"), CreatedAt: domain.Now()}
		for _, k := range []domain.APIKey{own, admin} {
			must(t, a.AddKey(t.Context(), k))
			got, err := a.KeyByHash(t.Context(), k.Hash)
			must(t, err)
			if diff := cmp.Diff(k, got); diff != "" {
				t.Errorf("key (-stored +read):\n%s", diff)
			}
		}
		_, err := a.KeyByHash(t.Context(), []byte("unknown"))
		wantKind(t, err, domain.KindUnauthorized)
		unknown := domain.NewID()
		wantKind(t, a.AddKey(t.Context(), domain.APIKey{ID: domain.NewID(), TenantID: &unknown, Hash: []byte("x"), CreatedAt: domain.Now()}), domain.KindNotFound)

		page, err := a.ListKeys(t.Context(), domain.Scope{TenantID: tenant}, domain.PageQuery{})
		must(t, err)
		if len(page.Items) != 1 || page.Items[0].ID != own.ID {
			t.Errorf("keys of the tenant: %+v", page.Items)
		}
		page, err = a.ListKeys(t.Context(), domain.Scope{Admin: true}, domain.PageQuery{Limit: 1})
		must(t, err)
		if len(page.Items) != 1 || page.Items[0].ID != admin.ID || page.NextCursor == "" {
			t.Errorf("keys of all: %+v", page)
		}
		wantKind(t, a.RevokeKey(t.Context(), domain.Scope{TenantID: tenant}, admin.ID, domain.Now()), domain.KindNotFound)
		must(t, a.RevokeKey(t.Context(), domain.Scope{TenantID: tenant}, own.ID, domain.Now()))
		_, err = a.KeyByHash(t.Context(), own.Hash)
		wantKind(t, err, domain.KindUnauthorized)
	})
}

func TestTouchKey_NotesAUseAtMostOnceAMinute(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := domain.APIKey{ID: domain.NewID(), Hash: []byte("h"), CreatedAt: domain.Now()}
		must(t, s.Accounts().AddKey(t.Context(), k))
		first := domain.Now()
		for _, c := range []struct{ at, want time.Time }{
			{first, first}, {first.Add(59 * time.Second), first}, {first.Add(time.Minute), first.Add(time.Minute)},
		} {
			must(t, s.Accounts().TouchKey(t.Context(), k.ID, c.at))
			got, err := s.Accounts().KeyByHash(t.Context(), k.Hash)
			must(t, err)
			if got.LastUsedAt == nil || !got.LastUsedAt.Equal(c.want) {
				t.Errorf("used at %v: noted %v, want %v", c.at, got.LastUsedAt, c.want)
			}
		}
	})
}

func TestUsers_HaveAnAddressOfTheirOwn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		a, tenant := s.Accounts(), storetest.NewTenant(t, s).ID
		u := domain.User{ID: domain.NewID(), TenantID: &tenant, Name: "Zuhura", Email: "Zuhura@Example.com", PasswordHash: "$argon2id$", Role: domain.RoleOwner,
			CreatedAt: domain.Now(), UpdatedAt: domain.Now()}
		must(t, a.AddUser(t.Context(), u))
		got, err := a.UserByEmail(t.Context(), "zuhura@EXAMPLE.com")
		must(t, err)
		u.Email = "zuhura@example.com"
		if diff := cmp.Diff(u, got); diff != "" {
			t.Errorf("user (-stored +read):\n%s", diff)
		}
		again := u
		again.ID = domain.NewID()
		var e *domain.Error
		if err := a.AddUser(t.Context(), again); !errors.As(err, &e) || e.Kind != domain.KindConflict || e.Fields["email"] == "" {
			t.Errorf("error is %v, want a conflict that names email", err)
		}
		_, err = a.UserByEmail(t.Context(), "nobody@example.com")
		wantKind(t, err, domain.KindNotFound)

		scope, foreign := domain.Scope{TenantID: tenant}, domain.Scope{TenantID: domain.NewID()}
		u.Name, u.Disabled = "Zuhura M.", true
		must(t, a.UpdateUser(t.Context(), scope, u))
		wantKind(t, a.UpdateUser(t.Context(), foreign, u), domain.KindNotFound)
		got, err = a.User(t.Context(), scope, u.ID)
		must(t, err)
		if got.Name != "Zuhura M." || !got.Disabled {
			t.Errorf("updated %+v", got)
		}
		_, err = a.User(t.Context(), foreign, u.ID)
		wantKind(t, err, domain.KindNotFound)
		page, err := a.ListUsers(t.Context(), foreign, domain.PageQuery{})
		if err != nil || len(page.Items) != 0 {
			t.Errorf("users of another tenant: %+v %v", page, err)
		}
		page, err = a.ListUsers(t.Context(), scope, domain.PageQuery{})
		if err != nil || len(page.Items) != 1 {
			t.Errorf("users: %+v %v", page, err)
		}
	})
}

func TestWebSessions_LiveUntilTheyExpireOrAreEnded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := s.WebSessions()
		user := domain.User{ID: domain.NewID(), Email: "a@example.com", Role: domain.RoleAdmin, CreatedAt: domain.Now(), UpdatedAt: domain.Now()}
		must(t, s.Accounts().AddUser(t.Context(), user))
		later := domain.Now().Add(time.Hour)

		stranger := domain.WithVisitor(t.Context(), domain.Visitor{Address: "192.0.2.2"})
		must(t, w.CommitCtx(stranger, "anonymous", []byte("1"), later))
		must(t, w.CommitCtx(stranger, "old", []byte("2"), domain.Now().Add(-time.Second)))
		known := domain.WithVisitor(t.Context(), domain.Visitor{UserID: user.ID, Address: "192.0.2.1", Agent: "Firefox"})
		must(t, w.CommitCtx(known, "known", []byte("3"), domain.Now()))
		must(t, w.CommitCtx(t.Context(), "known", []byte("4"), later)) // renewed without a visitor

		find := func(token, want string) {
			t.Helper()
			data, found, err := w.Find(token)
			if err != nil || found != (want != "") || string(data) != want {
				t.Errorf("%s: %q %v %v, want %q", token, data, found, err, want)
			}
		}
		find("anonymous", "1")
		find("old", "")
		find("known", "4")
		all, err := w.AllCtx(t.Context())
		must(t, err)
		if diff := cmp.Diff(map[string][]byte{"anonymous": []byte("1"), "known": []byte("4")}, all); diff != "" {
			t.Errorf("all (-want +got):\n%s", diff)
		}
		logins, err := w.Logins(t.Context(), user.ID)
		must(t, err)
		if len(logins) != 1 || logins[0].Agent != "Firefox" || logins[0].Address != "192.0.2.1" || !logins[0].ExpiresAt.Equal(later) {
			t.Errorf("logins %+v", logins)
		}
		must(t, w.LogOut(t.Context(), domain.NewID(), logins[0].Token)) // somebody else's
		find("known", "4")
		must(t, w.LogOut(t.Context(), user.ID, nil))
		find("known", "")
		must(t, w.Delete("anonymous"))
		find("anonymous", "")
		must(t, s.Upkeep().Housekeep(t.Context()))
		if n := count(t, s, "SELECT count(*) FROM sessions"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

func TestSettings_AreKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v := s.Settings()
		want := func(key, value string) {
			t.Helper()
			if got, err := v.Setting(t.Context(), key); err != nil || got != value {
				t.Errorf("%s is %q %v, want %q", key, got, err, value)
			}
		}
		want("version", "")
		must(t, v.PutSetting(t.Context(), "version", "1"))
		must(t, v.PutSetting(t.Context(), "version", "2"))
		want("version", "2")
		for _, offered := range []string{"first", "second"} {
			if got, err := v.SettingOr(t.Context(), "secret", offered); err != nil || got != "first" {
				t.Errorf("the secret is %q %v", got, err)
			}
		}
	})
}

func TestCalendarAndChats_ShowWhatTheInboxStored(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		at := domain.Now().Add(time.Hour)
		w.mustReceive(incoming("A", "habari"), func(v domain.InboxView) (domain.Decision, error) {
			d, err := answer("karibu")(v)
			d.Appointments = []domain.Appointment{{ID: domain.NewID(), Name: "Neema", Service: "Kusuka", At: at, Status: domain.AppointmentPending}}
			return d, err
		})
		booked, err := w.Calendar().Appointments(t.Context(), w.tenant.ID, at, at.Add(time.Second))
		must(t, err)
		if len(booked) != 1 || booked[0].Service != "Kusuka" || booked[0].Contact != neema || !booked[0].At.Equal(at) {
			t.Errorf("appointments %+v", booked)
		}
		none, err := w.Calendar().Appointments(t.Context(), w.tenant.ID, at.Add(time.Second), at.Add(time.Hour))
		if err != nil || len(none) != 0 {
			t.Errorf("appointments later: %+v %v", none, err)
		}
		conv, err := w.Chats().Conversation(t.Context(), w.tenant.ID, neema)
		must(t, err)
		if string(conv.State) != `{"step":"asked"}` || conv.Version != 1 {
			t.Errorf("conversation %+v", conv)
		}
		customer, err := w.Chats().Customer(t.Context(), w.tenant.ID, neema)
		must(t, err)
		if customer.Name != "Neema" || customer.LID != "111" {
			t.Errorf("customer %+v", customer)
		}
		page, err := w.Chats().Customers(t.Context(), w.tenant.ID, domain.PageQuery{})
		if err != nil || len(page.Items) != 1 || page.Items[0] != customer {
			t.Errorf("customers %+v %v", page, err)
		}
		_, err = w.Chats().Conversation(t.Context(), w.tenant.ID, "nobody")
		wantKind(t, err, domain.KindNotFound)
		_, err = w.Chats().Customer(t.Context(), w.tenant.ID, "nobody")
		wantKind(t, err, domain.KindNotFound)
	})
}
