package simulator

import (
	"container/list"
	"maps"
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

const (
	// flightLimit is how many stanzas may be out unacknowledged. Beyond 2,048 whatsmeow's own queue
	// overflows and it handles nodes in random order.
	flightLimit = 1024
	// recentLimit is how many acknowledged messages are kept to be delivered again by a fault.
	recentLimit = 64
)

// entryKey is how a companion names a stanza when it acknowledges it.
type entryKey struct {
	class string // message, receipt or notification
	id    string
	from  types.JID
	typ   string // of receipts: a delivery and a read receipt of one message are two stanzas with one id
}

// entry is a stanza that waits for its acknowledgement.
type entry struct {
	key  entryKey
	node waBinary.Node
	msg  *outgoing // the message that a phone sent, or nil

	sent    bool // on the present connection
	offline bool // was waiting when the present connection became active
	heard   bool // acknowledged on the present connection, but a fault swallowed or holds that
	held    bool
	copies  int // how often a fault delivers it again after its acknowledgement
}

// queue is the offline queue of one device. The device's lock guards it.
type queue struct {
	limit   int
	send    func(waBinary.Node)
	sent    func(*entry) // what was just sent
	list    list.List
	byKey   map[entryKey]*list.Element
	next    *list.Element // first entry not sent on the present connection
	flying  int
	flowing bool

	offlineTotal, offlineLeft int

	recent []*entry // ring of acknowledged messages
	oldest int
}

func (q *queue) len() int { return q.list.Len() }

// push appends an entry. One with the same key, such as the first try of a message that is sent again
// after a retry receipt, is replaced.
func (q *queue) push(e *entry) error {
	if q.byKey == nil {
		q.byKey = make(map[entryKey]*list.Element)
	}
	if old := q.byKey[e.key]; old != nil {
		q.remove(old)
	}
	if q.list.Len() >= q.limit {
		return ErrQueueFull
	}
	el := q.list.PushBack(e)
	q.byKey[e.key] = el
	if q.next == nil {
		q.next = el
	}
	q.pump()
	return nil
}

// settle removes an acknowledged entry and returns it, or nil if none has this key.
func (q *queue) settle(key entryKey) *entry {
	el := q.byKey[key]
	if el == nil {
		return nil
	}
	e := el.Value.(*entry)
	q.remove(el)
	if e.msg != nil {
		q.remember(e)
	}
	q.pump()
	return e
}

// swallow lets an acknowledgement be forgotten: the entry stays and is sent again after the next login.
func (q *queue) swallow(key entryKey, hold bool) {
	el := q.byKey[key]
	if el == nil {
		return
	}
	e := el.Value.(*entry)
	e.held = e.held || hold
	if e.sent && !e.heard {
		e.heard = true
		q.flying--
	}
	q.pump()
}

// releaseHeld settles what swallow held back and returns it.
func (q *queue) releaseHeld() []*entry {
	var out []*entry
	for _, e := range q.entries() {
		if e.held {
			out = append(out, q.settle(e.key))
		}
	}
	return out
}

func (q *queue) remove(el *list.Element) {
	e := el.Value.(*entry)
	if q.next == el {
		q.next = el.Next()
	}
	if e.sent && !e.heard {
		q.flying--
	}
	if e.offline && !e.sent {
		q.offlineLeft--
	}
	q.list.Remove(el)
	delete(q.byKey, e.key)
}

func (q *queue) remember(e *entry) {
	if len(q.recent) < recentLimit {
		q.recent = append(q.recent, e)
		return
	}
	q.recent[q.oldest] = e
	q.oldest = (q.oldest + 1) % recentLimit
}

// connect starts over with the oldest entry, announces what is waiting and sends it.
func (q *queue) connect() {
	counts := map[string]int{}
	for _, e := range q.entries() {
		e.sent, e.heard, e.offline = false, false, true
		counts[e.key.class]++
	}
	q.next, q.flying, q.flowing = q.list.Front(), 0, true
	q.offlineTotal = q.list.Len()
	q.offlineLeft = q.offlineTotal
	q.send(stanza("ib", waBinary.Attrs{"from": types.ServerJID}, stanza("offline_preview", waBinary.Attrs{
		"count": q.offlineTotal, "appdata": 0, "message": counts["message"],
		"notification": counts["notification"], "receipt": counts["receipt"],
	})))
	if q.offlineTotal == 0 {
		q.announceEnd()
	}
	q.pump()
}

func (q *queue) disconnect() { q.flowing = false }

func (q *queue) clear() {
	q.list.Init()
	q.byKey, q.next, q.flowing, q.flying, q.recent = nil, nil, false, 0, nil
}

func (q *queue) pump() {
	for q.flowing && q.next != nil && q.flying < flightLimit {
		e := q.next.Value.(*entry)
		q.next = q.next.Next()
		e.sent = true
		q.flying++
		if !e.offline {
			q.send(e.node)
			q.sent(e)
			continue
		}
		q.send(withAttr(e.node, "offline", strconv.Itoa(q.offlineTotal-q.offlineLeft)))
		q.sent(e)
		if q.offlineLeft--; q.offlineLeft == 0 {
			q.announceEnd()
		}
	}
}

func (q *queue) announceEnd() {
	q.send(stanza("ib", waBinary.Attrs{"from": types.ServerJID},
		stanza("offline", waBinary.Attrs{"count": q.offlineTotal})))
}

func (q *queue) entries() []*entry {
	out := make([]*entry, 0, q.list.Len())
	for el := q.list.Front(); el != nil; el = el.Next() {
		out = append(out, el.Value.(*entry))
	}
	return out
}

// withAttr returns a copy of the node with one attribute more; nodes that were sent are never changed.
func withAttr(n waBinary.Node, key string, value any) waBinary.Node {
	attrs := maps.Clone(n.Attrs)
	attrs[key] = value
	n.Attrs = attrs
	return n
}
