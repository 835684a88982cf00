// Package whatsapp is the adapter between the worker and whatsmeow, and the
// only place that imports it: dialling, linking, the store decorator, and the
// mapping of events and messages.
package whatsapp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"go.mau.fi/whatsmeow"

	"flowhq/worker"
)

// Redirect points every WhatsApp connection at another server, such as the
// simulator. The zero value is the real WhatsApp.
type Redirect struct {
	Addr    string // host:port that takes the place of every WhatsApp host
	CAFile  string // PEM file with the CA of that server's certificate
	RootKey string // 64 hex digits: the key that signs its Noise certificate
}

// Active reports whether connections go elsewhere than to WhatsApp.
func (r Redirect) Active() bool { return r.Addr != "" }

const (
	dialTimeout     = 10 * time.Second
	responseTimeout = 15 * time.Second
)

// network dials WhatsApp, or the server that takes its place.
type network struct {
	addr string
	tls  *tls.Config
}

// newNetwork prepares dialling. With a redirect it also sets the process-wide
// root key of whatsmeow, so one process serves one WhatsApp.
func newNetwork(r Redirect) (*network, error) {
	// A fleet that connects again resumes its TLS sessions.
	resumed := tls.NewLRUClientSessionCache(16)
	if !r.Active() {
		return &network{tls: &tls.Config{ClientSessionCache: resumed, MinVersion: tls.VersionTLS12}}, nil
	}
	pem, err := os.ReadFile(r.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read FLOWHQ_WHATSAPP_CA: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("FLOWHQ_WHATSAPP_CA holds no certificate in PEM form")
	}
	key, err := hex.DecodeString(r.RootKey)
	if err != nil || len(key) != len(whatsmeow.WACertPubKey) {
		return nil, errors.New("FLOWHQ_WHATSAPP_ROOT_KEY must be 64 hex digits")
	}
	copy(whatsmeow.WACertPubKey[:], key)
	return &network{addr: r.Addr, tls: &tls.Config{RootCAs: roots, ClientSessionCache: resumed, MinVersion: tls.VersionTLS12}}, nil
}

// client returns an HTTP client whose connections are guarded: once ctx ends
// they refuse every byte, whatever code still holds them, and while the process
// is not trusted bytes wait.
func (n *network) client(ctx context.Context, trust *worker.Trust, crash func(string)) *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(dialCtx context.Context, network, addr string) (net.Conn, error) {
			if err := trust.Await(ctx); err != nil {
				return nil, err
			}
			if n.addr != "" {
				addr = n.addr
			}
			conn, err := dialer.DialContext(dialCtx, network, addr)
			if err != nil {
				return nil, err
			}
			guarded := &guardedConn{Conn: conn, ctx: ctx, trust: trust, crash: crash}
			guarded.release = context.AfterFunc(ctx, func() { _ = conn.Close() })
			return guarded, nil
		},
		TLSClientConfig:       n.tls,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: responseTimeout,
		ForceAttemptHTTP2:     false,
		MaxIdleConns:          2,
		IdleConnTimeout:       30 * time.Second,
	}
	if n.addr != "" {
		transport.Proxy = nil
	}
	return &http.Client{Transport: transport}
}

// guardedConn is a connection of one tenure: it closes as soon as the tenure
// ends, even if the code above it has not noticed.
type guardedConn struct {
	net.Conn
	ctx     context.Context
	trust   *worker.Trust
	release func() bool
	crash   func(string)
}

func (c *guardedConn) Close() error {
	c.release()
	return c.Conn.Close()
}

func (c *guardedConn) Write(b []byte) (int, error) {
	if c.ctx.Err() != nil {
		_ = c.Close()
		return 0, context.Cause(c.ctx)
	}
	if err := c.trust.Await(c.ctx); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	if c.crash != nil {
		c.crash("O4")
	}
	return n, err
}
