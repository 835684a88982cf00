package simulator

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// SendOption changes how a message is sent.
type SendOption func(*sendOptions)

type sendOptions struct {
	id       string
	viaPN    bool
	noAlt    bool
	at       time.Time
	mime     string
	fileName string
	caption  string
	quoted   string
}

// WithID sets the message id, which is otherwise random.
func WithID(id string) SendOption { return func(o *sendOptions) { o.id = id } }

// ViaPN addresses the message by phone number; the LID is named beside it. Without it the address is the
// LID and the number is named beside it.
func ViaPN() SendOption { return func(o *sendOptions) { o.viaPN = true } }

// WithoutAlternate leaves the other form of the sender's address out.
func WithoutAlternate() SendOption { return func(o *sendOptions) { o.noAlt = true } }

// WithTimestamp sets the server time of the message, in whole seconds on the wire.
func WithTimestamp(t time.Time) SendOption { return func(o *sendOptions) { o.at = t } }

// WithCaption sets the text below media.
func WithCaption(text string) SendOption { return func(o *sendOptions) { o.caption = text } }

// WithMimeType sets the type of media, which is otherwise guessed from its kind.
func WithMimeType(mime string) SendOption { return func(o *sendOptions) { o.mime = mime } }

// WithFileName names a document.
func WithFileName(name string) SendOption { return func(o *sendOptions) { o.fileName = name } }

// WithQuote makes the message a reply to another one of the same chat.
func WithQuote(id string) SendOption { return func(o *sendOptions) { o.quoted = id } }

// outgoing is a message that this phone has written, kept as long as somebody may ask for it again.
type outgoing struct {
	id      string
	to      *Phone
	at      time.Time
	via     sendOptions
	message *waE2E.Message
	counted atomic.Bool // a companion has acknowledged it
}

// recentMessages are the last messages of a phone, for retry receipts.
type recentMessages struct {
	mu    sync.Mutex
	byID  map[string]*outgoing
	order []string
}

const recentMessagesLimit = 512

func (r *recentMessages) put(m *outgoing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID == nil {
		r.byID = make(map[string]*outgoing)
	}
	r.byID[m.id] = m
	r.order = append(r.order, m.id)
	if len(r.order) > recentMessagesLimit {
		delete(r.byID, r.order[0])
		r.order = r.order[1:]
	}
}

func (r *recentMessages) get(id string) *outgoing {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byID[id]
}

// SendText writes to another phone. It encrypts for every companion of the recipient and of this phone
// and returns the message id when the server has the message.
func (p *Phone) SendText(ctx context.Context, to *Phone, text string, opts ...SendOption) (string, error) {
	o := applyOptions(opts)
	msg := &waE2E.Message{Conversation: proto.String(text)}
	if o.quoted != "" {
		msg = &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{
			Text: proto.String(text), ContextInfo: p.quote(to, o.quoted),
		}}
	}
	return p.send(ctx, to, msg, o)
}

// SendMessage sends any content, such as a location, a reaction or the answer to a list.
func (p *Phone) SendMessage(ctx context.Context, to *Phone, msg *waE2E.Message, opts ...SendOption) (string, error) {
	return p.send(ctx, to, proto.CloneOf(msg), applyOptions(opts))
}

// SendTyping shows or hides "typing…" at the recipient's companions.
func (p *Phone) SendTyping(to *Phone, typing bool) {
	state := "paused"
	if typing {
		state = "composing"
	}
	for _, d := range to.companions() {
		d.say(stanza("chatstate", waBinary.Attrs{"from": p.lid}, stanza(state, nil)))
	}
}

func (p *Phone) quote(chat *Phone, id string) *waE2E.ContextInfo {
	p.history.mu.Lock()
	defer p.history.mu.Unlock()
	info := &waE2E.ContextInfo{StanzaID: &id, Participant: proto.String(chat.lid.String())}
	if m := p.history.find(chat, id); m != nil {
		info.QuotedMessage = &waE2E.Message{Conversation: proto.String(m.Text)}
	}
	return info
}

func applyOptions(opts []SendOption) sendOptions {
	var o sendOptions
	for _, f := range opts {
		f(&o)
	}
	if o.id == "" {
		o.id = "AC" + strings.ToUpper(fmt.Sprintf("%x", randomBytes(15)))
	}
	if o.at.IsZero() {
		o.at = time.Now()
	}
	return o
}

func (p *Phone) send(ctx context.Context, to *Phone, msg *waE2E.Message, o sendOptions) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("send message: %w", err)
	}
	if p.Airplane() {
		return "", ErrOffline
	}
	if p.srv.ctx.Err() != nil {
		return "", ErrClosed
	}
	if p.srv.opts.MessageSecrets {
		msg.MessageContextInfo = &waE2E.MessageContextInfo{MessageSecret: randomBytes(32)}
	}
	out := &outgoing{id: o.id, to: to, at: o.at, via: o, message: msg}
	p.recent.put(out)
	p.showOwn(to, out)
	if err := p.fanOut(out); err != nil {
		return "", fmt.Errorf("send %s to %s: %w", o.id, to.Number(), err)
	}
	if to != p {
		to.inbox.post(func() { to.show(p, out.id, out.at, msg, arrival{}) })
	}
	return o.id, nil
}

// fanOut encrypts for every companion of the recipient and of the sender and queues the results.
func (p *Phone) fanOut(out *outgoing) error {
	theirs, ours := out.to.companions(), p.companions()
	if out.to == p {
		theirs = nil
	}
	if len(theirs)+len(ours) == 0 {
		return nil
	}
	plaintext, err := proto.Marshal(out.message)
	if err != nil {
		return fmt.Errorf("marshal message: %w", err)
	}
	p.keys()
	p.ratchets.mu.Lock()
	defer p.ratchets.mu.Unlock()
	for _, d := range theirs {
		if err = p.pushMessage(d, out, plaintext, 0); err != nil {
			return err
		}
	}
	if len(theirs) > 0 {
		out.to.stats.sent.Add(1)
	}
	if len(ours) == 0 {
		return nil
	}
	if plaintext, err = deviceSent(out); err != nil {
		return err
	}
	for _, d := range ours {
		if err = p.pushMessage(d, out, plaintext, 0); err != nil {
			return err
		}
	}
	return nil
}

// deviceSent wraps a message for the writer's own companions.
func deviceSent(out *outgoing) ([]byte, error) {
	plaintext, err := proto.Marshal(&waE2E.Message{
		DeviceSentMessage: &waE2E.DeviceSentMessage{
			DestinationJID: proto.String(out.to.lid.String()), Message: out.message,
		},
		MessageContextInfo: out.message.MessageContextInfo,
	})
	if err != nil {
		return nil, fmt.Errorf("marshal own copy: %w", err)
	}
	return plaintext, nil
}

// pushMessage encrypts for one companion and queues the stanza. retry is the number of the retry that is
// answered, 0 for a first try. p.ratchets.mu must be held.
func (p *Phone) pushMessage(d *device, out *outgoing, plaintext []byte, retry int) error {
	encType, ciphertext, err := p.ratchets.encrypt(d, plaintext)
	if err != nil {
		return err
	}
	if p.srv.faults.takeCorrupt(d.phone, p) {
		ciphertext = corrupted(ciphertext)
	}
	enc := waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": encType}, Content: ciphertext}
	kind, media := stanzaType(out.message)
	if media != "" {
		enc.Attrs["mediatype"] = media
	}
	if retry > 0 {
		enc.Attrs["count"] = retry
	}
	attrs := p.address(d, out)
	attrs["id"], attrs["type"], attrs["t"] = out.id, kind, out.at.Unix()
	e := &entry{
		key:  entryKey{class: "message", id: out.id, from: attrs["from"].(types.JID)},
		node: stanza("message", attrs, enc),
	}
	if d.phone == out.to && d.phone != p {
		e.msg = out
	}
	return d.push(e)
}

// address returns the attributes that say who writes to whom in which form.
func (p *Phone) address(d *device, out *outgoing) waBinary.Attrs {
	from, alt, altKey := p.lid, p.JID(), "sender_pn"
	if out.via.viaPN {
		from, alt, altKey = p.JID(), p.lid, "sender_lid"
	}
	attrs := waBinary.Attrs{"from": from}
	if d.phone == p { // own copy
		attrs["recipient"], attrs["peer_recipient_pn"] = out.to.lid, out.to.JID()
		if out.via.viaPN {
			delete(attrs, "peer_recipient_pn")
			attrs["recipient"], attrs["peer_recipient_lid"] = out.to.JID(), out.to.lid
		}
		return attrs
	}
	if name := p.PushName(); name != "" {
		attrs["notify"] = name
	}
	if !out.via.noAlt {
		attrs[altKey] = alt
	}
	attrs["addressing_mode"] = string(types.AddressingModeLID)
	if out.via.viaPN {
		attrs["addressing_mode"] = string(types.AddressingModePN)
	}
	return attrs
}

// corrupted flips bits inside the body and leaves the framing readable.
func corrupted(ciphertext []byte) []byte {
	out := append([]byte(nil), ciphertext...)
	out[len(out)-1] ^= 0xff // in the MAC
	return out
}
