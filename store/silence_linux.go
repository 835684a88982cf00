package store

import (
	"strings"
	"syscall"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of tcp(7), which package syscall lacks.
const tcpUserTimeout = 18

// giveUpOnSilence lets a connection fail when what was sent on it is not
// confirmed in time. Keepalives alone do not: they rest while data is under way,
// which TCP sends again for a quarter of an hour.
func giveUpOnSilence(network, _ string, conn syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var failed error
	err := conn.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(silentFor.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}
