package whatsapp

import (
	"bytes"
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"flowhq/domain"
)

func TestOtherChat_OnlyOneToOneChatsReachTheBot(t *testing.T) {
	for want, chat := range map[string]types.JID{
		"":           types.NewJID("255754000101", types.DefaultUserServer),
		"group":      types.NewJID("120363000000000001", types.GroupServer),
		"status":     types.StatusBroadcastJID,
		"broadcast":  types.NewJID("1700000000", types.BroadcastServer),
		"newsletter": types.NewJID("120363000000000002", types.NewsletterServer),
		"system":     types.NewJID("0", types.DefaultUserServer),
	} {
		if got := otherChat(types.MessageInfo{MessageSource: types.MessageSource{Chat: chat}}); got != want {
			t.Errorf("%s: got %q, want %q", chat, got, want)
		}
	}
	if got := otherChat(types.MessageInfo{MessageSource: types.MessageSource{Chat: types.NewJID("98765", types.HiddenUserServer)}}); got != "" {
		t.Errorf("a LID: got %q", got)
	}
}

func TestContent_MediaIsItsTypeAndItsCaption(t *testing.T) {
	for name, c := range map[string]struct {
		message *waE2E.Message
		kind    domain.MediaKind
		text    string
	}{
		"text":          {&waE2E.Message{Conversation: proto.String("habari")}, domain.MediaText, "habari"},
		"extended text": {&waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("bei?")}}, domain.MediaText, "bei?"},
		"image":         {&waE2E.Message{ImageMessage: &waE2E.ImageMessage{Caption: proto.String("hii")}}, domain.MediaImage, "hii"},
		"voice note":    {&waE2E.Message{AudioMessage: &waE2E.AudioMessage{}}, domain.MediaAudio, ""},
		"reaction":      {&waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{Text: proto.String("👍")}}, domain.MediaReaction, "👍"},
		"deleted":       {&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_REVOKE.Enum()}}, domain.MediaRevoke, ""},
		"key share":     {&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_SHARE.Enum()}}, "", ""},
		"unknown":       {&waE2E.Message{}, domain.MediaOther, ""},
	} {
		if kind, text := content(c.message); kind != c.kind || text != c.text {
			t.Errorf("%s: got %q %q, want %q %q", name, kind, text, c.kind, c.text)
		}
	}
}

func TestDedupKey_NobodyCanSuppressTheMessageOfSomebodyElse(t *testing.T) {
	info := types.MessageInfo{ID: "3A01"}
	mine := dedupKey("1@lid", info)
	if !bytes.Equal(mine, dedupKey("1@lid", info)) {
		t.Error("the same message has two keys")
	}
	if bytes.Equal(mine, dedupKey("2@lid", info)) {
		t.Error("the same id from somebody else has the same key")
	}
	info.IsFromMe = true
	if bytes.Equal(mine, dedupKey("1@lid", info)) {
		t.Error("the owner's message has the key of the customer's")
	}
}
