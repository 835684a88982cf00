package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The portal's figures have no reference: nothing comparable exists. They are
// measured from outside, like everything here.
const (
	viewers       = 1000
	offeredPolls  = 5000 // per second, over all viewers
	portalTenants = 1000
	manyTenants   = 10_000
	arrival       = 3 * time.Second
	benchAdmin    = "bench@flowhq.example"
	benchPassword = "korosho tatu na chai ya rangi"
)

// portal measures unchanged polls and the list of tenants.
func (s *suite) portal(ctx context.Context) error {
	p, err := s.product("bench_portal", 0)
	if err != nil {
		return err
	}
	if err := p.prepare(ctx); err != nil {
		return err
	}
	defer p.stop()
	if err := p.fillTenants(ctx, 0, portalTenants); err != nil {
		return err
	}
	cookies, err := p.signInAll(ctx, viewers)
	if err != nil {
		return err
	}
	var at99, most, size []float64
	for range s.runs {
		paced := pollAll(ctx, p.base, cookies, offeredPolls, s.length)
		flat := pollAll(ctx, p.base, cookies[:128], 0, s.length)
		if paced.failed+flat.failed > 0 {
			return fmt.Errorf("%d polls failed", paced.failed+flat.failed)
		}
		at99, most, size = append(at99, paced.percentile(0.99)), append(most, flat.perSecond()), append(size, float64(paced.bytes))
		fmt.Printf("  polls  %6.0f/s offered: %6.0f/s  p99 %5.1f ms  flat out %6.0f/s  %d bytes each\n", float64(offeredPolls), paced.perSecond(), paced.percentile(0.99), flat.perSecond(), paced.bytes)
	}
	conditions := fmt.Sprintf("list of tenants, %d viewers with sessions of their own, %d tenants, Postgres; server and viewers share the cores", viewers, portalTenants)
	s.addAlone("poll_p99_5000ps", "ms", fmt.Sprintf("%s; %d polls/s offered for %s", conditions, offeredPolls, s.length), at99)
	s.addAlone("polls_per_second", "1/s", conditions+"; as fast as 128 of them can", most)
	s.addAlone("poll_unchanged_bytes", "B", conditions+"; the whole answer", size)
	return s.listOfMany(ctx, p, cookies[0])
}

// listOfMany measures the page of tenants with ten thousand of them.
func (s *suite) listOfMany(ctx context.Context, p *product, cookie string) error {
	if err := p.fillTenants(ctx, portalTenants, manyTenants); err != nil {
		return err
	}
	pages := []string{"/admin/tenants", "/admin/tenants?sort=name", "/admin/tenants?sort=status", "/admin/tenants?sort=last_seen", "/admin/tenants?q=duka+77", "/admin/tenants?status=NEW&sort=name"}
	var p95 []float64
	for range s.runs {
		var took []time.Duration
		for i := range 40 * len(pages) {
			began := time.Now()
			if err := p.page(ctx, pages[i%len(pages)], cookie); err != nil {
				return err
			}
			took = append(took, time.Since(began))
		}
		r := pollResult{took: took}
		p95 = append(p95, r.percentile(0.95))
		fmt.Printf("  list of %d tenants  p95 %5.1f ms\n", manyTenants, r.percentile(0.95))
	}
	s.addAlone("tenant_list_p95_10000", "ms", fmt.Sprintf("whole page, %d tenants, Postgres, orders, filter and search in turn, one viewer", manyTenants), p95)
	return nil
}

// addAlone adds a figure without a reference.
func (s *suite) addAlone(name, unit, conditions string, product []float64) {
	s.add(name, unit, conditions, product, make([]float64, len(product)))
}

// prepare migrates, makes the admin and a key, and serves.
func (p *product) prepare(ctx context.Context) error {
	add := exec.Command(filepath.Join(p.dir, "flowhq"), "user", "add", "--email", benchAdmin, "--name", "Bench")
	add.Env = append(p.environment(), "FLOWHQ_PASSWORD="+benchPassword)
	if out, err := add.CombinedOutput(); err != nil {
		return fmt.Errorf("add the admin: %w\n%s", err, out)
	}
	return p.boot(ctx)
}

// fillTenants makes tenants from…to through the API.
func (p *product) fillTenants(ctx context.Context, from, to int) error {
	return each(to-from, 8, func(i int) error {
		return p.call(ctx, "POST", "/api/v1/tenants", map[string]string{"name": fmt.Sprintf("Duka %05d", from+i), "phone_number": fmt.Sprintf("+25571%07d", from+i),
			"template_type": "ECOMMERCE", "language": "SW"}, nil)
	})
}

// signInAll makes n sessions and returns their cookies.
func (p *product) signInAll(ctx context.Context, n int) ([]string, error) {
	cookies := make([]string, n)
	err := each(n, 4, func(i int) (err error) {
		cookies[i], err = p.signIn(ctx)
		return err
	})
	return cookies, err
}

func (p *product) signIn(ctx context.Context) (string, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	form := url.Values{"email": {benchAdmin}, "password": {benchPassword}}
	req, err := http.NewRequestWithContext(ctx, "POST", p.base+"/login", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	resp.Body.Close()
	home, err := url.Parse(p.base)
	if err != nil {
		return "", err
	}
	for _, c := range jar.Cookies(home) {
		if c.Name == "fhq_a" {
			return c.Name + "=" + c.Value, nil
		}
	}
	return "", fmt.Errorf("signing in answers %s without a session", resp.Status)
}

func (p *product) page(ctx context.Context, path, cookie string) error {
	req, err := http.NewRequestWithContext(ctx, "GET", p.base+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Cookie", cookie)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("</html>")) {
		return fmt.Errorf("%s answers %s", path, resp.Status)
	}
	return nil
}

// pollResult is what the viewers saw.
type pollResult struct {
	took   []time.Duration
	length time.Duration
	bytes  int
	failed int
}

func (r pollResult) perSecond() float64 { return float64(len(r.took)) / r.length.Seconds() }

func (r pollResult) percentile(q float64) float64 {
	sorted := slices.Sorted(slices.Values(r.took))
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]) / float64(time.Millisecond)
}

// pollAll lets every viewer poll over a connection of its own, together at a
// rate, or without a pause when the rate is 0. A late poll counts from when it
// was due; the first seconds, in which all of them arrive, do not count.
func pollAll(ctx context.Context, base string, cookies []string, rate int, length time.Duration) (r pollResult) {
	ctx, cancel := context.WithTimeout(ctx, arrival+length)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed, size atomic.Int64
	began := time.Now()
	for i, cookie := range cookies {
		wg.Go(func() {
			v := &viewer{host: strings.TrimPrefix(base, "http://"), cookie: cookie, counts: began.Add(arrival)}
			if rate > 0 {
				v.period = time.Duration(len(cookies)) * time.Second / time.Duration(rate)
				v.next = began.Add(v.period * time.Duration(i) / time.Duration(len(cookies)))
			}
			if err := v.watch(ctx); err != nil && ctx.Err() == nil {
				failed.Add(1)
			}
			size.Store(int64(v.size))
			mu.Lock()
			r.took = append(r.took, v.took...)
			mu.Unlock()
		})
	}
	wg.Wait()
	r.length, r.failed, r.bytes = length, int(failed.Load()), int(size.Load())
	return r
}

// viewer is one open page.
type viewer struct {
	host, cookie string
	period       time.Duration
	next         time.Time
	counts       time.Time // from when on
	took         []time.Duration
	size         int // of the last unchanged answer
}

func (v *viewer) watch(ctx context.Context) error {
	conn, err := net.Dial("tcp", v.host)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	in, tag := bufio.NewReaderSize(conn, 16<<10), "-"
	for ctx.Err() == nil {
		due := time.Now()
		if v.period > 0 {
			due = v.next
			v.next = v.next.Add(v.period)
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
				return nil
			}
		}
		if tag, err = v.poll(conn, in, tag); err != nil {
			return err
		}
		if due.After(v.counts) {
			v.took = append(v.took, time.Since(due))
		}
	}
	return nil
}

// poll asks once and returns the new mark.
func (v *viewer) poll(conn net.Conn, in *bufio.Reader, tag string) (string, error) {
	if _, err := fmt.Fprintf(conn, "GET /admin/live/tenants? HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nHX-Request: true\r\nHX-PTag: %s\r\nAccept-Encoding: gzip\r\n\r\n", v.host, v.cookie, tag); err != nil {
		return tag, err
	}
	status, length, size := "", 0, 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return tag, err
		}
		size += len(line)
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case line == "\r\n":
			if status == "304" {
				v.size = size
				return tag, nil
			}
			if status != "200" {
				return tag, errors.New("a poll answers " + status)
			}
			_, err := in.Discard(length)
			return tag, err
		case strings.HasPrefix(line, "HTTP/1.1 "):
			status = line[9:12]
		case strings.EqualFold(name, "HX-PTag"):
			tag = value
		case strings.EqualFold(name, "Content-Length"):
			_, _ = fmt.Sscan(value, &length)
		}
	}
}
