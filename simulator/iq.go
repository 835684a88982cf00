package simulator

import (
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// iqHandlers is everything that the server answers with more than "done", by namespace.
var iqHandlers = map[string]func(*conn, *waBinary.Node){
	"encrypt":           (*conn).iqEncrypt,
	"usync":             (*conn).iqUsync,
	"passive":           (*conn).iqPassive,
	"md":                (*conn).iqCompanions,
	"w:m":               (*conn).iqMedia,
	"w:sync:app:state":  (*conn).iqAppState,
	"privacy":           (*conn).iqPrivacy,
	"blocklist":         (*conn).iqBlocklist,
	"w":                 (*conn).iqProps,
	"abt":               (*conn).iqProps,
	"w:profile:picture": func(c *conn, n *waBinary.Node) { c.iqError(n, 404, "item-not-found") },
	"w:g2":              func(c *conn, n *waBinary.Node) { c.iqError(n, 501, "feature-not-implemented") },
	"w:mex":             func(c *conn, n *waBinary.Node) { c.iqError(n, 501, "feature-not-implemented") },
	"newsletter":        func(c *conn, n *waBinary.Node) { c.iqError(n, 501, "feature-not-implemented") },
}

// quietNamespaces are answered with an empty result and are no news.
var quietNamespaces = map[string]bool{
	"w:p": true, "urn:xmpp:whatsapp:dirty": true, "urn:xmpp:whatsapp:push": true, "status": true,
	"disappearing_mode": true, "w:stats": true, "tos": true, "w:biz": true,
}

func (c *conn) handleIQ(n *waBinary.Node) {
	namespace := attrString(n, "xmlns")
	if handler := iqHandlers[namespace]; handler != nil {
		handler(c, n)
		return
	}
	if !quietNamespaces[namespace] {
		c.srv.log.Debug("unknown iq answered with an empty result", "device", c.name(), "xmlns", namespace)
	}
	c.result(n)
}

func (c *conn) result(n *waBinary.Node, children ...waBinary.Node) {
	c.send(resultOf(n, children...))
}

func resultOf(n *waBinary.Node, children ...waBinary.Node) waBinary.Node {
	return stanza("iq", waBinary.Attrs{"id": n.Attrs["id"], "from": types.ServerJID, "type": "result"}, children...)
}

func (c *conn) iqError(n *waBinary.Node, code int, text string) {
	c.send(stanza("iq", waBinary.Attrs{"id": n.Attrs["id"], "from": types.ServerJID, "type": "error"},
		stanza("error", waBinary.Attrs{"code": code, "text": text})))
}

// iqPassive starts or stops the flow of messages. A client logs in passive and asks for its messages
// only after it has uploaded its prekeys.
func (c *conn) iqPassive(n *waBinary.Node) {
	d := c.device
	if d == nil {
		c.iqError(n, 401, "not-authorized")
		return
	}
	if _, active := n.GetOptionalChildByTag("active"); active {
		d.activate(c, resultOf(n))
		d.phone.stats.logins.Add(1)
		return
	}
	d.passivate()
	c.result(n)
}

func (c *conn) iqPrivacy(n *waBinary.Node) {
	if _, tokens := n.GetOptionalChildByTag("tokens"); tokens || attrString(n, "type") == "set" {
		c.result(n)
		return
	}
	var categories []waBinary.Node
	for _, name := range []string{"groupadd", "last", "status", "profile", "readreceipts", "online", "calladd"} {
		categories = append(categories, stanza("category", waBinary.Attrs{"name": name, "value": "all"}))
	}
	c.result(n, stanza("privacy", nil, categories...))
}

func (c *conn) iqBlocklist(n *waBinary.Node) {
	c.result(n, stanza("list", waBinary.Attrs{"dhash": "none"}))
}

// iqProps serves the experiment settings, of which there are none.
func (c *conn) iqProps(n *waBinary.Node) {
	c.result(n, stanza("props", waBinary.Attrs{
		"protocol": "1", "hash": "simulator", "refresh": 86400, "ab_key": "sim", "t": time.Now().Unix(),
	}))
}

// iqCompanions handles pairing by code before login and unlinking by the companion itself after it.
func (c *conn) iqCompanions(n *waBinary.Node) {
	if reg, ok := n.GetOptionalChildByTag("link_code_companion_reg"); ok {
		c.iqPairingCode(n, &reg)
		return
	}
	if _, ok := n.GetOptionalChildByTag("remove-companion-device"); ok && c.device != nil {
		c.device.phone.takeOff(c.device.id)
		c.device.remove()
		c.goodbye(resultOf(n))
		return
	}
	c.result(n)
}
