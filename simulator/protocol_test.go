package simulator_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"flowhq/simulator"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

func TestPairingCode(t *testing.T) {
	t.Parallel()
	wa := startServer(t, simulator.Options{})
	owner, customer := newPhone(t, wa, "+255700000001", "Duka"), newPhone(t, wa, "+255712000001", "Asha")
	b := newBot(t, wa, nil)
	if err := owner.EnterPairingCode(deadline(t), "ABCD-EFGH"); !errors.Is(err, simulator.ErrNoPairingCode) {
		t.Errorf("code that nobody asked for: %v", err)
	}
	if err := b.Connect(); err != nil {
		t.Fatal(err)
	}
	wait[*events.QR](b, "QR", nil)
	code, err := b.PairPhone(deadline(t), owner.Number(), true, whatsmeow.PairClientChrome, "Chrome (Linux)")
	if err != nil {
		t.Fatal(err)
	}
	wrong := "1" + code[1:]
	if wrong == code {
		wrong = "2" + code[1:]
	}
	if err = owner.EnterPairingCode(deadline(t), wrong); !errors.Is(err, simulator.ErrWrongCode) {
		t.Errorf("wrong code: %v, want ErrWrongCode", err)
	}
	if err = owner.EnterPairingCode(deadline(t), code); err != nil {
		t.Fatalf("right code: %v", err)
	}
	wait[*events.Connected](b, "Connected", nil)
	mustText(t, customer, owner, "habari")
	wait(b, "message", withText("habari"))
}

func TestPairingCode_IsRefusedForAnUnknownNumber(t *testing.T) {
	t.Parallel()
	wa := startServer(t, simulator.Options{})
	b := newBot(t, wa, nil)
	if err := b.Connect(); err != nil {
		t.Fatal(err)
	}
	wait[*events.QR](b, "QR", nil)
	_, err := b.PairPhone(deadline(t), "+255799999999", true, whatsmeow.PairClientChrome, "Chrome (Linux)")
	if !errors.Is(err, whatsmeow.ErrIQNotFound) {
		t.Errorf("pairing code for a number without a phone: %v", err)
	}
}

func TestRetryReceipt_BotAsksThePhone(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.wa.Faults().CorruptOnce(s.owner.Number())
	id := mustText(t, s.customer, s.owner, "habari")
	wait(s.bot, "undecryptable event", func(e *events.UndecryptableMessage) bool { return e.Info.ID == id })
	m := wait(s.bot, "message after retry", withText("habari"))
	if m.Info.ID != id || m.RetryCount != 1 {
		t.Errorf("message %s with retry count %d, want %s and 1", m.Info.ID, m.RetryCount, id)
	}
	eventually(t, "message acknowledged", func() bool { return s.counts().Acked == 1 && len(s.wa.Unacked(s.owner.Number())) == 0 })
	if c := s.counts(); c.RetriesFromBot != 1 || c.Sent != 1 {
		t.Errorf("ledger: %+v", c)
	}
	s.bot.mustSend(m.Info.Chat, "karibu")
	mustShow(t, s.customer, "karibu")
}

func TestRetryReceipt_PhoneAsksTheBot(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.wa.Faults().UndecryptableOnce(s.customer.Number())
	id := s.bot.mustSend(s.customer.JID(), "karibu")
	if m := mustShow(t, s.customer, "karibu"); m.ID != id || !m.Retried {
		t.Errorf("customer sees %+v", m)
	}
	if c := s.counts(); c.RetriesToBot != 1 || c.Repeats != 0 || c.Shown != 1 {
		t.Errorf("ledger: %+v", c)
	}
	s.wa.Faults().UndecryptableOnce(s.owner.Number()) // whoever gets it first, customer or own phone
	s.bot.mustSend(s.customer.JID(), "tena")
	mustShow(t, s.customer, "tena")
	mustShow(t, s.owner, "tena")
}

func TestRetryReceipt_PhoneSendsKeysWhenTheSessionIsLost(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.bot.mustSend(s.customer.JID(), "one")
	mustShow(t, s.customer, "one")
	mustText(t, s.customer, s.owner, "two")
	wait(s.bot, "message", withText("two"))
	s.bot.mustSend(s.customer.JID(), "three")
	mustShow(t, s.customer, "three")
	if _, err := s.bot.db.Exec("DELETE FROM whatsmeow_sessions"); err != nil {
		t.Fatal(err)
	}
	mustText(t, s.customer, s.owner, "four") // the bot has no session, asks twice and gets a new one
	wait(s.bot, "message after a new session", withText("four"))
	s.bot.mustSend(s.customer.JID(), "five")
	mustShow(t, s.customer, "five")
}

func TestRetryReceipt_SynchronousClientAlsoAsksItsOwnPhone(t *testing.T) {
	t.Parallel()
	s := openShop(t, durable)
	s.wa.Faults().CorruptOnce(s.owner.Number())
	mustText(t, s.customer, s.owner, "habari")
	fromPhone := func(m *events.Message) bool { return messageText(m) == "habari" && m.UnavailableRequestID != "" }
	fromSender := func(m *events.Message) bool { return messageText(m) == "habari" && m.RetryCount == 1 }
	wait(s.bot, "copy of the owner's phone", fromPhone)
	wait(s.bot, "second try of the customer's phone", fromSender)
}

func TestPreKeys_RunLowAndAreRefilled(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	other := newPhone(t, s.wa, "+255700000002", "Jirani")
	thief := newBot(t, s.wa, nil)
	thief.pair(other)
	before := s.owner.Devices()[0].PreKeys
	if before < 800 {
		t.Fatalf("%d prekeys after linking, want about 812", before)
	}
	target := s.owner.LID()
	target.Device = s.owner.Devices()[0].Device
	//lint:ignore SA1019 no other call fetches prekeys of a chosen device
	if _, err := thief.DangerousInternals().FetchPreKeys(deadline(t), slices.Repeat([]types.JID{target}, before-3)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "new prekeys uploaded", func() bool { return s.owner.Devices()[0].PreKeys >= 50 })
	mustText(t, s.customer, s.owner, "habari")
	wait(s.bot, "message", withText("habari"))
}

func TestReceipts_OfCustomersReachTheBot(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	id := s.bot.mustSend(s.customer.JID(), "karibu")
	for _, kind := range []types.ReceiptType{types.ReceiptTypeDelivered, types.ReceiptTypeRead} {
		r := wait(s.bot, "receipt", func(r *events.Receipt) bool { return r.Type == kind && r.MessageIDs[0] == id })
		if r.Chat.User != s.customer.LID().User || r.IsFromMe {
			t.Errorf("receipt from %+v", r.MessageSource)
		}
	}
	eventually(t, "receipts acknowledged", func() bool { return s.owner.Devices()[0].Queued == 0 })
}

func TestReceipts_OfTheBotMoveTheTicks(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	status := func() simulator.Status { return s.customer.Messages(s.owner)[0].Status }
	id := mustText(t, s.customer, s.owner, "habari")
	m := wait(s.bot, "message", withText("habari"))
	eventually(t, "acknowledged", func() bool { return s.counts().Acked == 1 })
	if got := status(); got != simulator.StatusSent {
		t.Errorf("an inactive receipt shows as %s", got)
	}
	if err := s.bot.SendPresence(deadline(t), types.PresenceAvailable); err != nil {
		t.Fatalf("presence needs the push name from app state: %v", err)
	}
	second := mustText(t, s.customer, s.owner, "upo?")
	wait(s.bot, "message", withText("upo?"))
	eventually(t, "two grey ticks", func() bool { return s.customer.Messages(s.owner)[1].Status == simulator.StatusDelivered })
	if err := s.bot.MarkRead(deadline(t), []string{id, second}, m.Info.Timestamp, m.Info.Chat, m.Info.Sender); err != nil {
		t.Fatal(err)
	}
	eventually(t, "blue ticks on both", func() bool {
		return status() == simulator.StatusRead && s.customer.Messages(s.owner)[1].Status == simulator.StatusRead
	})
}

func TestTyping_BothWays(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	if err := s.bot.SendChatPresence(deadline(t), s.customer.JID(), types.ChatPresenceComposing, ""); err != nil {
		t.Fatal(err)
	}
	s.customer.SendTyping(s.owner, true)
	e := wait[*events.ChatPresence](s.bot, "typing", nil)
	if e.State != types.ChatPresenceComposing || e.Sender.User != s.customer.LID().User {
		t.Errorf("typing: %+v", e)
	}
}

func TestMedia_BothWays(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	photo := bytes.Repeat([]byte("picture "), 5000)
	if _, err := s.customer.SendMedia(deadline(t), s.owner, "image", photo, simulator.WithCaption("my order")); err != nil {
		t.Fatal(err)
	}
	in := wait(s.bot, "image", func(m *events.Message) bool { return m.Message.GetImageMessage() != nil })
	got, err := s.bot.Download(deadline(t), in.Message.GetImageMessage())
	if err != nil || !bytes.Equal(got, photo) {
		t.Errorf("downloaded %d bytes, %v", len(got), err)
	}
	if in.Info.MediaType != "image" || in.Message.GetImageMessage().GetCaption() != "my order" {
		t.Errorf("media type %q, caption %q", in.Info.MediaType, in.Message.GetImageMessage().GetCaption())
	}

	menu := bytes.Repeat([]byte("menu "), 7000)
	up, err := s.bot.Upload(deadline(t), menu, whatsmeow.MediaDocument)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.bot.SendMessage(deadline(t), in.Info.Chat, &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{
		URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256,
		FileSHA256: up.FileSHA256, FileLength: &up.FileLength, Mimetype: proto.String("application/pdf"),
		FileName: proto.String("menu.pdf"), Caption: proto.String("our menu"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	m := mustShow(t, s.customer, "our menu")
	if m.Kind != "document" || m.FileName != "menu.pdf" {
		t.Errorf("customer sees %+v", m)
	}
	if got, err = s.wa.Download(m); err != nil || !bytes.Equal(got, menu) {
		t.Errorf("phone downloaded %d bytes, %v", len(got), err)
	}
}

func TestEdits_AndDeletionsChangeTheBubble(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	chat := s.customer.JID()
	first, second := s.bot.mustSend(chat, "teh price"), s.bot.mustSend(chat, "oops")
	for _, msg := range []*waE2E.Message{
		s.bot.BuildEdit(chat, first, &waE2E.Message{Conversation: proto.String("the price")}),
		s.bot.BuildRevoke(chat, types.EmptyJID, second),
	} {
		if _, err := s.bot.SendMessage(deadline(t), chat, msg); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both changes shown", func() bool {
		m := s.customer.Messages(s.owner)
		return len(m) == 2 && m[0].Text == "the price" && m[0].Edited && m[1].Revoked && m[1].Text == ""
	})
}

func TestAppState_PushNameAndPatchesOfBothSides(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	if s.bot.Store.PushName != "Duka la Amani" {
		t.Errorf("push name after linking: %q", s.bot.Store.PushName)
	}
	for range 2 { // the second patch must build on the first
		if err := s.bot.SendAppState(deadline(t), appstate.BuildMute(s.customer.LID(), true, 0)); err != nil {
			t.Fatalf("patch of the bot: %v", err)
		}
	}
	if err := s.owner.SetPushName("Duka Jipya"); err != nil {
		t.Fatal(err)
	}
	wait(s.bot, "new push name", func(e *events.PushNameSetting) bool { return e.Action.GetName() == "Duka Jipya" })
}

func TestUsers_AreLookedUpAsWhatsmeowAsks(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	found, err := s.bot.IsOnWhatsApp(deadline(t), []string{s.customer.Number(), "+255799999999"})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 || !found[0].IsIn || found[1].IsIn || found[0].JID != s.customer.LID() || found[0].Query != s.customer.Number() {
		t.Errorf("lookup: %+v", found)
	}
	info, err := s.bot.GetUserInfo(deadline(t), []types.JID{s.customer.JID(), s.owner.JID()})
	if err != nil {
		t.Fatal(err)
	}
	if info[s.customer.JID()].LID != s.customer.LID() || len(info[s.owner.JID()].Devices) != 2 {
		t.Errorf("user info: %+v", info)
	}
	if _, err = s.bot.send(types.NewJID("255799999999", types.DefaultUserServer), "anybody?"); err == nil {
		t.Error("a message to a number without WhatsApp was sent")
	}
	if _, err = s.bot.GetBlocklist(deadline(t)); err != nil {
		t.Errorf("blocklist: %v", err)
	}
	if _, err = s.bot.TryFetchPrivacySettings(deadline(t), true); err != nil {
		t.Errorf("privacy settings: %v", err)
	}
	version, err := whatsmeow.GetLatestVersion(deadline(t), s.wa.HTTPClient())
	if err != nil || version.IsZero() {
		t.Errorf("latest version: %v, %v", version, err)
	}
}

func TestTwoBusinesses_TalkToEachOther(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	otherOwner := newPhone(t, s.wa, "+255700000002", "Jirani")
	other := newBot(t, s.wa, nil)
	other.pair(otherOwner)
	s.bot.mustSend(otherOwner.JID(), "do you have flour?")
	m := wait(other, "question", withText("do you have flour?"))
	if m.Info.PushName != "Duka la Amani" || m.Info.Sender.Device == 0 {
		t.Errorf("info: %+v", m.Info)
	}
	mustShow(t, otherOwner, "do you have flour?")
	other.mustSend(m.Info.Chat, "two bags")
	wait(s.bot, "answer", withText("two bags"))
	mustShow(t, s.owner, "two bags")
}

func TestSecondCompanion_GetsEverythingToo(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.bot.mustSend(s.customer.JID(), "before") // the device lists are cached now
	second := newBot(t, s.wa, nil)
	second.pair(s.owner)
	mustText(t, s.customer, s.owner, "habari")
	in := wait(s.bot, "message at the first companion", withText("habari"))
	wait(second, "message at the second companion", withText("habari"))
	second.mustSend(in.Info.Chat, "from the second")
	own := wait(s.bot, "copy of the other companion's answer", withText("from the second"))
	if !own.Info.IsFromMe {
		t.Errorf("info: %+v", own.Info)
	}
	if c := s.counts(); c.Sent != 1 || c.Acked != 1 {
		t.Errorf("ledger counts messages per companion: %+v", c)
	}
}
