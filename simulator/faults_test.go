package simulator_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"
)

func TestFault_DropAndRefuseConnections(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.bot.forget()
	s.wa.Faults().DropConnections(s.owner.Number())
	wait[*events.Disconnected](s.bot, "Disconnected", nil)
	wait[*events.Connected](s.bot, "Connected again", nil)

	s.bot.forget()
	s.wa.Faults().RefuseConnections("", true)
	wait[*events.Disconnected](s.bot, "Disconnected", nil)
	s.bot.restart()
	if err := s.bot.Connect(); err == nil {
		t.Error("connected although everybody is refused")
	}
	s.wa.Faults().Clear("")
	s.bot.restart()
	s.bot.connect()
}

func TestFault_ServiceUnavailable(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.bot.forget()
	s.wa.Faults().ServiceUnavailable(s.owner.Number(), true)
	wait[*events.Disconnected](s.bot, "Disconnected", nil)
	s.wa.Faults().ServiceUnavailable(s.owner.Number(), false)
	wait[*events.Connected](s.bot, "Connected again", nil)
}

func TestFault_RefuseConnectionsFromOneAddress(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.bot.forget()
	s.wa.Faults().RefuseConnectionsFrom(s.owner.Number(), "192.0.2.1")
	wait[*events.Disconnected](s.bot, "Disconnected", nil)
	wait[*events.Connected](s.bot, "Connected again from elsewhere", nil)

	s.bot.forget()
	s.wa.Faults().RefuseConnectionsFrom(s.owner.Number(), "127.0.0.1")
	wait[*events.Disconnected](s.bot, "Disconnected", nil)
	s.bot.forget()
	wait[*events.Disconnected](s.bot, "refused", nil)
	s.wa.Faults().RefuseConnectionsFrom(s.owner.Number(), "")
	wait[*events.Connected](s.bot, "Connected again", nil)
}

func TestFault_LoggedOutWhileConnectedAndAtLogin(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.wa.Faults().LoggedOut(s.owner.Number())
	out := wait[*events.LoggedOut](s.bot, "LoggedOut", nil)
	if out.OnConnect {
		t.Error("logged out at connect, want while connected")
	}
	if n := len(s.owner.Devices()); n != 0 {
		t.Errorf("%d devices left", n)
	}

	s = openShop(t, nil)
	s.bot.Disconnect()
	if err := s.owner.Unlink(s.owner.Devices()[0].Device); err != nil {
		t.Fatal(err)
	}
	s.bot.restart()
	if err := s.bot.Connect(); err != nil {
		t.Fatal(err)
	}
	wait(s.bot, "LoggedOut at login", func(e *events.LoggedOut) bool { return e.OnConnect && e.Reason == events.ConnectFailureLoggedOut })
}

func TestCompanion_LogsItselfOut(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	if err := s.bot.Logout(deadline(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "device gone", func() bool { return len(s.owner.Devices()) == 0 })
}

func TestFault_TempBan(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.bot.Disconnect()
	s.wa.Faults().TempBan(s.owner.Number(), int(events.TempBanSentToTooManyPeople), time.Hour)
	s.bot.restart()
	if err := s.bot.Connect(); err != nil {
		t.Fatal(err)
	}
	ban := wait[*events.TemporaryBan](s.bot, "TemporaryBan", nil)
	if ban.Code != events.TempBanSentToTooManyPeople || ban.Expire != time.Hour {
		t.Errorf("ban: %+v", ban)
	}
	s.wa.Faults().TempBan(s.owner.Number(), 0, 0)
	s.bot.restart()
	s.bot.connect()
}

func TestFault_Outdated405(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.bot.Disconnect()
	s.wa.Faults().Outdated405(true)
	s.bot.restart()
	if err := s.bot.Connect(); err != nil {
		t.Fatal(err)
	}
	wait[*events.ClientOutdated](s.bot, "ClientOutdated", nil)
}

func TestFault_Restricted463_OnlyForStrangers(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	stranger := newPhone(t, s.wa, "+255712000009", "Mgeni")
	mustText(t, s.customer, s.owner, "habari")
	wait(s.bot, "message", withText("habari"))
	s.wa.Faults().Restricted463(s.owner.Number(), true)
	if _, err := s.bot.send(stranger.JID(), "special offer"); !errors.Is(err, whatsmeow.ErrServerReturnedError) {
		t.Errorf("message to a stranger: %v", err)
	}
	if _, err := s.bot.send(s.customer.JID(), "karibu"); err != nil {
		t.Errorf("answer to a customer: %v", err)
	}
	if got := stranger.Messages(s.owner); len(got) != 0 {
		t.Errorf("stranger sees %v", texts(got))
	}
	if c := s.counts(); c.ServerNacks != 1 {
		t.Errorf("ledger: %+v", c)
	}
}

func TestFault_DelayAcksAndSlow(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.bot.mustSend(s.customer.JID(), "warm up")
	const delay = 150 * time.Millisecond
	for _, set := range []func(time.Duration){
		func(d time.Duration) { s.wa.Faults().DelayAcks(s.owner.Number(), d) },
		s.wa.Faults().Slow,
	} {
		set(delay)
		start := time.Now()
		s.bot.mustSend(s.customer.JID(), "hello")
		if took := time.Since(start); took < delay {
			t.Errorf("acknowledged after %s, want at least %s", took, delay)
		}
		s.wa.Faults().Clear("")
	}
}

func TestFault_SwallowServerAcks_MessageArrivesButIsNotConfirmed(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.bot.mustSend(s.customer.JID(), "warm up")
	s.wa.Faults().SwallowServerAcks(s.owner.Number(), 1)
	_, err := s.bot.send(s.customer.JID(), "hello", whatsmeow.SendRequestExtra{Timeout: 100 * time.Millisecond})
	if !errors.Is(err, whatsmeow.ErrMessageTimedOut) {
		t.Errorf("send: %v, want a timeout", err)
	}
	mustShow(t, s.customer, "hello")
	if c := s.counts(); c.AcksSwallowed != 1 {
		t.Errorf("ledger: %+v", c)
	}
}

func TestFault_DropAcks_RedeliversAtTheNextLogin(t *testing.T) {
	t.Parallel()
	s := openShop(t, durable)
	s.wa.Faults().DropAcks(s.owner.Number(), 1)
	id := mustText(t, s.customer, s.owner, "habari")
	wait(s.bot, "message", withText("habari"))
	eventually(t, "receipt forgotten", func() bool { return s.counts().ReceiptsFromBot == 1 })
	s.wa.Faults().Clear(s.owner.Number())
	if got := s.wa.Unacked(s.owner.Number()); !slices.Equal(got, []string{id}) {
		t.Fatalf("unacknowledged: %v", got)
	}
	s.wa.Faults().DropConnections(s.owner.Number())
	eventually(t, "acknowledged at last", func() bool { return s.counts().Acked == 1 })
	if n := count(s.bot, withText("habari")); n != 1 {
		t.Errorf("message dispatched %d times", n)
	}
}

func TestFault_RedeliverSome_OneToFiveTimesUnderEitherAddress(t *testing.T) {
	t.Parallel()
	s := openShop(t, durable)
	s.wa.Faults().RedeliverSome(s.owner.Number(), 1)
	const messages = 10
	for range messages {
		mustText(t, s.customer, s.owner, "habari")
	}
	eventually(t, "all acknowledged, copies too", func() bool {
		c := s.counts()
		return c.Acked == messages && c.ReceiptsFromBot == messages+c.Redelivered
	})
	if c := s.counts(); c.Redelivered < messages || c.Redelivered > 5*messages {
		t.Errorf("%d messages were delivered %d times more, want 1 to 5 times each", messages, c.Redelivered)
	}
	if n := count(s.bot, withText("habari")); n != messages {
		t.Errorf("%d messages dispatched, want %d", n, messages)
	}
}

func TestFault_UndecryptableSome_IsReadableAfterTheRetry(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.wa.Faults().UndecryptableSome(s.owner.Number(), 1)
	s.bot.mustSend(s.customer.JID(), "hello")
	mustShow(t, s.customer, "hello")
	if c := s.counts(); c.RetriesToBot == 0 {
		t.Errorf("ledger: %+v", c)
	}
}

func TestFault_Redeliver_SameCiphertextUnderBothAddresses(t *testing.T) {
	t.Parallel()
	s := openShop(t, durable)
	for _, text := range []string{"one", "two", "three"} {
		mustText(t, s.customer, s.owner, text)
		wait(s.bot, "message", withText(text))
	}
	eventually(t, "all acknowledged", func() bool { return s.counts().Acked == 3 })
	seen := s.bot.ciphertextsSeen()
	if n := s.wa.Faults().Redeliver(s.owner.Number(), 2); n != 2 {
		t.Errorf("delivered %d again, want 2", n)
	}
	if n := s.wa.Faults().RedeliverOther(s.owner.Number(), 2); n != 2 {
		t.Errorf("delivered %d under the other address, want 2", n)
	}
	eventually(t, "receipts for the copies", func() bool { return s.counts().ReceiptsFromBot == 7 })
	if got := s.bot.ciphertextsSeen(); got != seen {
		t.Errorf("%d new ciphertexts, want none", got-seen)
	}
	if n := count[*events.Message](s.bot, func(m *events.Message) bool { return messageText(m) != "" }); n != 3 {
		t.Errorf("%d messages dispatched, want 3", n)
	}
	if c := s.counts(); c.Redelivered != 4 || c.Acked != 3 {
		t.Errorf("ledger: %+v", c)
	}
}
