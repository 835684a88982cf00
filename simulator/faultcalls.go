package simulator

import (
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// DropConnections cuts the connections of the number's companions without a word.
func (f *Faults) DropConnections(number string) { f.eachConn(number, (*conn).drop) }

// RefuseConnections cuts the present connections and every new one right after its handshake; for all
// numbers already the TCP connection.
func (f *Faults) RefuseConnections(number string, on bool) {
	f.set(number, func(s *faultState) { s.refuse = on })
	if on {
		f.DropConnections(number)
	}
}

// RefuseConnectionsFrom cuts the present connections, and every new one that comes from this IP address
// right after its handshake. An empty address ends it.
func (f *Faults) RefuseConnectionsFrom(number, address string) {
	f.set(number, func(s *faultState) { s.refuseFrom = address })
	if address != "" {
		f.DropConnections(number)
	}
}

// ServiceUnavailable ends the present connections with stream error 503 and refuses logins with
// failure 503, which a client takes as a reason to come back later.
func (f *Faults) ServiceUnavailable(number string, on bool) {
	f.set(number, func(s *faultState) { s.unavailable = on })
	if on {
		f.eachConn(number, func(c *conn) { c.streamError(reasonUnavailable, "") })
	}
}

// DropAcks makes the server forget a companion's receipt for a message with probability p, so that the
// message is delivered again at the next login.
func (f *Faults) DropAcks(number string, p float64) {
	f.set(number, func(s *faultState) { s.dropAcks = p })
}

// HoldAcks keeps companions' receipts for messages back; switching it off applies those held.
// Messages whose receipt is held are delivered again at a login in between.
func (f *Faults) HoldAcks(number string, on bool) {
	f.set(number, func(s *faultState) { s.holdAcks = on })
	if on {
		return
	}
	for _, p := range f.phones(number) {
		for _, d := range p.companions() {
			d.mu.Lock()
			released := d.queue.releaseHeld()
			d.mu.Unlock()
			for _, e := range released {
				e.count()
			}
		}
	}
}

// DelayAcks makes the server's acknowledgement of a sent message late.
func (f *Faults) DelayAcks(number string, d time.Duration) {
	f.set(number, func(s *faultState) { s.ackDelay = d })
}

// SwallowServerAcks makes the server take a message and keep its acknowledgement to itself, with
// probability p.
func (f *Faults) SwallowServerAcks(number string, p float64) {
	f.set(number, func(s *faultState) { s.swallow = p })
}

// UndecryptableSome makes messages of the number's companions unreadable for the phones that get them, with
// probability p: they ask for a retry, and can read the message that is sent again.
func (f *Faults) UndecryptableSome(number string, p float64) {
	f.set(number, func(s *faultState) { s.unreadable = p })
}

// RedeliverSome delivers customers' messages to the number's companions again with probability p: one to five
// times, byte for byte, at once or after the acknowledgement, under the same or the sender's other address.
func (f *Faults) RedeliverSome(number string, p float64) {
	f.set(number, func(s *faultState) { s.redeliver = p })
}

// Replaced ends the present connections as if another client had logged in as the same device.
func (f *Faults) Replaced(number string) {
	f.eachConn(number, func(c *conn) { c.streamError(0, "replaced") })
}

// KeepReplaced makes the server leave a connection open when its device logs in anew, and take what it
// sends; it gets no messages any more. WhatsApp closes it. Two clients that believe to be one device are
// then held apart by nothing but themselves.
func (f *Faults) KeepReplaced(number string, on bool) {
	f.set(number, func(s *faultState) { s.keepReplaced = on })
}

// CutLinked makes the server cut the connection on which a phone was linked, instead of telling the
// companion to reconnect.
func (f *Faults) CutLinked(number string, on bool) {
	f.set(number, func(s *faultState) { s.cutLinked = on })
}

// LoggedOut unlinks all companions of the number: those connected are told so, the others find out at
// their next login.
func (f *Faults) LoggedOut(number string) {
	for _, p := range f.phones(number) {
		for _, d := range p.companions() {
			_ = p.Unlink(d.id)
		}
	}
}

// TempBan cuts the present connections and refuses logins with failure 402, this code (101 and
// following, see events.TempBanReason) and this time to wait. Code 0 lifts the ban.
func (f *Faults) TempBan(number string, code int, expire time.Duration) {
	f.set(number, func(s *faultState) { s.tempBan, s.tempBanFor = code, expire })
	if code != 0 {
		f.DropConnections(number)
	}
}

// Restricted463 refuses messages to people who have never written to the number, with error 463, as
// WhatsApp does to accounts that write to too many strangers.
func (f *Faults) Restricted463(number string, on bool) {
	f.set(number, func(s *faultState) { s.restricted = on })
}

// NoPreKeys refuses to give the number's companions the prekeys of others, as WhatsApp does to who asks
// too often. They cannot begin an encryption session.
func (f *Faults) NoPreKeys(number string, on bool) {
	f.set(number, func(s *faultState) { s.noPreKeys = on })
}

// Outdated405 refuses every login with failure 405, "client outdated".
func (f *Faults) Outdated405(on bool) { f.tooOld.Store(on) }

// Slow delays everything the server says to every companion.
func (f *Faults) Slow(d time.Duration) { f.slow.Store(int64(d)) }

// UndecryptableOnce makes the next message of the number's companions unreadable for the phone that
// gets it, which then asks for a retry. Given a customer's number: the next message to that customer.
func (f *Faults) UndecryptableOnce(number string) {
	if slot := f.slot(number); slot != nil {
		slot.undecryptable.Add(1)
	}
}

// CorruptOnce damages the next message to a companion of the number, so that the companion asks for a
// retry. Given a customer's number: the next message of that customer.
func (f *Faults) CorruptOnce(number string) {
	if slot := f.slot(number); slot != nil {
		slot.corrupt.Add(1)
	}
}

// Redeliver sends the last n messages of customers to the number's connected companions again, byte for
// byte, acknowledged or not, and returns how many were sent. At most 64 acknowledged ones are remembered.
func (f *Faults) Redeliver(number string, n int) int { return f.redeliver(number, n, false) }

// RedeliverOther is Redeliver under the sender's other address: phone number for LID and the reverse.
func (f *Faults) RedeliverOther(number string, n int) int { return f.redeliver(number, n, true) }

func (f *Faults) redeliver(number string, n int, other bool) int {
	count := 0
	for _, p := range f.phones(number) {
		for _, d := range p.companions() {
			d.mu.Lock()
			for _, node := range d.queue.lastMessages(n) {
				if d.conn == nil || !d.queue.flowing {
					break
				}
				if other {
					node = swapAddress(node)
				}
				d.conn.send(node)
				p.stats.redelivered.Add(1)
				count++
			}
			d.mu.Unlock()
		}
	}
	return count
}

// lastMessages returns the newest n customers' messages, oldest first.
func (q *queue) lastMessages(n int) []waBinary.Node {
	var all []waBinary.Node
	for i := range q.recent {
		all = append(all, q.recent[(q.oldest+i)%len(q.recent)].node)
	}
	for _, e := range q.entries() {
		if e.msg != nil && e.sent {
			all = append(all, e.node)
		}
	}
	return all[max(len(all)-n, 0):]
}

func swapAddress(n waBinary.Node) waBinary.Node {
	from, _ := n.Attrs["from"].(types.JID)
	oldKey, newKey, mode := "sender_pn", "sender_lid", types.AddressingModePN
	if from.Server == types.DefaultUserServer {
		oldKey, newKey, mode = newKey, oldKey, types.AddressingModeLID
	}
	alt, ok := n.Attrs[oldKey].(types.JID)
	if !ok {
		return n
	}
	n = withAttr(n, "from", alt)
	n.Attrs[newKey], n.Attrs["addressing_mode"] = from, string(mode)
	delete(n.Attrs, oldKey)
	return n
}

// Clear ends every state for the number and withdraws one-shot faults that have not struck; for ""
// everything, of every number.
func (f *Faults) Clear(number string) {
	f.HoldAcks(number, false)
	for _, p := range f.phones(number) {
		p.faults.reset()
	}
	if number == "" {
		f.all.reset()
		f.slow.Store(0)
		f.tooOld.Store(false)
	}
}

func (s *faultSlot) reset() {
	s.state.Store(nil)
	s.undecryptable.Store(0)
	s.corrupt.Store(0)
}
