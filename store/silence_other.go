//go:build !linux

package store

import "syscall"

// giveUpOnSilence leaves it to the keepalives.
func giveUpOnSilence(string, string, syscall.RawConn) error { return nil }
