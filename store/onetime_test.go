package store_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

// newLink stores a one-time link with its name as the hash.
func newLink(t testing.TB, s *store.Store, kind domain.LinkKind, name string) domain.OneTimeLink {
	t.Helper()
	creator := domain.NewID()
	l := domain.OneTimeLink{ID: domain.NewID(), Hash: []byte(name), Kind: kind, Email: name + "@example.com", Name: name, Role: domain.RoleAdmin,
		CreatedBy: &creator, CreatedAt: domain.Now(), ExpiresAt: domain.Now().Add(time.Hour)}
	must(t, s.OneTime().AddLink(t.Context(), l))
	return l
}

func invited(l domain.OneTimeLink) domain.User {
	return domain.User{ID: domain.NewID(), TenantID: l.TenantID, Name: l.Name, Email: l.Email, PasswordHash: "x", Role: l.Role,
		CreatedAt: domain.Now(), UpdatedAt: domain.Now()}
}

func TestLink_IsFoundUntilItExpiresOrIsUsed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		l := newLink(t, s, domain.LinkInvite, "asha")
		got, err := s.OneTime().Link(t.Context(), l.Hash, domain.Now())
		must(t, err)
		if diff := cmp.Diff(l, got); diff != "" {
			t.Errorf("link (-stored +read):\n%s", diff)
		}
		_, err = s.OneTime().Link(t.Context(), []byte("unknown"), domain.Now())
		wantKind(t, err, domain.KindNotFound)
		_, err = s.OneTime().Link(t.Context(), l.Hash, l.ExpiresAt)
		wantKind(t, err, domain.KindNotFound)
		wantUnchanged(t, s, func() {
			wantKind(t, s.OneTime().Redeem(t.Context(), l.Hash, invited(l), l.ExpiresAt), domain.KindNotFound)
		})
		must(t, s.OneTime().Redeem(t.Context(), l.Hash, invited(l), domain.Now()))
		_, err = s.OneTime().Link(t.Context(), l.Hash, domain.Now())
		wantKind(t, err, domain.KindNotFound)
		unknown := domain.NewID()
		l.ID, l.Hash, l.TenantID = domain.NewID(), []byte("x"), &unknown
		wantKind(t, s.OneTime().AddLink(t.Context(), l), domain.KindNotFound)
	})
}

func TestRedeem_TwoCallersMakeOneUser(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		l := newLink(t, s, domain.LinkInvite, "asha")
		const callers = 6
		results := make(chan error, callers)
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				u := invited(l)
				u.Email = fmt.Sprintf("asha%d@example.com", i)
				results <- s.OneTime().Redeem(t.Context(), l.Hash, u, domain.Now())
			})
		}
		all.Wait()
		close(results)
		made := 0
		for err := range results {
			if err == nil {
				made++
				continue
			}
			wantKind(t, err, domain.KindNotFound)
		}
		if n := count(t, s, "SELECT count(*) FROM users"); made != 1 || n != 1 {
			t.Errorf("%d callers succeeded, %d users", made, n)
		}
	})
}

func TestRedeem_OfTwoSetupLinksAtOnceMakesOneAdmin(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var all sync.WaitGroup
		for i := range 4 {
			l := newLink(t, s, domain.LinkSetup, fmt.Sprint("setup", i))
			all.Go(func() {
				if err := s.OneTime().Redeem(t.Context(), l.Hash, invited(l), domain.Now()); err != nil && domain.KindOf(err) != domain.KindConflict {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := count(t, s, "SELECT count(*) FROM users"); n != 1 {
			t.Errorf("%d first admins", n)
		}
	})
}

func TestRedeem_ThatFailsLeavesTheLinkUsable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		admin := newUser(t, s, domain.RoleAdmin, "taken@example.com")
		l, setup := newLink(t, s, domain.LinkInvite, "asha"), newLink(t, s, domain.LinkSetup, "setup")
		taken := invited(l)
		taken.Email = admin.Email
		wantUnchanged(t, s, func() {
			var e *domain.Error
			if err := s.OneTime().Redeem(t.Context(), l.Hash, taken, domain.Now()); !errors.As(err, &e) || e.Kind != domain.KindConflict || e.Fields["email"] == "" {
				t.Errorf("error is %v, want a conflict that names email", err)
			}
			wantKind(t, s.OneTime().Redeem(t.Context(), setup.Hash, invited(setup), domain.Now()), domain.KindConflict)
		})
		must(t, s.OneTime().Redeem(t.Context(), l.Hash, invited(l), domain.Now()))
	})
}

func TestOpenInvites_ListsWhatMayStillBeUsed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		newLink(t, s, domain.LinkSetup, "setup")
		used, revoked := newLink(t, s, domain.LinkInvite, "used"), newLink(t, s, domain.LinkInvite, "revoked")
		first, second := newLink(t, s, domain.LinkInvite, "first"), newLink(t, s, domain.LinkInvite, "second")
		must(t, s.OneTime().Redeem(t.Context(), used.Hash, invited(used), domain.Now()))
		must(t, s.OneTime().RevokeInvite(t.Context(), revoked.ID))
		wantKind(t, s.OneTime().RevokeInvite(t.Context(), revoked.ID), domain.KindNotFound)
		open, err := s.OneTime().OpenInvites(t.Context(), domain.Now())
		must(t, err)
		if diff := cmp.Diff([]domain.OneTimeLink{second, first}, open); diff != "" {
			t.Errorf("open (-want +got):\n%s", diff)
		}
		if open, err = s.OneTime().OpenInvites(t.Context(), domain.Now().Add(2*time.Hour)); err != nil || len(open) != 0 {
			t.Errorf("expired ones: %v %v", open, err)
		}
	})
}

func TestThrottles_DelayAlikeOnEveryReplica(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		a, b := s.Throttles(), storetest.Another(t, s).Throttles()
		p := domain.ThrottlePolicy{Free: 2, Base: time.Second, Max: time.Minute, Window: time.Hour}
		now, want := domain.Now(), domain.Throttle{}
		key := []byte("account")
		for i := range 6 {
			now = now.Add(want.Wait(now))
			if wait, err := []store.Throttles{a, b}[i%2].Attempt(t.Context(), key, p, now); err != nil || wait != 0 {
				t.Errorf("attempt %d has to wait %v (%v), want it to be counted", i+1, wait, err)
			}
			want = want.Fail(p, now)
			if want.Wait(now) == 0 {
				continue
			}
			for range 2 { // asking does not make it longer
				if wait, err := b.Attempt(t.Context(), key, p, now); err != nil || wait != want.Wait(now) {
					t.Errorf("after %d failures: wait %v, error %v, want %v", i+1, wait, err, want.Wait(now))
				}
			}
		}
		must(t, a.ClearFailures(t.Context(), key))
		if wait, err := b.Attempt(t.Context(), key, p, now); err != nil || wait != 0 {
			t.Errorf("after success: wait %v, error %v", wait, err)
		}
	})
}

func TestForgive_TakesOneFailureBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p, now := domain.ThrottlePolicy{Free: 1, Base: time.Minute, Max: time.Hour, Window: time.Hour}, domain.Now()
		for range 5 {
			if wait, err := s.Throttles().Attempt(t.Context(), []byte("k"), p, now); err != nil || wait != 0 {
				t.Errorf("an attempt after ones that went well has to wait %v (%v)", wait, err)
			}
			must(t, s.Throttles().Forgive(t.Context(), []byte("k")))
		}
		must(t, s.Throttles().Forgive(t.Context(), []byte("k")))
		must(t, s.Throttles().Forgive(t.Context(), []byte("never seen")))
		if n := count(t, s, "SELECT sum(failures) FROM auth_throttle"); n != 0 {
			t.Errorf("%d failures are left", n)
		}
	})
}

func TestAttempts_ByManyAtOnceAreNoMoreThanOneByOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var all sync.WaitGroup
		var let atomic.Int64
		now := domain.Now()
		for range 24 {
			all.Go(func() {
				wait, err := s.Throttles().Attempt(t.Context(), []byte("k"), domain.ThrottleAccount, now)
				if err != nil {
					t.Error(err)
				}
				if wait == 0 {
					let.Add(1)
				}
			})
		}
		all.Wait()
		if want := int64(domain.ThrottleAccount.Free + 1); let.Load() != want {
			t.Errorf("%d of 24 attempts at once were let through, want %d", let.Load(), want)
		}
	})
}

func TestRedeem_OpensADisabledAccountAgainWithNothingOfWhatItWasSignedInWith(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		newUser(t, s, domain.RoleAdmin, "other@example.com")
		old := newUser(t, s, domain.RoleAdmin, "asha@example.com")
		old.TOTPSecret, old.TOTPStep = []byte{1}, 7
		must(t, s.Accounts().ChangeSecrets(t.Context(), old))
		must(t, s.Accounts().PutRecoveryCodes(t.Context(), old.ID, [][]byte{[]byte("1")}))
		must(t, s.Accounts().DisableUser(t.Context(), everywhere, old.ID, true, domain.Now()))
		login(t, s, old, "of an older version, which did not end it")
		before := revision(t, s)
		l := newLink(t, s, domain.LinkInvite, "asha")
		u := invited(l)
		u.PasswordHash, u.Name = "$new$", "Asha Juma"
		must(t, s.OneTime().Redeem(t.Context(), l.Hash, u, domain.Now()))
		want := u
		want.ID, want.CreatedAt = old.ID, old.CreatedAt
		if diff := cmp.Diff(want, userOf(t, s, old)); diff != "" {
			t.Errorf("user (-want +got):\n%s", diff)
		}
		if n, err := s.Accounts().RecoveryCodesLeft(t.Context(), old.ID); n != 0 || err != nil {
			t.Errorf("%d recovery codes still work, error %v", n, err)
		}
		if left, err := s.WebSessions().Logins(t.Context(), old.ID); len(left) != 0 || err != nil || revision(t, s) == before {
			t.Errorf("sessions %+v (%v), want none and a new revision", left, err)
		}
		wantKind(t, s.OneTime().Redeem(t.Context(), l.Hash, u, domain.Now()), domain.KindNotFound)
	})
}

func TestRedeem_DoesNotMakeAnAdminOfADisabledOwner(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		newUser(t, s, domain.RoleAdmin, "other@example.com")
		owner := newUser(t, s, domain.RoleOwner, "asha@example.com")
		must(t, s.Accounts().DisableUser(t.Context(), everywhere, owner.ID, true, domain.Now()))
		l := newLink(t, s, domain.LinkInvite, "asha")
		wantUnchanged(t, s, func() {
			wantKind(t, s.OneTime().Redeem(t.Context(), l.Hash, invited(l), domain.Now()), domain.KindConflict)
		})
	})
}

func TestDisableUser_TakesBackTheInvitationsThatTheyMade(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		newUser(t, s, domain.RoleAdmin, "other@example.com")
		u := newUser(t, s, domain.RoleAdmin, "a@example.com")
		kept, taken := newLink(t, s, domain.LinkInvite, "kept"), domain.OneTimeLink{ID: domain.NewID(), Hash: []byte("taken"), Kind: domain.LinkInvite,
			Email: "taken@example.com", Role: domain.RoleAdmin, CreatedBy: &u.ID, CreatedAt: domain.Now(), ExpiresAt: domain.Now().Add(time.Hour)}
		must(t, s.OneTime().AddLink(t.Context(), taken))
		must(t, s.Accounts().DisableUser(t.Context(), everywhere, u.ID, false, domain.Now()))
		if open, err := s.OneTime().OpenInvites(t.Context(), domain.Now()); err != nil || len(open) != 2 {
			t.Errorf("open invitations before: %+v (%v)", open, err)
		}
		must(t, s.Accounts().DisableUser(t.Context(), everywhere, u.ID, true, domain.Now()))
		wantKind(t, s.OneTime().Redeem(t.Context(), taken.Hash, invited(taken), domain.Now()), domain.KindNotFound)
		must(t, s.OneTime().Redeem(t.Context(), kept.Hash, invited(kept), domain.Now()))
	})
}
