package simulator

import (
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// iqUsync answers questions about users: are they on WhatsApp, what is their LID, which devices do
// they have.
func (c *conn) iqUsync(n *waBinary.Node) {
	usync := n.GetChildByTag("usync")
	query, list := usync.GetChildByTag("query"), usync.GetChildByTag("list")
	wanted := map[string]waBinary.Node{}
	for _, q := range query.GetChildren() {
		wanted[q.Tag] = q
	}
	var users []waBinary.Node
	for _, u := range list.GetChildren() {
		if jid := attrJID(&u, "jid"); !jid.IsEmpty() {
			users = append(users, c.srv.describeUser(jid, wanted))
		} else {
			users = append(users, c.srv.lookUp(&u, wanted))
		}
	}
	c.result(n, stanza("usync", waBinary.Attrs{
		"index": "0", "last": "true", "mode": usync.Attrs["mode"], "context": usync.Attrs["context"], "sid": usync.Attrs["sid"],
	}, stanza("result", nil), stanza("list", nil, users...)))
}

// describeUser answers for an address. It is echoed exactly, because the client caches under it.
func (s *Server) describeUser(jid types.JID, wanted map[string]waBinary.Node) waBinary.Node {
	p := s.phoneByJID(jid)
	var children []waBinary.Node
	for tag := range wanted {
		switch {
		case p == nil && tag == "devices":
			children = append(children, stanza("devices", nil, stanza("error", waBinary.Attrs{"code": 404})))
		case p == nil:
		case tag == "devices":
			children = append(children, p.deviceNode(jid))
		case tag == "lid" && jid.Server == types.DefaultUserServer:
			children = append(children, stanza("lid", waBinary.Attrs{"val": p.lid}))
		case tag == "status":
			children = append(children, leaf("status", []byte("Hey there! I am using WhatsApp.")))
		case tag == "contact":
			children = append(children, stanza("contact", waBinary.Attrs{"type": "in"}))
		}
	}
	return stanza("user", waBinary.Attrs{"jid": jid}, children...)
}

// lookUp answers for a phone number of an address book.
func (s *Server) lookUp(u *waBinary.Node, wanted map[string]waBinary.Node) waBinary.Node {
	contact := u.GetChildByTag("contact")
	asked := text(&contact)
	number, _, _ := strings.Cut(strings.TrimPrefix(asked, "+"), "@")
	p := s.phoneByPN(number)
	if p == nil {
		return stanza("user", waBinary.Attrs{"jid": pnOf(number, 0)},
			waBinary.Node{Tag: "contact", Attrs: waBinary.Attrs{"type": "out"}, Content: []byte(asked)})
	}
	attrs := waBinary.Attrs{"jid": p.JID()}
	query := wanted["contact"]
	if attrString(&query, "addressing_mode") == string(types.AddressingModeLID) {
		attrs = waBinary.Attrs{"jid": p.lid, "pn_jid": p.JID()}
	}
	return stanza("user", attrs,
		waBinary.Node{Tag: "contact", Attrs: waBinary.Attrs{"type": "in"}, Content: []byte(asked)})
}

func (p *Phone) deviceNode(jid types.JID) waBinary.Node {
	devices := []waBinary.Node{stanza("device", waBinary.Attrs{"id": "0"})}
	for _, d := range p.companions() {
		devices = append(devices, stanza("device", waBinary.Attrs{"id": int(d.id), "key-index": d.keyIndex}))
	}
	return stanza("devices", nil,
		stanza("device-list", waBinary.Attrs{"hash": deviceHash(jid.ToNonAD(), p.deviceIDs())}, devices...))
}
