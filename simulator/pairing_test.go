package simulator_test

import (
	"errors"
	"testing"

	"flowhq/simulator"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"
)

func TestPairing_ByQRThenReceiveAndAnswer(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	if got := s.bot.Store.GetJID().User; "+"+got != s.owner.Number() {
		t.Errorf("bot is paired as %s, want %s", got, s.owner.Number())
	}
	mustText(t, s.customer, s.owner, "habari")
	in := wait(s.bot, "customer's message", withText("habari"))
	if in.Info.PushName != "Asha" || in.Info.Sender.User != s.customer.LID().User || in.Info.SenderAlt.User != s.customer.JID().User {
		t.Errorf("message info names %q %s %s", in.Info.PushName, in.Info.Sender, in.Info.SenderAlt)
	}
	s.bot.mustSend(in.Info.Chat, "karibu")
	if m := mustShow(t, s.customer, "karibu"); m.From != s.owner.Number() || m.OwnCopy {
		t.Errorf("customer sees %+v", m)
	}
	if m := mustShow(t, s.owner, "karibu"); !m.OwnCopy || m.Chat != s.customer.Number() {
		t.Errorf("owner's phone sees %+v", m)
	}
	eventually(t, "message acknowledged", func() bool { return len(s.wa.Unacked(s.owner.Number())) == 0 })
	if c := s.counts(); c.Sent != 1 || c.Acked != 1 || c.Answered != 1 || c.Shown != 1 || c.OwnCopies != 1 || c.Repeats+c.CounterReuse+c.DecryptErrors != 0 {
		t.Errorf("ledger: %+v", c)
	}
}

func TestPairing_RefusesACodeOfAnotherConnection(t *testing.T) {
	t.Parallel()
	wa := startServer(t, simulator.Options{})
	owner := newPhone(t, wa, "+255700000001", "Duka")
	a, b := newBot(t, wa, nil), newBot(t, wa, nil)
	for _, x := range []*bot{a, b} {
		if err := x.Connect(); err != nil {
			t.Fatal(err)
		}
	}
	codeA, codeB := wait[*events.QR](a, "QR", nil).Codes[0], wait[*events.QR](b, "QR", nil).Codes[0]
	mixed := swapKeys(codeA, codeB)
	if err := owner.ScanQR(deadline(t), mixed); !errors.Is(err, simulator.ErrBadQR) {
		t.Errorf("scan of a forged code: %v, want ErrBadQR", err)
	}
	if err := owner.ScanQR(deadline(t), "2@nonsense,a,b,c,1"); !errors.Is(err, simulator.ErrBadQR) {
		t.Errorf("scan of nonsense: %v, want ErrBadQR", err)
	}
	if n := len(owner.Devices()); n != 0 {
		t.Errorf("%d devices after refused pairings", n)
	}
}

func TestPairing_CompanionMayRefuse(t *testing.T) {
	t.Parallel()
	wa := startServer(t, simulator.Options{})
	owner := newPhone(t, wa, "+255700000001", "Duka")
	b := newBot(t, wa, nil)
	if err := b.Connect(); err != nil {
		t.Fatal(err)
	}
	code := wait[*events.QR](b, "QR", nil).Codes[0]
	if err := owner.ScanQR(deadline(t), wrongSecret(code)); !errors.Is(err, simulator.ErrPairRefused) {
		t.Errorf("scan with a wrong adv secret: %v, want ErrPairRefused", err)
	}
	wait(b, "pairing error", func(e *events.PairError) bool { return errors.Is(e.Error, whatsmeow.ErrPairInvalidDeviceIdentityHMAC) })
}
