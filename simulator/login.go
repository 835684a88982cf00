package simulator

import (
	"encoding/binary"
	"strconv"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// Reasons of a <failure>, as whatsmeow names them.
const (
	reasonLoggedOut   = 401
	reasonTempBanned  = 402
	reasonOutdated    = 405
	reasonUnavailable = 503
)

// login decides about a connection whose handshake is done. It returns false when the connection was
// refused; what is to be said has then been said.
func (c *conn) login() bool {
	payload := c.session.payload
	if c.srv.faults.outdated() {
		c.refuse(reasonOutdated, nil)
		return false
	}
	if reg := payload.GetDevicePairingData(); reg != nil {
		return c.offerPairing(reg)
	}
	p := c.srv.phoneByPN(strconv.FormatUint(payload.GetUsername(), 10))
	if p == nil {
		c.refuse(reasonLoggedOut, nil)
		return false
	}
	if c.refusedByFault(p) {
		return false
	}
	d := p.deviceByID(uint16(payload.GetDevice()))
	if d == nil || d.noise != c.session.clientStatic {
		c.refuse(reasonLoggedOut, nil)
		return false
	}
	c.device = d
	if !d.attach(c) {
		c.refuse(reasonLoggedOut, nil)
		return false
	}
	c.send(stanza("success", waBinary.Attrs{
		"t": time.Now().Unix(), "lid": d.lid, "creation": d.pairedAt.Unix(), "props": "27", "abprops": "1",
		"display_name": p.PushName(),
	}))
	return true
}

func (c *conn) refusedByFault(p *Phone) bool {
	f := c.srv.faults.of(p)
	switch {
	case f.refuse, f.refuseFrom != "" && f.refuseFrom == c.from:
		// An empty node first: whatsmeow's socket races with itself when it is
		// closed before it has read one (noisesocket.go, framesocket.go).
		c.goodbye(stanza("ib", nil))
	case f.unavailable:
		c.refuse(reasonUnavailable, nil)
	case f.tempBan != 0:
		c.refuse(reasonTempBanned, waBinary.Attrs{"code": f.tempBan, "expire": int(f.tempBanFor.Seconds())})
	default:
		return false
	}
	return true
}

func (c *conn) refuse(reason int, more waBinary.Attrs) {
	attrs := waBinary.Attrs{"reason": reason, "location": "sim"}
	for k, v := range more {
		attrs[k] = v
	}
	c.srv.log.Debug("login refused", "reason", reason, "user", c.session.payload.GetUsername())
	c.goodbye(stanza("failure", attrs))
}

// streamError ends a connection that was in use.
func (c *conn) streamError(code int, conflict string) {
	n := stanza("stream:error", nil)
	if code != 0 {
		n.Attrs = waBinary.Attrs{"code": code}
	}
	if conflict != "" {
		n.Content = []waBinary.Node{stanza("conflict", waBinary.Attrs{"type": conflict})}
	}
	c.goodbye(n)
}

func be3(v uint32) []byte { return []byte{byte(v >> 16), byte(v >> 8), byte(v)} }

func be4(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func fromBE(b []byte) (v uint32) {
	for _, x := range b {
		v = v<<8 | uint32(x)
	}
	return v
}

func lidOf(user string, device uint16) types.JID {
	return types.JID{User: user, Device: device, Server: types.HiddenUserServer}
}

func pnOf(user string, device uint16) types.JID {
	return types.JID{User: user, Device: device, Server: types.DefaultUserServer}
}
