package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

// foreign registers a replica without a process behind it that serves a tenant.
func foreign(t testing.TB, s *store.Store, name string, life time.Duration) (domain.Replica, domain.Lease) {
	t.Helper()
	r := domain.Replica{ID: domain.NewID(), Name: name}
	must(t, s.Leases().Register(t.Context(), r, life))
	start(t, s, storetest.NewTenant(t, s).ID)
	taken, err := s.Leases().Acquire(t.Context(), r.ID, 1)
	must(t, err)
	return r, taken[0]
}

func TestBury_FreesTheLeasesOfTheExpired(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		self := storetest.Replica(t, s, "a")
		expired, lease := foreign(t, s, "b", -time.Second)
		_, alive := foreign(t, s, "c", time.Minute)
		for i, want := range []int{1, 0} { // the second time nothing is left to do
			freed, err := s.Leases().Bury(t.Context(), self, true)
			if err != nil || freed != want {
				t.Errorf("burial %d freed %d, error %v, want %d", i, freed, err, want)
			}
		}
		if l := leaseOf(t, s, lease.TenantID); l.Replica != uuid.Nil || l.Epoch != lease.Epoch+1 {
			t.Errorf("lease of the dead: %+v", l)
		}
		if l := leaseOf(t, s, alive.TenantID); l != alive {
			t.Errorf("lease of the living: %+v", l)
		}
		view, err := s.Leases().Heartbeat(t.Context(), expired, nil, []byte("n"), time.Minute)
		if err != nil || view.State != "" {
			t.Errorf("the dead may go on: %+v %v", view, err)
		}
	})
}

func TestBury_SparesItself(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		self, lease := foreign(t, s, "a", -time.Second)
		if freed, err := s.Leases().Bury(t.Context(), self, true); err != nil || freed != 0 {
			t.Errorf("freed %d, error %v", freed, err)
		}
		if l := leaseOf(t, s, lease.TenantID); l != lease {
			t.Errorf("own lease: %+v", l)
		}
	})
}

// A killed process that starts again takes its tenants back at once.
func TestBury_FreesWhatTheProcessBeforeHeldUnderTheSameName(t *testing.T) {
	for _, others := range []bool{false, true} {
		t.Run(fmt.Sprint("judging others: ", others), func(t *testing.T) { processBefore(t, others) })
	}
}

func processBefore(t *testing.T, others bool) {
	t.Run("sqlite, with the file lock", func(t *testing.T) {
		s := storetest.Open(t, storetest.SQLite(t))
		must(t, s.Lock())
		self := storetest.Replica(t, s, "a")
		foreign(t, s, "another name", time.Minute)
		if freed, err := s.Leases().Bury(t.Context(), self, others); err != nil || freed != 1 {
			t.Errorf("freed %d, error %v", freed, err)
		}
	})
	t.Run("sqlite, without it", func(t *testing.T) {
		s := storetest.Open(t, storetest.SQLite(t))
		self := storetest.Replica(t, s, "a")
		foreign(t, s, "a", time.Minute)
		if freed, err := s.Leases().Bury(t.Context(), self, others); err != nil || freed != 0 {
			t.Errorf("freed %d, error %v", freed, err)
		}
	})
	t.Run("postgres", func(t *testing.T) {
		s := storetest.Open(t, storetest.Postgres(t))
		_, gone := foreign(t, s, "a", time.Minute)
		self := storetest.Replica(t, s, "a")
		_, beside := foreign(t, s, "a", time.Minute) // it has lost its connections for a moment
		_, other := foreign(t, s, "b", time.Minute)
		live := storetest.Another(t, s)
		storetest.Replica(t, live, "a") // the same name, but connected
		liveLease := storetest.Serve(t, live, storetest.NewTenant(t, s))
		if freed, err := s.Leases().Bury(t.Context(), self, others); err != nil || freed != 1 {
			t.Errorf("freed %d, error %v", freed, err)
		}
		if l := leaseOf(t, s, gone.TenantID); l.Replica != uuid.Nil {
			t.Errorf("lease of the vanished: %+v", l)
		}
		if l := leaseOf(t, s, beside.TenantID); l != beside {
			t.Errorf("lease of one of the same name that lived after our start: %+v", l)
		}
		if l := leaseOf(t, s, other.TenantID); l != other {
			t.Errorf("lease of another name: %+v", l)
		}
		if l := leaseOf(t, s, liveLease.TenantID); l.Tenure != liveLease {
			t.Errorf("lease of a living one of the same name: %+v", l)
		}
	})
}

// A killed process is noticed long before its row expires.
func TestBury_FreesWhatAKilledProcessHeldOnceItMissesAHeartbeat(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	self := storetest.Replica(t, s, "a")
	_, late := foreign(t, s, "c", time.Minute)
	live := storetest.Another(t, s)
	storetest.Replica(t, live, "d") // late too, but connected
	connected := storetest.Serve(t, live, storetest.NewTenant(t, s))
	passes(t, s, 20*time.Second)
	_, fresh := foreign(t, s, "b", time.Minute)
	if freed, err := s.Leases().Bury(t.Context(), self, true); err != nil || freed != 1 {
		t.Errorf("freed %d, error %v, want the leases of the killed one", freed, err)
	}
	if l := leaseOf(t, s, late.TenantID); l.Replica != uuid.Nil {
		t.Errorf("lease of the killed: %+v", l)
	}
	if l := leaseOf(t, s, fresh.TenantID); l != fresh {
		t.Errorf("lease of one that has just given a sign of life: %+v", l)
	}
	if l := leaseOf(t, s, connected.TenantID); l.Tenure != connected {
		t.Errorf("lease of one that is connected: %+v", l)
	}
}

// passes lets so much time pass since the heartbeats so far.
func passes(t testing.TB, s *store.Store, d time.Duration) {
	t.Helper()
	db, _ := s.DBForWhatsApp()
	_, err := db.ExecContext(t.Context(), fmt.Sprintf(`CREATE OR REPLACE FUNCTION flowhq_after(seconds double precision) RETURNS timestamptz LANGUAGE sql STABLE
		AS 'SELECT now() + (seconds + %g) * interval ''1 second'''`, d.Seconds()))
	must(t, err)
}

// After an outage of the database everybody is gone for a moment.
func TestBury_TakesNobodyForKilledWhoMayHaveLostItsConnectionsWithOurs(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	self := storetest.Replica(t, s, "a")
	_, lease := foreign(t, s, "b", time.Minute)
	admin := storetest.Another(t, s)
	if n := count(t, admin, "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = $1", "fhq/"+s.ReplicaID().String()); n == 0 {
		t.Fatal("no connection was ended")
	}
	waitFor(t, "new connections", func() bool {
		_, err := s.Leases().Bury(t.Context(), self, false)
		return err == nil && s.Ping(t.Context()) == nil
	})
	for _, tt := range []struct {
		age  time.Duration
		want int
	}{{20 * time.Second, 0}, {30 * time.Second, 1}} { // with this time to live a heartbeat comes every twelve seconds
		passes(t, admin, tt.age)
		if freed, err := s.Leases().Bury(t.Context(), self, true); err != nil || freed != tt.want {
			t.Errorf("%s after its heartbeat freed %d, error %v, want %d", tt.age, freed, err, tt.want)
		}
	}
	if l := leaseOf(t, s, lease.TenantID); l.Replica != uuid.Nil {
		t.Errorf("lease of one that did not come back: %+v", l)
	}
}

func TestBury_FreesWhatAKilledProcessHeldAfterTheClockWasSetBack(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	self := storetest.Replica(t, s, "a")
	_, killed := foreign(t, s, "b", time.Minute)
	db, _ := s.DBForWhatsApp()
	_, err := db.ExecContext(t.Context(), `UPDATE replicas SET heartbeat_at = now() + interval '1 hour', expires_at = now() + interval '61 minutes' WHERE name = 'b'`)
	must(t, err)
	if freed, err := s.Leases().Bury(t.Context(), self, true); err != nil || freed != 1 {
		t.Errorf("freed %d, error %v, want the leases of the killed one", freed, err)
	}
	if l := leaseOf(t, s, killed.TenantID); l.Replica != uuid.Nil {
		t.Errorf("lease of the killed: %+v", l)
	}
}

// The open transaction of a stopped process holds share locks on its leases.
func TestBury_EndsTheConnectionsOfTheDead(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	self := storetest.Replica(t, s, "a")
	zombie := storetest.Another(t, s)
	must(t, zombie.Leases().Register(t.Context(), domain.Replica{ID: zombie.ReplicaID(), Name: "z"}, time.Second))
	tenure := storetest.Serve(t, zombie, storetest.NewTenant(t, s))
	storetest.Device(t, zombie, tenure, jid)
	db, _ := zombie.DBForWhatsApp()
	tx, err := db.BeginTx(t.Context(), nil)
	must(t, err)
	defer tx.Rollback() //nolint:errcheck // its connection is gone
	_, err = tx.ExecContext(t.Context(), `UPDATE whatsmeow_device SET push_name = 'x' WHERE jid = $1`, jid)
	must(t, err)

	waitFor(t, "the zombie is freed in spite of its open transaction", func() bool {
		freed, err := s.Leases().Bury(t.Context(), self, true)
		must(t, err)
		return freed == 1
	})
	if err := tx.Commit(); err == nil {
		t.Error("the dead committed")
	}
	wantFenced(t, zombie.Ratchet().Save(t.Context(), tenure, &domain.RatchetWrites{JID: jid, Sessions: map[string][]byte{"1:0": {1}}}, uuid.Nil))
}

// lockLease does what a forgotten transaction does to a lease row.
func lockLease(t testing.TB, s *store.Store, tenant uuid.UUID) (unlock func()) {
	t.Helper()
	db, _ := storetest.Another(t, s).DBForWhatsApp()
	tx, err := db.BeginTx(t.Context(), nil)
	must(t, err)
	_, err = tx.ExecContext(t.Context(), "UPDATE leases SET wanted = wanted WHERE tenant_id = $1", tenant)
	must(t, err)
	return func() { _ = tx.Rollback() }
}

func TestBury_ALeaseThatSomebodyHoldsLockedKeepsNoOther(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	self := storetest.Replica(t, s, "a")
	dead, locked := foreign(t, s, "b", -time.Second)
	start(t, s, storetest.NewTenant(t, s).ID)
	beside, err := s.Leases().Acquire(t.Context(), dead.ID, 1)
	must(t, err)
	_, other := foreign(t, s, "c", -time.Second)
	unlock := lockLease(t, s, locked.TenantID)
	defer unlock()
	if freed, err := s.Leases().Bury(t.Context(), self, true); err == nil || freed != 2 {
		t.Errorf("freed %d, error %v, want two leases and to be told of the third", freed, err)
	}
	for what, l := range map[string]domain.Lease{"of the same replica": beside[0], "of another dead replica": other} {
		if l := leaseOf(t, s, l.TenantID); l.Replica != uuid.Nil {
			t.Errorf("lease %s: %+v", what, l)
		}
	}
	if l := leaseOf(t, s, locked.TenantID); l != locked {
		t.Errorf("the locked lease is %+v", l)
	}
	unlock()
	if freed, err := s.Leases().Bury(t.Context(), self, true); err != nil || freed != 1 {
		t.Errorf("once it is unlocked freed %d, error %v", freed, err)
	}
}

// A process that was only frozen must not write the old keys back.
func TestResetSessions_EndsTheTermOfTheDead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		_, lease := foreign(t, s, "a", -time.Second)
		if done, _, err := s.Upkeep().ResetSessions(t.Context(), nil); err != nil || done != 1 {
			t.Fatalf("reset %d tenants: %v", done, err)
		}
		if l := leaseOf(t, s, lease.TenantID); l.Replica != uuid.Nil || l.Epoch != lease.Epoch+1 {
			t.Errorf("the lease is %+v, want it free and its term over", l)
		}
	})
}
