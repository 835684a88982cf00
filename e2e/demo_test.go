package e2e

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// newDemo starts the demo, with the simulated WhatsApp inside, and opens it.
func newDemo(t *testing.T) *tab {
	t.Helper()
	w := &world{log: newTail(t)}
	w.child = spawnDemo(t, w.log)
	t.Cleanup(func() {
		w.child.stop(t)
		if line := w.log.alarmed(); line != "" {
			t.Errorf("the demo logged %s", line)
		}
		if t.Failed() {
			t.Logf("the end of the demo's log:\n%s", w.log)
		}
	})
	if err := w.child.await(readyWithin); err != nil {
		t.Fatal(err)
	}
	return newTab(t, w)
}

var openLine = regexp.MustCompile(`open +http://(\S+)/demo`)

// spawnDemo starts the demo, which is ready once it prints its address.
func spawnDemo(t *testing.T, log *tail) *child {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(file, "demo", "--listen", "127.0.0.1:0"), ready: make(chan struct{}), exited: make(chan struct{}), log: log, started: time.Now()}
	c.cmd.Env = environment(nil)
	dieWithUs(c.cmd)
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Stdout = writes(func(line []byte) {
		if m := openLine.FindSubmatch(line); m != nil {
			c.addr, c.took = string(m[1]), time.Since(c.started)
			close(c.ready)
		}
	})
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go c.follow(stderr)
	return c
}

// writes is a writer that only listens.
type writes func([]byte)

func (w writes) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// count counts elements of the page.
func (b *tab) count(selector string) int {
	b.t.Helper()
	return js[int](b, fmt.Sprintf(`document.querySelectorAll(%q).length`, selector))
}

const (
	compose   = "#compose input[name=text]"
	theirSays = "#demo-chat [data-from=them]"
	mySays    = "#demo-chat [data-from=me]"
)

// says types a line on the customer's phone, presses Enter and waits for the answer.
func (b *tab) says(line, want string) {
	b.t.Helper()
	before := b.count(theirSays)
	b.fill(compose, line)
	b.do(chromedp.SendKeys(compose, kb.Enter))
	b.comes(fmt.Sprintf("%q is answered with %q", line, want),
		fmt.Sprintf(`(e => e.length > %d && e[e.length-1].innerText.includes(%q))(document.querySelectorAll(%q))`, before, want, theirSays), patience)
}

// business waits until the chosen business is in a state.
func (b *tab) business(state string) {
	b.t.Helper()
	b.has(`#demo-business .badge[data-state="` + state + `"]`)
}

// scans plays the owner with the phone.
func (b *tab) scans() {
	b.t.Helper()
	b.click("#do-scan")
	b.business("active")
}

// ledger reads a number of the third card.
func (b *tab) ledger(name string) int {
	b.t.Helper()
	return js[int](b, fmt.Sprintf(`Number(document.getElementById("n-%s").textContent.replace(/,/g, ""))`, name))
}

func (b *tab) writesAs(name string) {
	b.t.Helper()
	js[bool](b, fmt.Sprintf(`([...document.querySelectorAll("#demo-who a")].find(a => a.textContent.includes(%q)).click(), true)`, name))
	b.comes(name+" holds the phone", fmt.Sprintf(`document.getElementById("demo-head").innerText.includes(%q)`, name), patience)
}

// inTheLooks takes pictures of the page in every look and checks each.
func (b *tab) inTheLooks(name string) {
	b.t.Helper()
	path := b.path()
	for _, l := range looks {
		b.looksLike(l)
		b.open(path)
		b.has("#demo-chat")
		b.fits(name + "-" + l.name)
		b.accessible(name + "-" + l.name)
		b.keep(name + "-" + l.name)
	}
	js[int](b, `fetch("/preferences", {method: "POST", body: new URLSearchParams({lang: "sw", back: "/demo"})}).then(r => r.status)`)
	b.open(path)
	b.fits(name + "-swahili")
	b.keep(name + "-swahili")
	js[int](b, `fetch("/preferences", {method: "POST", body: new URLSearchParams({lang: "en", back: "/demo"})}).then(r => r.status)`)
	b.looksLike(looks[0])
	b.open(path)
}

func TestDemo_ACustomerBooksAndNothingIsLostWhateverBreaks(t *testing.T) {
	t.Parallel()
	b := newDemo(t)
	b.open("/")
	if path := b.path(); path != "/demo" {
		t.Errorf("the start page of the demo leads to %s, want /demo", path)
	}
	b.has("#do-scan")
	b.inTheLooks("demo-unlinked")
	b.scans()
	b.bookInSwahili()
	b.unlinkAndScanAgain()
	b.writesAs("Juma")
	b.comes("Juma's own conversation is over", fmt.Sprintf(`document.querySelectorAll(%q).length >= 5`, theirSays), patience)
	b.twentyWhileDown()
	b.writesAs("Asha")
	b.inTheLooks("demo")
}

func (b *tab) bookInSwahili() {
	b.t.Helper()
	b.says("Habari", "Karibu Saluni ya Amina")
	b.says("kusuka kesho saa nne asubuhi", "Asha")
	// What is being typed stays while news arrives.
	b.fill(compose, "ndi")
	b.comes("Grace has written by herself", `Number(document.getElementById("n-to-bot").textContent) > 7`, patience)
	if typed := js[string](b, fmt.Sprintf(`document.querySelector(%q).value`, compose)); typed != "ndi" {
		b.t.Errorf("an update of the page changed what was typed to %q", typed)
	}
	b.says("ndiyo", "Naomba uhakikishe")
	b.says("ndiyo", "miadi yako imewekwa")
	b.comes("all messages have two ticks", fmt.Sprintf(`document.querySelectorAll(%q).length === 4`, mySays+" .tick[data-state=delivered]"), patience)
	if bold := js[string](b, `document.querySelector("#demo-chat [data-from=them] strong").textContent`); bold != "Saluni ya Amina" {
		b.t.Errorf("the name of the business is shown as %q, want it in bold without its stars", bold)
	}
}

func (b *tab) unlinkAndScanAgain() {
	b.t.Helper()
	b.click("#do-unlink")
	b.business("logged_out")
	b.click("#do-next")
	b.has("#do-scan")
	b.scans()
}

func (b *tab) twentyWhileDown() {
	b.t.Helper()
	asked, answered := b.count(mySays), b.count(theirSays)
	b.click("#do-down")
	b.has(`#do-down[aria-checked=true]`)
	b.business("retrying")
	b.click("#do-twenty")
	b.has(mySays + " .tick[data-state=waiting]")
	b.comes("all twenty have left the phone", fmt.Sprintf(`document.querySelectorAll(%q).length === 20`, mySays+" .tick[data-state=sent]"), patience)
	if n := b.ledger("waiting"); n < 20 {
		b.t.Errorf("%d messages wait at WhatsApp, want at least 20", n)
	}
	b.click("#do-down")
	b.business("active")
	b.comes("all twenty are answered", fmt.Sprintf(`document.querySelectorAll(%q).length === %d`, theirSays, answered+20), 2*patience)
	if n := b.count(mySays); n != asked+20 {
		b.t.Errorf("the phone shows %d messages of the customer, want %d", n, asked+20)
	}
	b.comes("nothing waits any more", `document.getElementById("n-waiting").textContent === "0"`, patience)
	b.click("#do-redeliver")
	b.comes("twenty copies came again", `Number(document.getElementById("n-redelivered").textContent) >= 20`, patience)
	b.comes("none of them is answered", `document.getElementById("n-waiting").textContent === "0"`, patience)
	if lost, twice, reused := b.ledger("lost"), b.ledger("twice"), b.ledger("reused"); lost+twice+reused != 0 {
		b.t.Errorf("the ledger says %d lost, %d shown twice, %d keys used twice, want none", lost, twice, reused)
	}
}

func TestDemo_SwitchesCanBeSwitchedBackAndThePortalIsOneClickAway(t *testing.T) {
	t.Parallel()
	b := newDemo(t)
	b.open("/demo")
	b.click("#do-unlink")
	b.sees("This business is not linked yet")
	b.scans()
	b.says("Habari", "Karibu")
	b.click("#do-owner")
	b.has("#do-owner[aria-checked=true]")
	b.sees("The bot stays out of this chat until")
	b.has(mySays + " .tick[data-state=read]")
	b.click("#do-owner")
	b.has("#do-owner[aria-checked=false]")
	b.says("bei", "Kusuka")
	b.click("#do-airplane")
	b.has("#do-airplane[aria-checked=true]")
	b.fill(compose, "Mko wapi?")
	b.do(chromedp.SendKeys(compose, kb.Enter))
	b.has(mySays + " .tick[data-state=waiting]")
	b.click("#do-airplane")
	b.sees("Mtaa wa Samora")
	js[bool](b, `(document.querySelector("#demo-who form button").click(), true)`)
	b.comes("Neema holds the phone", `document.getElementById("demo-head").innerText.includes("Neema")`, patience)
	b.says("Mambo", "Karibu")

	// In this tab, and before a poll puts the target back.
	const portal = "#demo-business .portal form"
	b.leaves(portal, func() {
		js[bool](b, fmt.Sprintf(`((form) => { form.target = ""; form.requestSubmit(); return true; })(document.querySelector(%q))`, portal))
	})
	b.sees("Saluni ya Amina")
	if path := b.path(); !strings.HasPrefix(path, "/admin/tenants/") {
		t.Errorf("the button of the portal leads to %s", path)
	}
}
