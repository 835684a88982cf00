package simulator_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"flowhq/simulator"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"
	_ "modernc.org/sqlite"
)

// TestMain trusts the simulators of this process once; clients of one test may still be connecting
// when the next begins.
func TestMain(m *testing.M) {
	if os.Getenv(botProcess) != "" {
		runBots()
	}
	wa, err := simulator.Start(simulator.Options{})
	if err != nil {
		panic(err)
	}
	wa.TrustRoot()
	_ = wa.Close()
	os.Exit(m.Run())
}

// patience is how long a test waits for what must happen; only a failing test uses it up.
const patience = time.Minute

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func startServer(t *testing.T, opts simulator.Options) *simulator.Server {
	t.Helper()
	wa, err := simulator.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := wa.Close(); err != nil {
			t.Error(err)
		}
	})
	return wa
}

func newPhone(t *testing.T, wa *simulator.Server, number, name string) *simulator.Phone {
	t.Helper()
	p, err := wa.NewPhone(simulator.PhoneOptions{Number: number, PushName: name})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bot is a plain whatsmeow client with a SQLite store of its own.
type bot struct {
	*whatsmeow.Client
	t    *testing.T
	wa   *simulator.Server
	db   *sql.DB
	tune func(*whatsmeow.Client)

	mu      sync.Mutex
	events  []any
	changed chan struct{}
	// onMessage, if set, runs inside the event handler and decides what the handler returns.
	onMessage func(*events.Message) bool
}

func newBot(t *testing.T, wa *simulator.Server, tune func(*whatsmeow.Client)) *bot {
	t.Helper()
	dsn := "file:" + filepath.Join(t.TempDir(), "bot.db") + "?_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)&_pragma=synchronous(off)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	b := &bot{t: t, wa: wa, db: db, tune: tune, changed: make(chan struct{})}
	b.restart()
	return b
}

// restart makes a new client on the same store, as a new process would.
func (b *bot) restart() {
	b.t.Helper()
	if b.Client != nil {
		b.Client.Disconnect()
	}
	b.restartBeside()
}

// restartBeside makes a new client on the same store and leaves the old one running.
func (b *bot) restartBeside() {
	b.t.Helper()
	container := sqlstore.NewWithDB(b.db, "sqlite", waLog.Noop)
	if err := container.Upgrade(deadline(b.t)); err != nil {
		b.t.Fatal(err)
	}
	device, err := container.GetFirstDevice(deadline(b.t))
	if err != nil {
		b.t.Fatal(err)
	}
	var log waLog.Logger
	if testing.Verbose() && os.Getenv("SIM_LOG") != "" {
		log = waLog.Stdout("bot", "DEBUG", false)
	}
	cli := whatsmeow.NewClient(device, log)
	b.wa.ConfigureClient(cli)
	if b.tune != nil {
		b.tune(cli)
	}
	cli.AddEventHandlerWithSuccessStatus(b.handle)
	b.Client = cli
	b.t.Cleanup(cli.Disconnect)
}

func (b *bot) handle(evt any) bool {
	ok := true
	if m, isMessage := evt.(*events.Message); isMessage {
		b.mu.Lock()
		f := b.onMessage
		b.mu.Unlock()
		if f != nil {
			ok = f(m)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, evt)
	close(b.changed)
	b.changed = make(chan struct{})
	return ok
}

func (b *bot) setOnMessage(f func(*events.Message) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.onMessage = f
}

// forget drops the events seen so far.
func (b *bot) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = nil
}

// wait returns the first event, past or future, of type T that match accepts.
func wait[T any](b *bot, what string, match func(T) bool) T {
	b.t.Helper()
	timeout := time.After(patience)
	for {
		b.mu.Lock()
		for _, evt := range b.events {
			if e, ok := evt.(T); ok && (match == nil || match(e)) {
				b.mu.Unlock()
				return e
			}
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-changed:
		case <-timeout:
			b.t.Fatalf("no %s within %s", what, patience)
		}
	}
}

func count[T any](b *bot, match func(T) bool) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, evt := range b.events {
		if e, ok := evt.(T); ok && (match == nil || match(e)) {
			n++
		}
	}
	return n
}

func withText(text string) func(*events.Message) bool {
	return func(m *events.Message) bool { return messageText(m) == text }
}

func messageText(m *events.Message) string {
	if m.Message.GetConversation() != "" {
		return m.Message.GetConversation()
	}
	return m.Message.GetExtendedTextMessage().GetText()
}

func (b *bot) connect() {
	b.t.Helper()
	b.forget()
	if err := b.Connect(); err != nil {
		b.t.Fatal(err)
	}
	wait[*events.Connected](b, "Connected event", nil)
	wait[*events.OfflineSyncCompleted](b, "end of the offline queue", nil)
}

// pair links the bot to a phone by QR code and waits until it is online and has the phone's settings.
func (b *bot) pair(owner *simulator.Phone) {
	b.t.Helper()
	if err := b.Connect(); err != nil {
		b.t.Fatal(err)
	}
	qr := wait[*events.QR](b, "QR code", nil)
	if err := owner.ScanQR(deadline(b.t), qr.Codes[0]); err != nil {
		b.t.Fatal(err)
	}
	wait[*events.Connected](b, "Connected event", nil)
	wait(b, "the last collection of app state", func(e *events.AppStateSyncComplete) bool { return e.Name == "regular_low" })
}

func (b *bot) send(to types.JID, text string, extra ...whatsmeow.SendRequestExtra) (whatsmeow.SendResponse, error) {
	return b.SendMessage(deadline(b.t), to, &waE2E.Message{Conversation: proto.String(text)}, extra...)
}

func (b *bot) mustSend(to types.JID, text string, extra ...whatsmeow.SendRequestExtra) string {
	b.t.Helper()
	resp, err := b.send(to, text, extra...)
	if err != nil {
		b.t.Fatalf("send %q: %v", text, err)
	}
	return resp.ID
}

func mustText(t *testing.T, from, to *simulator.Phone, text string, opts ...simulator.SendOption) string {
	t.Helper()
	id, err := from.SendText(deadline(t), to, text, opts...)
	if err != nil {
		t.Fatalf("%s writes %q: %v", from.Number(), text, err)
	}
	return id
}

func mustShow(t *testing.T, p *simulator.Phone, text string) simulator.Message {
	t.Helper()
	m, err := p.Wait(deadline(t), func(m simulator.Message) bool { return m.Text == text })
	if err != nil {
		t.Fatalf("%s never shows %q: %v", p.Number(), text, err)
	}
	return m
}

// eventually polls a condition that no event announces.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx := deadline(t)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		}
	}
}

func texts(messages []simulator.Message) []string {
	var out []string
	for _, m := range messages {
		out = append(out, m.Text)
	}
	return out
}

// shop is the usual scene: one business with a linked bot, one customer.
type shop struct {
	wa              *simulator.Server
	owner, customer *simulator.Phone
	bot             *bot
}

func openShop(t *testing.T, tune func(*whatsmeow.Client)) shop {
	t.Helper()
	wa := startServer(t, simulator.Options{Seed: 1})
	s := shop{wa: wa, owner: newPhone(t, wa, "+255700000001", "Duka la Amani"), customer: newPhone(t, wa, "+255712000001", "Asha")}
	s.bot = newBot(t, wa, tune)
	s.bot.pair(s.owner)
	return s
}

func (s shop) counts() simulator.Counts { return s.wa.Ledger().PerTenant[s.owner.Number()] }

// echo answers every message from inside the event handler.
func (s shop) echo() {
	s.bot.setOnMessage(func(m *events.Message) bool {
		if m.Info.IsFromMe || messageText(m) == "" {
			return true
		}
		_, err := s.bot.send(m.Info.Chat, "echo: "+messageText(m))
		return err == nil
	})
}

func say(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// swapKeys puts the reference of one linking code before the keys of another.
func swapKeys(ref, keys string) string {
	_, rest, _ := strings.Cut(keys, ",")
	first, _, _ := strings.Cut(ref, ",")
	return first + "," + rest
}

// wrongSecret replaces the adv secret in a linking code.
func wrongSecret(code string) string {
	parts := strings.Split(code, ",")
	parts[3] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	return strings.Join(parts, ",")
}

// session reads the bot's Signal session with a phone straight from the database.
func (b *bot) session(with *simulator.Phone) []byte {
	b.t.Helper()
	var raw []byte
	err := b.db.QueryRow("SELECT session FROM whatsmeow_sessions WHERE their_id = $1", with.LID().SignalAddress().String()).Scan(&raw)
	if err != nil {
		b.t.Fatal(err)
	}
	return raw
}

func (b *bot) putSession(with *simulator.Phone, raw []byte) {
	b.t.Helper()
	_, err := b.db.Exec("UPDATE whatsmeow_sessions SET session = $1 WHERE their_id = $2", raw, with.LID().SignalAddress().String())
	if err != nil {
		b.t.Fatal(err)
	}
}

// ciphertextsSeen counts the distinct ciphertexts that the bot has decrypted, with the event buffer on.
func (b *bot) ciphertextsSeen() int {
	b.t.Helper()
	var n int
	if err := b.db.QueryRow("SELECT count(*) FROM whatsmeow_event_buffer").Scan(&n); err != nil {
		b.t.Fatal(err)
	}
	return n
}
