package simulator_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"flowhq/simulator"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types/events"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"
)

// botProcess is set in the child process of BenchmarkEcho and holds the address of the simulator.
const botProcess = "SIMULATOR_BENCH_ADDR"

// BenchmarkEcho measures what the simulator itself costs: the echo bots run in a process of their own,
// 20 businesses with two customers each, and every customer writes again as soon as it has the answer.
// sim-ms/echo is processor time of this process.
func BenchmarkEcho(b *testing.B) {
	wa, err := simulator.Start(simulator.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer wa.Close()
	const businesses = 20
	bots := startBots(b, wa, businesses)
	var customers, owners []*simulator.Phone
	for i := range businesses {
		owner := benchPhone(b, wa, fmt.Sprintf("+2557000%05d", i))
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if err = owner.ScanQR(ctx, bots.code(b)); err != nil {
			b.Fatal(err)
		}
		cancel()
		for j := range 2 {
			customers, owners = append(customers, benchPhone(b, wa, fmt.Sprintf("+25571%d%05d", j, i))), append(owners, owner)
		}
	}
	for _, o := range owners {
		for len(o.Devices()) == 0 || !o.Devices()[0].Active {
			time.Sleep(time.Millisecond)
		}
	}
	converse(b, customers, owners, len(customers)*5) // sessions are opened outside the measurement
	before := cpuTime()
	b.ResetTimer()
	converse(b, customers, owners, b.N)
	b.StopTimer()
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/1000/float64(b.N), "sim-ms/echo")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "echo/s")
	if l := wa.Ledger(); l.CounterReuse+l.DecryptErrors != 0 {
		b.Errorf("ledger: %+v", l.Counts)
	}
}

// converse lets the customers share n questions and waits for all answers.
func converse(b *testing.B, customers, owners []*simulator.Phone, n int) {
	var left atomic.Int64
	var group sync.WaitGroup
	left.Store(int64(n))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for i, c := range customers {
		answers := make(chan struct{}, 1)
		var live atomic.Bool
		live.Store(true)
		c.Subscribe(func(simulator.Message) {
			if live.Load() {
				answers <- struct{}{}
			}
		})
		group.Go(func() {
			defer live.Store(false)
			for left.Add(-1) >= 0 {
				if _, err := c.SendText(ctx, owners[i], "how much is the sugar today?"); err != nil {
					b.Error(err)
					return
				}
				select {
				case <-answers:
				case <-ctx.Done():
					b.Error("no answer")
					return
				}
			}
		})
	}
	group.Wait()
}

// BenchmarkNewPhone measures a contact that never says a word.
func BenchmarkNewPhone(b *testing.B) {
	wa, err := simulator.Start(simulator.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer wa.Close()
	b.ReportAllocs()
	for i := range b.N {
		benchPhone(b, wa, fmt.Sprintf("+25571%09d", i))
	}
}

func benchPhone(b *testing.B, wa *simulator.Server, number string) *simulator.Phone {
	p, err := wa.NewPhone(simulator.PhoneOptions{Number: number, PushName: "Bench"})
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bots are the child process; it prints one linking code a line.
type bots struct{ out *bufio.Scanner }

func startBots(b *testing.B, wa *simulator.Server, n int) *bots {
	dir := b.TempDir()
	settings, err := wa.Settings(dir)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$", dir, fmt.Sprint(n))
	cmd.Env = append(os.Environ(), botProcess+"="+wa.Addr())
	for k, v := range settings {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	return &bots{bufio.NewScanner(out)}
}

func (c *bots) code(b *testing.B) string {
	for c.out.Scan() {
		if line := c.out.Text(); strings.HasPrefix(line, "https://") {
			return line
		}
	}
	b.Fatal("bots ended")
	return ""
}

// runBots is the child's main function: n echo bots, each with a store of its own.
func runBots() {
	dir, wa := os.Args[len(os.Args)-2], remote()
	var n int
	_, _ = fmt.Sscan(os.Args[len(os.Args)-1], &n)
	ctx := context.Background()
	for i := range n {
		db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, fmt.Sprintf("%d.db", i))+"?_pragma=foreign_keys(1)&_pragma=journal_mode(wal)&_pragma=synchronous(off)")
		fatal(err)
		db.SetMaxOpenConns(1)
		container := sqlstore.NewWithDB(db, "sqlite", waLog.Noop)
		fatal(container.Upgrade(ctx))
		device, err := container.GetFirstDevice(ctx)
		fatal(err)
		cli := whatsmeow.NewClient(device, nil)
		cli.SetWebsocketHTTPClient(wa)
		cli.SetPreLoginHTTPClient(wa)
		cli.AddEventHandler(func(evt any) {
			switch e := evt.(type) {
			case *events.QR:
				fmt.Println(e.Codes[0])
			case *events.Message:
				if text := e.Message.GetConversation(); text != "" && !e.Info.IsFromMe {
					_, err := cli.SendMessage(ctx, e.Info.Chat, &waE2E.Message{Conversation: proto.String("you said: " + text)})
					if err != nil {
						fmt.Fprintln(os.Stderr, err)
					}
				}
			}
		})
		fatal(cli.Connect())
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
