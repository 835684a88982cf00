package simulator

import (
	"sync"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

const (
	// lowPreKeys is the stock at which the server asks a companion for more; whatsmeow uploads below five.
	lowPreKeys = 10
	// maxCompanions is the number of linked devices that WhatsApp allows.
	maxCompanions = 4
)

// Companion describes a linked device.
type Companion struct {
	Device    uint16    `json:"device"` // 1 to 255
	JID       string    `json:"jid"`    // with the device number
	LID       string    `json:"lid"`
	LinkedAt  time.Time `json:"linked_at"`
	Connected bool      `json:"connected"`
	Active    bool      `json:"active"` // has logged in and asked for its messages
	PreKeys   int       `json:"prekeys"`
	Queued    int       `json:"queued"` // stanzas not yet acknowledged
}

type publicPreKey struct {
	id  uint32
	pub [32]byte
	sig []byte // of signed prekeys only
}

// device is the server's view of a companion. What is written once at pairing is read without a lock.
type device struct {
	phone    *Phone
	id       uint16
	jid, lid types.JID
	identity [32]byte
	noise    [32]byte
	keyIndex uint32
	pairedAt time.Time

	mu      sync.Mutex
	regID   uint32
	skey    publicPreKey
	prekeys []publicPreKey // first in, first out
	conn    *conn
	removed bool
	queue   queue
}

// newDevice makes a device that is not registered yet.
func (p *Phone) newDevice(pending *pendingPairing) (*device, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.devices) >= maxCompanions {
		return nil, ErrTooManyLinked
	}
	id := p.freeDeviceID()
	p.keyIndex++
	d := &device{
		phone: p, id: id, keyIndex: p.keyIndex, pairedAt: time.Now(),
		jid: pnOf(p.user, id), lid: lidOf(p.lid.User, id),
		identity: pending.identity, noise: pending.conn.session.clientStatic,
		regID: pending.regID, skey: pending.skey,
	}
	d.queue.limit = p.srv.opts.QueueLimit
	d.queue.send = func(n waBinary.Node) {
		if d.conn != nil {
			d.conn.send(n)
		}
	}
	d.queue.sent = d.mayRepeat
	return d, nil
}

// mayRepeat draws whether a fault delivers a message again that was just sent. d.mu must be held.
func (d *device) mayRepeat(e *entry) {
	if e.msg == nil {
		return
	}
	faults := &d.phone.srv.faults
	var atOnce int
	atOnce, e.copies = faults.copies(faults.of(d.phone).redeliver)
	d.deliverAgain(e, atOnce)
}

// deliverAgain sends a message once more, so many times, each under one of the addresses of its sender.
// d.mu must be held.
func (d *device) deliverAgain(e *entry, times int) {
	for range times {
		node := e.node
		if d.phone.srv.faults.chance(0.5) {
			node = swapAddress(node)
		}
		d.queue.send(node)
		d.phone.stats.redelivered.Add(1)
	}
}

// freeDeviceID counts up, so that a number is used again as late as possible.
func (p *Phone) freeDeviceID() uint16 {
	for {
		p.lastDevice = p.lastDevice%255 + 1 // device numbers have 8 bits on the wire
		if p.devices[p.lastDevice] == nil {
			return p.lastDevice
		}
	}
}

// attach makes c the device's connection and shows the previous one the door.
func (d *device) attach(c *conn) bool {
	d.mu.Lock()
	if d.removed {
		d.mu.Unlock()
		return false
	}
	old := d.conn
	d.conn = c
	d.queue.disconnect()
	d.mu.Unlock()
	if old != nil && !old.srv.faults.of(d.phone).keepReplaced {
		old.streamError(0, "replaced")
	}
	return true
}

func (d *device) detach(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == c {
		d.conn = nil
		d.queue.disconnect()
	}
}

// activate starts the flow of waiting stanzas on c, after the answer to its request.
func (d *device) activate(c *conn, answer waBinary.Node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.send(answer)
	if d.conn == c {
		d.queue.connect()
	}
}

// passivate stops the flow; what is out may still be acknowledged.
func (d *device) passivate() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue.disconnect()
}

// push hands a stanza to the device: now if it is online, at its next login otherwise, and again at
// every login until it is acknowledged.
func (d *device) push(e *entry) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.removed {
		return ErrUnknownDevice
	}
	return d.queue.push(e)
}

// say sends a stanza that nobody acknowledges, if the device is online.
func (d *device) say(n waBinary.Node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil && d.queue.flowing {
		d.conn.send(n)
	}
}

func (d *device) connection() *conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conn
}

// remove ends the device's life and returns its connection, if it has one; later logins are refused.
func (d *device) remove() *conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.removed = true
	d.queue.clear()
	return d.conn
}

func (d *device) describe() Companion {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Companion{
		Device: d.id, JID: d.jid.String(), LID: d.lid.String(), LinkedAt: d.pairedAt,
		Connected: d.conn != nil, Active: d.queue.flowing, PreKeys: len(d.prekeys), Queued: d.queue.len(),
	}
}

// upload adds prekeys to the stock and takes over a new signed prekey.
func (d *device) upload(regID uint32, skey publicPreKey, list []publicPreKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.regID, d.skey = regID, skey
	known := make(map[uint32]bool, len(d.prekeys))
	for _, k := range d.prekeys {
		known[k.id] = true
	}
	for _, k := range list {
		if !known[k.id] {
			d.prekeys = append(d.prekeys, k)
		}
	}
}

func (d *device) preKeyCount() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.prekeys)
}

// bundle is what a sender needs to open a session.
type bundle struct {
	regID    uint32
	identity [32]byte
	skey     publicPreKey
	onetime  *publicPreKey
}

// takeBundle uses up one of the device's prekeys, if it has one, and tells the device when few are left.
func (d *device) takeBundle() bundle {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := bundle{regID: d.regID, identity: d.identity, skey: d.skey}
	if len(d.prekeys) == 0 {
		return b
	}
	key := d.prekeys[0]
	d.prekeys = d.prekeys[1:]
	b.onetime = &key
	if left := len(d.prekeys); left < lowPreKeys && !d.removed {
		id := newIQID()
		_ = d.queue.push(&entry{
			key: entryKey{class: "notification", id: id, from: types.ServerJID},
			node: stanza("notification", waBinary.Attrs{
				"from": types.ServerJID, "type": "encrypt", "id": id, "t": time.Now().Unix(),
			}, stanza("count", waBinary.Attrs{"value": left})),
		})
	}
	return b
}
