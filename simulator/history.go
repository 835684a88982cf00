package simulator

import (
	"context"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
)

// Status of a message that this phone has written.
type Status string

// A message goes from sent (the server has it) over delivered (two grey ticks) to read (two blue ones).
const (
	StatusSent      Status = "sent"
	StatusDelivered Status = "delivered"
	StatusRead      Status = "read"
)

// Message is one bubble in a chat, as the phone shows it.
type Message struct {
	ID     string    `json:"id"`
	Chat   string    `json:"chat"` // number of the other side
	From   string    `json:"from"` // number of the writer
	Text   string    `json:"text"` // text, or the caption of media
	Kind   string    `json:"kind"` // text, image, video, audio, ptt, document, sticker, location, contact, list, buttons, poll, reaction, other
	At     time.Time `json:"at"`   // server time
	Status Status    `json:"status,omitempty"`
	// OwnCopy marks a message that a companion of this phone has written.
	OwnCopy bool `json:"own_copy,omitempty"`
	// Retried marks a message that could only be read after asking for it again.
	Retried  bool   `json:"retried,omitempty"`
	Edited   bool   `json:"edited,omitempty"`
	Revoked  bool   `json:"revoked,omitempty"`
	QuotedID string `json:"quoted_id,omitempty"` // message replied or reacted to
	MimeType string `json:"mime_type,omitempty"`
	FileName string `json:"file_name,omitempty"`

	content *waE2E.Message // of media, for Download
}

// history is everything that a phone shows. The newest Options.HistoryLimit messages are kept.
type history struct {
	mu      sync.Mutex
	all     []*Message
	dropped int // messages that were in all and are gone; positions are counted from the first ever
	chats   map[*Phone]*chat
	seen    map[seenKey]uint64 // what arrived, with a hash of its ciphertext
	seenLog []seenKey          // oldest first

	subscribers []func(Message)
	changed     chan struct{} // closed at the next change; nil when nobody waits
}

type seenKey struct {
	from *Phone
	id   string
}

type chat struct {
	messages   []*Message
	unanswered int64 // messages written since the other side was last shown
	written    bool  // this phone has ever written here
}

// Messages returns what the phone shows in the chat with another phone, in order, every message once.
// A nil phone means all chats.
func (p *Phone) Messages(with *Phone) []Message {
	h := &p.history
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.all
	if with != nil {
		list = nil
		if c := h.chats[with]; c != nil {
			list = c.messages
		}
	}
	out := make([]Message, len(list))
	for i, m := range list {
		out[i] = *m
	}
	return out
}

// Subscribe calls f for every message that the phone newly shows and did not write itself; copies of
// what a companion wrote are included. Calls come one after the other from a goroutine of the phone,
// which may send but must not Close the server.
func (p *Phone) Subscribe(f func(Message)) {
	h := &p.history
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subscribers = append(h.subscribers, f)
}

// Wait returns the first message, shown already or later, that the phone did not write itself and that
// match accepts. It looks at everything that the phone has; under load prefer Subscribe.
func (p *Phone) Wait(ctx context.Context, match func(Message) bool) (Message, error) {
	h := &p.history
	for next := 0; ; {
		h.mu.Lock()
		var found *Message
		for i := max(next-h.dropped, 0); i < len(h.all) && found == nil; i++ {
			m := *h.all[i]
			if (m.From != p.Number() || m.OwnCopy) && match(m) {
				found = &m
			}
		}
		next = h.dropped + len(h.all)
		if h.changed == nil {
			h.changed = make(chan struct{})
		}
		changed := h.changed
		h.mu.Unlock()
		if found != nil {
			return *found, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
}

func (h *history) chatWith(other *Phone) *chat {
	if h.chats == nil {
		h.chats = make(map[*Phone]*chat)
	}
	c := h.chats[other]
	if c == nil {
		c = &chat{}
		h.chats[other] = c
	}
	return c
}

// append adds a bubble; h.mu must be held.
func (h *history) append(other *Phone, m *Message, limit int) *chat {
	c := h.chatWith(other)
	c.messages = append(c.messages, m)
	h.all = append(h.all, m)
	if len(h.all) > limit {
		h.trim(max(limit/4, 1))
	}
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
	return c
}

// trim forgets the oldest n messages. Every chat holds its messages in the order of all.
func (h *history) trim(n int) {
	gone := make(map[*Message]bool, n)
	for _, m := range h.all[:n] {
		gone[m] = true
	}
	h.all = append([]*Message(nil), h.all[n:]...)
	h.dropped += n
	for _, c := range h.chats {
		i := 0
		for i < len(c.messages) && gone[c.messages[i]] {
			i++
		}
		c.messages = append([]*Message(nil), c.messages[i:]...)
	}
}

// note records that a message has arrived, whatever is shown of it; h.mu must be held.
func (h *history) note(key seenKey, hash uint64, limit int) {
	if h.seen == nil {
		h.seen = make(map[seenKey]uint64)
	}
	h.seen[key] = hash
	h.seenLog = append(h.seenLog, key)
	if len(h.seenLog) > 2*limit {
		delete(h.seen, h.seenLog[0])
		h.seenLog = h.seenLog[1:]
	}
}

// find returns the bubble with this id in a chat, newest first, or nil; h.mu must be held.
func (h *history) find(other *Phone, id string) *Message {
	c := h.chats[other]
	if c == nil {
		return nil
	}
	for i := len(c.messages) - 1; i >= 0; i-- {
		if c.messages[i].ID == id {
			return c.messages[i]
		}
	}
	return nil
}

// progress moves a message that this phone wrote forward to a status; it never goes back.
func (h *history) progress(other *Phone, id string, to Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.find(other, id)
	if m == nil || m.Status == "" || m.Status == StatusRead || m.Status == to || to == StatusSent {
		return
	}
	m.Status = to
}

// wrote reports whether this phone has ever written to the other one.
func (p *Phone) wrote(to *Phone) bool {
	p.history.mu.Lock()
	defer p.history.mu.Unlock()
	c := p.history.chats[to]
	return c != nil && c.written
}
