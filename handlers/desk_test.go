package handlers

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2/memstore"
	"github.com/google/uuid"

	"flowhq/domain"
)

// desk is a database with what the operator's pages ask for.
type desk struct {
	counted
	Throttles
	Audits
	Bulk
	Keys
	OneTime
	user     domain.User
	tenants  []domain.TenantRow
	broken   error // ends a walk over the tenants
	replicas []domain.Replica
	steered  []uuid.UUID
}

func (d *desk) User(context.Context, domain.Scope, uuid.UUID) (domain.User, error) {
	return d.user, nil
}

func (d *desk) Alerts(context.Context, time.Time, int) ([]domain.Alert, error) { return nil, nil }

func (d *desk) CountTenants(context.Context, domain.TenantFilter) (map[domain.TenantStatus]int, error) {
	return map[domain.TenantStatus]int{domain.TenantNew: len(d.tenants)}, nil
}

func (d *desk) EachTenant(_ context.Context, _ domain.TenantFilter, _ time.Time, fn func(domain.TenantRow) error) error {
	for _, r := range d.tenants {
		if err := fn(r); err != nil {
			return err
		}
	}
	return d.broken
}

func (d *desk) Rows(context.Context, domain.TenantFilter, time.Time, domain.PageQuery) (domain.Page[domain.TenantRow], error) {
	return domain.Page[domain.TenantRow]{Items: d.tenants}, nil
}

func (d *desk) ReplicaNames(context.Context) ([]string, error) { return nil, nil }

func (d *desk) Replicas(context.Context) ([]domain.Replica, error) { return d.replicas, nil }

func (d *desk) Record(context.Context, domain.AuditEntry) error { return nil }

func (d *desk) StartBulk(_ context.Context, job domain.BulkJob, tenants []uuid.UUID) (domain.BulkJob, error) {
	d.steered = tenants
	return job, nil
}

func (d *desk) Attempt(context.Context, []byte, domain.ThrottlePolicy, time.Time) (time.Duration, error) {
	return 0, nil
}

func (d *desk) ClearFailures(context.Context, []byte) error { return nil }

func (d *desk) Forgive(context.Context, []byte) error { return nil }

func (d *desk) Logins(context.Context, uuid.UUID) ([]domain.Login, error) { return nil, nil }

func (d *desk) RecoveryCodesLeft(context.Context, uuid.UUID) (int, error) { return 0, nil }

func (d *desk) PutRecoveryCodes(context.Context, uuid.UUID, [][]byte) error { return nil }

func (d *desk) AddKey(context.Context, domain.APIKey) error { return nil }

func (d *desk) ListKeys(context.Context, domain.Scope, domain.PageQuery) (domain.Page[domain.APIKey], error) {
	return domain.Page[domain.APIKey]{}, nil
}

func (d *desk) AddLink(context.Context, domain.OneTimeLink) error { return nil }

func (d *desk) OpenInvites(context.Context, time.Time) ([]domain.OneTimeLink, error) { return nil, nil }

func (d *desk) UserByEmail(context.Context, string) (domain.User, error) {
	return domain.User{}, domain.NotFound("user")
}

func (d *desk) ListUsers(context.Context, domain.Scope, domain.PageQuery) (domain.Page[domain.User], error) {
	return domain.Page[domain.User]{}, nil
}

func (d *desk) server() *Server {
	d.MemStore = memstore.NewWithCleanupInterval(0)
	d.user.Role = domain.RoleAdmin
	s := bareServer()
	s.Users, s.Logins, s.LoginStore, s.Versions, s.Operations, s.Settings = d, d, d, d, d, d
	s.Throttles, s.Audits, s.Bulk, s.Keys, s.OneTime, s.BulkWaits = d, d, d, d, d, func() {}
	return s
}

// opened is a portal on a desk, and a request of an admin who has just signed in.
func (d *desk) opened(t *testing.T) (portal http.Handler, request func(method, path string, fields ...string) *http.Request) {
	t.Helper()
	s := d.server()
	portal, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	token := loggedIn(t, s)
	return portal, func(method, path string, fields ...string) *http.Request {
		form := url.Values{}
		for pair := range slices.Chunk(fields, 2) {
			form.Add(pair[0], pair[1])
		}
		r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: s.web.logins.Cookie.Name, Value: token})
		return r
	}
}

// asks sends a request of an admin and returns the answer.
func (d *desk) asks(t *testing.T) func(method, path string, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	portal, request := d.opened(t)
	return func(method, path string, fields ...string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		portal.ServeHTTP(w, request(method, path, fields...))
		return w
	}
}

// shops are as many tenants.
func shops(n int) (rows []domain.TenantRow) {
	for range n {
		rows = append(rows, domain.TenantRow{TenantView: domain.TenantView{Tenant: domain.Tenant{ID: domain.NewID(), Name: strings.Repeat("Duka ", 30), Status: domain.TenantNew}}})
	}
	return rows
}

var errDatabaseGone = errors.New("the database is gone")
