package main

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
	"flowhq/handlers"
	"flowhq/simulator"
)

// demoAct is what a button of the demo does. It returns the id of a text that
// says what happened, where one cannot see it, with the arguments of the text.
type demoAct func(ctx context.Context, c *gin.Context, ch *demoChoice) (demoNote, error)

// demoNote is a message about something that was done.
type demoNote struct {
	Text string
	N    int
}

// How long a phone may take for a scan.
const demoScan = 20 * time.Second

// answered carries an act out. With the script of the page an answer has no
// body unless there is something to tell; without it the page comes again.
func (d *demo) answered(pages handlers.Pages, act demoAct) func(*gin.Context) error {
	return func(c *gin.Context) error {
		ch, err := d.chosen(c)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(c.Request.Context(), demoScan)
		defer cancel()
		note, err := act(ctx, c, &ch)
		if err != nil {
			return err
		}
		page := "/demo?" + string(demoPage{}.Choose(ch.tenant.ID, ch.customer.Number()))
		if c.GetHeader("HX-Request") != "true" {
			c.Redirect(http.StatusSeeOther, page)
			return nil
		}
		c.Header("X-Demo-Page", page)
		if note.Text == "" {
			c.Status(http.StatusNoContent)
			return nil
		}
		return pages.Block(c, "demo/demo", "note", note)
	}
}

// acts are the buttons by the last part of their address.
func (d *demo) acts() map[string]demoAct {
	return map[string]demoAct{
		"send": d.actSend, "customers": d.actCustomer, "scan": d.actScan, "enter-code": d.actEnterCode, "ask-code": d.actAskCode,
		"start": d.actSteer(domain.EventStart), "restart": d.actSteer(domain.EventRestart),
		"airplane": d.actAirplane, "twenty": d.actTwenty, "unlink": d.actUnlink, "down": d.actDown, "slow": d.actSlow,
		"drop": d.actDrop, "owner": d.actOwner, "redeliver": d.actRedeliver,
	}
}

// enter makes a visitor the admin: nothing here is anybody's.
func (d *demo) enter(pages handlers.Pages) func(*gin.Context) error {
	return func(c *gin.Context) error {
		ch, err := d.chosen(c)
		if err != nil {
			return err
		}
		return pages.SignIn(c, d.admin, "/admin/tenants/"+ch.tenant.ID.String())
	}
}

func (d *demo) actSend(ctx context.Context, c *gin.Context, ch *demoChoice) (demoNote, error) {
	text := strings.TrimSpace(domain.CleanText(c.PostForm("text")))
	if text == "" || len(text) > 4096 {
		return demoNote{}, domain.Errorf(domain.KindInvalid, "Write something of at most 4,096 characters.")
	}
	return demoNote{}, d.write(ctx, ch.customer, ch.owner, text)
}

func (d *demo) actCustomer(_ context.Context, _ *gin.Context, ch *demoChoice) (_ demoNote, err error) {
	next, err := d.anotherCustomer()
	if err == nil {
		ch.customer = next
	}
	return demoNote{}, err
}

// actScan is the owner holding the phone before the screen.
func (d *demo) actScan(ctx context.Context, _ *gin.Context, ch *demoChoice) (demoNote, error) {
	if ch.tenant.Session.QR == "" {
		return demoNote{}, domain.Errorf(domain.KindConflict, "There is no code to scan at the moment.")
	}
	return demoNote{}, d.linked(ch, ch.owner.ScanQR(ctx, ch.tenant.Session.QR))
}

// actEnterCode is the owner typing the code that links without a camera.
func (d *demo) actEnterCode(ctx context.Context, _ *gin.Context, ch *demoChoice) (demoNote, error) {
	if ch.tenant.Session.PairingCode == "" {
		return demoNote{}, domain.Errorf(domain.KindConflict, "There is no code to scan at the moment.")
	}
	return demoNote{}, d.linked(ch, ch.owner.EnterPairingCode(ctx, ch.tenant.Session.PairingCode))
}

func (d *demo) linked(ch *demoChoice, err error) error {
	if err != nil {
		return &domain.Error{Kind: domain.KindConflict, Message: "The phone could not be linked. Try the next code.", Err: err}
	}
	d.enliven(ch.tenant, ch.owner)
	return nil
}

func (d *demo) actAskCode(ctx context.Context, _ *gin.Context, ch *demoChoice) (demoNote, error) {
	return demoNote{}, d.app.Store.Links().AskPairingCode(ctx, ch.tenant.ID, ch.tenant.Phone)
}

func (d *demo) actSteer(e domain.Event) demoAct {
	return func(ctx context.Context, _ *gin.Context, ch *demoChoice) (demoNote, error) {
		_, err := d.app.Store.Tenants().Steer(ctx, ch.tenant.ID, e)
		return demoNote{}, err
	}
}

func switchedOn(c *gin.Context) bool { return c.PostForm("on") == "true" }

func (d *demo) actAirplane(ctx context.Context, c *gin.Context, ch *demoChoice) (demoNote, error) {
	return demoNote{}, d.fly(ctx, ch.customer, switchedOn(c))
}

func (d *demo) actTwenty(ctx context.Context, _ *gin.Context, ch *demoChoice) (demoNote, error) {
	return demoNote{}, d.flyAndWrite(ctx, ch.customer, ch.tenant, ch.owner)
}

// needsLink refuses what makes no sense for a business without a bot.
func needsLink(ch *demoChoice) error {
	if len(ch.owner.Devices()) == 0 {
		return domain.Errorf(domain.KindConflict, "This business is not linked yet: scan its code first.")
	}
	return nil
}

// actUnlink is the owner choosing "Log out" under "Linked devices".
func (d *demo) actUnlink(_ context.Context, _ *gin.Context, ch *demoChoice) (demoNote, error) {
	if err := needsLink(ch); err != nil {
		return demoNote{}, err
	}
	d.sim.Faults().LoggedOut(ch.owner.Number())
	return demoNote{}, nil
}

func (d *demo) actDown(_ context.Context, c *gin.Context, ch *demoChoice) (demoNote, error) {
	on := switchedOn(c)
	d.mu.Lock()
	d.down = on
	d.sim.Faults().RefuseConnections("", on)
	d.mu.Unlock()
	for _, v := range ch.tenants {
		if owner := d.sim.Phone(string(v.Phone)); owner != nil && !on {
			d.tick(owner, ch.customers, simulator.StatusDelivered)
		}
	}
	return demoNote{}, nil
}

// demoLatency is by how much the slow server is late.
const demoLatency = 1500 * time.Millisecond

func (d *demo) actSlow(_ context.Context, c *gin.Context, _ *demoChoice) (demoNote, error) {
	on, late := switchedOn(c), time.Duration(0)
	if on {
		late = demoLatency
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slow = on
	d.sim.Faults().Slow(late)
	return demoNote{}, nil
}

func (d *demo) actDrop(_ context.Context, _ *gin.Context, ch *demoChoice) (demoNote, error) {
	if err := needsLink(ch); err != nil {
		return demoNote{}, err
	}
	d.sim.Faults().DropConnections(ch.owner.Number())
	return demoNote{Text: "demo.dropped"}, nil
}

// actOwner lets the owner answer by hand, or gives the chat back to the bot.
func (d *demo) actOwner(ctx context.Context, c *gin.Context, ch *demoChoice) (demoNote, error) {
	if !switchedOn(c) {
		return demoNote{}, d.app.Store.Chats().Resume(ctx, ch.tenant.ID, ch.customer.Number())
	}
	if err := needsLink(ch); err != nil {
		return demoNote{}, err
	}
	text := "Habari " + ch.customer.PushName() + ", ni mimi mwenyewe mwenye biashara. Nikusaidie nini?"
	if ch.tenant.Config.Language == domain.LanguageEnglish {
		text = "Hello " + ch.customer.PushName() + ", this is the owner. What can I do for you?"
	}
	return demoNote{}, d.ownerWrites(ctx, ch, text)
}

func (d *demo) ownerWrites(ctx context.Context, ch *demoChoice, text string) error {
	id := "3A" + strings.ToUpper(strings.ReplaceAll(domain.NewID().String(), "-", ""))
	d.audit.ownerWrote(id) // before it can be on a screen
	if _, err := ch.owner.SendText(ctx, ch.customer.Phone, text, simulator.WithID(id)); err != nil {
		return notSent(err)
	}
	d.tick(ch.owner, []*demoCustomer{ch.customer}, simulator.StatusRead) // who answers has read
	return nil
}

// demoCopies is how many messages are delivered again, under each of the two
// addresses of their writers.
const demoCopies = 10

func (d *demo) actRedeliver(_ context.Context, _ *gin.Context, ch *demoChoice) (demoNote, error) {
	if err := needsLink(ch); err != nil {
		return demoNote{}, err
	}
	number := ch.owner.Number()
	n := d.sim.Faults().Redeliver(number, demoCopies) + d.sim.Faults().RedeliverOther(number, demoCopies)
	if n == 0 {
		return demoNote{}, domain.Errorf(domain.KindConflict, "Nobody has written to this business yet.")
	}
	return demoNote{Text: "demo.redelivered", N: n}, nil
}
