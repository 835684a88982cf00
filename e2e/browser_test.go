package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// chromium is one browser process for the whole run.
var chromium = sync.OnceValues(func() (context.Context, error) {
	// The shell has no window of its own to draw, which costs as much as the page.
	path, err := exec.LookPath("chromium-headless-shell")
	if err != nil {
		path, err = exec.LookPath("chromium")
	}
	if err != nil {
		return nil, errors.New("there is no Chromium; scripts/setup.sh browser installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1360, 900),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en-GB"), chromedp.Flag("hide-scrollbars", true))
	allocator, _ := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator)
	return ctx, chromedp.Do(ctx)
})

// browserUsed is set by the first test that needs the browser.
var browserUsed atomic.Bool

func closeChromium() {
	if !browserUsed.Load() {
		return
	}
	if ctx, err := chromium(); err == nil {
		_ = chromedp.Cancel(ctx)
	}
}

// tab is one person's browser: cookies of its own.
type tab struct {
	t   *testing.T
	w   *world
	ctx context.Context
	mu  sync.Mutex
	bad []string // console errors, exceptions, reports of the content security policy
}

// newTab opens a browser of its own on a world.
func newTab(t *testing.T, w *world) *tab {
	t.Helper()
	browserUsed.Store(true)
	parent, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	b := &tab{t: t, w: w}
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.hear))
	b.ctx = ctx
	t.Cleanup(func() {
		if t.Failed() {
			b.keep("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
		}
		cancel()
		for _, line := range b.complaints() {
			t.Errorf("the browser complained: %s", line)
		}
	})
	// The first call makes the tab, which lives as long as its context.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1360, 900)); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	return b
}

func (b *tab) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "assert" {
			var words []string
			for _, a := range e.Args {
				words = append(words, string(a.Value)+a.Description)
			}
			b.complain("console: " + strings.Join(words, " "))
		}
	case *runtime.EventExceptionThrown:
		b.complain("exception: " + e.ExceptionDetails.Text + " " + e.ExceptionDetails.URL)
	case *page.EventJavascriptDialogOpening:
		b.complain("a dialog opened: " + e.Message)
	case *log.EventEntryAdded:
		// A refused form is an answer of its own; everything else that the
		// browser calls an error is one.
		if e.Entry.Level == "error" && !(e.Entry.Source == "network" && strings.Contains(e.Entry.Text, "status of 4")) {
			b.complain(string(e.Entry.Source) + ": " + e.Entry.Text + " " + e.Entry.URL)
		}
	}
}

func (b *tab) complain(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bad = append(b.bad, line)
}

func (b *tab) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bad
}

// do runs actions; a failure ends the test.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("the browser could not do it: %v\n%s", err, b.where())
	}
}

func (b *tab) where() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	address, _ := chromedp.Run(ctx, chromedp.Location())
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText.slice(0, 1500) : ""`))
	return fmt.Sprintf("at %s:\n%s", address, text)
}

// open goes to an address of the program.
func (b *tab) open(path string) {
	b.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = "http://" + b.w.child.addr + path
	}
	b.do(chromedp.Navigate(path))
}

// js evaluates an expression in the page.
func js[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", expression, err, b.where())
	}
	return v
}

// sees waits until the page shows a text.
func (b *tab) sees(text string) {
	b.t.Helper()
	b.seesWithin(text, patience)
}

func (b *tab) seesWithin(text string, limit time.Duration) {
	b.t.Helper()
	b.comes(fmt.Sprintf("the page shows %q", text), fmt.Sprintf(`document.body?.innerText.includes(%s)`, quoted(text)), limit)
}

// has waits until an element that matches is there.
func (b *tab) has(selector string) {
	b.t.Helper()
	b.comes("the page has "+selector, fmt.Sprintf(`document.querySelector(%q)`, selector), patience)
}

// comes waits until a condition in the page holds, also over a change of page.
// The page is not asked more often than people notice: on two cores the
// browsers of a run are what it waits for.
func (b *tab) comes(what, condition string, limit time.Duration) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("(async () => !!await ("+condition+"))()", chromedp.EvalAwaitPromise)); err == nil && holds {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			b.t.Fatalf("it did not happen in time that %s; last seen %s", what, b.where())
		}
	}
}

// quoted is a text as a literal of JavaScript.
func quoted(text string) string {
	raw, _ := json.Marshal(text) // a string is always marshalled
	return string(raw)
}

// click clicks the element and, when that leaves the page, waits for the next.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.has(selector)
	b.do(chromedp.Click(selector))
}

// unfold opens a details element by a click on its summary. What just came with
// a poll may still move what lies below it, and a click is aimed before it is
// made, so the summary must have stayed in its place; and what a details element
// holds can take the focus only once the frame after the click is drawn.
func (b *tab) unfold(selector string) {
	b.t.Helper()
	summary := selector + " > summary"
	b.has(summary)
	b.comes(summary+" stays in its place", fmt.Sprintf(`new Promise((done) => {
		const top = () => document.querySelector(%[1]q)?.getBoundingClientRect().top, before = top();
		requestAnimationFrame(() => requestAnimationFrame(() => done(before !== undefined && top() === before)));
	})`, summary), patience)
	b.do(chromedp.Click(summary))
	if !js[bool](b, fmt.Sprintf(`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(document.querySelector(%q).open))))`, selector)) {
		b.t.Fatalf("a click on %s did not open it", summary)
	}
}

// submit sends the form that an element belongs to and waits for the answer.
func (b *tab) submit(selector string) {
	b.t.Helper()
	b.leaves(selector, func() { b.do(chromedp.Click(selector)) })
}

// leaves waits for an element, acts on it and waits for the next page.
func (b *tab) leaves(selector string, act func()) {
	b.t.Helper()
	b.has(selector)
	js[bool](b, `(window.leaving = true)`)
	act()
	b.comes("the next page comes", `window.leaving !== true && document.readyState === "complete"`, patience)
}

// fill types into a field, in place of what is there.
func (b *tab) fill(selector, value string) {
	b.t.Helper()
	b.has(selector)
	js[bool](b, fmt.Sprintf(`(document.querySelector(%q).value = "", true)`, selector))
	if value != "" {
		b.do(chromedp.SendKeys(selector, value))
	}
}

// path is the address of the page without its host.
func (b *tab) path() string {
	b.t.Helper()
	return js[string](b, "location.pathname + location.search")
}

// screenshots is the folder for pictures; FLOWHQ_SCREENSHOTS names it.
func screenshots() string {
	if dir := os.Getenv("FLOWHQ_SCREENSHOTS"); dir != "" {
		return dir
	}
	return filepath.Join("..", "screenshots")
}

// rest ends whatever fades or slides; what spins for ever goes on.
func (b *tab) rest() {
	b.t.Helper()
	js[int](b, `document.getAnimations().filter(a => a.effect.getTiming().iterations < Infinity).map(a => a.finish()).length`)
}

// keep writes a picture of the whole page.
func (b *tab) keep(name string) []byte {
	if !b.t.Failed() {
		b.rest()
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(screenshots(), 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(screenshots(), name+".png"), picture, 0o644)
	}
	if err != nil {
		b.t.Errorf("no picture %s: %v", name, err)
	}
	return picture
}

// signedUp makes the first admin through the setup link of the log.
func (b *tab) signedUp() {
	b.t.Helper()
	b.open(b.w.setupLink(b.t))
	b.fill("#f-name", "Amani Operator")
	b.fill("#f-email", adminEmail)
	b.fill("#f-password", adminPassword)
	b.fill("#f-again", adminPassword)
	b.submit("form button.btn:not([data-variant])")
	b.sees("Dashboard")
}

const (
	adminEmail    = "amani@flowhq.example"
	adminPassword = "korosho tatu na chai ya rangi"
)

// signIn signs an existing admin in.
func (b *tab) signIn() {
	b.t.Helper()
	b.open("/login")
	b.fill("#f-email", adminEmail)
	b.fill("#f-password", adminPassword)
	b.submit("main form button.btn")
}

// setupLink is the address that the program printed at its first start.
func (w *world) setupLink(t *testing.T) string {
	t.Helper()
	var link string
	eventually(t, "the log shows the link for the first account", patience, func() (bool, string) {
		for line := range strings.Lines(w.log.String()) {
			if strings.Contains(line, "/join/") {
				link = strings.TrimSpace(line)
			}
		}
		return link != "", w.log.String()
	})
	return link
}
