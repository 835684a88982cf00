package whatsapp

import (
	"context"
	"crypto/sha256"
	"strconv"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"flowhq/domain"
)

// incoming maps a message to what the worker understands. ignored names the
// kind of chat when the message is not from a one-to-one chat.
func (ph *phone) incoming(e *events.Message) (in domain.Incoming, ignored string) {
	if kind := otherChat(e.Info); kind != "" {
		return in, kind
	}
	who := ph.customer(e.Info)
	kind, body := content(e.Message)
	if kind == "" {
		return in, "protocol"
	}
	in = domain.Incoming{Contact: who.contact(), ChatJID: who.chat().String(), WAID: domain.CleanText(e.Info.ID), FromMe: e.Info.IsFromMe,
		Text: domain.CleanText(body), Kind: kind, SentAt: e.Info.Timestamp}
	if !e.Info.IsFromMe {
		in.Name = domain.CleanText(e.Info.PushName)
	}
	if len(in.Text) > domain.MaxTextBytes {
		in.Text = domain.CleanText(in.Text[:domain.MaxTextBytes])
	}
	for _, user := range who.users() {
		in.Keys = append(in.Keys, dedupKey(user, e.Info))
	}
	return in, ""
}

// otherChat names the kind of chat that is not one-to-one, or returns "".
func otherChat(info types.MessageInfo) string {
	switch {
	case info.Chat.Server == types.GroupServer:
		return "group"
	case info.Chat == types.StatusBroadcastJID:
		return "status"
	case info.Chat.Server == types.BroadcastServer, info.IsIncomingBroadcast():
		return "broadcast"
	case info.Chat.Server == types.NewsletterServer:
		return "newsletter"
	case info.Chat.Server != types.DefaultUserServer && info.Chat.Server != types.HiddenUserServer:
		return "other"
	case info.Chat.User == "0" || info.Chat.IsBot():
		return "system"
	}
	return ""
}

// person is a customer under both of the addresses that WhatsApp may use.
type person struct{ pn, lid types.JID }

// customer resolves who the other side of a one-to-one chat is.
func (ph *phone) customer(info types.MessageInfo) person {
	a, b := info.Chat.ToNonAD(), info.SenderAlt.ToNonAD()
	if info.IsFromMe {
		b = info.RecipientAlt.ToNonAD()
	}
	var who person
	for _, jid := range []types.JID{a, b} {
		switch jid.Server {
		case types.DefaultUserServer:
			who.pn = jid
		case types.HiddenUserServer:
			who.lid = jid
		}
	}
	// The lookup goes on while the connection closes, for callDeadline at most: cut
	// off, a customer would look like one whose number is not known.
	lids, ctx := ph.client.Store.LIDs, context.WithoutCancel(ph.gate.ctx)
	if who.pn.IsEmpty() {
		who.pn, _ = lids.GetPNForLID(ctx, who.lid) // unknown is fine
	} else if who.lid.IsEmpty() {
		who.lid, _ = lids.GetLIDForPN(ctx, who.pn)
	}
	return who
}

// contact is the name under which everything about the customer is stored.
func (w person) contact() string {
	if !w.pn.IsEmpty() {
		return "+" + w.pn.User
	}
	return domain.LIDContact(w.lid.User)
}

// chat is where an answer goes: the LID where it is known, as WhatsApp does.
func (w person) chat() types.JID {
	if !w.lid.IsEmpty() {
		return w.lid.ToNonAD()
	}
	return w.pn.ToNonAD()
}

// users are the canonical address first, then the other one, so that a message
// that comes a second time under the other address is recognised.
func (w person) users() []string {
	var users []string
	for _, jid := range []types.JID{w.lid, w.pn} {
		if !jid.IsEmpty() {
			users = append(users, jid.ToNonAD().String())
		}
	}
	return users
}

// dedupKey identifies a message. The chat and the direction are part of it
// because ids are chosen by the sending device: nobody may suppress the message
// of somebody else.
func dedupKey(user string, info types.MessageInfo) []byte {
	sum := sha256.Sum256([]byte(user + "|" + info.ID + "|" + strconv.FormatBool(info.IsFromMe)))
	return sum[:16]
}

// content returns the kind and the text of a message; kind is empty for what
// carries nothing for a person.
func content(m *waE2E.Message) (domain.MediaKind, string) {
	if m == nil {
		return domain.MediaOther, ""
	}
	if kind, body := plain(m); kind != "" {
		return kind, body
	}
	if kind, body := media(m); kind != "" {
		return kind, body
	}
	switch p := m.GetProtocolMessage(); {
	case p == nil:
	case p.GetType() == waE2E.ProtocolMessage_REVOKE:
		return domain.MediaRevoke, ""
	case p.GetType() == waE2E.ProtocolMessage_MESSAGE_EDIT:
		_, body := plain(p.GetEditedMessage())
		return domain.MediaEdit, body
	default:
		return "", ""
	}
	if m.GetReactionMessage() != nil || m.GetEncReactionMessage() != nil {
		return domain.MediaReaction, m.GetReactionMessage().GetText()
	}
	if m.GetSenderKeyDistributionMessage() != nil || m.GetAlbumMessage() != nil || m.GetPinInChatMessage() != nil || m.GetKeepInChatMessage() != nil || m.GetPollUpdateMessage() != nil {
		return "", "" // the pictures of an album come one by one
	}
	if child := m.GetAssociatedChildMessage().GetMessage(); child != nil {
		return content(child) // such as the better copy of a picture
	}
	return domain.MediaOther, ""
}

// plain returns the text of messages that are text, or a choice among texts.
func plain(m *waE2E.Message) (domain.MediaKind, string) {
	switch {
	case m == nil:
		return "", ""
	case m.Conversation != nil:
		return domain.MediaText, m.GetConversation()
	case m.ExtendedTextMessage != nil:
		return domain.MediaText, m.GetExtendedTextMessage().GetText()
	case m.ButtonsResponseMessage != nil:
		return domain.MediaText, m.GetButtonsResponseMessage().GetSelectedDisplayText()
	case m.ListResponseMessage != nil:
		return domain.MediaText, m.GetListResponseMessage().GetTitle()
	case m.TemplateButtonReplyMessage != nil:
		return domain.MediaText, m.GetTemplateButtonReplyMessage().GetSelectedDisplayText()
	}
	return "", ""
}

func media(m *waE2E.Message) (domain.MediaKind, string) {
	switch {
	case m.ImageMessage != nil:
		return domain.MediaImage, m.GetImageMessage().GetCaption()
	case m.VideoMessage != nil:
		return domain.MediaVideo, m.GetVideoMessage().GetCaption()
	case m.AudioMessage != nil:
		return domain.MediaAudio, ""
	case m.DocumentMessage != nil:
		return domain.MediaDocument, m.GetDocumentMessage().GetCaption()
	case m.StickerMessage != nil:
		return domain.MediaSticker, ""
	case m.LocationMessage != nil, m.LiveLocationMessage != nil:
		return domain.MediaLocation, m.GetLocationMessage().GetName()
	case m.ContactMessage != nil, m.ContactsArrayMessage != nil:
		return domain.MediaContact, m.GetContactMessage().GetDisplayName()
	}
	return "", ""
}
