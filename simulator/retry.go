package simulator

import (
	"fmt"
	"sync"
	"time"

	"go.mau.fi/libsignal/ecc"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// retryLimit is how often a phone asks for the same message before it gives up.
const retryLimit = 5

// retryCounts remembers how often a phone has asked.
type retryCounts struct {
	mu sync.Mutex
	n  map[seenKey]int
}

func (r *retryCounts) next(key seenKey) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil || len(r.n) > 10_000 {
		r.n = make(map[seenKey]int)
	}
	r.n[key]++
	return r.n[key]
}

// askAgain sends a retry receipt for a message that the phone could not read. From the second time on it
// carries the keys for a new session.
func (p *Phone) askAgain(in inbound) {
	count := p.retries.next(seenKey{from: in.from.phone, id: in.id})
	if count > retryLimit {
		return
	}
	in.from.phone.stats.retriesToBot.Add(1)
	k := p.keys()
	attrs := waBinary.Attrs{"from": p.lid, "id": in.id, "type": string(types.ReceiptTypeRetry), "t": time.Now().Unix()}
	if in.chat != nil {
		attrs["recipient"] = in.chat.lid
	}
	children := []waBinary.Node{
		stanza("retry", waBinary.Attrs{"count": count, "id": in.id, "t": in.at.Unix(), "v": 1}),
		leaf("registration", be4(k.regID)),
	}
	if count > 1 || p.hasNoSession(in.from) {
		key := p.ratchets.newPreKey()
		children = append(children, stanza("keys", nil,
			leaf("type", []byte{ecc.DjbType}),
			leaf("identity", k.identity.Pub[:]),
			preKeyNode("key", key),
			preKeyNode("skey", publicPreKey{id: k.signed.KeyID, pub: *k.signed.Pub, sig: k.signed.Signature[:]}),
		))
	}
	_ = in.from.push(&entry{
		key:  entryKey{class: "receipt", id: in.id, from: p.lid, typ: string(types.ReceiptTypeRetry)},
		node: stanza("receipt", attrs, children...),
	})
}

func (p *Phone) hasNoSession(d *device) bool {
	p.ratchets.mu.Lock()
	defer p.ratchets.mu.Unlock()
	return p.ratchets.sessions[d.lid.SignalAddress().String()] == nil
}

// handleRetry passes a companion's retry receipt to the writer of the message: a phone, or a companion.
func (c *conn) handleRetry(n *waBinary.Node, to types.JID) {
	d := c.device
	d.phone.stats.retriesFromBot.Add(1)
	writer := c.srv.phoneByJID(to)
	if writer == nil {
		return
	}
	if to.Device != 0 {
		if companion := writer.deviceByID(to.Device); companion != nil {
			c.passReceipt(companion, n)
		}
		return
	}
	retry := n.GetChildByTag("retry")
	ag := retry.AttrGetter()
	id, count := ag.String("id"), ag.Int("count")
	keys, err := parseKeys(n)
	if err != nil {
		c.srv.log.Warn("retry receipt with bad keys", "device", c.name(), "error", err)
	}
	writer.inbox.post(func() { writer.resend(d, id, count, keys) })
}

// resend encrypts a message again for one companion, in a new session if the companion sent keys.
func (p *Phone) resend(d *device, id string, count int, keys *bundle) {
	out := p.recent.get(id)
	if out == nil {
		p.srv.log.Warn("companion asks for a message that is gone", "device", d.jid.String(), "id", id)
		return
	}
	plaintext, err := proto.Marshal(out.message)
	if d.phone == p {
		plaintext, err = deviceSent(out)
	}
	if err != nil {
		p.srv.log.Warn("message cannot be sent again", "id", id, "error", err)
		return
	}
	p.keys()
	p.ratchets.mu.Lock()
	defer p.ratchets.mu.Unlock()
	if keys != nil {
		err = p.ratchets.reopen(d, *keys)
	}
	if err == nil {
		err = p.pushMessage(d, out, plaintext, count)
	}
	if err != nil {
		p.srv.log.Warn("message cannot be sent again", "id", id, "error", err)
	}
}

// parseKeys reads the keys of a retry receipt; nil if there are none.
func parseKeys(n *waBinary.Node) (*bundle, error) {
	keys, ok := n.GetOptionalChildByTag("keys")
	if !ok {
		return nil, nil
	}
	reg, identity := childBytes(n, "registration"), childBytes(&keys, "identity")
	if len(reg) != 4 || len(identity) != 32 {
		return nil, fmt.Errorf("registration of %d and identity of %d bytes", len(reg), len(identity))
	}
	b := &bundle{regID: fromBE(reg), identity: [32]byte(identity)}
	var err error
	if b.skey, err = parsePreKey(keys.GetChildByTag("skey")); err != nil {
		return nil, err
	}
	if node, ok := keys.GetOptionalChildByTag("key"); ok {
		key, err := parsePreKey(node)
		if err != nil {
			return nil, err
		}
		b.onetime = &key
	}
	return b, nil
}
