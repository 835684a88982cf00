package store_test

import (
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store/storetest"
)

// meter is a proxy in front of Postgres that counts round trips: how often the
// client speaks after the server did.
type meter struct {
	listener net.Listener
	target   string
	trips    atomic.Int64
}

func newMeter(t testing.TB, target string) *meter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &meter{listener: l, target: target}
	var connections sync.WaitGroup
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { m.pass(client) })
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		connections.Wait()
	})
	return m
}

func (m *meter) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", m.target)
	if err != nil {
		return
	}
	defer server.Close()
	var answered atomic.Bool
	answered.Store(true)
	var both sync.WaitGroup
	both.Go(func() {
		defer server.(*net.TCPConn).CloseWrite()
		forward(client, server, func() {
			if answered.Swap(false) {
				m.trips.Add(1)
			}
		})
	})
	both.Go(func() {
		defer client.(*net.TCPConn).CloseWrite()
		forward(server, client, func() { answered.Store(true) })
	})
	both.Wait()
}

func forward(from, to net.Conn, seen func()) {
	buffer := make([]byte, 1<<20)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			seen()
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// during returns how many round trips fn took.
func (m *meter) during(fn func()) int64 {
	before := m.trips.Load()
	fn()
	return m.trips.Load() - before
}

func TestMessagePath_TakesFewRoundTrips(t *testing.T) {
	address, err := url.Parse(storetest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	m := newMeter(t, address.Host)
	address.Host = m.listener.Addr().String()
	s := storetest.Open(t, address.String())
	storetest.Replica(t, s, "a")
	tenure := storetest.Serve(t, s, storetest.NewTenant(t, s))
	storetest.Device(t, s, tenure, jid)

	var sent domain.Outbound
	receive := func() {
		id := uuid.NewString()
		r, err := s.Inbox().Receive(t.Context(), tenure, incoming(id, "habari"), ratchetOf(id), answer("karibu"))
		must(t, err)
		sent = r.Replies[0]
	}
	duplicate := incoming("same", "habari")
	again := func() {
		_, err := s.Inbox().Receive(t.Context(), tenure, duplicate, ratchetWrites(), answer("karibu"))
		must(t, err)
	}
	save := func() { must(t, s.Ratchet().Save(t.Context(), tenure, ratchetWrites(), sent.ID)) }
	finish := func() {
		must(t, s.Outbox().Finish(t.Context(), []domain.Outcome{{Tenure: tenure, ID: sent.ID, Status: domain.StatusSent, ServerAt: domain.Now(), Attempts: 1}}))
	}
	tick := func() {
		must(t, s.Outbox().Ticks(t.Context(), []domain.Tick{{TenantID: tenure.TenantID, WAID: sent.WAID, Status: domain.StatusRead}}))
	}
	report := func() {
		must(t, s.Reports().Report(t.Context(), tenure, domain.LinkReport{Event: domain.EventConnected, JID: jid}))
	}
	for _, c := range []struct {
		name string
		call func()
		want int64
	}{
		{"Receive", receive, 2}, {"Receive of a duplicate", again, 2}, {"Save", save, 1}, {"Finish", finish, 1}, {"Ticks", tick, 1}, {"Report", report, 2},
	} {
		c.call() // prepares the statements
		if got := m.during(c.call); got != c.want {
			t.Errorf("%s took %d round trips, want %d", c.name, got, c.want)
		}
	}
}
