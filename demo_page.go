package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/handlers"
	"flowhq/simulator"
)

// routes are the pages of the demo. They exist in this mode only.
func (d *demo) routes(r *gin.Engine, pages handlers.Pages) {
	do := func(a func(*gin.Context) error) gin.HandlerFunc {
		return pages.Do(func(c *gin.Context) error {
			if !d.ready.Load() {
				return domain.Errorf(domain.KindUnavailable, "The demo is still starting.")
			}
			return a(c)
		})
	}
	r.GET("/demo", do(func(c *gin.Context) error {
		p, err := d.page(c)
		if err != nil {
			return err
		}
		return pages.Page(c, "demo/demo", p)
	}))
	r.GET("/demo/live", do(d.live(pages)))
	r.POST("/demo/enter", do(d.enter(pages)))
	for name, act := range d.acts() {
		r.POST("/demo/"+name, do(d.answered(pages, act)))
	}
}

// live answers with everything that changes by itself, and with an empty 304
// while nothing has changed.
func (d *demo) live(pages handlers.Pages) func(*gin.Context) error {
	return func(c *gin.Context) error {
		p, err := d.page(c)
		if err != nil {
			return err
		}
		raw, err := json.Marshal(p)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(raw)
		tag := `"` + hex.EncodeToString(sum[:12]) + `"`
		c.Header("ETag", tag)
		if c.GetHeader("If-None-Match") == tag {
			c.Status(http.StatusNotModified)
			c.Writer.WriteHeaderNow()
			return nil
		}
		return pages.Block(c, "demo/demo", "live", p)
	}
}

// demoPage is everything that a visitor sees.
type demoPage struct {
	Tenants   []domain.TenantView
	T         domain.TenantView // the chosen one
	Health    domain.Health
	Linked    bool // its phone has a companion, connected or not
	Customers []demoName
	Customer  demoName // the chosen one
	Airplane  bool
	Bubbles   []demoBubble
	Ideas     []demoIdea
	// Silent is until when the bot leaves this chat to the owner; nil when it answers.
	Silent      *time.Time
	Down, Slow  bool
	Ledger      demoLedger
	Email, Pass string
}

// Choose is the query of the address that shows a tenant and a customer.
func (p demoPage) Choose(tenant uuid.UUID, customer string) template.URL {
	return template.URL(url.Values{"tenant": {tenant.String()}, "customer": {customer}}.Encode()) // encoded here
}

// Query shows the same again.
func (p demoPage) Query() template.URL { return p.Choose(p.T.ID, p.Customer.Number) }

// Initial stands for the picture of the business.
func (p demoPage) Initial() string {
	for _, r := range p.T.Config.BusinessName {
		return strings.ToUpper(string(r))
	}
	return ""
}

// demoSwitch is a button of the second card.
type demoSwitch struct {
	Name  string
	Query template.URL
	On    bool
}

// Switch makes a button of the second card.
func (p demoPage) Switch(name string, on bool) demoSwitch { return demoSwitch{name, p.Query(), on} }

type demoName struct {
	Name, Number string
	Said         int // messages in the chat with the chosen tenant
}

// demoChoice is what the address of a page or an action chooses.
type demoChoice struct {
	tenants   []domain.TenantView
	tenant    domain.TenantView
	owner     *simulator.Phone
	customers []*demoCustomer
	customer  *demoCustomer
}

// chosen reads the address; what it does not say, or what is gone by now, is
// the first of its kind.
func (d *demo) chosen(c *gin.Context) (ch demoChoice, err error) {
	page, err := d.app.Store.Tenants().List(c.Request.Context(), domain.TenantFilter{Scope: domain.Scope{Admin: true}}, domain.PageQuery{})
	if err != nil {
		return ch, err
	}
	ch.tenants = page.Items
	slices.Reverse(ch.tenants)
	if len(ch.tenants) == 0 {
		return ch, domain.Errorf(domain.KindConflict, "There is no business any more. Add one in the admin portal.")
	}
	ch.tenant = ch.tenants[max(0, slices.IndexFunc(ch.tenants, func(v domain.TenantView) bool { return v.ID.String() == c.Query("tenant") }))]
	d.mu.Lock()
	ch.customers = slices.Clone(d.customers)
	d.mu.Unlock()
	ch.customer = ch.customers[max(0, slices.IndexFunc(ch.customers, func(p *demoCustomer) bool { return p.Number() == c.Query("customer") }))]
	ch.owner, err = d.owner(ch.tenant)
	return ch, err
}

func (d *demo) page(c *gin.Context) (demoPage, error) {
	ctx := c.Request.Context()
	ch, err := d.chosen(c)
	if err != nil {
		return demoPage{}, err
	}
	p := demoPage{Tenants: ch.tenants, T: ch.tenant, Health: ch.tenant.Health(), Linked: len(ch.owner.Devices()) > 0, Airplane: ch.customer.Airplane(),
		Customer: demoName{Name: ch.customer.PushName(), Number: ch.customer.Number()}, Email: d.admin.Email, Pass: d.password}
	for _, other := range ch.customers {
		p.Customers = append(p.Customers, demoName{other.PushName(), other.Number(), len(other.Messages(ch.owner))})
	}
	p.Bubbles = chatOf(ch)
	p.Ideas = ideas(ch.tenant.Config, lastAnswer(p.Bubbles))
	if p.Silent, err = d.silentUntil(ctx, ch); err != nil {
		return p, err
	}
	d.mu.Lock()
	p.Down, p.Slow = d.down, d.slow
	d.mu.Unlock()
	p.Ledger, err = d.count(ctx, ch.tenants)
	return p, err
}

// silentUntil tells how long the bot leaves a chat to the owner.
func (d *demo) silentUntil(ctx context.Context, ch demoChoice) (*time.Time, error) {
	conv, err := d.app.Store.Chats().Conversation(ctx, ch.tenant.ID, ch.customer.Number())
	switch {
	case err != nil && domain.KindOf(err) == domain.KindNotFound:
		return nil, nil
	case err != nil:
		return nil, err
	case !conv.Muted(domain.Now()) || conv.MutedReason != "owner":
		return nil, nil
	}
	return conv.MutedUntil, nil
}

// demoBubble is one message as the phone of the customer shows it.
type demoBubble struct {
	ID     string
	Mine   bool
	Text   string
	At     string
	Status string // of one's own: waiting, sent, delivered or read
}

const demoBubbles = 120

func chatOf(ch demoChoice) []demoBubble {
	var out []demoBubble
	loc := ch.tenant.Config.Location()
	messages := ch.customer.Messages(ch.owner)
	for _, m := range messages[max(0, len(messages)-demoBubbles):] {
		out = append(out, demoBubble{ID: m.ID, Mine: m.From == ch.customer.Number(), Text: m.Text,
			At: m.At.In(loc).Format("15:04"), Status: string(m.Status)})
	}
	ch.customer.mu.Lock()
	defer ch.customer.mu.Unlock()
	for i, line := range ch.customer.waiting {
		if line.to == ch.owner {
			out = append(out, demoBubble{ID: fmt.Sprintf("w%d-%d", line.at.UnixNano(), i), Mine: true, Text: line.text,
				At: line.at.In(loc).Format("15:04"), Status: "waiting"})
		}
	}
	return out
}

func lastAnswer(bubbles []demoBubble) string {
	for _, b := range slices.Backward(bubbles) {
		if !b.Mine {
			return b.Text
		}
	}
	return ""
}
