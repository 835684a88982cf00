package simulator

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"go.mau.fi/whatsmeow/types"
)

// misses reports whether a message left out a device of the recipient or of the sender.
func (c *conn) misses(targets []target, to *Phone) bool {
	has := func(p *Phone, device uint16) bool {
		return slices.ContainsFunc(targets, func(t target) bool {
			return t.jid.Device == device && (t.jid.User == p.lid.User || t.jid.User == p.user)
		})
	}
	for _, p := range []*Phone{to, c.device.phone} {
		if !has(p, 0) {
			return true
		}
		for _, d := range p.companions() {
			if d != c.device && !has(p, d.id) {
				return true
			}
		}
	}
	return false
}

// currentHash is the hash over all devices that take part in a chat between two numbers. A client whose
// own hash differs renews its device list.
func currentHash(to, from *Phone) string {
	var devices []string
	for _, p := range []*Phone{to, from} {
		for _, id := range p.deviceIDs() {
			devices = append(devices, lidOf(p.lid.User, id).ADString())
		}
	}
	slices.Sort(devices)
	sum := sha256.Sum256([]byte(strings.Join(devices, "")))
	return "2:" + base64.RawStdEncoding.EncodeToString(sum[:6])
}

// deviceIDs lists the phone, 0, and its companions.
func (p *Phone) deviceIDs() []uint16 {
	ids := []uint16{0}
	for _, d := range p.companions() {
		ids = append(ids, d.id)
	}
	return ids
}

// deviceHash is the hash of one number's device list.
func deviceHash(user types.JID, ids []uint16) string {
	var devices []string
	for _, id := range ids {
		user.Device = id
		devices = append(devices, user.ADString())
	}
	slices.Sort(devices)
	sum := sha256.Sum256([]byte(strings.Join(devices, "")))
	return "2:" + base64.RawStdEncoding.EncodeToString(sum[:6])
}
