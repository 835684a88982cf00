package simulator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.mau.fi/whatsmeow"
)

// Names of the settings that point a process at a simulator.
const (
	EnvAddr    = "FLOWHQ_WHATSAPP_ADDR"
	EnvCA      = "FLOWHQ_WHATSAPP_CA"
	EnvRootKey = "FLOWHQ_WHATSAPP_ROOT_KEY"
)

// CAPEM is the certificate authority of the server's TLS certificate.
func (s *Server) CAPEM() []byte { return append([]byte(nil), s.tls.caPEM...) }

// Settings writes the CA into dir and returns the three environment settings for another process.
func (s *Server) Settings(dir string) (map[string]string, error) {
	path, err := filepath.Abs(filepath.Join(dir, "whatsapp-simulator-ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("locate ca file: %w", err)
	}
	if err = os.WriteFile(path, s.tls.caPEM, 0o644); err != nil {
		return nil, fmt.Errorf("write ca file: %w", err)
	}
	return map[string]string{EnvAddr: s.Addr(), EnvCA: path, EnvRootKey: s.RootKeyHex()}, nil
}

// TrustRoot makes whatsmeow accept this process's simulators in place of WhatsApp, for the whole
// process, and returns a function that undoes it. Call both while no client is connecting.
func (s *Server) TrustRoot() (restore func()) {
	before := whatsmeow.WACertPubKey
	whatsmeow.WACertPubKey = *rootKey().Pub
	return func() { whatsmeow.WACertPubKey = before }
}

// ConfigureClient points the three HTTP clients of a whatsmeow client (websocket before and after
// login, media) at this server, whatever host they ask for. Call it before Connect.
func (s *Server) ConfigureClient(cli *whatsmeow.Client) {
	h := s.HTTPClient()
	cli.SetWebsocketHTTPClient(h)
	cli.SetPreLoginHTTPClient(h)
	cli.SetMediaHTTPClient(h)
}

// HTTPClient dials this server for any host and trusts its CA. It has no overall timeout, because
// websockets live on it.
func (s *Server) HTTPClient() *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.tls.caPEM)
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	addr := s.Addr()
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, addr)
		},
		TLSClientConfig:       &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   20 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		IdleConnTimeout:       time.Minute,
	}}
}
