package store_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

var everywhere = domain.Scope{Admin: true}

// newUser stores a user without a tenant.
func newUser(t testing.TB, s *store.Store, role domain.Role, email string) domain.User {
	t.Helper()
	u := domain.User{ID: domain.NewID(), Name: email, Email: email, PasswordHash: "$argon2id$", Role: role, CreatedAt: domain.Now(), UpdatedAt: domain.Now()}
	must(t, s.Accounts().AddUser(t.Context(), u))
	return u
}

func userOf(t testing.TB, s *store.Store, u domain.User) domain.User {
	t.Helper()
	got, err := s.Accounts().User(t.Context(), everywhere, u.ID)
	must(t, err)
	return got
}

func revision(t testing.TB, s *store.Store) int64 {
	t.Helper()
	n, err := s.WebSessions().Revision(t.Context())
	must(t, err)
	return n
}

// login stores a session of a user and returns its token.
func login(t testing.TB, s *store.Store, u domain.User, token string) string {
	t.Helper()
	ctx := domain.WithVisitor(t.Context(), domain.Visitor{UserID: u.ID, Address: "192.0.2.1", Agent: "Firefox"})
	must(t, s.WebSessions().CommitCtx(ctx, token, []byte("data"), domain.Now().Add(time.Hour)))
	return token
}

func TestUpdateUser_KeepsTheSecondFactorAndTheLastLogin(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		u := newUser(t, s, domain.RoleAdmin, "a@example.com")
		before := revision(t, s)
		u.TOTPSecret, u.Name = []byte{1, 2, 3}, "Asha"
		must(t, s.Accounts().UpdateUser(t.Context(), everywhere, u))
		at := domain.Now()
		must(t, s.Accounts().NoteLogin(t.Context(), u.ID, at))
		u.LastLoginAt = &at
		if diff := cmp.Diff(u, userOf(t, s, u)); diff != "" {
			t.Errorf("user (-want +got):\n%s", diff)
		}
		if revision(t, s) == before {
			t.Error("the revision did not change")
		}
		u.TOTPSecret, u.LastLoginAt = nil, nil
		must(t, s.Accounts().UpdateUser(t.Context(), everywhere, u))
		if got := userOf(t, s, u); got.TOTPSecret != nil || got.LastLoginAt == nil {
			t.Errorf("user %+v", got)
		}
		wantKind(t, s.Accounts().NoteLogin(t.Context(), domain.NewID(), at), domain.KindNotFound)
	})
}

func TestUsers_ThatAnOlderVersionStoresAreUsable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		u := domain.User{ID: domain.NewID(), Name: "Asha", Email: "a@example.com", PasswordHash: "x", Role: domain.RoleAdmin, CreatedAt: domain.Now(), UpdatedAt: domain.Now()}
		exec(t, s, "INSERT INTO users (id, name, email, password_hash, role, disabled, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, false, $6, $7)",
			u.ID, u.Name, u.Email, u.PasswordHash, string(u.Role), u.CreatedAt, u.UpdatedAt)
		if diff := cmp.Diff(u, userOf(t, s, u)); diff != "" {
			t.Errorf("user (-want +got):\n%s", diff)
		}
		if accepted, err := s.Accounts().UseTOTPStep(t.Context(), u.ID, 1); !accepted || err != nil {
			t.Errorf("accepted %v, error %v", accepted, err)
		}
	})
}

func TestDisableUser_EndsAllSessionsAndLetsThemSignInAgainLater(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		newUser(t, s, domain.RoleAdmin, "other@example.com")
		u := newUser(t, s, domain.RoleAdmin, "a@example.com")
		login(t, s, u, "first")
		login(t, s, u, "second")
		before := revision(t, s)
		at := domain.Now().Add(time.Minute)
		must(t, s.Accounts().DisableUser(t.Context(), everywhere, u.ID, true, at))
		if got := userOf(t, s, u); !got.Disabled || !got.UpdatedAt.Equal(at) {
			t.Errorf("user %+v", got)
		}
		if logins, err := s.WebSessions().Logins(t.Context(), u.ID); err != nil || len(logins) != 0 {
			t.Errorf("logins %v %v", logins, err)
		}
		if after := revision(t, s); after == before {
			t.Errorf("the revision is %d still", after)
		}
		must(t, s.Accounts().DisableUser(t.Context(), everywhere, u.ID, false, at))
		if userOf(t, s, u).Disabled {
			t.Error("the user is still disabled")
		}
		wantKind(t, s.Accounts().DisableUser(t.Context(), everywhere, domain.NewID(), true, at), domain.KindNotFound)
	})
}

func TestDisableUser_SparesTheLastAdmin(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		gone := newUser(t, s, domain.RoleAdmin, "gone@example.com")
		last := newUser(t, s, domain.RoleAdmin, "last@example.com")
		staff := newUser(t, s, domain.RoleStaff, "staff@example.com")
		must(t, s.Accounts().DisableUser(t.Context(), everywhere, gone.ID, true, domain.Now()))
		login(t, s, last, "token")
		demoted, disabled := last, last
		demoted.Role, disabled.Disabled = domain.RoleStaff, true
		wantUnchanged(t, s, func() {
			wantKind(t, s.Accounts().DisableUser(t.Context(), everywhere, last.ID, true, domain.Now()), domain.KindConflict)
			wantKind(t, s.Accounts().UpdateUser(t.Context(), everywhere, demoted), domain.KindConflict)
			wantKind(t, s.Accounts().UpdateUser(t.Context(), everywhere, disabled), domain.KindConflict)
		})
		must(t, s.Accounts().DisableUser(t.Context(), everywhere, staff.ID, true, domain.Now()))
	})
}

func TestDisableUser_OfTwoAdminsByEachOtherAtOnceLeavesOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, email := range []string{"a@example.com", "b@example.com", "c@example.com"} {
			newUser(t, s, domain.RoleAdmin, email)
		}
		page, err := s.Accounts().ListUsers(t.Context(), everywhere, domain.PageQuery{})
		must(t, err)
		var all sync.WaitGroup
		for _, u := range page.Items {
			all.Go(func() {
				if err := s.Accounts().DisableUser(t.Context(), everywhere, u.ID, true, domain.Now()); err != nil && domain.KindOf(err) != domain.KindConflict {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := count(t, s, "SELECT count(*) FROM users WHERE NOT disabled"); n != 1 {
			t.Errorf("%d admins are left, want 1", n)
		}
	})
}

func TestHasAdmin_SaysWhetherThereIsOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		newUser(t, s, domain.RoleOwner, "owner@example.com")
		if found, err := s.Accounts().HasAdmin(t.Context()); found || err != nil {
			t.Errorf("found %v, error %v", found, err)
		}
		newUser(t, s, domain.RoleAdmin, "admin@example.com")
		if found, err := s.Accounts().HasAdmin(t.Context()); !found || err != nil {
			t.Errorf("found %v, error %v", found, err)
		}
	})
}

func TestUseTOTPStep_AcceptsEachStepOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		u := newUser(t, s, domain.RoleAdmin, "a@example.com")
		for _, c := range []struct {
			step int64
			want bool
		}{{57_000_000, true}, {57_000_000, false}, {56_999_999, false}, {57_000_001, true}} {
			if got, err := s.Accounts().UseTOTPStep(t.Context(), u.ID, c.step); got != c.want || err != nil {
				t.Errorf("step %d: %v %v, want %v", c.step, got, err, c.want)
			}
		}
		var mu sync.Mutex
		var accepted int
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				ok, err := s.Accounts().UseTOTPStep(t.Context(), u.ID, 57_000_002)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				if ok {
					accepted++
				}
			})
		}
		all.Wait()
		if accepted != 1 {
			t.Errorf("%d of 8 callers at once were accepted", accepted)
		}
		if userOf(t, s, u).TOTPStep != 57_000_002 {
			t.Error("the step is not stored")
		}
	})
}

func TestRecoveryCodes_WorkOnceUntilTheyAreReplaced(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		u, other := newUser(t, s, domain.RoleAdmin, "a@example.com"), newUser(t, s, domain.RoleAdmin, "b@example.com")
		left := func(want int) {
			t.Helper()
			if n, err := s.Accounts().RecoveryCodesLeft(t.Context(), u.ID); n != want || err != nil {
				t.Errorf("%d codes are left, error %v, want %d", n, err, want)
			}
		}
		use := func(u domain.User, code string, want bool) {
			t.Helper()
			if used, err := s.Accounts().UseRecoveryCode(t.Context(), u.ID, []byte(code)); used != want || err != nil {
				t.Errorf("code %s: %v %v, want %v", code, used, err, want)
			}
		}
		must(t, s.Accounts().PutRecoveryCodes(t.Context(), u.ID, [][]byte{[]byte("1"), []byte("2"), []byte("3")}))
		left(3)
		use(other, "1", false)
		use(u, "1", true)
		use(u, "1", false)
		left(2)
		must(t, s.Accounts().PutRecoveryCodes(t.Context(), u.ID, [][]byte{[]byte("4")}))
		use(u, "2", false)
		left(1)
		must(t, s.Accounts().PutRecoveryCodes(t.Context(), u.ID, nil))
		left(0)
		wantKind(t, s.Accounts().PutRecoveryCodes(t.Context(), domain.NewID(), [][]byte{[]byte("1")}), domain.KindNotFound)
	})
}

func TestRevision_ChangesWithEachEarlyEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		u := newUser(t, s, domain.RoleStaff, "a@example.com")
		w := s.WebSessions()
		seen := []int64{revision(t, s)}
		changes := func(what string, want bool, fn func() error) {
			t.Helper()
			must(t, fn())
			now := revision(t, s)
			if slices.Contains(seen, now) == want {
				t.Errorf("%s: revisions %v, then %d", what, seen, now)
			}
			seen = append(seen, now)
		}
		login(t, s, u, "1")
		login(t, s, u, "2")
		login(t, s, u, "3")
		changes("sign-in", false, func() error { login(t, s, u, "4"); return nil })
		changes("sign-out", true, func() error { return w.Delete("1") })
		changes("sign-out of nothing", false, func() error { return w.Delete("1") })
		changes("one session", true, func() error { return w.LogOut(t.Context(), u.ID, []byte("2")) })
		changes("all sessions", true, func() error { return w.LogOut(t.Context(), u.ID, nil) })
		login(t, s, u, "5")
		changes("disabling", true, func() error { return s.Accounts().DisableUser(t.Context(), everywhere, u.ID, true, domain.Now()) })
		must(t, w.Commit("old", []byte("x"), domain.Now().Add(-time.Second)))
		changes("expiry", false, func() error { return s.Upkeep().Housekeep(t.Context()) })
	})
}

func TestRevision_ChangesWhenATenantIsRemovedWithItsUsers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, signedIn := range []bool{true, false} {
			tenant := storetest.NewTenant(t, s).ID
			u := domain.User{ID: domain.NewID(), TenantID: &tenant, Email: tenant.String(), Role: domain.RoleOwner, CreatedAt: domain.Now(), UpdatedAt: domain.Now()}
			must(t, s.Accounts().AddUser(t.Context(), u))
			if signedIn {
				login(t, s, u, "token")
			}
			before := revision(t, s)
			if done, err := s.Tenants().Delete(t.Context(), tenant); !done || err != nil {
				t.Fatalf("done %v, error %v", done, err)
			}
			if changed := revision(t, s) != before; changed != signedIn {
				t.Errorf("signed in %v, revision changed %v", signedIn, changed)
			}
		}
	})
}

func TestChangeSecrets_EndsAllSessionsAndLeavesTheRestOfTheUserAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		newUser(t, s, domain.RoleAdmin, "other@example.com")
		u := newUser(t, s, domain.RoleAdmin, "a@example.com")
		login(t, s, u, "first")
		before := revision(t, s)
		stale := u
		stale.Name, stale.Role, stale.PasswordHash, stale.TOTPSecret, stale.TOTPStep = "an old name", domain.RoleOwner, "$new$", []byte{1}, 7
		must(t, s.Accounts().ChangeSecrets(t.Context(), stale))
		want := u
		want.PasswordHash, want.TOTPSecret, want.TOTPStep = "$new$", []byte{1}, 7
		if diff := cmp.Diff(want, userOf(t, s, u)); diff != "" {
			t.Errorf("user (-want +got):\n%s", diff)
		}
		if left, err := s.WebSessions().Logins(t.Context(), u.ID); err != nil || len(left) != 0 || revision(t, s) == before {
			t.Errorf("sessions %+v (%v), want none and a new revision", left, err)
		}
		if used, err := s.Accounts().UseTOTPStep(t.Context(), u.ID, 7); err != nil || used {
			t.Errorf("the code that proved the second factor is taken again: %v %v", used, err)
		}
	})
}

func TestChangeSecrets_OfAUserWhoWasDisabledMeanwhileDoesNotLetThemIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		newUser(t, s, domain.RoleAdmin, "other@example.com")
		u := newUser(t, s, domain.RoleAdmin, "a@example.com")
		must(t, s.Accounts().DisableUser(t.Context(), everywhere, u.ID, true, domain.Now()))
		wantUnchanged(t, s, func() { wantKind(t, s.Accounts().ChangeSecrets(t.Context(), u), domain.KindNotFound) })
	})
}
