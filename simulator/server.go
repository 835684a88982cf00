package simulator

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow/util/keys"
)

// Options configure a Server. The zero value is usable.
type Options struct {
	// Addr is the TCP address to listen on; "127.0.0.1:0" when empty.
	Addr string
	// Logger gets protocol events at debug and refusals at warn level; nil is silent.
	Logger *slog.Logger
	// Seed makes faults with a probability reproducible.
	Seed int64
	// QRLife is how long an unpaired connection may stay open; 160 s when zero, as long as the
	// six codes of one connection live in whatsmeow (60 s, then 20 s each).
	QRLife time.Duration
	// HistoryLimit is the number of messages that a phone keeps; 10,000 when zero.
	HistoryLimit int
	// QueueLimit is the number of stanzas that may wait for one companion, and of items that may wait
	// for one phone in airplane mode; 100,000 when zero.
	QueueLimit int
	// MediaLimit is the number of bytes of media kept, oldest dropped first; 256 MiB when zero.
	MediaLimit int64
	// MessageSecrets puts a 32-byte message secret into every message of a phone, as current phones
	// do. It costs the receiving client one more database write.
	MessageSecrets bool
}

// Errors that calls of this package wrap.
var (
	ErrClosed        = errors.New("simulator is closed")
	ErrNumberTaken   = errors.New("number already has a phone")
	ErrBadNumber     = errors.New("number must be international, 7 to 15 digits")
	ErrUnknownPhone  = errors.New("no phone has this number")
	ErrUnknownDevice = errors.New("phone has no such companion")
	ErrOffline       = errors.New("phone is in airplane mode")
	ErrQueueFull     = errors.New("queue is full")
	ErrTooManyLinked = errors.New("phone has four companions already")
)

// Server is one simulated WhatsApp. All its methods are safe for concurrent use.
type Server struct {
	opts Options
	log  *slog.Logger

	ln     net.Listener
	http   *http.Server
	tls    tlsIdentity
	static *keys.KeyPair
	chain  []byte

	ctx    context.Context
	cancel context.CancelFunc

	gate   sync.RWMutex // keeps goroutines from starting while Close waits for them
	closed bool
	wg     sync.WaitGroup

	byPN   sync.Map // digits -> *Phone
	byLID  sync.Map // digits -> *Phone
	refs   sync.Map // pairing reference -> *conn
	conns  sync.Map // *conn -> struct{}
	phones atomic.Int64

	media  mediaStore
	faults Faults
}

// Start listens and serves until Close. Each server has its own certificate authority; all servers of
// one process share the root key of the Noise certificates, because whatsmeow keeps that per process.
func Start(opts Options) (*Server, error) {
	opts = opts.withDefaults()
	s := &Server{opts: opts, log: opts.Logger, static: keys.NewKeyPair()}
	s.media.limit = opts.MediaLimit
	s.faults.init(s)
	var err error
	if s.chain, err = noiseCertificates(s.static.Pub[:]); err != nil {
		return nil, fmt.Errorf("make noise certificates: %w", err)
	}
	if s.tls, err = newTLSIdentity(); err != nil {
		return nil, fmt.Errorf("make tls certificates: %w", err)
	}
	if s.ln, err = net.Listen("tcp", opts.Addr); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", opts.Addr, err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.http = s.newHTTPServer()
	s.wg.Go(func() { _ = s.http.ServeTLS(s.ln, "", "") })
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.QRLife == 0 {
		o.QRLife = 160 * time.Second
	}
	if o.HistoryLimit == 0 {
		o.HistoryLimit = 10_000
	}
	if o.QueueLimit == 0 {
		o.QueueLimit = 100_000
	}
	if o.MediaLimit == 0 {
		o.MediaLimit = 256 << 20
	}
	return o
}

// Close ends every connection and waits for the goroutines of the server. Handlers given to
// Subscribe have returned when Close returns, so it must not be called from one.
func (s *Server) Close() error {
	s.gate.Lock()
	s.closed = true
	s.gate.Unlock()
	s.cancel()
	err := s.http.Close()
	s.conns.Range(func(k, _ any) bool {
		k.(*conn).drop()
		return true
	})
	s.wg.Wait()
	if err != nil {
		return fmt.Errorf("close http server: %w", err)
	}
	return nil
}

// Addr is the host:port that takes the place of every WhatsApp host.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// RootKeyHex is the public key that signs the Noise certificates, 64 hex digits, the value
// for whatsmeow.WACertPubKey.
func (s *Server) RootKeyHex() string { return hex.EncodeToString(rootKey().Pub[:]) }

// enter counts a goroutine that Close waits for; it fails when the server is closed. leave ends it.
func (s *Server) enter() bool {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if !s.closed {
		s.wg.Add(1)
	}
	return !s.closed
}

func (s *Server) leave() { s.wg.Done() }

// spawn runs f in a goroutine that Close waits for, or not at all when the server is closed.
func (s *Server) spawn(f func()) bool {
	if !s.enter() {
		return false
	}
	go func() {
		defer s.leave()
		f()
	}()
	return true
}
