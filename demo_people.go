package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"flowhq/domain"
	"flowhq/simulator"
)

// demoCustomer is a customer's phone with what was typed while it had no network.
type demoCustomer struct {
	*simulator.Phone
	mu      sync.Mutex // held while sending, so that lines leave in the order in which they were typed
	waiting []demoLine
}

// demoLine is a message that waits on the phone for the network.
type demoLine struct {
	to   *simulator.Phone
	text string
	at   time.Time
}

const maxDemoCustomers = 12

// people are the customers that everybody starts with.
func (d *demo) people() error {
	for _, p := range []simulator.PhoneOptions{
		{Number: "+255754000101", PushName: "Asha"}, {Number: "+255754000102", PushName: "Juma"}, {Number: "+254712000103", PushName: "Grace"},
	} {
		if _, err := d.addCustomer(p); err != nil {
			return err
		}
	}
	return nil
}

var moreNames = []string{"Neema", "Baraka", "Zawadi", "Otieno", "Rehema", "Wanjiku", "Hamisi", "Upendo", "Kamau"}

// anotherCustomer makes the next customer.
func (d *demo) anotherCustomer() (*demoCustomer, error) {
	d.mu.Lock()
	n := len(d.customers)
	d.mu.Unlock()
	if n >= maxDemoCustomers {
		return nil, domain.Errorf(domain.KindConflict, "There are enough customers for a demo.")
	}
	return d.addCustomer(simulator.PhoneOptions{Number: fmt.Sprintf("+2557540001%02d", n+1), PushName: moreNames[n-3]})
}

func (d *demo) addCustomer(o simulator.PhoneOptions) (*demoCustomer, error) {
	phone, err := d.sim.NewPhone(o)
	if errors.Is(err, simulator.ErrNumberTaken) { // two clicks at once, or a tenant with this number
		return nil, domain.Errorf(domain.KindConflict, "This number has a phone already.")
	}
	if err != nil {
		return nil, fmt.Errorf("make a demo phone: %w", err)
	}
	c := &demoCustomer{Phone: phone}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.customers = append(d.customers, c)
	return c, nil
}

// owner is the phone of a business; the first look at a tenant makes it.
func (d *demo) owner(v domain.TenantView) (*simulator.Phone, error) {
	number := string(v.Phone)
	if p := d.sim.Phone(number); p != nil {
		return p, nil
	}
	p, err := d.sim.NewPhone(simulator.PhoneOptions{Number: number, PushName: v.Name})
	if errors.Is(err, simulator.ErrNumberTaken) {
		return d.sim.Phone(number), nil
	}
	if err != nil {
		return nil, fmt.Errorf("make the phone of %s: %w", v.Name, err)
	}
	p.Subscribe(func(m simulator.Message) {
		if writer := d.sim.Phone(m.From); writer != nil && !m.OwnCopy && !d.isDown() {
			p.Tick(writer, m.ID, simulator.StatusDelivered)
		}
	})
	return p, nil
}

func (d *demo) isDown() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.down
}

// tick gives the customers of a business the receipts of its phone.
func (d *demo) tick(owner *simulator.Phone, writers []*demoCustomer, to simulator.Status) {
	for _, c := range writers {
		for _, m := range c.Messages(owner) {
			if m.From == c.Number() {
				owner.Tick(c.Phone, m.ID, to)
			}
		}
	}
}

// write sends a line, or keeps it on the phone until there is a network.
func (d *demo) write(ctx context.Context, c *demoCustomer, to *simulator.Phone, text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, demoLine{to, text, time.Now()})
	return d.flush(ctx, c)
}

// fly switches the airplane mode of a customer's phone.
func (d *demo) fly(ctx context.Context, c *demoCustomer, on bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.SetAirplane(on)
	return d.flush(ctx, c)
}

// flush sends what waits on a phone; its lock is held.
func (d *demo) flush(ctx context.Context, c *demoCustomer) error {
	for len(c.waiting) > 0 && !c.Airplane() {
		line := c.waiting[0]
		c.waiting = c.waiting[1:]
		links := line.to.Devices()
		id, err := c.SendText(ctx, line.to, line.text)
		if err != nil {
			return notSent(err)
		}
		d.audit.asked(line.to.Number(), id, links)
	}
	return nil
}

func notSent(err error) error {
	return &domain.Error{Kind: domain.KindConflict, Message: "The message could not be sent.", Err: err}
}

// How long the phone stays in airplane mode for its twenty messages, so that
// one can see them wait.
const demoFlight = 2500 * time.Millisecond

// flyAndWrite takes the phone off the network, writes twenty messages on it
// and takes it back.
func (d *demo) flyAndWrite(ctx context.Context, c *demoCustomer, v domain.TenantView, to *simulator.Phone) error {
	if err := d.fly(ctx, c, true); err != nil {
		return err
	}
	for _, text := range twentyLines(v.Config) {
		if err := d.write(ctx, c, to, text); err != nil {
			return err
		}
	}
	time.AfterFunc(demoFlight, func() { d.told(d.fly(context.WithoutCancel(ctx), c, false)) })
	return nil
}

// twentyLines are numbered, so that one can see that none is missing.
func twentyLines(c domain.TenantConfig) []string {
	asks := []string{"Mko wapi?", "Bei zenu?", "Mnafungua saa ngapi?", "Mna huduma gani?"}
	if c.Language == domain.LanguageEnglish {
		asks = []string{"Where are you?", "What are your prices?", "When do you open?", "Which services do you have?"}
	}
	lines := make([]string, 20)
	for i := range lines {
		lines[i] = fmt.Sprintf("(%d/20) %s", i+1, asks[i%len(asks)])
	}
	return lines
}

// enliven lets Juma and Grace write to a business after its first scan, so
// that the portal has something to show.
func (d *demo) enliven(v domain.TenantView, to *simulator.Phone) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lively[v.ID] {
		return
	}
	d.lively[v.ID] = true
	juma, grace := d.customers[1], d.customers[2]
	go func() {
		for _, talk := range []struct {
			who   *demoCustomer
			lines []string
		}{{juma, jumasLines(v.Config)}, {grace, gracesLines(v.Config)}} {
			if err := d.converse(d.life, talk.who, to, talk.lines); err != nil {
				d.told(err)
				return
			}
		}
	}()
}

// How the customers who write by themselves take their time.
const (
	demoThinking = 1200 * time.Millisecond
	demoPatience = time.Minute
)

// converse writes lines, each after the answer to the one before. It ends when
// a visitor takes the phone over.
func (d *demo) converse(ctx context.Context, c *demoCustomer, to *simulator.Phone, lines []string) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	for i, line := range lines {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(demoThinking):
		}
		if mine(c, to) != i {
			return nil
		}
		if err := d.write(ctx, c, to, line); err != nil {
			return err
		}
		answers := 0
		if _, err := c.Wait(ctx, func(m simulator.Message) bool {
			if m.From == to.Number() {
				answers++
			}
			return answers > i
		}); err != nil {
			return nil // the bot is not there any more
		}
	}
	return nil
}

// mine counts what a customer has written to a business.
func mine(c *demoCustomer, to *simulator.Phone) (n int) {
	for _, m := range c.Messages(to) {
		if m.From == c.Number() {
			n++
		}
	}
	return n
}

func jumasLines(c domain.TenantConfig) []string {
	lines := []string{"Mambo", "Bei zenu zikoje?"}
	yes, when := "Ndiyo", " kesho saa nane mchana"
	if c.Language == domain.LanguageEnglish {
		lines, yes, when = []string{"Hi", "What are your prices?"}, "Yes", " tomorrow at 2 pm"
	}
	if n := len(c.Services); n > 0 {
		lines = append(lines, c.Services[n-1].Name+when, yes, yes)
	}
	return lines
}

func gracesLines(c domain.TenantConfig) []string {
	if c.Language == domain.LanguageEnglish {
		return []string{"Hello", "Where are you?", "Thank you"}
	}
	return []string{"Habari za leo", "Mko wapi?", "Asante sana"}
}

// told logs what went wrong behind the scenes of the demo.
func (d *demo) told(err error) {
	if err != nil && !errors.Is(err, simulator.ErrClosed) {
		d.app.logger.Warn("the demo could not go on", "error", err)
	}
}

// ideas are what a customer might write next: the numbers and words that the
// last answer offers, then three lines that always make sense.
func ideas(c domain.TenantConfig, answer string) []demoIdea {
	var out []demoIdea
	for line := range strings.Lines(answer) {
		n, label, ok := strings.Cut(strings.TrimSpace(line), ". ")
		if ok && len(n) == 1 && n[0] >= '1' && n[0] <= '9' {
			out = append(out, demoIdea{Text: n, Label: n + ". " + strings.ReplaceAll(label, "*", "")})
		}
	}
	said := func(texts ...string) {
		for _, text := range texts {
			out = append(out, demoIdea{Text: text})
		}
	}
	english := c.Language == domain.LanguageEnglish
	switch {
	case len(out) > 0:
	case strings.Contains(answer, "*NDIYO*"):
		said("Ndiyo", "Hapana")
	case strings.Contains(answer, "*YES*"):
		said("Yes", "No")
	}
	hello, book, free := "Habari", "Kuweka miadi", "Bei zenu?"
	if english {
		hello, book, free = "Hello", "I'd like to book", "What are your prices?"
	}
	if len(c.Services) > 0 {
		when := " kesho saa nne asubuhi"
		if english {
			when = " tomorrow at 10 am"
		}
		free = strings.ToLower(c.Services[0].Name) + when
	}
	if len(out) > 0 {
		said(free)
	} else {
		said(hello, book, free)
	}
	return out
}

// demoIdea is a line that can be sent with one click.
type demoIdea struct{ Text, Label string }
