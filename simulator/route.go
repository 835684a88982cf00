package simulator

import (
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// handle serves one node of a client. It never waits for anything.
func (c *conn) handle(n *waBinary.Node) {
	kind := attrString(n, "type")
	if n.Tag == "iq" && (kind == "result" || kind == "error") {
		if c.pending != nil {
			c.pending.answered(n)
		}
		return
	}
	if n.Tag == "iq" {
		c.handleIQ(n)
		return
	}
	if c.device == nil {
		return // before pairing only iqs and acks of notifications matter
	}
	switch n.Tag {
	case "message":
		c.handleMessage(n)
	case "receipt":
		c.handleReceipt(n)
	case "ack":
		c.handleAck(n)
	case "presence":
		c.handlePresence(n)
	case "chatstate", "ib":
	default:
		c.srv.log.Debug("unknown stanza", "device", c.name(), "tag", n.Tag)
	}
}

// handleMessage acknowledges a companion's message and hands its parts to phones and companions.
func (c *conn) handleMessage(n *waBinary.Node) {
	d, id, toJID := c.device, attrString(n, "id"), attrJID(n, "to")
	to, faults := c.srv.phoneByJID(toJID), c.srv.faults.of(d.phone)
	switch {
	case to == nil:
		c.nack(n, 404)
		return
	case faults.restricted && to != d.phone && !to.wrote(d.phone):
		c.nack(n, 463)
		return
	}
	in := inbound{from: d, id: id, at: time.Now(), peer: attrString(n, "category") == "peer"}
	targets := messageTargets(n)
	ack := waBinary.Attrs{"class": "message", "id": id, "from": toJID, "t": in.at.Unix()}
	if !in.peer && targets == nil {
		targets = []target{{jid: toJID, enc: n.GetChildByTag("enc")}} // an answer to a retry receipt
		in.chat = c.srv.phoneByJID(attrJID(n, "recipient"))
	} else if !in.peer && c.misses(targets, to) {
		ack["phash"] = currentHash(to, d.phone)
	}
	c.acknowledgeMessage(ack, faults)
	if in.peer {
		in.fill(n.GetChildByTag("enc"))
		d.phone.inbox.post(func() { d.phone.receive(in) })
		return
	}
	identity, _ := n.GetOptionalChildByTag("device-identity")
	for _, t := range targets {
		c.forward(in, t, to, n, identity)
	}
}

func (c *conn) acknowledgeMessage(ack waBinary.Attrs, faults faultState) {
	if c.srv.faults.chance(faults.swallow) {
		c.device.phone.stats.swallowed.Add(1)
		return
	}
	node := stanza("ack", ack)
	if faults.ackDelay == 0 {
		c.send(node)
		return
	}
	time.AfterFunc(faults.ackDelay, func() { c.send(node) })
}

func (c *conn) nack(n *waBinary.Node, code int) {
	c.device.phone.stats.serverNacks.Add(1)
	c.send(stanza("ack", waBinary.Attrs{
		"class": "message", "id": n.Attrs["id"], "from": n.Attrs["to"], "t": time.Now().Unix(), "error": code,
	}))
}

// target is one device's share of a message.
type target struct {
	jid types.JID
	enc waBinary.Node
}

func messageTargets(n *waBinary.Node) []target {
	participants, ok := n.GetOptionalChildByTag("participants")
	if !ok {
		return nil
	}
	out := make([]target, 0, 4)
	for _, child := range participants.GetChildren() {
		out = append(out, target{jid: attrJID(&child, "jid"), enc: child.GetChildByTag("enc")})
	}
	return out
}

func (in *inbound) fill(enc waBinary.Node) {
	in.encType = attrString(&enc, "type")
	in.ciphertext, _ = enc.Content.([]byte)
	in.retry = enc.AttrGetter().OptionalInt("count")
}

// forward delivers one share: to the phone itself, or into the queue of one of its companions.
func (c *conn) forward(in inbound, t target, to *Phone, n *waBinary.Node, identity waBinary.Node) {
	owner := c.srv.phoneByJID(t.jid)
	if owner == nil {
		return
	}
	if owner == c.device.phone && in.chat == nil {
		in.chat = to
	}
	if t.jid.Device == 0 {
		in.fill(t.enc)
		owner.inbox.post(func() { owner.receive(in) })
		return
	}
	d := owner.deviceByID(t.jid.Device)
	if d == nil || d == c.device {
		return
	}
	from := c.device
	attrs := waBinary.Attrs{
		"id": in.id, "type": n.Attrs["type"], "t": in.at.Unix(), "from": from.lid,
		"addressing_mode": string(types.AddressingModeLID),
	}
	if owner == from.phone {
		attrs["recipient"], attrs["peer_recipient_pn"] = to.lid, to.JID()
	} else {
		attrs["sender_pn"] = from.jid
		if name := from.phone.PushName(); name != "" {
			attrs["notify"] = name
		}
	}
	children := []waBinary.Node{t.enc}
	if identity.Tag != "" {
		children = append(children, identity)
	}
	_ = d.push(&entry{
		key:  entryKey{class: "message", id: in.id, from: from.lid},
		node: stanza("message", attrs, children...),
	})
}

// handleReceipt settles a companion's receipt for a message and passes it on to the message's writer.
func (c *conn) handleReceipt(n *waBinary.Node) {
	d, id, to := c.device, attrString(n, "id"), attrJID(n, "to")
	kind := types.ReceiptType(attrString(n, "type"))
	c.send(stanza("ack", waBinary.Attrs{"class": "receipt", "id": id, "from": to, "type": string(kind), "t": time.Now().Unix()}))
	switch kind {
	case types.ReceiptTypeDelivered, types.ReceiptTypeInactive, types.ReceiptTypeSender, types.ReceiptTypePeerMsg:
		c.settle(entryKey{class: "message", id: id, from: to})
	}
	if kind == types.ReceiptTypeRetry {
		c.handleRetry(n, to)
		return
	}
	writer := c.srv.phoneByJID(to)
	if writer == nil || writer == d.phone {
		return
	}
	d.phone.stats.receipts.Add(1)
	ids := []string{id}
	list := n.GetChildByTag("list")
	for _, item := range list.GetChildren() {
		ids = append(ids, attrString(&item, "id"))
	}
	for _, companion := range writer.companions() {
		c.passReceipt(companion, n)
	}
	writer.inbox.post(func() { writer.handleReceipt(d, kind, ids) })
}

// passReceipt forwards a receipt to a companion of the message's writer.
func (c *conn) passReceipt(to *device, n *waBinary.Node) {
	id, kind := attrString(n, "id"), attrString(n, "type")
	from := c.device.lid
	if kind != string(types.ReceiptTypeRetry) {
		from.Device = 0
	}
	attrs := waBinary.Attrs{"from": from, "id": id, "t": time.Now().Unix()}
	if kind != "" {
		attrs["type"] = kind
	}
	_ = to.push(&entry{
		key:  entryKey{class: "receipt", id: id, from: from, typ: kind},
		node: stanza("receipt", attrs, n.GetChildren()...),
	})
}

// handleAck settles receipts and notifications, and messages that the companion gave up on.
func (c *conn) handleAck(n *waBinary.Node) {
	key := entryKey{class: attrString(n, "class"), id: attrString(n, "id"), from: attrJID(n, "to")}
	if key.class == "receipt" {
		key.typ = attrString(n, "type")
	}
	if code := attrString(n, "error"); code != "" && key.class == "message" {
		c.device.phone.stats.nacks.Add(1)
		c.srv.log.Debug("companion refused a message", "device", c.name(), "id", key.id, "code", code)
	}
	c.settle(key)
}

// settle removes a stanza from the queue, unless a fault swallows the acknowledgement.
func (c *conn) settle(key entryKey) {
	d := c.device
	faults := c.srv.faults.of(d.phone)
	d.mu.Lock()
	if key.class == "message" && (faults.holdAcks || c.srv.faults.chance(faults.dropAcks)) {
		d.queue.swallow(key, faults.holdAcks)
		d.mu.Unlock()
		return
	}
	e := d.queue.settle(key)
	if e != nil {
		d.deliverAgain(e, e.copies)
	}
	d.mu.Unlock()
	if e != nil {
		e.count()
	}
}

// count enters an acknowledged message into the ledger, once whatever the number of companions.
func (e *entry) count() {
	if e.msg != nil && e.msg.counted.CompareAndSwap(false, true) {
		e.msg.to.stats.acked.Add(1)
	}
}

func (c *conn) handlePresence(n *waBinary.Node) {
	if name := attrString(n, "name"); name != "" && attrString(n, "type") == "available" {
		c.srv.log.Debug("companion is online", "device", c.name(), "name", name)
	}
}
