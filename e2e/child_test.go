package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// child is one running process of the program.
type child struct {
	cmd     *exec.Cmd
	started time.Time
	ready   chan struct{} // closed when it listens
	exited  chan struct{} // closed when it has ended
	addr    string        // valid once ready
	took    time.Duration // from the start to ready
	log     *tail
}

// environment is that of this process without settings of the program.
func environment(settings map[string]string) []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case strings.HasPrefix(name, "FLOWHQ_"), name == "DATABASE_URL", name == "LISTEN_ADDR", name == "PORT":
		default:
			env = append(env, v)
		}
	}
	for name, value := range settings {
		env = append(env, name+"="+value)
	}
	return env
}

// spawnFile starts the program without waiting for anything; with an empty file
// the one under test.
func spawnFile(file string, settings map[string]string, log *tail, args ...string) (*child, error) {
	file, err := orBinary(file)
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(file, args...), ready: make(chan struct{}), exited: make(chan struct{}), log: log, started: time.Now()}
	c.cmd.Env = environment(settings)
	dieWithUs(c.cmd)
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", file, err)
	}
	go c.follow(stderr)
	return c, nil
}

var readyLine = regexp.MustCompile(`msg=ready listen=(\S+)`)

// follow reads the log until the process ends.
func (c *child) follow(stderr io.Reader) {
	defer close(c.exited)
	in := bufio.NewReaderSize(stderr, 64<<10)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			c.log.add(line)
		}
		if m := readyLine.FindStringSubmatch(line); m != nil && c.addr == "" {
			c.addr, c.took = m[1], time.Since(c.started)
			close(c.ready)
		}
		if err != nil {
			break
		}
	}
	_ = c.cmd.Wait()
}

var errEnded = errors.New("the process ended before it was ready")

// await waits until the process listens.
func (c *child) await(limit time.Duration) error {
	select {
	case <-c.ready:
		return nil
	case <-c.exited:
		return errEnded
	case <-time.After(limit):
		return errors.New("the process is not ready in time")
	}
}

// kill ends the process with SIGKILL and waits until it is gone.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.exited
}

// gone waits for the end of the process by itself.
func (c *child) gone(limit time.Duration) bool {
	select {
	case <-c.exited:
		return true
	case <-time.After(limit):
		return false
	}
}

// stop asks the process to end and waits until it has.
func (c *child) stop(t *testing.T) {
	t.Helper()
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	if !c.gone(40 * time.Second) {
		c.kill()
		t.Fatal("SIGTERM did not end the process within 40 s")
	}
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the process ended with code %d after SIGTERM, want 0", code)
	}
}

func orBinary(file string) (string, error) {
	if file != "" {
		return file, nil
	}
	return binary()
}

// run runs the program to its end and returns what it wrote.
func run(settings map[string]string, args ...string) (stdout, stderr string, code int, err error) {
	return runFile("", settings, args...)
}

func runFile(file string, settings map[string]string, args ...string) (stdout, stderr string, code int, err error) {
	file, err = orBinary(file)
	if err != nil {
		return "", "", 0, err
	}
	cmd := exec.Command(file, args...)
	cmd.Env = environment(settings)
	dieWithUs(cmd)
	var out, logged strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &logged
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	return out.String(), logged.String(), cmd.ProcessState.ExitCode(), err
}

// tail keeps the end of the logs of a world's processes, and all of them in a
// file when FLOWHQ_E2E_LOGS names a folder.
type tail struct {
	mu    sync.Mutex
	lines []string
	file  *os.File
	alarm string // the first line that no run may have
}

const tailLines = 120

var tails atomic.Int64

func newTail(t *testing.T) *tail {
	l := &tail{}
	if dir := os.Getenv("FLOWHQ_E2E_LOGS"); dir != "" {
		name := fmt.Sprintf("%s-%d.log", strings.ReplaceAll(t.Name(), "/", "-"), tails.Add(1))
		file, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		l.file = file
		t.Cleanup(func() { _ = file.Close() })
	}
	return l
}

func (l *tail) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_, _ = l.file.WriteString(line)
	}
	if l.alarm == "" && alarming.MatchString(line) {
		l.alarm = line
	}
	l.lines = append(l.lines, line)
	if len(l.lines) > tailLines {
		l.lines = l.lines[len(l.lines)-tailLines:]
	}
}

// alarming lines tell of panics and, from a binary built with -race, of races.
var alarming = regexp.MustCompile(`^(panic|fatal error): |panicked|DATA RACE`)

func (l *tail) alarmed() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.alarm
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}

func (l *tail) contains(text string) bool { return strings.Contains(l.String(), text) }
