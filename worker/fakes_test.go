package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"flowhq/domain"
)

// fleet is the database and WhatsApp as pools see them, in memory, for tests in
// virtual time. What it does not need is not there: a call of it panics.
type fleet struct {
	mu       sync.Mutex
	rows     map[uuid.UUID]*leaseRow
	replicas map[uuid.UUID]*domain.Replica
	heard    map[uuid.UUID]time.Time
	reports  map[uuid.UUID][]domain.LinkReport
	opened   []opening
	online   map[uuid.UUID]PhoneHandler           // by tenant
	refuses  func(replica, tenant uuid.UUID) bool // WhatsApp does not let this one in from there
	riddles  map[uuid.UUID]bool                   // tenants whose settings cannot be read
	unlinks  uuid.UUID                            // the tenant that WhatsApp has unlinked
	holds    bool                                 // the keys of a device cannot be deleted
	forgot   []uuid.UUID                          // tenants whose keys were deleted
	due      map[uuid.UUID]domain.Outbound        // by tenant
	sendFor  time.Duration                        // how long WhatsApp takes to acknowledge
	cutOff   int                                  // sends whose connection was closed meanwhile
	silent   bool                                 // the answer to the next acquisition is lost on its way
	hangs    bool                                 // reading lease rows never ends
	slow     time.Duration                        // what everything but a heartbeat takes
	nonces   map[uuid.UUID][]byte                 // by replica
	away     outage
	done     map[uuid.UUID]int // commands carried out, by tenant
	unheard  int               // so many acknowledgements of a command are lost
	version  time.Time         // when the tenants were configured last
	wakes    chan uuid.UUID    // hints, for all
}

var errSilent = errors.New("the database does not answer")

type leaseRow struct {
	domain.Lease
	notBefore, avoidUntil time.Time
	avoid                 uuid.UUID
}

// opening is one attempt to connect.
type opening struct {
	replica, tenant uuid.UUID
	at              time.Time
}

func newFleet() *fleet {
	return &fleet{rows: map[uuid.UUID]*leaseRow{}, replicas: map[uuid.UUID]*domain.Replica{}, heard: map[uuid.UUID]time.Time{},
		reports: map[uuid.UUID][]domain.LinkReport{}, due: map[uuid.UUID]domain.Outbound{}, wakes: make(chan uuid.UUID), nonces: map[uuid.UUID][]byte{}, done: map[uuid.UUID]int{}, online: map[uuid.UUID]PhoneHandler{},
		refuses: func(uuid.UUID, uuid.UUID) bool { return false }}
}

// fleetOf is one with so many tenants.
func fleetOf(tenants int) *fleet {
	f := newFleet()
	for range tenants {
		f.tenant()
	}
	return f
}

// set changes something while pools run.
func (f *fleet) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// tenant adds one that is wanted and has a linked phone.
func (f *fleet) tenant() uuid.UUID {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := domain.NewID()
	f.rows[id] = &leaseRow{Lease: domain.Lease{Tenure: domain.Tenure{TenantID: id}, Wanted: true, DeviceJID: id.String()}}
	return id
}

// pool makes one replica of the fleet.
func (f *fleet) pool(settings Settings) *Pool {
	svc := &Services{Leases: fakeLeases{fleet: f}, Profiles: fakeProfiles{f}, Reports: fakeReports{f}, Outbox: fakeOutbox{fleet: f}, Ratchet: fakeRatchet{},
		Phones: fakePhones{fleet: f}, Trust: NewTrust(settings.Timings), Waker: fakeWaker{fleet: f}, Metrics: NewMetrics(prometheus.NewRegistry()), Logger: slog.New(slog.DiscardHandler), Settings: settings}
	return NewPool(svc, domain.Replica{ID: domain.NewID(), Capacity: settings.Capacity})
}

// refuse changes whom WhatsApp refuses, and ends the connections of those.
func (f *fleet) refuse(refuses func(replica, tenant uuid.UUID) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuses = refuses
	for tenant, h := range f.online {
		if refuses(f.rows[tenant].Replica, tenant) {
			go h.Gone(domain.ReasonNetwork, "")
		}
	}
}

// note lets the connections of a replica tell something.
func (f *fleet) note(replica uuid.UUID, reason domain.Reason) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for tenant, h := range f.online {
		if f.rows[tenant].Replica == replica {
			go h.Noted(reason)
		}
	}
}

// openings counts a replica's attempts to connect.
func (f *fleet) openings(replica uuid.UUID) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.opened {
		if o.replica == replica {
			n++
		}
	}
	return n
}

type fakeProfiles struct{ *fleet }

func (f fakeProfiles) Profiles(ctx context.Context, ids []uuid.UUID) (all []domain.TenantProfile, _ error) {
	if err := f.lag(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if f.riddles[id] {
			continue
		}
		all = append(all, domain.TenantProfile{TenantView: domain.TenantView{Tenant: domain.Tenant{ID: id}, Config: domain.TenantConfig{UpdatedAt: f.version}}})
	}
	return all, nil
}

func (f fakeProfiles) LastHeard(ctx context.Context, _ []uuid.UUID) (map[uuid.UUID]time.Time, error) {
	return f.heard, f.lag(ctx)
}

type fakeReports struct{ *fleet }

func (f fakeReports) Report(_ context.Context, t domain.Tenure, l domain.LinkReport) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reports[t.TenantID] = append(f.reports[t.TenantID], l)
	if l.Event == domain.EventConnected {
		f.rows[t.TenantID].Failures, f.rows[t.TenantID].avoid = 0, uuid.Nil
	}
	return nil
}

type fakeOutbox struct {
	Outbox
	*fleet
}

func (f fakeOutbox) Due(_ context.Context, tenant uuid.UUID, _ int, _ *domain.Outbound) (rows []domain.Outbound, _ time.Time, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if row, ok := f.due[tenant]; ok {
		rows = append(rows, row)
	}
	return rows, time.Time{}, nil
}

func (f fakeOutbox) Finish(_ context.Context, outcomes []domain.Outcome) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range outcomes {
		delete(f.due, o.Tenure.TenantID)
	}
	return nil
}

func (fakeOutbox) Overdue(context.Context, uuid.UUID, time.Time) ([]uuid.UUID, error) {
	return nil, nil
}

type fakeRatchet struct{ Ratchet }

func (fakeRatchet) Sweep(context.Context, time.Duration) error { return nil }

type fakeWaker struct {
	domain.Waker
	*fleet
}

func (f fakeWaker) Wakes(context.Context) <-chan uuid.UUID { return f.wakes }

type fakePhones struct {
	Phones
	*fleet
}

func (f fakePhones) Open(ctx context.Context, _ domain.TenantProfile, t domain.Tenure, _ string, h PhoneHandler) (Phone, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened = append(f.opened, opening{t.Replica, t.TenantID, time.Now()})
	if f.unlinks == t.TenantID {
		go h.Gone(domain.ReasonLoggedOut, "")
	} else if f.refuses(t.Replica, t.TenantID) {
		delete(f.online, t.TenantID)
		go h.Gone(domain.ReasonUnavailable, "")
	} else {
		f.online[t.TenantID] = h
		go h.Connected()
	}
	return fakePhone{fleet: f.fleet, line: ctx}, nil
}

func (f fakePhones) Forget(_ context.Context, t domain.Tenure, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.holds {
		return errSilent
	}
	f.forgot = append(f.forgot, t.TenantID)
	f.rows[t.TenantID].DeviceJID = ""
	return nil
}

type fakePhone struct {
	Phone
	*fleet
	line context.Context
}

func (p fakePhone) Send(ctx context.Context, _ domain.Outbound) (time.Time, error) {
	select {
	case <-time.After(p.sendFor):
		return time.Now(), nil
	case <-p.line.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		p.cutOff++
		return time.Time{}, &SendError{Kind: SendPaused, Unknown: true}
	}
}

func (fakePhone) Close() {}
