package simulator

import (
	"bytes"
	"fmt"

	"go.mau.fi/libsignal/ecc"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// iqEncrypt serves prekeys: how many are left, new ones, and bundles of other people's devices.
func (c *conn) iqEncrypt(n *waBinary.Node) {
	d := c.device
	if d == nil {
		c.iqError(n, 401, "not-authorized")
		return
	}
	if _, ok := n.GetOptionalChildByTag("count"); ok {
		c.result(n, stanza("count", waBinary.Attrs{"value": d.preKeyCount()}))
		return
	}
	if query, ok := n.GetOptionalChildByTag("key"); ok && attrString(n, "type") == "get" {
		if c.srv.faults.of(d.phone).noPreKeys {
			c.iqError(n, 429, "rate-overlimit")
			return
		}
		c.result(n, c.srv.bundles(&query))
		return
	}
	if _, ok := n.GetOptionalChildByTag("list"); !ok {
		c.result(n)
		return
	}
	if err := c.upload(n); err != nil {
		c.srv.log.Warn("prekey upload refused", "device", c.name(), "error", err)
		c.iqError(n, 406, "not-acceptable")
		return
	}
	c.result(n)
}

func (c *conn) upload(n *waBinary.Node) error {
	d := c.device
	if identity := childBytes(n, "identity"); !bytes.Equal(identity, d.identity[:]) {
		return fmt.Errorf("identity %x is not that of the device", identity)
	}
	skey, err := parsePreKey(n.GetChildByTag("skey"))
	if err != nil {
		return err
	}
	signed := append([]byte{ecc.DjbType}, skey.pub[:]...)
	if len(skey.sig) != 64 || !ecc.VerifySignature(ecc.NewDjbECPublicKey(d.identity), signed, [64]byte(skey.sig)) {
		return fmt.Errorf("signed prekey %d has a bad signature", skey.id)
	}
	var list []publicPreKey
	listNode := n.GetChildByTag("list")
	for _, child := range listNode.GetChildren() {
		key, err := parsePreKey(child)
		if err != nil {
			return err
		}
		list = append(list, key)
	}
	d.upload(fromBE(childBytes(n, "registration")), skey, list)
	return nil
}

// bundles answers a request for prekeys. The address is echoed exactly: the client looks it up by that.
func (s *Server) bundles(query *waBinary.Node) waBinary.Node {
	var users []waBinary.Node
	for _, user := range query.GetChildren() {
		jid := attrJID(&user, "jid")
		b, ok := s.bundleOf(jid)
		if !ok {
			users = append(users, stanza("user", waBinary.Attrs{"jid": jid},
				stanza("error", waBinary.Attrs{"code": 404, "text": "item-not-found"})))
			continue
		}
		children := []waBinary.Node{
			leaf("registration", be4(b.regID)),
			leaf("type", []byte{ecc.DjbType}),
			leaf("identity", b.identity[:]),
			preKeyNode("skey", b.skey),
		}
		if b.onetime != nil {
			children = append(children, preKeyNode("key", *b.onetime))
		}
		users = append(users, stanza("user", waBinary.Attrs{"jid": jid}, children...))
	}
	return stanza("list", nil, users...)
}

// bundleOf takes a bundle of a phone, made to order, or of a companion, from its stock.
func (s *Server) bundleOf(jid types.JID) (bundle, bool) {
	p := s.phoneByJID(jid)
	if p == nil {
		return bundle{}, false
	}
	if jid.Device != 0 {
		d := p.deviceByID(jid.Device)
		if d == nil {
			return bundle{}, false
		}
		return d.takeBundle(), true
	}
	k := p.keys()
	key := p.ratchets.newPreKey()
	return bundle{
		regID: k.regID, identity: *k.identity.Pub, onetime: &key,
		skey: publicPreKey{id: k.signed.KeyID, pub: *k.signed.Pub, sig: k.signed.Signature[:]},
	}, true
}

func preKeyNode(tag string, k publicPreKey) waBinary.Node {
	n := stanza(tag, nil, leaf("id", be3(k.id)), leaf("value", k.pub[:]))
	if k.sig != nil {
		n.Content = append(n.GetChildren(), leaf("signature", k.sig))
	}
	return n
}

func parsePreKey(n waBinary.Node) (publicPreKey, error) {
	id, pub := childBytes(&n, "id"), childBytes(&n, "value")
	if len(id) != 3 || len(pub) != 32 {
		return publicPreKey{}, fmt.Errorf("%s with id of %d and value of %d bytes", n.Tag, len(id), len(pub))
	}
	k := publicPreKey{id: fromBE(id), pub: [32]byte(pub), sig: bytes.Clone(childBytes(&n, "signature"))}
	if n.Tag == "skey" && len(k.sig) != 64 {
		return publicPreKey{}, fmt.Errorf("signed prekey with a signature of %d bytes", len(k.sig))
	}
	return k, nil
}

func childBytes(n *waBinary.Node, tag string) []byte {
	child := n.GetChildByTag(tag)
	b, _ := child.Content.([]byte)
	return b
}
