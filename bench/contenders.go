package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"flowhq/simulator"
)

// contender is product or reference: a process over a database of its own.
type contender interface {
	name() string
	// boot starts the process on an empty database and gets everything ready to link.
	boot(ctx context.Context) error
	// link links every shop's phone, from nothing to connected.
	link(ctx context.Context) error
	// run starts the process with what it has stored and returns how long
	// until everything was connected.
	run(ctx context.Context) (time.Duration, error)
	stop()
	rss() (float64, error) // kB
}

const (
	bootTimeout = time.Minute
	linkTimeout = 10 * time.Minute
	parallel    = 100 // numbers linked, or devices connected by the reference, at the same time
)

// bare is the echo bot of plain whatsmeow.
type bare struct {
	*lab
	*process
	db    string
	safe  bool
	shops []shop
}

func (b *bare) name() string {
	if b.safe {
		return "bare, same guarantees"
	}
	return "bare, no guarantees"
}

func (b *bare) args() []string {
	args := []string{"-db", b.db, "-parallel", strconv.Itoa(parallel)}
	if b.safe {
		args = append(args, "-safe")
	}
	return args
}

func (b *bare) boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	p, err := b.lab.start("bare", b.env(), append(b.args(), "-link", strconv.Itoa(len(b.shops)))...)
	if err != nil {
		return err
	}
	b.process = p
	_, err = p.await(ctx, "ready 0 ")
	return err
}

func (b *bare) link(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, linkTimeout)
	defer cancel()
	p := b.process
	if _, err := io.WriteString(p.stdin, "\n"); err != nil {
		return err
	}
	scanned, linked := map[int]bool{}, 0
	for linked < len(b.shops) {
		select {
		case line := <-p.lines:
			words := strings.Fields(line)
			switch {
			case len(words) == 2 && words[0] == "linked":
				linked++
			case len(words) == 3 && words[0] == "qr":
				i, err := strconv.Atoi(words[1])
				if err != nil || scanned[i] {
					continue
				}
				scanned[i] = true
				go scan(ctx, b.shops[i].owner, words[2])
			}
		case <-p.ended:
			return fmt.Errorf("the bare bot ended:\n%s", p.tail.String())
		case <-ctx.Done():
			return fmt.Errorf("%d of %d linked in time:\n%s", linked, len(b.shops), p.tail.String())
		}
	}
	return nil
}

func scan(ctx context.Context, owner *simulator.Phone, code string) {
	if err := owner.ScanQR(ctx, code); err != nil && ctx.Err() == nil {
		fmt.Println("scan:", err)
	}
}

func (b *bare) run(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	started := time.Now()
	p, err := b.lab.start("bare", b.env(), b.args()...)
	if err != nil {
		return 0, err
	}
	b.process = p
	_, err = p.await(ctx, fmt.Sprintf("ready %d ", len(b.shops)))
	return time.Since(started), err
}

func (b *bare) rss() (float64, error) { return b.status("VmRSS") }

// product is flowhq serve, driven through its API like any integration does.
type product struct {
	*lab
	*process
	db    string
	shops []shop
	base  string
	key   string
	ids   []string
}

func (p *product) name() string { return "Flow HQ" }

func (p *product) environment() []string {
	return p.env("DATABASE_URL="+p.db, "LISTEN_ADDR=127.0.0.1:0", "FLOWHQ_TYPING_DELAY=off", "FLOWHQ_CONNECT_RATE=0", "FLOWHQ_LOG_LEVEL=info")
}

func (p *product) serve(ctx context.Context) error {
	proc, err := p.lab.start("flowhq", p.environment(), "serve")
	if err != nil {
		return err
	}
	p.process = proc
	addr, err := proc.await(ctx, "msg=ready listen=")
	if err != nil {
		return err
	}
	p.base = "http://" + strings.Fields(addr)[0]
	return nil
}

func (p *product) boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	add := exec.Command(filepath.Join(p.dir, "flowhq"), "apikey", "add", "--label", "bench")
	add.Env = p.environment()
	key, err := add.Output()
	if err != nil {
		return fmt.Errorf("add an API key: %w", err)
	}
	p.key = strings.TrimSpace(string(key))
	if err := p.serve(ctx); err != nil {
		return err
	}
	p.ids = make([]string, len(p.shops))
	return each(len(p.shops), parallel, func(i int) error { return p.register(ctx, i) })
}

// register makes a tenant; nothing of WhatsApp happens yet.
func (p *product) register(ctx context.Context, i int) error {
	var tenant struct{ ID string }
	err := p.call(ctx, "POST", "/api/v1/tenants", map[string]string{"name": "Shop", "phone_number": p.shops[i].owner.Number(),
		"business_name": "Shop", "template_type": "BOOKING", "language": "EN"}, &tenant)
	p.ids[i] = tenant.ID
	return err
}

func (p *product) link(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, linkTimeout)
	defer cancel()
	if err := each(len(p.shops), parallel, func(i int) error { return p.linkOne(ctx, i) }); err != nil {
		return err
	}
	return p.allConnected(ctx)
}

func (p *product) linkOne(ctx context.Context, i int) error {
	path := "/api/v1/tenants/" + p.ids[i]
	if err := p.call(ctx, "POST", path+"/worker/start", nil, nil); err != nil {
		return err
	}
	for {
		var session struct{ QR string }
		if err := p.call(ctx, "GET", path+"/session", nil, &session); err != nil {
			return err
		}
		if session.QR != "" {
			return p.shops[i].owner.ScanQR(ctx, session.QR)
		}
		select {
		case <-time.After(200 * time.Millisecond): // a portal asks every two seconds
		case <-ctx.Done():
			return fmt.Errorf("tenant %d shows no code in time", i)
		}
	}
}

// allConnected waits until the metrics page says that everything is connected.
func (p *product) allConnected(ctx context.Context) error {
	for {
		n, err := p.connected(ctx)
		if err == nil && n >= len(p.shops) {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%d of %d connected in time:\n%s", n, len(p.shops), p.tail.String())
		}
	}
}

func (p *product) run(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	started := time.Now()
	if err := p.serve(ctx); err != nil {
		return 0, err
	}
	err := p.allConnected(ctx)
	return time.Since(started), err
}

func (p *product) connected(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", p.base+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(body.String(), "\n") {
		if n, ok := strings.CutPrefix(line, "flowhq_connected "); ok {
			f, err := strconv.ParseFloat(n, 64)
			return int(f), err
		}
	}
	return 0, nil
}

func (p *product) rss() (float64, error) { return p.status("VmRSS") }

func (p *product) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+p.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer.String())
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer.Bytes(), out)
}

// each runs do for 0…n-1, some at a time, and returns the first error.
func each(n, parallel int, do func(int) error) error {
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	slots := make(chan struct{}, parallel)
	for i := range n {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer wg.Done()
			if err := do(i); err != nil {
				once.Do(func() { first = err })
			}
			<-slots
		}()
	}
	wg.Wait()
	return first
}
