package main

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/simulator"
)

// demoAudit compares what customers wrote and see with the log of the bot:
// the proof behind "lost" and "shown twice".
type demoAudit struct {
	mu      sync.Mutex
	written map[string]map[string]string  // business number → id of a message → the link over which it went
	byOwner map[string]bool               // ids of what owners typed on their phones
	logged  map[uuid.UUID]map[string]bool // tenant → ids in its message log
	readAt  map[uuid.UUID]time.Time       // tenant → when its log was read last
}

func newDemoAudit() *demoAudit {
	return &demoAudit{written: map[string]map[string]string{}, byOwner: map[string]bool{},
		logged: map[uuid.UUID]map[string]bool{}, readAt: map[uuid.UUID]time.Time{}}
}

// asked notes a message that was sent to a business; without a link the bot is
// not concerned.
func (a *demoAudit) asked(number, id string, links []simulator.Companion) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.written[number] == nil {
		a.written[number] = map[string]string{}
	}
	for _, l := range links {
		a.written[number][id] = l.JID
	}
}

// confirmed are the messages that the present link of a business has taken:
// WhatsApp keeps them no longer. What went over a link that is gone does not count.
func (d *demo) confirmed(owner *simulator.Phone) []string {
	d.audit.mu.Lock()
	written := maps.Clone(d.audit.written[owner.Number()])
	d.audit.mu.Unlock()
	present := map[string]bool{}
	for _, l := range owner.Devices() {
		present[l.JID] = true
	}
	for _, id := range d.sim.Unacked(owner.Number()) {
		delete(written, id)
	}
	var ids []string
	for id, link := range written {
		if present[link] {
			ids = append(ids, id)
		}
	}
	return ids
}

func (a *demoAudit) ownerWrote(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byOwner[id] = true
}

// demoLedger is what the third card shows.
type demoLedger struct {
	ToBot, Waiting, Shown, Lost, Twice, Redelivered, Reused int
}

// count reads the ledger of the simulator and audits every tenant.
func (d *demo) count(ctx context.Context, tenants []domain.TenantView) (demoLedger, error) {
	l := d.sim.Ledger()
	out := demoLedger{ToBot: int(l.Sent), Shown: int(l.Shown), Redelivered: int(l.Redelivered), Reused: int(l.CounterReuse)}
	d.mu.Lock()
	customers := append([]*demoCustomer(nil), d.customers...)
	d.mu.Unlock()
	for _, v := range tenants {
		owner := d.sim.Phone(string(v.Phone))
		if owner == nil {
			continue
		}
		out.Waiting += len(d.sim.Unacked(owner.Number()))
		taken, screens := d.confirmed(owner), [][]simulator.Message{}
		for _, c := range customers {
			screens = append(screens, c.Messages(owner))
		}
		// The log is read last: everything above is in it by then.
		lost, twice, err := d.audit.compare(ctx, d.app.Store.Messages().ListMessages, v, owner.Number(), taken, screens)
		if err != nil && domain.KindOf(err) == domain.KindNotFound {
			continue // deleted in the portal at this moment
		}
		if err != nil {
			return out, err
		}
		out.Lost, out.Twice = out.Lost+lost, out.Twice+twice
	}
	out.Lost += out.Reused // a message whose key was used before is shown by no phone
	return out, nil
}

type listMessages func(context.Context, uuid.UUID, domain.MessageFilter, domain.PageQuery) (domain.Page[domain.MessageLog], error)

// compare counts messages that the bot has confirmed and that are not in its
// log, and answers on a screen that the log does not know.
func (a *demoAudit) compare(ctx context.Context, list listMessages, v domain.TenantView, number string, taken []string,
	screens [][]simulator.Message) (lost, twice int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.readLog(ctx, list, v.ID); err != nil {
		return 0, 0, err
	}
	logged := a.logged[v.ID]
	for _, id := range taken {
		if !logged[id] {
			lost++
		}
	}
	for _, screen := range screens {
		seen := map[string]bool{}
		for _, m := range screen {
			if m.From != number {
				continue
			}
			if seen[m.ID] || (!logged[m.ID] && !a.byOwner[m.ID]) {
				twice++
			}
			seen[m.ID] = true
		}
	}
	return lost, twice, nil
}

// logOverlap is how far back the log is read again: its rows are numbered when
// a message arrives and may become visible in another order.
const logOverlap = time.Minute

// readLog takes over the rows that are new since the last time.
func (a *demoAudit) readLog(ctx context.Context, list listMessages, tenant uuid.UUID) error {
	if a.logged[tenant] == nil {
		a.logged[tenant] = map[string]bool{}
	}
	since, now := a.readAt[tenant].Add(-logOverlap), domain.Now()
	for q := (domain.PageQuery{Limit: 100}); ; {
		page, err := list(ctx, tenant, domain.MessageFilter{}, q)
		if err != nil {
			return err
		}
		for _, m := range page.Items {
			a.logged[tenant][m.WAMessageID] = true
		}
		q.Cursor = page.NextCursor
		if n := len(page.Items); n == 0 || q.Cursor == "" || page.Items[n-1].CreatedAt.Before(since) {
			a.readAt[tenant] = now
			return nil
		}
	}
}
