package domain

import (
	"time"

	"github.com/google/uuid"
)

// Direction of a message as seen from the tenant.
type Direction string

const (
	DirectionIn  Direction = "IN"
	DirectionOut Direction = "OUT"
)

// MessageStatus is the state of a message. Inbound messages are received (or
// a placeholder that could not be decrypted yet); outbound ones follow the outbox.
type MessageStatus string

const (
	StatusReceived    MessageStatus = "received"
	StatusPlaceholder MessageStatus = "placeholder" // arrived, not readable yet
	StatusQueued      MessageStatus = "queued"      // in the outbox
	StatusSending     MessageStatus = "sending"     // encrypted; whether it went out is not known
	StatusSent        MessageStatus = "sent"        // WhatsApp has it
	StatusDelivered   MessageStatus = "delivered"
	StatusRead        MessageStatus = "read"
	StatusFailed      MessageStatus = "failed" // dead letter; Reason says why
	StatusExpired     MessageStatus = "expired"
	StatusCancelled   MessageStatus = "cancelled"
)

// statusRank orders the states of an outbound message; a later receipt never
// takes it back to an earlier one.
var statusRank = map[MessageStatus]int{
	StatusQueued: 0, StatusSending: 1, StatusSent: 2, StatusDelivered: 3, StatusRead: 4,
}

// Rank is the place of s in the life of an outbound message; 0 for queued and
// for every state outside of it.
func (s MessageStatus) Rank() int { return statusRank[s] }

// After reports whether s is a later state of delivery than other.
func (s MessageStatus) After(other MessageStatus) bool { return s.Rank() > other.Rank() }

// MediaKind names what a message carries; KindText for plain text.
type MediaKind string

const (
	MediaText     MediaKind = "text"
	MediaImage    MediaKind = "image"
	MediaVideo    MediaKind = "video"
	MediaAudio    MediaKind = "audio"
	MediaDocument MediaKind = "document"
	MediaSticker  MediaKind = "sticker"
	MediaLocation MediaKind = "location"
	MediaContact  MediaKind = "contact"
	MediaReaction MediaKind = "reaction"
	MediaEdit     MediaKind = "edit"
	MediaRevoke   MediaKind = "revoke"
	MediaOther    MediaKind = "other"
)

// MessageLog is one message of a tenant. From and To are E.164 numbers where
// known, else a WhatsApp LID ("lid:…"). Text of a media message is its caption.
type MessageLog struct {
	ID          uuid.UUID
	TenantID    uuid.UUID
	Direction   Direction
	Contact     string // the customer, whichever the direction
	From, To    string
	Text        string
	Kind        MediaKind
	WAMessageID string
	Status      MessageStatus
	Reason      string // why it failed, for people
	FromPhone   bool   // written by the owner on the phone, not by the bot
	CreatedAt   time.Time
}

// MaxTextBytes is the longest text that WhatsApp and our queue take.
const MaxTextBytes = 65536

// Incoming is one message as the WhatsApp adapter hands it over: one-to-one
// chats only, addresses already resolved to one contact.
type Incoming struct {
	Contact     string   // E.164 number of the customer if known, else "lid:<digits>"
	ChatJID     string   // where an answer goes
	Keys        [][]byte // dedup keys: the canonical one first, then that of the other address form
	WAID        string
	FromMe      bool // the owner wrote it on the phone
	Name        string
	Text        string
	Kind        MediaKind
	SentAt      time.Time
	Placeholder bool // could not be decrypted; counts as no message yet
}

// Contact of a customer as stored in conversations, customers and logs.
// LIDContact makes one from a LID whose number is not known.
func LIDContact(user string) string { return "lid:" + user }
