package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"flowhq/simulator"
)

// lab is what product and reference share: one simulator, one Postgres.
type lab struct {
	dir      string
	admin    string // address of the cluster
	sim      *simulator.Server
	settings map[string]string
	next     int // for numbers
}

func newLab(dir string) (*lab, error) {
	admin := os.Getenv("FLOWHQ_TEST_POSTGRES")
	if admin == "" {
		return nil, errors.New("FLOWHQ_TEST_POSTGRES is not set; run make bench")
	}
	sim, err := simulator.Start(simulator.Options{Seed: 1})
	if err != nil {
		return nil, err
	}
	settings, err := sim.Settings(dir)
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, admin: admin, sim: sim, settings: settings}
	for name, pkg := range map[string]string{"flowhq": ".", "bare": "./bench/bare"} {
		build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, name), pkg)
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return nil, fmt.Errorf("build %s: %w", name, err)
		}
	}
	return l, nil
}

func (l *lab) env(more ...string) []string {
	env := append(os.Environ(), more...)
	for k, v := range l.settings {
		env = append(env, k+"="+v)
	}
	return env
}

// database makes an empty database and returns its address.
func (l *lab) database(name string) (string, error) {
	db, err := sql.Open("pgx", l.admin)
	if err != nil {
		return "", err
	}
	defer db.Close()
	if _, err := db.Exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
		return "", err
	}
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		return "", err
	}
	u, err := url.Parse(l.admin)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// shop is one business with its phone and one customer.
type shop struct{ owner, customer *simulator.Phone }

func (l *lab) shops(n int) ([]shop, error) {
	out := make([]shop, n)
	for i := range out {
		l.next++
		owner, err := l.sim.NewPhone(simulator.PhoneOptions{Number: fmt.Sprintf("+2557540%05d", l.next), PushName: "Shop"})
		if err != nil {
			return nil, err
		}
		customer, err := l.sim.NewPhone(simulator.PhoneOptions{Number: fmt.Sprintf("+2557650%05d", l.next), PushName: "Customer"})
		if err != nil {
			return nil, err
		}
		out[i] = shop{owner, customer}
	}
	return out, nil
}

// process is a running contender whose output is read line by line.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string
	tail  tail
	ended chan struct{}
}

func (l *lab) start(binary string, env []string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(filepath.Join(l.dir, binary), args...), lines: make(chan string, 10_000), ended: make(chan struct{})}
	p.cmd.Env = env
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	var readers sync.WaitGroup
	readers.Add(2)
	read := func(r io.Reader) {
		defer readers.Done()
		for s := bufio.NewScanner(r); s.Scan(); {
			p.tail.add(s.Text())
			select {
			case p.lines <- s.Text():
			default:
			}
		}
	}
	go read(stdout)
	go read(stderr)
	go func() {
		readers.Wait()
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// await returns the rest of the first line that contains a mark.
func (p *process) await(ctx context.Context, mark string) (string, error) {
	for {
		select {
		case line := <-p.lines:
			if _, rest, ok := strings.Cut(line, mark); ok {
				return rest, nil
			}
		case <-p.ended:
			return "", fmt.Errorf("the process ended while waiting for %q:\n%s", mark, p.tail.String())
		case <-ctx.Done():
			return "", fmt.Errorf("no %q in time:\n%s", mark, p.tail.String())
		}
	}
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(60 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// status reads a field of /proc/PID/status in kB.
func (p *process) status(field string) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(raw), "\n") {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			return strconv.ParseFloat(strings.Fields(rest)[0], 64)
		}
	}
	return 0, fmt.Errorf("no %s in /proc status", field)
}

// tail keeps the last lines of a process for error texts.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines = append(t.lines, line); len(t.lines) > 20 {
		t.lines = t.lines[1:]
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
