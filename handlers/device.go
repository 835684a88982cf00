package handlers

import (
	"bytes"
	"encoding/hex"
	"slices"
)

// knownDevice is what the second cookie keeps of an account that has signed in
// on this device. Nobody else can make it: the cookie is signed.
type knownDevice struct {
	Account []byte // the key under which others' failures are counted
	Device  string // random, and the same for every sign-in of the account here
}

// maxKnown bounds the accounts of one device.
const maxKnown = 4

// device names this device to an account, "" when it has not signed in here.
func (u *ui) device(account []byte) string {
	if i := slices.IndexFunc(u.Known, func(k knownDevice) bool { return bytes.Equal(k.Account, account) }); i >= 0 {
		return u.Known[i].Device
	}
	return ""
}

// know notes that an account has signed in here.
func (u *ui) know(account []byte) {
	if u.device(account) != "" {
		return
	}
	if len(u.Known) >= maxKnown {
		u.Known = u.Known[1:]
	}
	u.Known, u.changed = append(u.Known, knownDevice{account, hex.EncodeToString(randomBytes(16))}), true
}
