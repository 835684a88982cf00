package handlers

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2/memstore"
	"github.com/google/uuid"

	"flowhq/domain"
)

// logins has another name than its method.
type logins interface{ Logins }

// counted is a database that counts what it is asked.
type counted struct {
	Users
	logins
	Versions
	Operations
	Settings
	*memstore.MemStore
	versions, revisions, settings, draws, sessions atomic.Int64
}

func (c *counted) User(context.Context, domain.Scope, uuid.UUID) (domain.User, error) {
	return domain.User{ID: domain.NewID(), Role: domain.RoleAdmin}, nil
}

func (c *counted) Revision(context.Context) (int64, error) {
	c.revisions.Add(1)
	return 1, nil
}

func (c *counted) ReplicasVersion(context.Context) (string, error) {
	c.versions.Add(1)
	return "1|unchanged", nil // the revision of the sessions comes along
}

func (c *counted) Replicas(context.Context) ([]domain.Replica, error) {
	c.draws.Add(1)
	return nil, nil
}

func (c *counted) Setting(context.Context, string) (string, error) {
	c.settings.Add(1)
	return "", nil
}

func (c *counted) FindCtx(_ context.Context, token string) ([]byte, bool, error) {
	c.sessions.Add(1)
	return c.Find(token)
}

func (c *counted) CommitCtx(_ context.Context, token string, data []byte, until time.Time) error {
	return c.Commit(token, data, until)
}

func (c *counted) DeleteCtx(_ context.Context, token string) error { return c.Delete(token) }

// watched is a portal on such a database, with as many signed-in viewers, and a clock.
func watched(t *testing.T, viewers int) (db *counted, poll func(viewer int, tag string) *httptest.ResponseRecorder, pass func(time.Duration)) {
	t.Helper()
	db = &counted{MemStore: memstore.NewWithCleanupInterval(0)}
	s := bareServer()
	s.Users, s.Logins, s.Versions, s.Operations, s.Settings, s.LoginStore = db, db, db, db, db, db
	handler, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s.web.pulse.now = func() time.Time { return now }
	tokens := make([]string, viewers)
	for i := range tokens {
		tokens[i] = loggedIn(t, s)
	}
	poll = func(viewer int, tag string) *httptest.ResponseRecorder {
		r, w := httptest.NewRequest(http.MethodGet, "/admin/live/replicas", nil), httptest.NewRecorder()
		r.Header.Set("HX-Request", "true")
		r.Header.Set("HX-PTag", tag)
		r.AddCookie(&http.Cookie{Name: s.web.logins.Cookie.Name, Value: tokens[viewer]})
		handler.ServeHTTP(w, r)
		return w
	}
	return db, poll, func(d time.Duration) { now = now.Add(d) }
}

// loggedIn is the token of somebody who has just signed in.
func loggedIn(t *testing.T, s *Server) string {
	t.Helper()
	ctx, err := s.web.logins.Load(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	s.web.logins.Put(ctx, keyUser, domain.NewID().String())
	s.web.logins.Put(ctx, keyStepUp, time.Now().Unix())
	token, _, err := s.web.logins.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestHeaders_ManyViewersCostOneQueryASecond(t *testing.T) {
	const viewers, seconds = 50, 10
	db, poll, pass := watched(t, viewers)
	tags := make([]string, viewers)
	unchanged := 0
	for range seconds * 2 {
		for viewer := range viewers {
			a := poll(viewer, tags[viewer])
			if tags[viewer] = a.Header().Get("HX-PTag"); a.Code == http.StatusNotModified {
				unchanged++
			} else if a.Code != http.StatusOK {
				t.Fatalf("a poll is answered by %d %s", a.Code, a.Body)
			}
		}
		pass(500 * time.Millisecond)
	}
	// A fragment is drawn anew each minute; the test may meet one.
	if want := viewers * (seconds*2 - 2); unchanged < want {
		t.Errorf("%d polls were unchanged, want %d", unchanged, want)
	}
	for what, n := range map[string]struct{ got, most int64 }{
		"the version of the fragment":            {db.versions.Load(), seconds},
		"the sessions that ended":                {db.revisions.Load(), 1},
		"whether a second factor is required":    {db.settings.Load(), 1},
		"the fragment itself":                    {db.draws.Load(), 2},
		"who is behind a token, once per viewer": {db.sessions.Load(), viewers},
	} {
		t.Logf("%d viewers asked %d times for %s in %d seconds", viewers, n.got, what, seconds)
		if n.got > n.most {
			t.Errorf("%d viewers asked %d times for %s in %d seconds, want at most %d", viewers, n.got, what, seconds, n.most)
		}
	}
}

func TestHeaders_OfAFragmentThatIsDrawnAreThoseOfAPage(t *testing.T) {
	_, poll, _ := watched(t, 1)
	a := poll(0, "another state")
	if a.Code != http.StatusOK || a.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("a drawn fragment is answered by %d with the policy %q: opened by itself it is a page", a.Code, a.Header().Get("Content-Security-Policy"))
	}
}
