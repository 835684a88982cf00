package simulator

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/types"
)

const (
	handshakeTimeout = 20 * time.Second
	writeTimeout     = 30 * time.Second
	hangUpGrace      = 500 * time.Millisecond
	outboxLimit      = 16_384 // frames; a peer that lets so many pile up is cut off
)

// conn is one websocket. Nodes that come in are handled one after the other by the reading goroutine;
// nodes that go out are encoded and sealed by the writing one.
type conn struct {
	srv    *Server
	ws     *websocket.Conn
	from   string // the client's IP address
	ctx    context.Context
	cancel context.CancelFunc

	frames  frameReader
	session *noiseSession
	readN   uint32

	out outbox

	// Set by the reading goroutine at login and not changed afterwards.
	device *device

	pending *pendingPairing // of an unpaired connection
	ended   atomic.Bool     // goodbye has been said
}

func newConn(s *Server, ws *websocket.Conn, from string) *conn {
	c := &conn{srv: s, ws: ws, from: from}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	c.frames.read = func() ([]byte, error) {
		_, data, err := ws.Read(c.ctx)
		return data, err
	}
	c.out.wake = make(chan struct{}, 1)
	return c
}

// run serves the connection until either side ends it.
func (c *conn) run() {
	c.srv.conns.Store(c, struct{}{})
	writer := make(chan struct{})
	defer func() {
		if err := recover(); err != nil {
			c.srv.log.Warn("connection handler failed", "error", err, "stack", string(debug.Stack()))
		}
		c.drop()
		<-writer
		c.srv.conns.Delete(c)
		c.leave()
	}()
	if err := c.handshake(); err != nil {
		c.srv.log.Debug("handshake failed", "error", err)
		close(writer)
		return
	}
	go func() {
		defer close(writer)
		c.writeLoop()
	}()
	if c.login() {
		c.readLoop()
	} else {
		c.drain()
	}
}

func (c *conn) handshake() error {
	timer := time.AfterFunc(handshakeTimeout, c.drop)
	defer timer.Stop()
	var err error
	c.session, err = respond(c.srv.static, c.srv.chain, c.frames.next, func(frame []byte) error {
		return c.ws.Write(c.ctx, websocket.MessageBinary, append(frameHeader(len(frame)), frame...))
	})
	return err
}

func (c *conn) readLoop() {
	for {
		node, err := c.readNode()
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				c.srv.log.Debug("connection ended", "device", c.name(), "error", err)
			}
			return
		}
		if !c.ended.Load() {
			c.handle(node)
		}
	}
}

// drain reads until the peer has closed, so that the last stanza written reaches it.
func (c *conn) drain() {
	for {
		if _, err := c.frames.next(); err != nil {
			return
		}
	}
}

func (c *conn) readNode() (*waBinary.Node, error) {
	frame, err := c.frames.next()
	if err != nil {
		return nil, err
	}
	plain, err := c.session.read.Open(frame[:0], noiseIV(c.readN), frame, nil)
	if err != nil {
		return nil, fmt.Errorf("decrypt frame %d: %w", c.readN, err)
	}
	c.readN++
	if len(plain) == 0 {
		return nil, errors.New("empty frame")
	}
	if plain, err = waBinary.Unpack(plain); err != nil {
		return nil, fmt.Errorf("unpack frame: %w", err)
	}
	node, err := waBinary.Unmarshal(plain)
	if err != nil {
		return nil, fmt.Errorf("parse frame: %w", err)
	}
	return node, nil
}

// drop cuts the connection without a word. It may be called at any time from anywhere.
func (c *conn) drop() {
	c.cancel()
	_ = c.ws.CloseNow()
}

// leave tells the rest of the server that the connection is gone.
func (c *conn) leave() {
	if c.pending != nil {
		c.pending.forget()
	}
	if c.device != nil {
		c.device.detach(c)
	}
}

func (c *conn) name() string {
	if c.device == nil {
		return "unpaired"
	}
	return c.device.jid.String()
}

// send queues a node. What is sent after goodbye is ignored.
func (c *conn) send(node waBinary.Node) { c.sendAfter(c.srv.faults.latency(), node) }

func (c *conn) sendAfter(delay time.Duration, node waBinary.Node) {
	item := outgoingNode{node: node}
	if delay > 0 {
		item.due = time.Now().Add(delay)
	}
	if !c.out.push(item) {
		c.srv.log.Warn("peer does not read, cutting it off", "device", c.name())
		c.drop()
	}
}

// goodbye sends a last node, then closes the websocket properly. What the peer says meanwhile is ignored.
func (c *conn) goodbye(node waBinary.Node) {
	c.ended.Store(true)
	c.out.push(outgoingNode{node: node, last: true})
}

func (c *conn) writeLoop() {
	for {
		select {
		case <-c.out.wake:
		case <-c.ctx.Done():
			return
		}
		for _, item := range c.out.take() {
			if err := c.write(item); err != nil {
				c.drop()
				return
			}
			if item.last {
				c.hangUp()
				return
			}
		}
	}
}

// hangUp leaves the peer a moment to act on the last stanza and then closes. A close frame right behind
// it would win the race inside whatsmeow, which then never sees the stanza.
func (c *conn) hangUp() {
	select {
	case <-time.After(hangUpGrace):
		_ = c.ws.Close(websocket.StatusNormalClosure, "")
	case <-c.ctx.Done():
	}
	c.cancel()
}

func (c *conn) write(item outgoingNode) error {
	if wait := time.Until(item.due); !item.due.IsZero() && wait > 0 {
		select {
		case <-time.After(wait):
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	plain, err := waBinary.Marshal(item.node)
	if err != nil {
		return fmt.Errorf("encode %s: %w", item.node.Tag, err)
	}
	size := len(plain) + c.session.write.Overhead()
	frame := append(make([]byte, 0, socket.FrameLengthSize+size), frameHeader(size)...)
	frame = c.session.write.Seal(frame, noiseIV(c.out.written), plain, nil)
	c.out.written++
	ctx, cancel := context.WithTimeout(c.ctx, writeTimeout)
	defer cancel()
	// One frame per websocket message: whatsmeow miscounts frames that are split over several.
	return c.ws.Write(ctx, websocket.MessageBinary, frame)
}

type outgoingNode struct {
	node waBinary.Node
	due  time.Time // zero: at once
	last bool
}

// outbox is the bounded queue between whoever has something to say and the writing goroutine.
type outbox struct {
	mu      sync.Mutex
	items   []outgoingNode
	closed  bool
	wake    chan struct{}
	written uint32 // frames, used by the writer alone
}

func (o *outbox) push(item outgoingNode) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return true
	}
	if len(o.items) >= outboxLimit {
		return false
	}
	o.closed = item.last
	o.items = append(o.items, item)
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return true
}

func (o *outbox) take() []outgoingNode {
	o.mu.Lock()
	defer o.mu.Unlock()
	items := o.items
	o.items = nil
	return items
}

// frameReader cuts the stream of websocket messages into frames; the first one carries the header
// that names the protocol version.
type frameReader struct {
	read   func() ([]byte, error)
	buf    []byte
	opened bool
}

func (f *frameReader) next() ([]byte, error) {
	for {
		if frame, ok, err := f.cut(); ok || err != nil {
			return frame, err
		}
		data, err := f.read()
		if err != nil {
			return nil, err
		}
		if len(f.buf) == 0 {
			f.buf = data
		} else {
			f.buf = append(f.buf, data...)
		}
	}
}

func (f *frameReader) cut() (frame []byte, ok bool, err error) {
	if !f.opened {
		if len(f.buf) < len(socket.WAConnHeader) {
			return nil, false, nil
		}
		if string(f.buf[:len(socket.WAConnHeader)]) != string(socket.WAConnHeader) {
			return nil, false, fmt.Errorf("unknown protocol header %x", f.buf[:len(socket.WAConnHeader)])
		}
		f.buf, f.opened = f.buf[len(socket.WAConnHeader):], true
	}
	if len(f.buf) < socket.FrameLengthSize {
		return nil, false, nil
	}
	size := int(f.buf[0])<<16 | int(f.buf[1])<<8 | int(f.buf[2])
	if len(f.buf) < socket.FrameLengthSize+size {
		return nil, false, nil
	}
	frame = f.buf[socket.FrameLengthSize : socket.FrameLengthSize+size : socket.FrameLengthSize+size]
	f.buf = f.buf[socket.FrameLengthSize+size:]
	return frame, true, nil
}

func frameHeader(size int) []byte { return []byte{byte(size >> 16), byte(size >> 8), byte(size)} }

// stanza is shorthand for a node with children.
func stanza(tag string, attrs waBinary.Attrs, children ...waBinary.Node) waBinary.Node {
	n := waBinary.Node{Tag: tag, Attrs: attrs}
	if len(children) > 0 {
		n.Content = children
	}
	return n
}

// leaf is shorthand for a node with bytes in it.
func leaf(tag string, content []byte) waBinary.Node { return waBinary.Node{Tag: tag, Content: content} }

func attrJID(n *waBinary.Node, key string) types.JID {
	jid, _ := n.Attrs[key].(types.JID)
	return jid
}

func attrString(n *waBinary.Node, key string) string {
	s, _ := n.Attrs[key].(string)
	return s
}

// text returns the content of a node that may have been sent as a string token or as bytes.
func text(n *waBinary.Node) string {
	switch v := n.Content.(type) {
	case []byte:
		return string(v)
	case string:
		return v
	}
	return ""
}
