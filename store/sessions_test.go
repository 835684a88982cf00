package store_test

import (
	"testing"
	"time"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

func TestWebSessions_AreNotBroughtBackByARequestThatWasUnderWay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		user := newUser(t, s, domain.RoleAdmin, "a@example.com")
		ended, kept := login(t, s, user, "ended"), login(t, s, user, "kept")
		must(t, s.WebSessions().LogOut(t.Context(), user.ID, []byte(ended)))
		later := domain.Now().Add(2 * time.Hour)
		for _, token := range []string{ended, kept, "never there"} {
			must(t, s.WebSessions().CommitCtx(t.Context(), token, []byte("renewed"), later))
			must(t, s.WebSessions().Commit(token, []byte("renewed"), later))
		}
		left, err := s.WebSessions().Logins(t.Context(), user.ID)
		must(t, err)
		if len(left) != 1 || string(left[0].Token) != kept || !left[0].ExpiresAt.Equal(later) || left[0].Agent != "Firefox" {
			t.Errorf("the sessions are %+v, want the one that was not ended, renewed", left)
		}
		if n := count(t, s, "SELECT count(*) FROM sessions"); n != 1 {
			t.Errorf("there are %d rows, want 1", n)
		}
	})
}

func TestWebSessions_AVisitorWhoSignsInAgainTakesTheSessionOver(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		asha, juma := newUser(t, s, domain.RoleAdmin, "a@example.com"), newUser(t, s, domain.RoleAdmin, "j@example.com")
		login(t, s, asha, "one")
		login(t, s, juma, "one")
		for user, want := range map[*domain.User]int{&asha: 0, &juma: 1} {
			if left, err := s.WebSessions().Logins(t.Context(), user.ID); err != nil || len(left) != want {
				t.Errorf("%s has the sessions %+v (%v), want %d", user.Email, left, err, want)
			}
		}
	})
}
