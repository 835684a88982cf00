package whatsapp

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"

	"flowhq/domain"
	"flowhq/worker"
)

// Unsafe switches guarantees off, for the tests that prove that they matter.
type Unsafe struct {
	NoMutex  bool // sending and receiving may interleave on a session
	NoBuffer bool // a decrypted message is not kept until it is stored
}

// Options are what the adapter needs.
type Options struct {
	DB       *sql.DB
	Dialect  string // "pgx" or "sqlite"
	Ratchet  worker.Ratchet
	Outbox   worker.Outbox
	Metrics  *worker.Metrics
	Logger   *slog.Logger
	Redirect Redirect
	Unsafe   Unsafe
	Trust    *worker.Trust      // nothing is written to WhatsApp without it
	LeaseTTL time.Duration      // see keepAlive; 0 leaves whatsmeow's pace
	Crash    func(point string) // see worker.Services.Crash
}

// Phones opens connections to WhatsApp for all tenants: one container and one
// database pool, and for each connection a client, a device and a store of its
// own that are thrown away with it, so that no stale cache survives.
type Phones struct {
	Options
	container *sqlstore.Container
	network   *network
}

var _ worker.Phones = (*Phones)(nil)

// New prepares the adapter. Call Upgrade before the first connection.
func New(o Options) (*Phones, error) {
	network, err := newNetwork(o.Redirect)
	if err != nil {
		return nil, err
	}
	if o.Crash == nil {
		o.Crash = func(string) {}
	}
	keepAlive(o.LeaseTTL)
	store.SetOSInfo("Flow HQ", [3]uint32{1, 0, 0})
	p := &Phones{Options: o, network: network}
	p.container = sqlstore.NewWithDB(o.DB, o.Dialect, &logger{slog: o.Logger, count: func(string) {}})
	return p, nil
}

// Upgrade brings whatsmeow's own tables up to date.
func (p *Phones) Upgrade(ctx context.Context) error { return p.container.Upgrade(ctx) }

// Upgrade brings whatsmeow's own tables in db up to date; for programs that
// only migrate.
func Upgrade(ctx context.Context, db *sql.DB, dialect string) error {
	return sqlstore.NewWithDB(db, dialect, nil).Upgrade(ctx)
}

// Forget deletes the stored device and its keys without telling WhatsApp.
func (p *Phones) Forget(ctx context.Context, t domain.Tenure, jid string) error {
	return p.Ratchet.Wipe(ctx, t, jid)
}

// Open starts one connection.
func (p *Phones) Open(ctx context.Context, profile domain.TenantProfile, t domain.Tenure, jid string, h worker.PhoneHandler) (worker.Phone, error) {
	g := newGate(ctx)
	ph := &phone{Phones: p, gate: g, handler: h, profile: profile, tenure: t,
		logger: p.Logger.With("tenant", t.TenantID.String())}
	device, err := p.device(ctx, ph, jid)
	if err != nil {
		g.close(0)
		return nil, err
	}
	ph.client = p.newClient(g.ctx, device, ph)
	assertGuarantees(ph.client, p.Unsafe)
	// A poisoned connection hears nothing more, not even its own end.
	context.AfterFunc(g.ctx, func() {
		if ctx.Err() == nil {
			ph.end(domain.ReasonDatabase, context.Cause(g.ctx).Error())
		}
	})
	if err := connect(g.ctx, ph.client); err != nil {
		ph.Close()
		return nil, fmt.Errorf("connect to WhatsApp: %w", err)
	}
	return ph, nil
}

// connect returns no later than ctx ends. whatsmeow waits 20 s for the answer to
// its handshake, also when the socket is closed meanwhile (handshake.go), and a
// tenant that is handed over cannot wait for that. What goes on behind is
// harmless: the socket is closed and the gate of the store is shut.
func connect(ctx context.Context, client *whatsmeow.Client) error {
	done := make(chan error, 1)
	go func() { done <- client.ConnectContext(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// device loads the stored device, or makes a new one that waits to be linked.
// A device whose keys are missing is linked anew.
func (p *Phones) device(ctx context.Context, ph *phone, jid string) (*store.Device, error) {
	var device *store.Device
	if jid != "" {
		id, err := types.ParseJID(jid)
		if err != nil {
			return nil, fmt.Errorf("stored device id: %w", err)
		}
		ctx, cancel := context.WithTimeout(ctx, callDeadline)
		defer cancel()
		if device, err = p.container.GetDevice(ctx, id); err != nil {
			return nil, &domain.Error{Kind: domain.KindUnavailable, Message: "The keys of this number could not be read.", Err: err}
		}
	}
	if device == nil {
		device = p.container.NewDevice()
	} else {
		ph.use(device)
	}
	device.LIDs = p.lids(ph.gate)
	device.Container = &deviceStore{phone: ph}
	return device, nil
}

func (p *Phones) newClient(ctx context.Context, device *store.Device, ph *phone) *whatsmeow.Client {
	cli := whatsmeow.NewClient(device, &logger{slog: ph.logger, count: ph.countLine})
	cli.BackgroundEventCtx = ctx
	cli.SynchronousAck = true
	cli.EnableDecryptedEventBuffer = !p.Unsafe.NoBuffer
	cli.EnableAutoReconnect = false
	cli.DisableLoginAutoReconnect = true
	cli.UseRetryMessageStore = false
	cli.ManualHistorySyncDownload = true
	cli.GetMessageForRetry = ph.messageForRetry
	cli.SetMaxParallelRetryReceiptHandling(1)
	client := p.network.client(ctx, p.Trust, ph.crashOnWire)
	cli.SetWebsocketHTTPClient(client)
	cli.SetPreLoginHTTPClient(client)
	cli.SetMediaHTTPClient(client)
	cli.AddEventHandlerWithSuccessStatus(ph.handle)
	return cli
}

// assertGuarantees refuses to run without the two switches of whatsmeow on
// which "no message is lost" rests.
func assertGuarantees(cli *whatsmeow.Client, u Unsafe) {
	if !cli.SynchronousAck || (!cli.EnableDecryptedEventBuffer && !u.NoBuffer) {
		panic("whatsmeow must acknowledge only after our commit and keep what it decrypted")
	}
}

// deviceStore stores the device row of one connection.
type deviceStore struct{ *phone }

// PutDevice stores the device. At pairing it first binds the device to the
// lease, because only the owner's keys may be stored, and then puts the
// decorated store back that whatsmeow's container replaces.
func (d *deviceStore) PutDevice(ctx context.Context, device *store.Device) error {
	fresh := !device.Initialized
	if fresh {
		err := guardedDo(ctx, d.gate, func(ctx context.Context) error { return d.Ratchet.LinkDevice(ctx, d.tenure, device.ID.String()) })
		if err != nil {
			return err
		}
	}
	if err := guardedDo(ctx, d.gate, func(ctx context.Context) error { return d.container.PutDevice(ctx, device) }); err != nil {
		return err
	}
	if fresh {
		d.use(device)
		device.LIDs = d.lids(d.gate)
		device.Container = d
	}
	return nil
}

// DeleteDevice removes the device with its keys.
func (d *deviceStore) DeleteDevice(ctx context.Context, device *store.Device) error {
	if device.ID == nil {
		return sqlstore.ErrDeviceIDMustBeSet
	}
	return guardedDo(ctx, d.gate, func(ctx context.Context) error { return d.Ratchet.Wipe(ctx, d.tenure, device.ID.String()) })
}

// phone is one connection.
type phone struct {
	*Phones
	gate       *gate
	client     *whatsmeow.Client
	handler    worker.PhoneHandler
	profile    domain.TenantProfile
	tenure     domain.Tenure
	logger     *slog.Logger
	keys       atomic.Pointer[keyStore] // nil until linked
	sending    atomic.Bool
	gone       atomic.Bool
	overloaded atomic.Bool // WhatsApp said that it is unavailable
	asking     atomic.Bool // an unanswered keepalive is repeated
	codes      atomic.Pointer[codeRound]
}

// use gives a device the decorated store.
func (ph *phone) use(device *store.Device) {
	ks := newKeyStore(ph.gate, ph.container, *device.ID, ph.tenure, ph.Ratchet, ph.Metrics, ph.Unsafe)
	ks.settings = &appSync{fetch: ph.fetchSettings, busy: map[string]bool{}}
	device.SetAllStores(ks)
	ph.keys.Store(ks)
}

// closeDeadline bounds the wait for store calls under way; the database ends
// every statement before it.
const closeDeadline = 8 * time.Second

// Close disconnects and waits until nothing of this connection writes any more.
// The end of its context closes the socket; Client.Disconnect would do the same
// but races with a socket that WhatsApp closes at that moment, and waits for
// WhatsApp's goodbye. A request that was under way waits for this client to
// connect again and heeds no context (retryFrame of whatsmeow); it is told that
// this does not happen.
func (ph *phone) Close() {
	ph.gone.Store(true)
	ph.stopCodes()
	//lint:ignore SA1019 Disconnect alone does this in public, see above
	ph.client.DangerousInternals().ExpectDisconnect()
	ph.gate.close(closeDeadline)
}

// end reports the end of the connection, once.
func (ph *phone) end(reason domain.Reason, detail string) {
	if !ph.gone.Swap(true) {
		ph.stopCodes()
		ph.handler.Gone(reason, detail)
	}
}

// Logout unlinks the device at WhatsApp and deletes its keys.
func (ph *phone) Logout(ctx context.Context) error {
	ph.gone.Store(true)
	return ph.client.Logout(ctx)
}

// PairingCode asks for a code that links by phone number.
func (ph *phone) PairingCode(ctx context.Context, number domain.Phone) (string, error) {
	code, err := ph.client.PairPhone(ctx, number.Digits(), true, whatsmeow.PairClientChrome, "Chrome (Linux)")
	if err != nil {
		return "", fmt.Errorf("ask for a pairing code: %w", err)
	}
	return code, nil
}

func (ph *phone) crashOnWire(point string) {
	if ph.sending.Load() {
		ph.Crash(point)
	}
}

// countLine notes what whatsmeow tells in its log alone: panics, and that
// WhatsApp answered 5xx (connectionevents.go of whatsmeow), which is followed
// by a Disconnected like that of any lost connection.
func (ph *phone) countLine(line string) {
	switch {
	case strings.Contains(line, "panicked"):
		ph.Metrics.Panics.Inc()
	case strings.Contains(line, "assuming automatic reconnect will handle it"):
		ph.overloaded.Store(true)
	}
}

var errNotLinked = errors.New("not linked")
