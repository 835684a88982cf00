package whatsapp_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"flowhq/domain"
	"flowhq/domain/flow"
	"flowhq/simulator"
	"flowhq/store"
	"flowhq/store/storetest"
	"flowhq/worker"
	"flowhq/worker/whatsapp"
)

// world is the real thing on one machine: store, pool, adapter, whatsmeow, and
// the simulator in place of WhatsApp.
type world struct {
	t       *testing.T
	sim     *simulator.Server
	store   *store.Store
	metrics *worker.Metrics
	numbers int
	stop    func()
}

// newWorld starts everything on a SQLite file. Each change may put something
// between the worker and its services, or the adapter and its store.
func newWorld(t *testing.T, unsafe whatsapp.Unsafe, changes ...func(*worker.Services)) *world {
	t.Helper()
	return newWorldOn(t, storetest.SQLite(t), unsafe, changes...)
}

// newWorldOn is newWorld with the address of a database.
func newWorldOn(t *testing.T, url string, unsafe whatsapp.Unsafe, changes ...func(*worker.Services)) *world {
	t.Helper()
	sim, err := simulator.Start(simulator.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	settings, err := sim.Settings(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	self := domain.Replica{ID: domain.NewID(), Name: "test", Capacity: 100, StartedAt: domain.Now()}
	log := new(testWriter)
	t.Cleanup(func() { log.show(t) })
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	s, err := store.Open(ctx, store.Options{URL: url, ReplicaID: self.ID, Logger: logger,
		Migrations: os.DirFS("../../migrations")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(ctx, whatsapp.Upgrade); err != nil {
		t.Fatal(err)
	}
	engine, err := flow.New(os.DirFS("../../domain/flow"))
	if err != nil {
		t.Fatal(err)
	}
	metrics := worker.NewMetrics(prometheus.NewRegistry())
	knobs := worker.DefaultSettings()
	knobs.HumanPace, knobs.LoopGuard, knobs.ConnectRate = false, false, 0
	services := &worker.Services{Leases: s.Leases(), Profiles: s.Profiles(), Reports: s.Reports(), Inbox: s.Inbox(), Outbox: s.Outbox(),
		Ratchet: s.Ratchet(), Trust: worker.NewTrust(knobs.Timings), Waker: s.Waker(), Engine: engine, Metrics: metrics, Logger: logger, Settings: knobs}
	for _, change := range changes {
		change(services)
	}
	db, dialect := s.DBForWhatsApp()
	services.Phones, err = whatsapp.New(whatsapp.Options{DB: db, Dialect: dialect, Ratchet: services.Ratchet, Outbox: services.Outbox, Metrics: metrics, Logger: logger,
		Redirect: whatsapp.Redirect{Addr: settings["FLOWHQ_WHATSAPP_ADDR"], CAFile: settings["FLOWHQ_WHATSAPP_CA"], RootKey: settings["FLOWHQ_WHATSAPP_ROOT_KEY"]}, Unsafe: unsafe, Trust: services.Trust})
	if err != nil {
		t.Fatal(err)
	}
	pool := worker.NewPool(services, self)
	done := make(chan error, 1)
	go func() { done <- pool.Run(ctx) }()
	w := &world{t: t, sim: sim, store: s, metrics: metrics}
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("pool: %v", err)
		}
		w.stop = func() {}
	}
	t.Cleanup(func() {
		w.stop()
		_ = s.Close()
	})
	return w
}

// testWriter keeps the log and shows it when the test fails. whatsmeow's
// goroutines may still write when the test is over.
type testWriter struct {
	mu  sync.Mutex
	log bytes.Buffer
}

func (w *testWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(b)
}

func (w *testWriter) show(t *testing.T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.Failed() {
		t.Log(w.log.String())
	}
}

func (w *world) phone(number, name string) *simulator.Phone {
	w.t.Helper()
	p, err := w.sim.NewPhone(simulator.PhoneOptions{Number: number, PushName: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// tenant makes and starts a tenant.
func (w *world) tenant(number string) domain.TenantView {
	w.t.Helper()
	v := w.create(number)
	w.steer(v, domain.EventStart)
	return v
}

// create makes a tenant that rests.
func (w *world) create(number string) domain.TenantView {
	w.t.Helper()
	name := "Saluni ya Amina"
	v, err := domain.NewTenant(domain.TenantInput{Name: &name, Phone: &number}, domain.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.store.Tenants().Create(context.Background(), v); err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *world) steer(v domain.TenantView, e domain.Event) {
	w.t.Helper()
	if err := w.trySteer(v, e); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) trySteer(v domain.TenantView, e domain.Event) error {
	if _, err := w.store.Tenants().Steer(context.Background(), v.ID, e); err != nil {
		return err
	}
	return w.store.Waker().Wake(context.Background(), v.ID)
}

// await polls the tenant until ok.
func (w *world) await(v domain.TenantView, what string, ok func(domain.TenantView) bool) domain.TenantView {
	w.t.Helper()
	got, err := w.tryAwait(v, what, ok)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

func (w *world) tryAwait(v domain.TenantView, what string, ok func(domain.TenantView) bool) (domain.TenantView, error) {
	deadline := time.Now().Add(20 * time.Second)
	for {
		got, err := w.store.Tenants().Get(context.Background(), v.ID)
		if err == nil && ok(got) {
			return got, nil
		}
		if time.Now().After(deadline) {
			return got, fmt.Errorf("no %s in time: %v, %+v", what, err, got)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func active(v domain.TenantView) bool { return v.Status == domain.TenantActive }

// link scans the tenant's code with its owner's phone.
func (w *world) link(v domain.TenantView, owner *simulator.Phone) {
	w.t.Helper()
	got := w.await(v, "code to scan", func(v domain.TenantView) bool { return v.Session.QR != "" })
	if err := owner.ScanQR(context.Background(), got.Session.QR); err != nil {
		w.t.Fatal(err)
	}
	w.await(v, "connection", active)
}

func (w *world) say(customer, owner *simulator.Phone, text string) string {
	w.t.Helper()
	id, err := customer.SendText(context.Background(), owner, text)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// answer waits for a message on the customer's phone that holds a text.
func (w *world) answer(customer *simulator.Phone, holds string) simulator.Message {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	m, err := customer.Wait(ctx, func(m simulator.Message) bool { return m.From != customer.Number() && strings.Contains(m.Text, holds) })
	if err != nil {
		w.t.Fatalf("no answer with %q: %v; the phone shows %+v", holds, err, customer.Messages(nil))
	}
	return m
}

func TestAdapter_LinksByQRAndAnswersACustomer(t *testing.T) {
	w := newWorld(t, whatsapp.Unsafe{})
	owner, customer := w.phone("+255754000001", "Amina"), w.phone("+255754000101", "Asha")
	v := w.tenant(owner.Number())
	w.link(v, owner)
	w.say(customer, owner, "Habari")
	w.answer(customer, "Saluni ya Amina")
	l := w.sim.Ledger()
	if l.CounterReuse != 0 || l.Repeats != 0 || l.DecryptErrors != 0 {
		t.Errorf("ledger: %+v", l.Counts)
	}
}
