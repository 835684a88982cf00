package simulator

import (
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/store"
)

func (s *Server) newHTTPServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/ws/chat", s.serveWebsocket)
	mux.HandleFunc("/mms/{kind}/{token}", s.serveUpload)
	mux.HandleFunc("GET "+mediaPath+"{token}", s.serveDownload)
	mux.HandleFunc("GET /{$}", serveFrontPage)
	return &http.Server{
		Handler:           mux,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{s.tls.leaf}, MinVersion: tls.VersionTLS12},
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // websockets need HTTP/1.1
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(quietErrors{s}, "", 0),
	}
}

// quietErrors hands net/http's complaints about broken connections to the debug log.
type quietErrors struct{ s *Server }

func (q quietErrors) Write(p []byte) (int, error) {
	q.s.log.Debug("http server", "message", strings.TrimSpace(string(p)))
	return len(p), nil
}

func (s *Server) serveWebsocket(w http.ResponseWriter, r *http.Request) {
	if s.faults.refusesEverybody() {
		panic(http.ErrAbortHandler) // closes the TCP connection without an answer
	}
	// Compression is not offered: whether the real server takes it is unknown, and with context takeover
	// it costs a client more than a megabyte of heap.
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		s.log.Debug("websocket refused", "error", err)
		return
	}
	ws.SetReadLimit(socket.FrameMaxSize)
	if !s.enter() {
		_ = ws.CloseNow()
		return
	}
	defer s.leave()
	from, _, _ := net.SplitHostPort(r.RemoteAddr)
	newConn(s, ws, from).run()
}

// serveFrontPage answers what whatsmeow.GetLatestVersion looks for, with the version that it has.
func serveFrontPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprintf(w, `<!doctype html><script>{"client_revision":%d,"name":"WhatsApp simulator"}</script>`, store.GetWAVersion()[2])
}
