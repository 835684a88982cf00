// Command bare is the reference of the benchmarks: an echo bot of plain
// whatsmeow with its own SQL store, as its documentation suggests, for any
// number of devices in one process. It prints one line per event:
//
//	qr N CODE     device N waits for a scan
//	linked N      device N is linked and connected
//	ready M SECS  M stored devices are connected, SECS after the start
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

// bot is the whole echo bot.
type bot struct {
	container *sqlstore.Container
	transport *http.Transport
	safe      bool
	print     sync.Mutex
}

func main() {
	url := flag.String("db", "", "postgres address")
	link := flag.Int("link", 0, "devices to link once a line comes on stdin")
	safe := flag.Bool("safe", false, "acknowledge after the handler and keep decrypted messages")
	parallel := flag.Int("parallel", 16, "devices connected or linked at the same time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, *url, *link, *safe, *parallel); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url string, link int, safe bool, parallel int) error {
	started := time.Now()
	transport, err := redirected()
	if err != nil {
		return err
	}
	db, err := sql.Open("pgx", url)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	b := &bot{container: sqlstore.NewWithDB(db, "pgx", nil), transport: transport, safe: safe}
	if err := b.container.Upgrade(ctx); err != nil {
		return err
	}
	devices, err := b.container.GetAllDevices(ctx)
	if err != nil {
		return err
	}
	b.each(len(devices), parallel, func(i int) { b.connect(ctx, devices[i]) })
	b.say("ready %d %.3f", len(devices), time.Since(started).Seconds())
	if link > 0 {
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	}
	b.each(link, parallel, func(i int) { b.link(ctx, i) })
	<-ctx.Done()
	return nil
}

// redirected dials the simulator in place of WhatsApp.
func redirected() (*http.Transport, error) {
	pem, err := os.ReadFile(os.Getenv("FLOWHQ_WHATSAPP_CA"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	key, err := hex.DecodeString(os.Getenv("FLOWHQ_WHATSAPP_ROOT_KEY"))
	if err != nil {
		return nil, err
	}
	copy(whatsmeow.WACertPubKey[:], key)
	addr := os.Getenv("FLOWHQ_WHATSAPP_ADDR")
	return &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}, nil
}

func (b *bot) each(n, parallel int, do func(int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i := range n {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer wg.Done()
			do(i)
			<-slots
		}()
	}
	wg.Wait()
}

func (b *bot) say(format string, args ...any) {
	b.print.Lock()
	defer b.print.Unlock()
	fmt.Printf(format+"\n", args...)
}

func (b *bot) client(device *store.Device) *whatsmeow.Client {
	cli := whatsmeow.NewClient(device, nil)
	web := &http.Client{Transport: b.transport}
	cli.SetWebsocketHTTPClient(web)
	cli.SetPreLoginHTTPClient(web)
	cli.SetMediaHTTPClient(web)
	cli.SynchronousAck, cli.EnableDecryptedEventBuffer = b.safe, b.safe
	cli.AddEventHandler(func(evt any) {
		if m, ok := evt.(*events.Message); ok && !m.Info.IsFromMe {
			go b.echo(cli, m.Info.Chat, m.Message.GetConversation())
		}
	})
	return cli
}

func (b *bot) echo(cli *whatsmeow.Client, to types.JID, text string) {
	if _, err := cli.SendMessage(context.Background(), to, &waE2E.Message{Conversation: proto.String(text)}); err != nil {
		fmt.Fprintln(os.Stderr, "bare: send:", err)
	}
}

func (b *bot) connect(ctx context.Context, device *store.Device) {
	cli := b.client(device)
	connected := onConnected(cli)
	if err := cli.Connect(); err != nil {
		fmt.Fprintln(os.Stderr, "bare: connect:", err)
		return
	}
	select {
	case <-connected:
	case <-ctx.Done():
	}
}

func (b *bot) link(ctx context.Context, i int) {
	cli := b.client(b.container.NewDevice())
	connected := onConnected(cli)
	codes, err := cli.GetQRChannel(ctx)
	if err == nil {
		err = cli.Connect()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bare: link:", err)
		return
	}
	go func() {
		for item := range codes {
			if item.Event == whatsmeow.QRChannelEventCode {
				b.say("qr %d %s", i, item.Code)
			}
		}
	}()
	select {
	case <-connected:
		b.say("linked %d", i)
	case <-ctx.Done():
	}
}

func onConnected(cli *whatsmeow.Client) <-chan struct{} {
	connected := make(chan struct{})
	var once atomic.Bool
	cli.AddEventHandler(func(evt any) {
		if _, ok := evt.(*events.Connected); ok && !once.Swap(true) {
			close(connected)
		}
	})
	return connected
}
