package simulator_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"flowhq/simulator"

	"github.com/google/go-cmp/cmp"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

func TestRedelivery_RepeatsTheVeryCiphertext(t *testing.T) {
	t.Parallel()
	s := openShop(t, durable)
	s.wa.Faults().HoldAcks(s.owner.Number(), true)
	before := s.bot.ciphertextsSeen()
	id := mustText(t, s.customer, s.owner, "habari")
	wait(s.bot, "message", withText("habari"))
	eventually(t, "first receipt held back", func() bool { return s.counts().ReceiptsFromBot == 1 })
	s.wa.Faults().DropConnections(s.owner.Number())
	eventually(t, "second receipt held back", func() bool { return s.counts().ReceiptsFromBot == 2 })

	if got := s.bot.ciphertextsSeen() - before; got != 1 {
		t.Errorf("the client has seen %d ciphertexts, want the same one twice", got)
	}
	if n := count(s.bot, withText("habari")); n != 1 {
		t.Errorf("message dispatched %d times", n)
	}
	if got := s.wa.Unacked(s.owner.Number()); !slices.Equal(got, []string{id}) {
		t.Errorf("unacknowledged: %v, want [%s]", got, id)
	}
	s.wa.Faults().HoldAcks(s.owner.Number(), false)
	if c := s.counts(); c.Acked != 1 || len(s.wa.Unacked(s.owner.Number())) != 0 {
		t.Errorf("after release: %+v", c)
	}
}

func TestRedelivery_StopsAfterTheReceipt(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	mustText(t, s.customer, s.owner, "habari")
	wait(s.bot, "message", withText("habari"))
	eventually(t, "message acknowledged", func() bool { return s.counts().Acked == 1 })
	s.bot.Disconnect()
	s.bot.restart()
	s.bot.connect()
	if done := wait[*events.OfflineSyncCompleted](s.bot, "queue", nil); done.Count != 0 {
		t.Errorf("%d stanzas in the offline queue, want none", done.Count)
	}
}

// crash lets a client decrypt a message and die inside its event handler.
func crash(t *testing.T, s shop) (release func()) {
	t.Helper()
	s.bot.EnableAutoReconnect = false
	inside, gate := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.bot.setOnMessage(func(*events.Message) bool {
		once.Do(func() { close(inside) })
		<-gate
		return false
	})
	mustText(t, s.customer, s.owner, "habari")
	select {
	case <-inside:
	case <-time.After(patience):
		t.Fatal("message never reached the handler")
	}
	s.wa.Faults().DropConnections(s.owner.Number())
	wait[*events.Disconnected](s.bot, "Disconnected", nil) // Disconnect before that is a data race of whatsmeow's
	s.bot.setOnMessage(nil)
	return func() { close(gate) }
}

func TestCrashBeforeAck_DefaultsLoseTheMessage(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	release := crash(t, s)
	defer release()
	s.bot.restart()
	s.bot.connect()
	eventually(t, "message acknowledged unseen", func() bool { return s.counts().Acked == 1 })
	if n := count(s.bot, withText("habari")); n != 0 {
		t.Errorf("message dispatched %d times; whatsmeow no longer loses it, update the documentation", n)
	}
}

func TestCrashBeforeAck_EventBufferKeepsTheMessage(t *testing.T) {
	t.Parallel()
	s := openShop(t, durable)
	release := crash(t, s)
	defer release()
	s.bot.restart()
	s.bot.connect()
	wait(s.bot, "message after restart", withText("habari"))
	eventually(t, "message acknowledged", func() bool { return s.counts().Acked == 1 })
}

func durable(cli *whatsmeow.Client) {
	cli.SynchronousAck = true
	cli.EnableDecryptedEventBuffer = true
}

func TestOfflineQueue_KeepsTheOrderOfManyMessages(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.bot.Disconnect()
	const n = 2200 // more than whatsmeow's own queue of 2,048 can hold in order
	var want []string
	for i := range n {
		want = append(want, say("m%d", i))
		mustText(t, s.customer, s.owner, want[i])
	}
	s.bot.restart()
	s.bot.connect()
	wait(s.bot, "last message", withText(want[n-1]))
	var got []string
	s.bot.mu.Lock()
	for _, evt := range s.bot.events {
		if m, ok := evt.(*events.Message); ok {
			got = append(got, messageText(m))
		}
	}
	s.bot.mu.Unlock()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%.2000s", diff)
	}
}

func TestConversation_EchoInBothDirectionsWithoutLoss(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.echo()
	second := newPhone(t, s.wa, "+255712000002", "Baraka")
	const n = 40
	var group sync.WaitGroup
	for _, p := range []*simulator.Phone{s.customer, second} {
		group.Go(func() {
			for i := range n {
				if _, err := p.SendText(deadline(t), s.owner, say("%s %d", p.PushName(), i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	for _, p := range []*simulator.Phone{s.customer, second} {
		for i := range n {
			mustShow(t, p, say("echo: %s %d", p.PushName(), i))
		}
	}
	eventually(t, "the owner's phone shows both sides", func() bool { return len(s.owner.Messages(second)) >= 2*n })
	if c := s.counts(); c.Shown != 2*n || c.Answered != 2*n || c.Repeats+c.CounterReuse+c.DecryptErrors != 0 {
		t.Errorf("ledger: %+v", c)
	}
	if got := len(s.owner.Messages(second)); got != 2*n {
		t.Errorf("owner's phone shows %d messages with the second customer, want %d", got, 2*n)
	}
}

func TestCounterReuseIsCounted(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	mustText(t, s.customer, s.owner, "habari")
	chat := wait(s.bot, "message", withText("habari")).Info.Chat
	s.bot.mustSend(chat, "one")
	mustShow(t, s.customer, "one")

	before := s.bot.session(s.customer)
	s.bot.mustSend(chat, "two")
	mustShow(t, s.customer, "two")
	s.bot.putSession(s.customer, before) // as two writers or a restored backup would
	lost := s.bot.mustSend(chat, "three")
	eventually(t, "reuse counted", func() bool { return s.counts().CounterReuse == 1 })
	s.bot.mustSend(chat, "four")
	mustShow(t, s.customer, "four")

	if diff := cmp.Diff([]string{"habari", "one", "two", "four"}, texts(s.customer.Messages(s.owner))); diff != "" {
		t.Errorf("chat (-want +got):\n%s", diff)
	}
	reused := s.wa.Ledger().Reused[s.owner.Number()]
	if len(reused) != 1 || reused[0].ID != lost || reused[0].To != s.customer.Number() {
		t.Errorf("reused: %+v, want message %s", reused, lost)
	}
	wait(s.bot, "delivery receipt of the lost message", func(r *events.Receipt) bool { return slices.Contains(r.MessageIDs, lost) })
}

func TestResend_WithTheSameIDIsShownOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	to := s.customer.JID()
	id := s.bot.mustSend(to, "once")
	s.bot.mustSend(to, "once", whatsmeow.SendRequestExtra{ID: id})
	eventually(t, "both copies have arrived", func() bool { return s.counts().Repeats == 2 }) // customer and own phone
	if got := texts(s.customer.Messages(s.owner)); !slices.Equal(got, []string{"once"}) {
		t.Errorf("customer sees %v", got)
	}
	if c := s.counts(); c.RepeatsSame != 0 || c.Shown != 1 || c.CounterReuse != 0 {
		t.Errorf("ledger: %+v", c)
	}
}

func TestResend_AfterALostServerAckRepeatsTheCiphertext(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.bot.mustSend(s.customer.JID(), "warm up")
	s.wa.Faults().SwallowServerAcks(s.owner.Number(), 1)
	result := make(chan error, 1)
	go func() {
		_, err := s.bot.send(s.customer.JID(), "hello")
		result <- err
	}()
	mustShow(t, s.customer, "hello")
	s.wa.Faults().Clear(s.owner.Number())
	s.wa.Faults().DropConnections(s.owner.Number()) // whatsmeow sends the same frame again
	if err := <-result; err != nil {
		t.Fatalf("send: %v", err)
	}
	eventually(t, "copies counted", func() bool { return s.counts().RepeatsSame == 2 })
	if got := texts(s.customer.Messages(s.owner)); !slices.Equal(got, []string{"warm up", "hello"}) {
		t.Errorf("customer sees %v", got)
	}
}

func TestReplacedKicksOlderConnection(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	first := s.bot.Client
	s.bot.restartBeside()
	s.bot.connect()
	wait[*events.StreamReplaced](s.bot, "kick of the older connection", nil)
	eventually(t, "older client offline", func() bool { return !first.IsConnected() })
	if !s.bot.IsConnected() {
		t.Error("newer client is offline")
	}
	mustText(t, s.customer, s.owner, "habari")
	wait(s.bot, "message at the newer client", withText("habari"))
	if n := count(s.bot, withText("habari")); n != 1 {
		t.Errorf("message dispatched %d times", n)
	}
}

func TestKeepReplaced_TheOlderConnectionMayStillSend(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.wa.Faults().KeepReplaced(s.owner.Number(), true)
	first := s.bot.Client
	s.bot.restartBeside()
	s.bot.connect()
	if _, err := first.SendMessage(t.Context(), s.customer.JID(), &waE2E.Message{Conversation: proto.String("from the older")}); err != nil {
		t.Fatalf("the older connection cannot send: %v", err)
	}
	mustShow(t, s.customer, "from the older")
	mustText(t, s.customer, s.owner, "habari")
	wait(s.bot, "message at the newer client", withText("habari"))
}

func TestAddressing_ByPhoneNumberAndByLIDIsOneConversation(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	// One after the other: whatsmeow loses messages when it sends to a contact while it decrypts from it.
	for _, step := range []struct {
		text, server string
		opts         []simulator.SendOption
	}{
		{"lid", types.HiddenUserServer, nil},
		{"pn", types.DefaultUserServer, []simulator.SendOption{simulator.ViaPN()}},
		{"pn alone", types.DefaultUserServer, []simulator.SendOption{simulator.ViaPN(), simulator.WithoutAlternate()}},
		{"lid again", types.HiddenUserServer, nil},
	} {
		mustText(t, s.customer, s.owner, step.text, step.opts...)
		m := wait(s.bot, step.text, withText(step.text))
		if m.Info.Chat.Server != step.server {
			t.Errorf("%q is from %s, want server %s", step.text, m.Info.Chat, step.server)
		}
		s.bot.mustSend(m.Info.Chat, "re: "+step.text)
		mustShow(t, s.customer, "re: "+step.text)
	}
	eventually(t, "all acknowledged", func() bool { return s.counts().Acked == 4 })
	if c := s.counts(); c.DecryptErrors+c.RetriesFromBot != 0 {
		t.Errorf("ledger: %+v", c)
	}
}

func TestOwner_WritesFromItsPhone(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	mustText(t, s.owner, s.customer, "I am on it")
	m := wait(s.bot, "own message", withText("I am on it"))
	if !m.Info.IsFromMe || m.Info.Chat.User != s.customer.LID().User || m.Info.RecipientAlt.User != s.customer.JID().User {
		t.Errorf("info: %+v", m.Info.MessageSource)
	}
	mustShow(t, s.customer, "I am on it")
	eventually(t, "own copy acknowledged", func() bool { return s.owner.Devices()[0].Queued == 0 })
	if c := s.counts(); c.Sent != 0 || c.Shown != 0 {
		t.Errorf("the phone's own messages count as the companion's: %+v", c)
	}
}

func TestAirplane_PhoneGetsItsMessagesLater(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.customer.SetAirplane(true)
	s.bot.mustSend(s.customer.JID(), "are you there?")
	mustShow(t, s.owner, "are you there?")
	if got := s.customer.Messages(s.owner); len(got) != 0 {
		t.Errorf("phone in airplane mode shows %v", texts(got))
	}
	if _, err := s.customer.SendText(deadline(t), s.owner, "x"); err != simulator.ErrOffline {
		t.Errorf("send in airplane mode: %v", err)
	}
	s.customer.SetAirplane(false)
	mustShow(t, s.customer, "are you there?")
}
