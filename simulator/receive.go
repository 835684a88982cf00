package simulator

import (
	"errors"
	"hash/maphash"
	"time"

	"go.mau.fi/libsignal/signalerror"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

var hashSeed = maphash.MakeSeed()

// inbound is a message of a companion on its way to one phone.
type inbound struct {
	from       *device
	id         string
	at         time.Time
	chat       *Phone // of a copy for the writer's own phone: whom it went to
	peer       bool   // talk between a companion and its phone
	encType    string
	ciphertext []byte
	retry      int // number of the retry that this answers
}

// arrival says how a message came.
type arrival struct {
	hash    uint64 // of the ciphertext
	remote  bool   // written by a companion, as opposed to another phone
	own     bool   // by a companion of this very phone
	retried bool
}

// receive decrypts, shows and acknowledges a message, or asks for it again.
func (p *Phone) receive(in inbound) {
	tenant := in.from.phone
	key := seenKey{from: tenant, id: in.id}
	hash := maphash.Bytes(hashSeed, in.ciphertext)
	if !in.peer && in.retry == 0 && p.srv.faults.takeUndecryptable(p, tenant) {
		p.askAgain(in)
		return
	}
	p.keys()
	p.ratchets.mu.Lock()
	plaintext, counter, err := p.ratchets.decrypt(in.from, in.encType, in.ciphertext)
	p.ratchets.mu.Unlock()
	if errors.Is(err, signalerror.ErrOldCounter) {
		p.oldCounter(in, key, hash, counter)
		p.acknowledge(in)
		return
	}
	var msg waE2E.Message
	if err == nil {
		err = proto.Unmarshal(plaintext, &msg)
	}
	if err != nil {
		p.srv.log.Debug("phone cannot decrypt", "phone", p.Number(), "from", in.from.jid.String(), "id", in.id, "error", err)
		tenant.stats.decryptErrors.Add(1)
		p.askAgain(in)
		return
	}
	if in.peer {
		p.handlePeer(in, &msg)
		return
	}
	how := arrival{hash: hash, remote: true, retried: in.retry > 0}
	chat, content := tenant, &msg
	if sent := msg.GetDeviceSentMessage(); in.chat != nil && sent != nil {
		chat, content, how.own = in.chat, sent.GetMessage(), true
	}
	p.show(chat, in.id, in.at, content, how)
	p.acknowledge(in)
}

// oldCounter decides what a message means whose key was used before. With a known id it is a copy.
// With a new one the sender has used a message key twice: a phone drops such a message without a
// word and still says "delivered".
func (p *Phone) oldCounter(in inbound, key seenKey, hash uint64, counter uint32) {
	p.history.mu.Lock()
	before, known := p.history.seen[key]
	if !known {
		p.history.note(key, hash, p.srv.opts.HistoryLimit)
	}
	p.history.mu.Unlock()
	stats := &in.from.phone.stats
	if known {
		stats.repeat(RepeatedMessage{ID: in.id, To: p.Number(), SameCiphertext: before == hash, OwnCopy: in.chat != nil})
		return
	}
	stats.reuse(ReusedCounter{ID: in.id, To: p.Number(), Counter: counter, OwnCopy: in.chat != nil})
	p.srv.log.Warn("message key used twice, message lost", "from", in.from.jid.String(), "to", p.Number(), "id", in.id, "counter", counter)
}

// acknowledge sends the delivery and the read receipt to all companions of the writer.
func (p *Phone) acknowledge(in inbound) {
	if in.chat != nil || p.noReceipts {
		return
	}
	for _, d := range in.from.phone.companions() {
		p.pushReceipt(d, in.id, "")
		p.pushReceipt(d, in.id, "read")
	}
}

// pushReceipt queues a receipt; a full queue loses it, as it may get lost in life.
func (p *Phone) pushReceipt(d *device, id, kind string) {
	attrs := waBinary.Attrs{"from": p.lid, "id": id, "t": time.Now().Unix(), "sender_pn": p.JID()}
	if kind != "" {
		attrs["type"] = kind
	}
	_ = d.push(&entry{
		key:  entryKey{class: "receipt", id: id, from: p.lid, typ: kind},
		node: stanza("receipt", attrs),
	})
}

// show puts a message into the chat with another phone, unless its id is there already.
func (p *Phone) show(chat *Phone, id string, at time.Time, content *waE2E.Message, how arrival) {
	writer := chat
	if how.own {
		writer = p
	}
	key := seenKey{from: writer, id: id}
	h := &p.history
	h.mu.Lock()
	before, known := h.seen[key]
	if !known {
		h.note(key, how.hash, p.srv.opts.HistoryLimit)
	}
	if known {
		h.mu.Unlock()
		if how.remote {
			writer.stats.repeat(RepeatedMessage{ID: id, To: p.Number(), SameCiphertext: before == how.hash, OwnCopy: how.own})
		}
		return
	}
	m := bubble(content)
	m.ID, m.Chat, m.From, m.At = id, chat.Number(), writer.Number(), at
	m.OwnCopy, m.Retried = how.own, how.retried
	if p.amend(chat, content) {
		h.mu.Unlock()
		return
	}
	c := h.append(chat, m, p.srv.opts.HistoryLimit)
	switch {
	case how.own:
		writer.stats.ownCopies.Add(1)
	case how.remote:
		writer.stats.shown.Add(1)
		writer.stats.answered.Add(c.unanswered)
		c.unanswered = 0
	}
	subscribers := h.subscribers
	shown := *m
	h.mu.Unlock()
	for _, f := range subscribers {
		f(shown)
	}
}

// showOwn puts a message that was written on this phone into its chat.
func (p *Phone) showOwn(to *Phone, out *outgoing) {
	h := &p.history
	h.mu.Lock()
	defer h.mu.Unlock()
	m := bubble(out.message)
	m.ID, m.Chat, m.From, m.At, m.Status = out.id, to.Number(), p.Number(), out.at, StatusSent
	h.note(seenKey{from: p, id: out.id}, 0, p.srv.opts.HistoryLimit)
	if p.amend(to, out.message) {
		return
	}
	c := h.append(to, m, p.srv.opts.HistoryLimit)
	c.written = true
	if len(to.companions()) > 0 {
		c.unanswered++
	} else {
		m.Status = StatusDelivered
	}
}

// handleReceipt takes a companion's receipt for messages of this phone.
func (p *Phone) handleReceipt(from *device, kind types.ReceiptType, ids []string) {
	status := StatusDelivered
	switch kind {
	case types.ReceiptTypeDelivered:
	case types.ReceiptTypeRead, types.ReceiptTypePlayed:
		status = StatusRead
	default: // inactive receipts are not shown; the others are not for this side
		return
	}
	for _, id := range ids {
		p.history.progress(from.phone, id, status)
	}
}

// Tick gives another phone a receipt for a message of its, as a primary phone does in life when it shows
// one. Phones of this package do so only when told, so that tests see the receipts of companions.
func (p *Phone) Tick(writer *Phone, id string, to Status) { writer.history.progress(p, id, to) }
