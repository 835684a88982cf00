package simulator_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"flowhq/simulator"

	"github.com/coder/websocket"
	"go.mau.fi/whatsmeow/types/events"
	"go.uber.org/goleak"
)

// Not parallel: it looks at all goroutines of the process.
func TestClose_LeavesNoGoroutines(t *testing.T) {
	before := goleak.IgnoreCurrent()
	wa, err := simulator.Start(simulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	owner, customer := newPhone(t, wa, "+255700000001", "Duka"), newPhone(t, wa, "+255712000001", "Asha")
	b := newBot(t, wa, nil)
	b.EnableAutoReconnect = false
	b.pair(owner)
	for i := range 50 {
		mustText(t, customer, owner, fmt.Sprint(i)) // some still in flight at Close
	}
	if err = wa.Close(); err != nil {
		t.Fatal(err)
	}
	wait[*events.Disconnected](b, "Disconnected", nil)
	b.Disconnect()
	if _, err = customer.SendText(deadline(t), owner, "late"); !errors.Is(err, simulator.ErrClosed) {
		t.Errorf("send after Close: %v", err)
	}
	_ = b.db.Close()
	goleak.VerifyNone(t, before, goleak.IgnoreTopFunction("modernc.org/libc.(*TLS)"))
}

func TestNewPhone_ChecksItsNumber(t *testing.T) {
	t.Parallel()
	wa := startServer(t, simulator.Options{})
	for _, number := range []string{"", "0712345678", "+12", "+2557abc12345", "+2557123456789012"} {
		if _, err := wa.NewPhone(simulator.PhoneOptions{Number: number}); !errors.Is(err, simulator.ErrBadNumber) {
			t.Errorf("number %q: %v", number, err)
		}
	}
	p := newPhone(t, wa, "255712000001", "Asha")
	if p.Number() != "+255712000001" || wa.Phone("+255712000001") != p || wa.Phone("255712000001") != p {
		t.Errorf("phone %s is not found by its number", p.Number())
	}
	if _, err := wa.NewPhone(simulator.PhoneOptions{Number: "+255712000001"}); !errors.Is(err, simulator.ErrNumberTaken) {
		t.Errorf("second phone: %v", err)
	}
}

func TestHistory_IsBounded(t *testing.T) {
	t.Parallel()
	wa := startServer(t, simulator.Options{HistoryLimit: 100})
	a, b := newPhone(t, wa, "+255712000001", "Asha"), newPhone(t, wa, "+255712000002", "Baraka")
	const n = 1000
	for i := range n {
		mustText(t, a, b, fmt.Sprint(i))
	}
	mustShow(t, b, fmt.Sprint(n-1))
	got := b.Messages(a)
	if len(got) > 100 || len(got) < 75 {
		t.Fatalf("%d messages kept, want 75 to 100", len(got))
	}
	for i, m := range got {
		if want := fmt.Sprint(n - len(got) + i); m.Text != want {
			t.Fatalf("message %d is %q, want %q", i, m.Text, want)
		}
	}
	if all := b.Messages(nil); len(all) != len(got) {
		t.Errorf("%d messages in all chats, %d in the only one", len(all), len(got))
	}
}

func TestPhone_HasFourCompanionsAtMost(t *testing.T) {
	t.Parallel()
	wa := startServer(t, simulator.Options{})
	owner := newPhone(t, wa, "+255700000001", "Duka")
	for i := range 5 {
		b := newBot(t, wa, nil)
		if err := b.Connect(); err != nil {
			t.Fatal(err)
		}
		err := owner.ScanQR(deadline(t), wait[*events.QR](b, "QR", nil).Codes[0])
		if i < 4 && err != nil || i == 4 && !errors.Is(err, simulator.ErrTooManyLinked) {
			t.Errorf("companion %d: %v", i+1, err)
		}
		b.Disconnect() // before it uploads its prekeys
	}
}

func TestServer_SurvivesGarbage(t *testing.T) {
	t.Parallel()
	wa := startServer(t, simulator.Options{})
	for _, garbage := range [][]byte{[]byte("GET / HTTP/1.1"), {'W', 'A', 6, 3, 0, 0, 2, 0xff, 0xff}, {'W', 'A', 6, 3, 0, 0, 0}} {
		ws, _, err := websocket.Dial(deadline(t), "wss://web.whatsapp.com/ws/chat", &websocket.DialOptions{HTTPClient: wa.HTTPClient()})
		if err != nil {
			t.Fatal(err)
		}
		if err = ws.Write(deadline(t), websocket.MessageBinary, garbage); err != nil {
			t.Fatal(err)
		}
		if _, _, err = ws.Read(deadline(t)); err == nil {
			t.Errorf("server answered %q", garbage)
		}
	}
	resp, err := wa.HTTPClient().Get("https://mmg.whatsapp.net/v/sim/unknown?ccb=1")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("unknown media: status %d", resp.StatusCode)
	}
}

func TestSettings_AreEnoughForAnotherProcess(t *testing.T) {
	t.Parallel()
	wa := startServer(t, simulator.Options{})
	got, err := wa.Settings(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got[simulator.EnvAddr] != wa.Addr() || len(got[simulator.EnvRootKey]) != 64 || got[simulator.EnvCA] == "" || len(got) != 3 {
		t.Errorf("settings: %v", got)
	}
}
