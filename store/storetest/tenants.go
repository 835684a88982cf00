package storetest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"flowhq/domain"
	"flowhq/store"
)

var numbers atomic.Int64

// NewTenant stores a tenant with a number of its own that nobody serves.
func NewTenant(t testing.TB, s *store.Store) domain.TenantView {
	t.Helper()
	name, phone := "Duka la Amina", fmt.Sprintf("+255754%06d", numbers.Add(1))
	v, err := domain.NewTenant(domain.TenantInput{Name: &name, Phone: &phone}, domain.Now())
	if err != nil {
		t.Fatalf("make tenant: %v", err)
	}
	if err := s.Tenants().Create(t.Context(), v); err != nil {
		t.Fatalf("create tenant: %v", err)
	}
	return v
}

// Replica registers a replica for s, once for each call.
func Replica(t testing.TB, s *store.Store, name string) domain.Replica {
	t.Helper()
	r := domain.Replica{ID: s.ReplicaID(), Name: name, Version: "test", Capacity: 1000}
	if err := s.Leases().Register(t.Context(), r, time.Minute); err != nil {
		t.Fatalf("register replica: %v", err)
	}
	return r
}

// Serve starts every wanted tenant that is free under the registered replica of
// s, and returns the tenure of the given one.
func Serve(t testing.TB, s *store.Store, tenant domain.TenantView) domain.Tenure {
	t.Helper()
	if _, err := s.Tenants().Steer(t.Context(), tenant.ID, domain.EventStart); err != nil {
		t.Fatalf("start tenant: %v", err)
	}
	taken, err := s.Leases().Acquire(t.Context(), s.ReplicaID(), 1000)
	if err != nil {
		t.Fatalf("acquire leases: %v", err)
	}
	for _, l := range taken {
		if l.TenantID == tenant.ID {
			return l.Tenure
		}
	}
	t.Fatalf("tenant %s was not free", tenant.ID)
	return domain.Tenure{}
}

// Device links a device with the given id to a tenure, with its row in
// whatsmeow's table.
func Device(t testing.TB, s *store.Store, tenure domain.Tenure, jid string) {
	t.Helper()
	if err := s.Ratchet().LinkDevice(t.Context(), tenure, jid); err != nil {
		t.Fatalf("link device: %v", err)
	}
	db, _ := s.DBForWhatsApp()
	key := make([]byte, 32)
	_, err := db.ExecContext(t.Context(), `INSERT INTO whatsmeow_device (jid, registration_id, noise_key, identity_key,
		signed_pre_key, signed_pre_key_id, signed_pre_key_sig, adv_key, adv_details, adv_account_sig, adv_account_sig_key, adv_device_sig)
		VALUES ($1, 1, $2, $2, $2, 1, $3, $2, $2, $3, $2, $3)`, jid, key, make([]byte, 64))
	if err != nil {
		t.Fatalf("store device: %v", err)
	}
}
