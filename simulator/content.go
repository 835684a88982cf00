package simulator

import (
	"go.mau.fi/whatsmeow/proto/waE2E"
)

// bubble says what a phone shows for a message.
func bubble(msg *waE2E.Message) *Message {
	msg = unwrap(msg)
	m := &Message{Kind: "other"}
	switch {
	case msg.Conversation != nil:
		m.Kind, m.Text = "text", msg.GetConversation()
	case msg.ExtendedTextMessage != nil:
		m.Kind, m.Text = "text", msg.ExtendedTextMessage.GetText()
		m.QuotedID = msg.ExtendedTextMessage.GetContextInfo().GetStanzaID()
	case msg.ImageMessage != nil:
		m.Kind, m.Text, m.MimeType = "image", msg.ImageMessage.GetCaption(), msg.ImageMessage.GetMimetype()
	case msg.VideoMessage != nil:
		m.Kind, m.Text, m.MimeType = "video", msg.VideoMessage.GetCaption(), msg.VideoMessage.GetMimetype()
	case msg.AudioMessage != nil:
		m.Kind, m.MimeType = "audio", msg.AudioMessage.GetMimetype()
		if msg.AudioMessage.GetPTT() {
			m.Kind = "ptt"
		}
	case msg.DocumentMessage != nil:
		m.Kind, m.Text = "document", msg.DocumentMessage.GetCaption()
		m.MimeType, m.FileName = msg.DocumentMessage.GetMimetype(), msg.DocumentMessage.GetFileName()
	case msg.StickerMessage != nil:
		m.Kind, m.MimeType = "sticker", msg.StickerMessage.GetMimetype()
	case msg.LocationMessage != nil:
		m.Kind, m.Text = "location", msg.LocationMessage.GetName()
	case msg.ContactMessage != nil:
		m.Kind, m.Text = "contact", msg.ContactMessage.GetDisplayName()
	case msg.ReactionMessage != nil:
		m.Kind, m.Text = "reaction", msg.ReactionMessage.GetText()
		m.QuotedID = msg.ReactionMessage.GetKey().GetID()
	default:
		interactive(msg, m)
	}
	if media(msg) != nil {
		m.content = msg
	}
	return m
}

// interactive fills in messages with something to tap on.
func interactive(msg *waE2E.Message, m *Message) {
	switch {
	case msg.ListMessage != nil:
		m.Kind, m.Text = "list", msg.ListMessage.GetDescription()
	case msg.ListResponseMessage != nil:
		m.Kind, m.Text = "list_response", msg.ListResponseMessage.GetTitle()
		m.QuotedID = msg.ListResponseMessage.GetContextInfo().GetStanzaID()
	case msg.ButtonsMessage != nil:
		m.Kind, m.Text = "buttons", msg.ButtonsMessage.GetContentText()
	case msg.ButtonsResponseMessage != nil:
		m.Kind, m.Text = "buttons_response", msg.ButtonsResponseMessage.GetSelectedDisplayText()
		m.QuotedID = msg.ButtonsResponseMessage.GetContextInfo().GetStanzaID()
	case msg.TemplateMessage != nil:
		m.Kind, m.Text = "buttons", msg.TemplateMessage.GetHydratedTemplate().GetHydratedContentText()
	case msg.InteractiveMessage != nil:
		m.Kind, m.Text = "interactive", msg.InteractiveMessage.GetBody().GetText()
	case msg.InteractiveResponseMessage != nil:
		m.Kind, m.Text = "interactive_response", msg.InteractiveResponseMessage.GetBody().GetText()
	case msg.PollCreationMessage != nil:
		m.Kind, m.Text = "poll", msg.PollCreationMessage.GetName()
	case msg.PollCreationMessageV3 != nil:
		m.Kind, m.Text = "poll", msg.PollCreationMessageV3.GetName()
	}
}

// unwrap takes the envelopes off that change nothing about the content.
func unwrap(msg *waE2E.Message) *waE2E.Message {
	for {
		var inner *waE2E.Message
		switch {
		case msg.GetEphemeralMessage() != nil:
			inner = msg.EphemeralMessage.GetMessage()
		case msg.GetViewOnceMessage() != nil:
			inner = msg.ViewOnceMessage.GetMessage()
		case msg.GetViewOnceMessageV2() != nil:
			inner = msg.ViewOnceMessageV2.GetMessage()
		case msg.GetDocumentWithCaptionMessage() != nil:
			inner = msg.DocumentWithCaptionMessage.GetMessage()
		case msg.GetEditedMessage() != nil:
			inner = msg.EditedMessage.GetMessage()
		}
		if inner == nil {
			if msg == nil {
				return &waE2E.Message{}
			}
			return msg
		}
		msg = inner
	}
}

// amend applies an edit or a deletion to the message it is about and reports whether msg was one.
// h.mu must be held.
func (p *Phone) amend(chat *Phone, msg *waE2E.Message) bool {
	change := unwrap(msg).GetProtocolMessage()
	if change == nil {
		return false
	}
	target := p.history.find(chat, change.GetKey().GetID())
	switch {
	case target == nil:
	case change.GetType() == waE2E.ProtocolMessage_REVOKE:
		target.Revoked, target.Text, target.content = true, "", nil
	case change.GetType() == waE2E.ProtocolMessage_MESSAGE_EDIT:
		target.Edited, target.Text = true, bubble(change.GetEditedMessage()).Text
	}
	return true
}

// stanzaType returns the type of the stanza and the media type of its ciphertext, as whatsmeow
// expects them of a phone.
func stanzaType(msg *waE2E.Message) (kind, mediaType string) {
	switch b := bubble(msg); b.Kind {
	case "image", "video", "audio", "ptt", "document", "sticker":
		return "media", b.Kind
	case "contact":
		return "media", "vcard"
	case "location":
		return "media", "location"
	case "reaction", "poll":
		return b.Kind, ""
	case "list_response", "buttons_response":
		return "media", b.Kind
	default:
		return "text", ""
	}
}
