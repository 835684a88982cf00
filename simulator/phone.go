package simulator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"go.mau.fi/whatsmeow/types"
)

// PhoneOptions describe a new phone.
type PhoneOptions struct {
	// Number is the international phone number, such as "+255712345678". Required and unique.
	Number string
	// PushName is the name that its owner has given himself.
	PushName string
	// LID is the hidden user id, digits only; chosen when empty.
	LID string
	// BusinessName is told to companions when they are linked; the push name when empty.
	BusinessName string
	// NoReceipts keeps the phone from sending delivery and read receipts for what it shows.
	NoReceipts bool
}

// Phone is a phone with WhatsApp on it. Its methods are safe for concurrent use.
type Phone struct {
	srv          *Server
	user         string // the number without +
	lid          types.JID
	businessName string
	noReceipts   bool
	rawID        uint32

	keysOnce sync.Once
	ratchets ratchets
	inbox    mailbox
	history  history
	recent   recentMessages
	retries  retryCounts
	stats    stats
	faults   faultSlot
	app      appState

	mu         sync.Mutex
	pushName   string
	devices    map[uint16]*device
	lastDevice uint16
	keyIndex   uint32
	code       *codePairing

	deviceList atomic.Pointer[[]*device] // the same devices in order, for reading without the lock
	airplane   atomic.Bool
}

// NewPhone adds a phone. Phones cost little until they write or are written to: 5,000 contacts are no
// burden.
func (s *Server) NewPhone(o PhoneOptions) (*Phone, error) {
	user, err := digits(o.Number)
	if err != nil {
		return nil, err
	}
	lid := o.LID
	if lid == "" {
		// Real LIDs are about 15 digits and say nothing about the number.
		lid = strconv.FormatInt(100_000_000_000_000+s.phones.Add(1)*7919, 10)
	}
	if o.BusinessName == "" {
		o.BusinessName = o.PushName
	}
	p := &Phone{
		srv: s, user: user, lid: lidOf(lid, 0), businessName: o.BusinessName, noReceipts: o.NoReceipts,
		pushName: o.PushName, rawID: rand.Uint32(),
	}
	p.inbox.phone = p
	p.deviceList.Store(new([]*device))
	if _, taken := s.byPN.LoadOrStore(user, p); taken {
		return nil, fmt.Errorf("+%s: %w", user, ErrNumberTaken)
	}
	if _, taken := s.byLID.LoadOrStore(lid, p); taken {
		s.byPN.Delete(user)
		return nil, fmt.Errorf("lid %s: %w", lid, ErrNumberTaken)
	}
	return p, nil
}

// Phone returns the phone with this number, or nil. The + may be missing.
func (s *Server) Phone(number string) *Phone {
	user, err := digits(number)
	if err != nil {
		return nil
	}
	return s.phoneByPN(user)
}

func (s *Server) phoneByPN(user string) *Phone {
	p, _ := s.byPN.Load(user)
	phone, _ := p.(*Phone)
	return phone
}

// phoneByJID finds the phone of an address in either form.
func (s *Server) phoneByJID(jid types.JID) *Phone {
	index := &s.byPN
	if jid.Server == types.HiddenUserServer {
		index = &s.byLID
	}
	p, _ := index.Load(jid.User)
	phone, _ := p.(*Phone)
	return phone
}

// Phones returns every phone, in no order.
func (s *Server) Phones() []*Phone {
	var out []*Phone
	s.byPN.Range(func(_, p any) bool {
		out = append(out, p.(*Phone))
		return true
	})
	return out
}

func digits(number string) (string, error) {
	user := strings.TrimPrefix(strings.TrimSpace(number), "+")
	if len(user) < 7 || len(user) > 15 || user[0] == '0' || strings.Trim(user, "0123456789") != "" {
		return "", fmt.Errorf("%q: %w", number, ErrBadNumber)
	}
	return user, nil
}

// Number is the phone number with +.
func (p *Phone) Number() string { return "+" + p.user }

// JID is the phone-number address, user@s.whatsapp.net.
func (p *Phone) JID() types.JID { return pnOf(p.user, 0) }

// LID is the hidden address, user@lid.
func (p *Phone) LID() types.JID { return p.lid }

// PushName is the name that other people see.
func (p *Phone) PushName() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pushName
}

// Airplane reports whether the phone is offline.
func (p *Phone) Airplane() bool { return p.airplane.Load() }

// SetAirplane takes the phone off the network or back onto it. Offline it cannot send, and what is
// sent to it waits at the server. Its companions stay connected, as in life.
func (p *Phone) SetAirplane(on bool) {
	p.airplane.Store(on)
	if !on {
		p.inbox.start()
	}
}

// Devices lists the linked companions.
func (p *Phone) Devices() []Companion {
	var out []Companion
	for _, d := range *p.deviceList.Load() {
		out = append(out, d.describe())
	}
	return out
}

// Unlink logs a companion out, as its owner does under "Linked devices".
func (p *Phone) Unlink(deviceID uint16) error {
	d := p.takeOff(deviceID)
	if d == nil {
		return fmt.Errorf("device %d of %s: %w", deviceID, p.Number(), ErrUnknownDevice)
	}
	if c := d.remove(); c != nil {
		c.streamError(reasonLoggedOut, "device_removed")
	}
	return nil
}

// takeOff removes a device from the list and returns it, or nil.
func (p *Phone) takeOff(deviceID uint16) *device {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.devices[deviceID]
	delete(p.devices, deviceID)
	p.listDevices()
	return d
}

// register makes a paired device known and hands it the phone's app state key.
func (p *Phone) register(ctx context.Context, d *device) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("register companion: %w", err)
	}
	p.mu.Lock()
	if p.devices == nil {
		p.devices = make(map[uint16]*device)
	}
	p.devices[d.id] = d
	p.listDevices()
	p.mu.Unlock()
	return p.shareAppStateKey(d)
}

// listDevices renews the list that is read without the lock; p.mu must be held.
func (p *Phone) listDevices() {
	list := make([]*device, 0, len(p.devices))
	for _, d := range p.devices {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *device) int { return int(a.id) - int(b.id) })
	p.deviceList.Store(&list)
}

func (p *Phone) companions() []*device { return *p.deviceList.Load() }

func (p *Phone) deviceByID(id uint16) *device {
	for _, d := range p.companions() {
		if d.id == id {
			return d
		}
	}
	return nil
}

// keys makes the long-term keys at first use.
func (p *Phone) keys() *phoneKeys {
	p.keysOnce.Do(func() { p.ratchets.keys = newPhoneKeys() })
	return p.ratchets.keys
}

// mailbox is what the network has for one phone. A goroutine exists only while there is something to
// take out and the phone is online.
type mailbox struct {
	phone *Phone

	mu      sync.Mutex
	items   []func()
	running bool
}

// post queues work for the phone; items are done one after the other.
func (m *mailbox) post(f func()) {
	m.mu.Lock()
	if len(m.items) >= m.phone.srv.opts.QueueLimit {
		m.mu.Unlock()
		m.phone.srv.log.Warn("phone's mailbox is full, item dropped", "phone", m.phone.Number())
		return
	}
	m.items = append(m.items, f)
	m.mu.Unlock()
	m.start()
}

func (m *mailbox) start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running || len(m.items) == 0 || m.phone.airplane.Load() {
		return
	}
	m.running = m.phone.srv.spawn(m.run)
}

func (m *mailbox) run() {
	for {
		m.mu.Lock()
		if len(m.items) == 0 || m.phone.airplane.Load() || m.phone.srv.ctx.Err() != nil {
			m.running = false
			if len(m.items) == 0 {
				m.items = nil
			}
			m.mu.Unlock()
			return
		}
		f := m.items[0]
		m.items[0] = nil
		m.items = m.items[1:]
		m.mu.Unlock()
		f()
	}
}
