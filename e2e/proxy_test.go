package e2e

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between the program and something it needs, and can be cut.
type proxy struct {
	listener net.Listener
	target   string
	source   net.Addr // of its own connections; nil for any

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
	lossy [2]chan struct{} // by direction: closed while bytes pass
}

// The directions of a proxy.
const (
	outward = iota // from the program
	inward
)

// behindProxy is the database as it is reached through a proxy.
func behindProxy(t *testing.T, db database) (database, *proxy) {
	t.Helper()
	u, err := url.Parse(db.url)
	if err != nil {
		t.Fatal(err)
	}
	p := newProxy(t, u.Host)
	return through(t, db, p), p
}

// through is the database at the address of a proxy.
func through(t *testing.T, db database, p *proxy) database {
	t.Helper()
	u, err := url.Parse(db.url)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.addr()
	return database{db.kind, u.String()}
}

// newProxy stands before a host and port.
func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	return newProxyFrom(t, target, nil)
}

// newProxyFrom connects from an address of its own.
func newProxyFrom(t *testing.T, target string, source net.Addr) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, source: source, conns: map[net.Conn]bool{}}
	for way := range p.lossy {
		p.lossy[way] = make(chan struct{})
		close(p.lossy[way])
	}
	t.Cleanup(func() {
		_ = listener.Close()
		p.hold(false, outward, inward)
		p.set(true)
	})
	go p.accept()
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.pass(conn)
	}
}

// set cuts every connection and refuses new ones, or lets them through again.
func (p *proxy) set(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	if !cut {
		return
	}
	for conn := range p.conns {
		_ = conn.Close()
	}
}

// hold makes bytes of these directions wait on the way, without a word to
// anybody, as a network does that swallows packets; or lets them go on.
func (p *proxy) hold(on bool, ways ...int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, way := range ways {
		select {
		case <-p.lossy[way]:
			if on {
				p.lossy[way] = make(chan struct{})
			}
		default:
			if !on {
				close(p.lossy[way])
			}
		}
	}
}

func (p *proxy) open(way int) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lossy[way]
}

// carry moves bytes in one direction.
func (p *proxy) carry(way int, to io.Writer, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		<-p.open(way)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) enter(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return false
	}
	for _, c := range conns {
		p.conns[c] = true
	}
	return true
}

func (p *proxy) leave(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
		_ = c.Close()
	}
}

func (p *proxy) pass(client net.Conn) {
	defer client.Close()
	dialer := net.Dialer{LocalAddr: p.source}
	server, err := dialer.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.enter(client, server) {
		return
	}
	defer p.leave(client, server)
	done := make(chan struct{}, 2)
	go func() {
		p.carry(outward, server, client)
		done <- struct{}{}
	}()
	go func() {
		p.carry(inward, client, server)
		done <- struct{}{}
	}()
	<-done
}
