package whatsapp_test

import (
	"fmt"
	"os"
	"reflect"
	"sync"
	"testing"
	"time"

	"flowhq/simulator"
	"flowhq/store/storetest"
	"flowhq/worker"
	"flowhq/worker/whatsapp"
)

// The ports through which a connection uses the store, and for each of their
// methods how to get it called while messages go in and out.

var customersWrite = func(tr *trial) error {
	return inOrder(tr.opens, tr.fails, tr.writes(tr.stranger, simulator.ViaPN()), tr.writes(tr.regular))
}

var messagesWait = func(tr *trial) error {
	return inOrder(tr.opens, tr.rests, tr.writes(tr.stranger, simulator.ViaPN()), tr.writes(tr.regular), tr.fails, tr.starts)
}

// aHandlerNeverRan: the first message at the next connection was decrypted by
// the one before.
var aHandlerNeverRan = func(tr *trial) error {
	return inOrder(tr.opens, tr.rests, tr.writes(tr.regular), tr.plants, tr.fails, tr.starts)
}

var aPhoneIsLinked = func(tr *trial) error {
	return inOrder(tr.fails, tr.starts, tr.scans, tr.struck, tr.connects)
}

// theLinkFails: a person has to scan once more.
var theLinkFails = func(tr *trial) error {
	if tr.fault.mode == stutters {
		return aPhoneIsLinked(tr) // a failure that passes is repeated
	}
	return inOrder(tr.fails, tr.starts, tr.refused, tr.struck, tr.scans, tr.connects)
}

var aPhoneIsUnlinked = func(tr *trial) error {
	return inOrder(tr.opens, tr.fails, func() error { tr.sim.Faults().LoggedOut(tr.owner.Number()); return nil }, tr.struck, tr.unlinked, tr.scans, tr.connects)
}

// aCustomerAsksAgain for an answer that an earlier connection has sent.
var aCustomerAsksAgain = func(tr *trial) error {
	return inOrder(tr.opens, tr.rests, tr.writes(tr.stranger),
		func() error { tr.stranger.SetAirplane(true); return nil }, tr.starts, tr.sent(tr.stranger), tr.rests, tr.starts, tr.connects, tr.fails,
		func() error {
			tr.sim.Faults().UndecryptableOnce(tr.stranger.Number())
			tr.stranger.SetAirplane(false)
			return nil
		})
}

type port struct {
	kind  reflect.Type
	cases map[string]func(*trial) error
}

var ports = []port{
	{reflect.TypeFor[worker.Ratchet](), map[string]func(*trial) error{
		"LinkDevice":    theLinkFails,
		"Save":          customersWrite,
		"Sessions":      customersWrite,
		"Identities":    customersWrite,
		"Buffered":      messagesWait,
		"ClearBuffered": aHandlerNeverRan,
		"AddPreKeys":    aPhoneIsLinked,
		"PreKey":        customersWrite,
		"PreKeys":       messagesWait,
		"HasPNSessions": customersWrite,
		"Wipe":          aPhoneIsUnlinked,
		"Sweep":         nil, // the pool's, about once an hour and of all tenants
	}},
	{reflect.TypeFor[worker.Inbox](), map[string]func(*trial) error{
		"Receive":    customersWrite,
		"Quarantine": nil, // TestStore_FailingKeepsWhatIsPutIntoQuarantine
	}},
	{reflect.TypeFor[worker.Outbox](), map[string]func(*trial) error{
		"Due":      messagesWait,
		"Finish":   customersWrite,
		"Ticks":    customersWrite,
		"ForRetry": aCustomerAsksAgain,
		"Overdue":  nil, // the pool's, for hints that were lost
		"Pending":  nil, // not on the path of a message
	}},
}

// modes are those of the run.
func modes() []mode {
	if full() {
		return []mode{refuses, forgets, hangs, stutters}
	}
	return []mode{refuses, forgets, hangs}
}

// full reports whether the long form of the tests is wanted.
func full() bool { return os.Getenv("FLOWHQ_CHAOS") == "full" }

// hangTime is scaled down in the short form.
func hangTime() time.Duration {
	if full() {
		return 10 * time.Second
	}
	return 300 * time.Millisecond
}

func newFault(method string, m mode) *fault {
	return &fault{method: method, mode: m, hang: hangTime(), ended: make(chan struct{})}
}

func TestStore_EveryMethodOnTheWayOfAMessageHasACase(t *testing.T) {
	for _, p := range ports {
		for i := range p.kind.NumMethod() {
			if _, ok := p.cases[p.kind.Method(i).Name]; !ok {
				t.Errorf("it is not tested what happens when %s.%s fails", p.kind, p.kind.Method(i).Name)
			}
		}
	}
}

// onBoth runs a test on a SQLite file and, where there is a cluster, on Postgres.
func onBoth(t *testing.T, run func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { run(t, storetest.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { run(t, storetest.Postgres(t)) })
}

func TestStore_FailingLosesNothingAndTheBotGoesOn(t *testing.T) { onBoth(t, losesNothing) }

func losesNothing(t *testing.T, url string) {
	fs := newFaults()
	w := newWorldOn(t, url, whatsapp.Unsafe{}, fs.between)
	var single, shared trials
	for _, p := range ports {
		for method, provoke := range p.cases {
			list := &single
			if sharedCalls[method] {
				list = &shared
			}
			for _, m := range modes() {
				if provoke != nil {
					list.add(fmt.Sprintf("%s: %s", method, m), w.newTrial(fs, newFault(method, m)), provoke)
				}
			}
		}
	}
	single.judge(t)
	shared.judge(t)
}

// sharedCalls serve all tenants of a process together: while one hangs, every
// connection that begins waits behind it, so they have their turn by themselves.
var sharedCalls = map[string]bool{"Finish": true, "Ticks": true}

func TestStore_FailingKeepsWhatIsPutIntoQuarantine(t *testing.T) { onBoth(t, keepsQuarantine) }

func keepsQuarantine(t *testing.T, url string) {
	fs := newFaults()
	w := newWorldOn(t, url, whatsapp.Unsafe{}, fs.between, func(s *worker.Services) { s.Engine = nil }) // every conversation breaks
	var all trials
	for _, m := range modes() {
		tr := w.newTrial(fs, newFault("Quarantine", m))
		tr.silent = true
		all.add(string(m), tr, customersWrite)
	}
	all.judge(t)
	for _, tr := range all.list {
		for _, id := range tr.written {
			if n := tr.counts("SELECT count(*) FROM inbound_quarantine WHERE wa_id = $1", id); n != 1 {
				t.Errorf("%s: message %s is in quarantine %d times", tr.fault.mode, id, n)
			}
		}
	}
}

// trials are tenants of one world whose store fails in different ways at the
// same time: one must not disturb the other.
type trials struct {
	list    []*trial
	names   []string
	provoke []func(*trial) error
}

func (all *trials) add(name string, tr *trial, provoke func(*trial) error) {
	all.list, all.names, all.provoke = append(all.list, tr), append(all.names, name), append(all.provoke, provoke)
}

// together is how many trials run at a time. The long form measures how fast
// the bot is back and leaves the processors room for it.
func together() int {
	if full() {
		return 4
	}
	return 16
}

func (all *trials) judge(t *testing.T) {
	t.Helper()
	errs, turn := make([]error, len(all.list)), make(chan struct{}, together())
	var running sync.WaitGroup
	for i, tr := range all.list {
		running.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			errs[i] = tr.run(all.provoke[i])
		})
	}
	running.Wait()
	for i, tr := range all.list {
		t.Run(all.names[i], func(t *testing.T) {
			if errs[i] != nil {
				t.Error(errs[i])
			}
			if err := tr.damage(); err != nil {
				t.Error(err)
			}
			t.Logf("answers again after %s", tr.took)
		})
	}
}
