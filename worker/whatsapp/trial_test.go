package whatsapp_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"flowhq/domain"
	"flowhq/simulator"
)

// trial is one tenant and its customers while one method of the store fails.
type trial struct {
	*world
	faults *faults
	fault  *fault
	silent bool // nobody is answered in this world
	byHand bool // a person has to link the phone anew before the bot can answer
	view   domain.TenantView
	owner  *simulator.Phone
	code   string        // the last one that was scanned
	took   time.Duration // from the failure to the next answer

	regular  *simulator.Phone // has a session with the bot
	stranger *simulator.Phone // writes for the first time while the store fails
	witness  *simulator.Phone // writes when the store is well again
	asked    map[*simulator.Phone]int
	written  []string // ids
}

// newTrial makes the phones and the tenant; nothing is linked yet.
func (w *world) newTrial(fs *faults, f *fault) *trial {
	w.t.Helper()
	n := w.next()
	number := func(kind int) string { return fmt.Sprintf("+25575%d%06d", kind, n) }
	tr := &trial{world: w, faults: fs, fault: f, owner: w.phone(number(4), "Amina"), asked: map[*simulator.Phone]int{},
		regular: w.phone(number(5), "Asha"), stranger: w.phone(number(6), "Juma"), witness: w.phone(number(7), "Neema")}
	tr.view = w.create(tr.owner.Number())
	fs.knows(tr.view.ID, tr.owner.Number())
	return tr
}

const (
	trialPatience = 90 * time.Second
)

// rebuiltWithin is how soon the bot must answer once the store is well again:
// the first reconnection comes after two seconds at the latest. The short form
// shares its machine with other tests and is not measured.
func rebuiltWithin() time.Duration {
	if full() {
		return 3 * time.Second
	}
	return trialPatience
}

// inOrder does one thing after the other until one fails.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (tr *trial) starts() error { return tr.trySteer(tr.view, domain.EventStart) }

func (tr *trial) scans() error {
	v, err := tr.tryAwait(tr.view, "code to scan", func(v domain.TenantView) bool { return v.Session.QR != "" && v.Session.QR != tr.code })
	if err != nil {
		return err
	}
	tr.code = v.Session.QR
	ctx, cancel := context.WithTimeout(context.Background(), trialPatience)
	defer cancel()
	return tr.owner.ScanQR(ctx, v.Session.QR)
}

func (tr *trial) connects() error {
	_, err := tr.tryAwait(tr.view, "connection", active)
	return err
}

// opens links the phone and gives regular and witness their sessions.
func (tr *trial) opens() error {
	return inOrder(tr.starts, tr.scans, tr.connects, tr.asks(tr.regular), tr.asks(tr.witness))
}

// refused scans a code and is told by the phone that the link failed.
func (tr *trial) refused() error {
	tr.byHand = true
	if err := tr.scans(); err == nil {
		return errors.New("the phone shows a link although its keys were not stored")
	}
	return nil
}

// unlinked waits until the bot has noticed, and then starts it again.
func (tr *trial) unlinked() error {
	tr.byHand = true
	_, err := tr.tryAwait(tr.view, "end of the link", func(v domain.TenantView) bool { return v.Worker.Status == domain.WorkerError })
	if err != nil {
		return err
	}
	return tr.starts()
}

// rests stops the bot when nothing is under way, and waits until its
// connection is gone.
func (tr *trial) rests() error {
	return inOrder(func() error {
		_, err := tr.tryAwait(tr.view, "quiet", func(domain.TenantView) bool { return tr.owner.Devices()[0].Queued == 0 })
		return err
	}, func() error { return tr.trySteer(tr.view, domain.EventStop) }, func() error {
		_, err := tr.tryAwait(tr.view, "rest", func(domain.TenantView) bool { return !tr.owner.Devices()[0].Connected })
		return err
	})
}

// fails arms the fault.
func (tr *trial) fails() error {
	tr.faults.arm(tr.owner.Number(), tr.fault)
	return nil
}

// struck waits until the fault has struck for the last time.
func (tr *trial) struck() error {
	select {
	case <-tr.fault.ended:
		return nil
	case <-time.After(trialPatience):
		return fmt.Errorf("%s was not called: the scenario does not test it", tr.fault.method)
	}
}

func (tr *trial) writes(c *simulator.Phone, opts ...simulator.SendOption) func() error {
	return func() error {
		id, err := c.SendText(context.Background(), tr.owner, "menu", opts...)
		tr.asked[c]++
		tr.written = append(tr.written, id)
		return err
	}
}

// answered waits until every message of a customer is answered.
func (tr *trial) answered(c *simulator.Phone) func() error {
	return func() error {
		if tr.silent {
			return tr.acknowledged()
		}
		if tr.asked[c] == 0 {
			return nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), trialPatience)
		defer cancel()
		shown := 0
		_, err := c.Wait(ctx, func(m simulator.Message) bool {
			if m.From == tr.owner.Number() {
				shown++
			}
			return shown >= tr.asked[c]
		})
		if err != nil {
			return fmt.Errorf("%d of %d messages of %s are answered", shown, tr.asked[c], c.Number())
		}
		return nil
	}
}

func (tr *trial) asks(c *simulator.Phone) func() error {
	return func() error { return inOrder(tr.writes(c), tr.answered(c)) }
}

// acknowledged waits until WhatsApp keeps no message for the bot any more.
func (tr *trial) acknowledged() error {
	_, err := tr.tryAwait(tr.view, "acknowledgement of every message", func(domain.TenantView) bool {
		return len(tr.sim.Unacked(tr.owner.Number())) == 0
	})
	return err
}

// plants a plaintext, see faults.plant.
func (tr *trial) plants() error {
	plaintext, err := proto.Marshal(&waE2E.Message{Conversation: proto.String("menu")})
	if err != nil {
		return err
	}
	const padding = 1 // one byte that says so
	tr.faults.plant(tr.owner.Number(), append(plaintext, padding))
	return nil
}

// sent waits until WhatsApp has acknowledged an answer to a customer who is offline.
func (tr *trial) sent(c *simulator.Phone) func() error {
	return func() error {
		_, err := tr.tryAwait(tr.view, "answer on its way", func(domain.TenantView) bool {
			return tr.counts("SELECT count(*) FROM outbox WHERE contact = $1 AND status = 'sent'", c.Number()) == 1
		})
		return err
	}
}

func (tr *trial) counts(query string, args ...any) int {
	db, dialect := tr.store.DBForWhatsApp()
	if dialect == "sqlite" {
		query = strings.ReplaceAll(query, "$", "?")
	}
	n := -1
	_ = db.QueryRow(query, args...).Scan(&n) // -1 is no count that anybody waits for
	return n
}

// run provokes the failure and then looks whether the bot goes on in time.
func (tr *trial) run(provoke func(*trial) error) error {
	return inOrder(func() error { return provoke(tr) }, tr.struck, tr.writes(tr.witness), tr.answered(tr.witness), tr.inTime,
		tr.answered(tr.regular), tr.answered(tr.stranger),
		tr.asks(tr.regular), tr.asks(tr.stranger), tr.acknowledged)
}

func (tr *trial) inTime() error {
	if tr.byHand {
		return nil
	}
	if tr.took = time.Since(tr.fault.over).Round(time.Millisecond); tr.took > rebuiltWithin() {
		return fmt.Errorf("the bot answers %s after the failure, want %s at most", tr.took, rebuiltWithin())
	}
	return nil
}

// damage is what the failure has done, seen from the phones and in the tables.
func (tr *trial) damage() error {
	var all []error
	note := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	for _, id := range tr.written {
		if n := tr.counts("SELECT count(*) FROM message_logs WHERE wa_message_id = $1 AND direction = 'IN'", id); n != 1 {
			note("message %s is logged %d times", id, n)
		}
	}
	for c, want := range tr.asked {
		if tr.silent {
			want = 0
		}
		shown := 0
		for _, m := range c.Messages(tr.owner) {
			if m.From == tr.owner.Number() {
				shown++
			}
		}
		if shown != want {
			note("%s sees %d answers, want %d", c.Number(), shown, want)
		}
	}
	l := tr.sim.Ledger().PerTenant[tr.owner.Number()]
	if l.RetriesFromBot+l.CounterReuse+l.DecryptErrors+l.NacksFromBot != 0 {
		note("the bot asked for messages again, refused some, used keys twice or sent what nobody can read: %+v", l)
	}
	return errors.Join(all...)
}
