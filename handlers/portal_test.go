package handlers

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2/memstore"
	"github.com/google/uuid"

	"flowhq/domain"
)

// office is the database of a portal in memory, with one admin. What these
// tests do not need is not there: a call of it panics.
type office struct {
	Users
	OneTime
	logins
	Throttles
	Operations
	Bulk
	*memstore.MemStore

	mu       sync.Mutex
	user     domain.User
	others   []domain.User
	links    []domain.OneTimeLink
	throttle map[string]domain.Throttle
	rows     []domain.TenantRow
}

const (
	ashasAddress  = "asha@example.com"
	ashasPassword = "tembo nne baharini"
)

// newOffice opens a portal and returns it with its address.
func newOffice(t *testing.T) (*office, *Server, string) {
	t.Helper()
	hash, err := HashPassword(ashasPassword)
	if err != nil {
		t.Fatal(err)
	}
	db := &office{MemStore: memstore.NewWithCleanupInterval(0), throttle: map[string]domain.Throttle{},
		user: domain.User{ID: domain.NewID(), Name: "Asha", Email: ashasAddress, PasswordHash: hash, Role: domain.RoleAdmin}}
	s := bareServer()
	s.Users, s.OneTime, s.Logins, s.Throttles, s.Operations, s.Bulk, s.LoginStore = db, db, db, db, db, db, db
	s.Audits, s.Settings = unread{}, unread{}
	handler, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return db, s, server.URL
}

// unread keeps no audit log and has no settings.
type unread struct {
	Audits
	Settings
}

func (unread) Record(context.Context, domain.AuditEntry) error          { return nil }
func (unread) Setting(context.Context, string) (string, error)          { return "", nil }
func (o *office) HasAdmin(context.Context) (bool, error)                { return true, nil }
func (o *office) NoteLogin(context.Context, uuid.UUID, time.Time) error { return nil }
func (o *office) LogOut(context.Context, uuid.UUID, []byte) error       { return nil }

func (o *office) PutRecoveryCodes(context.Context, uuid.UUID, [][]byte) error { return nil }

func (o *office) Logins(context.Context, uuid.UUID) ([]domain.Login, error) { return nil, nil }

func (o *office) Alerts(context.Context, time.Time, int) ([]domain.Alert, error) { return nil, nil }

func (o *office) CountTenants(context.Context, domain.TenantFilter) (map[domain.TenantStatus]int, error) {
	return nil, nil
}

func (o *office) ReplicaNames(context.Context) ([]string, error) { return nil, nil }

func (o *office) Rows(context.Context, domain.TenantFilter, time.Time, domain.PageQuery) (domain.Page[domain.TenantRow], error) {
	return domain.Page[domain.TenantRow]{Items: o.rows}, nil
}

func (o *office) User(_ context.Context, _ domain.Scope, id uuid.UUID) (domain.User, error) {
	return o.find(func(u domain.User) bool { return u.ID == id })
}

func (o *office) UserByEmail(_ context.Context, email string) (domain.User, error) {
	return o.find(func(u domain.User) bool { return u.Email == email })
}

func (o *office) find(is func(domain.User) bool) (domain.User, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, u := range append([]domain.User{o.user}, o.others...) {
		if is(u) {
			return u, nil
		}
	}
	return domain.User{}, domain.NotFound("user")
}

func (o *office) ListUsers(context.Context, domain.Scope, domain.PageQuery) (domain.Page[domain.User], error) {
	return domain.Page[domain.User]{}, nil
}

func (o *office) AddLink(_ context.Context, l domain.OneTimeLink) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.links = append(o.links, l)
	return nil
}

func (o *office) OpenInvites(context.Context, time.Time) ([]domain.OneTimeLink, error) {
	return nil, nil
}

// Link takes every token for the last link.
func (o *office) Link(context.Context, []byte, time.Time) (domain.OneTimeLink, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.links[len(o.links)-1], nil
}

// Redeem opens the account of the address again.
func (o *office) Redeem(_ context.Context, _ []byte, user domain.User, _ time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.others {
		if o.others[i].Email == user.Email {
			o.others[i].PasswordHash, o.others[i].Disabled = user.PasswordHash, false
		}
	}
	return nil
}

func (o *office) ChangeSecrets(_ context.Context, u domain.User) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.user = u
	return nil
}

func (o *office) Attempt(_ context.Context, key []byte, p domain.ThrottlePolicy, now time.Time) (time.Duration, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if wait := o.throttle[string(key)].Wait(now); wait > 0 {
		return wait, nil
	}
	o.throttle[string(key)] = o.throttle[string(key)].Fail(p, now)
	return 0, nil
}

func (o *office) Forgive(_ context.Context, key []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.throttle[string(key)] = o.throttle[string(key)].Forgive()
	return nil
}

func (o *office) ClearFailures(_ context.Context, key []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.throttle, string(key))
	return nil
}

func (o *office) StartBulk(_ context.Context, job domain.BulkJob, tenants []uuid.UUID) (domain.BulkJob, error) {
	return job, domain.Invalid{"tenants": "Choose at least one tenant."}.Err()
}

// guessed is an account at which somebody goes on guessing.
func (o *office) guessed(s *Server, email string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.throttle[string(s.throttleKey("account", email))] = domain.Throttle{Failures: 30, Since: domain.Now(), Until: domain.Now().Add(15 * time.Minute)}
}

// FindCtx, CommitCtx and DeleteCtx are what scs asks for beside MemStore.
func (o *office) FindCtx(_ context.Context, token string) ([]byte, bool, error) { return o.Find(token) }

func (o *office) CommitCtx(_ context.Context, token string, data []byte, until time.Time) error {
	return o.Commit(token, data, until)
}

func (o *office) DeleteCtx(_ context.Context, token string) error { return o.Delete(token) }

// guest is a browser.
type guest struct {
	t    *testing.T
	base string
	http http.Client
}

func newGuest(t *testing.T, base string) *guest {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &guest{t, base, http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// reply is what came back, without following.
type reply struct {
	status   int
	location string
	body     string
}

func (g *guest) does(method, path string, fields ...string) reply {
	g.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept-Language", "sw")
	answer, err := g.http.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header.Get("Location"), string(body)}
}

func (g *guest) signsIn(password string) int {
	g.t.Helper()
	return g.does(http.MethodPost, "/login", "email", ashasAddress, "password", password).status
}

func (g *guest) want(what string, got, want int) {
	g.t.Helper()
	if got != want {
		g.t.Errorf("%s is answered by %d, want %d", what, got, want)
	}
}
