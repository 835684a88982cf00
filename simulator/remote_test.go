package simulator_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net"
	"net/http"
	"os"

	"flowhq/simulator"

	"go.mau.fi/whatsmeow"
)

// remote wires this process to a simulator in another one with nothing but the three settings.
func remote() *http.Client {
	pem, err := os.ReadFile(os.Getenv(simulator.EnvCA))
	fatal(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	key, err := hex.DecodeString(os.Getenv(simulator.EnvRootKey))
	fatal(err)
	whatsmeow.WACertPubKey = [32]byte(key)
	addr := os.Getenv(simulator.EnvAddr)
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
		TLSClientConfig: &tls.Config{RootCAs: pool},
	}}
}
