package worker

import "runtime/debug"

// memoryRelief gives memory back to the system after many connections were
// made: linking and connecting leave several times as much garbage as a
// connected tenant keeps. It looks once a tick and acts once the number of
// connections has come to rest.
type memoryRelief struct {
	last    int
	unspent int // connections made since the last relief
}

// reliefAfter is how many new connections are worth a collection.
const reliefAfter = 50

func (m *memoryRelief) look(connected int) {
	if connected != m.last {
		m.unspent += max(connected-m.last, 0)
		m.last = connected
		return
	}
	if m.unspent >= reliefAfter {
		m.unspent = 0
		go debug.FreeOSMemory()
	}
}
