package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"testing"
	"time"

	"flowhq/simulator"
)

// chaosFile keeps the verdicts about faults of the protocol and of the database.
const chaosFile = "chaos.json"

// size picks the number for the form of the run.
func size(short, long int) int {
	if full() {
		return long
	}
	return short
}

// metric reads one number of the program's.
func (w *world) metric(t *testing.T, name string) int {
	t.Helper()
	_, body := w.get("/metrics")
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("there is no metric %s", name)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// WhatsApp delivers 30 % of the messages one to five times more, under the
// number or the LID of the sender. Every tenth message is also encrypted and
// sent again under its id, which the ratchet does not notice.
func TestRedelivery_OfAThirdOfAllMessagesIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	s := newStorm(t, newWorld(t, postgresDatabase(t)), size(2, 10), 5)
	s.w.wa.Faults().RedeliverSome("", 0.3)
	s.again = 0.1
	messages := size(300, 10_000)
	s.begin(chaosSeed(t), messages, 4)
	s.allow(messages)
	s.settle(t)
	s.quiet(t)
	v := s.judge(t, "D3: messages delivered again")
	v.Seed, v.Injected = chaosSeed(t), v.Redelivered
	v.report(t, chaosFile)
	if v.Redelivered < messages/2 {
		t.Errorf("%d messages were delivered again, want about %d", v.Redelivered, messages*9/10)
	}
	if n := s.w.metric(t, "flowhq_duplicates_total"); n < messages/20 {
		t.Errorf("%d messages were recognised by their id, want about %d", n, messages/10)
	}
}

// quiet waits until WhatsApp has nothing more for the bots: what was delivered
// again is acknowledged too.
func (s *storm) quiet(t *testing.T) {
	t.Helper()
	for _, shop := range s.shops {
		eventually(t, "nothing waits for the bot", patience, func() (bool, string) {
			n := shop.owner.Devices()[0].Queued
			return n == 0, fmt.Sprint(n, " stanzas wait")
		})
	}
}

// Phones cannot read 5 % of the answers and ask again, before and after the
// process was killed. Each customer waits for an answer before the next
// message: an answer that comes late is shown below those that came meanwhile.
func TestRetryReceipt_AnswersBecomeReadableThroughARestart(t *testing.T) {
	t.Parallel()
	s := newStorm(t, newWorld(t, postgresDatabase(t)), size(2, 10), 5)
	messages, kills := size(300, 10_000), size(2, 20)
	s.w.wa.Faults().UndecryptableSome("", 0.05)
	rng := rand.New(rand.NewPCG(chaosSeed(t), 0xd4))
	s.begin(chaosSeed(t), messages, 1)
	share := messages / (kills + 1)
	for range kills {
		seen := s.answers.Load()
		s.allow(share)
		s.progress(t, seen+int64(share/4+rng.IntN(share/2)))
		readsLater(t, s.shops[0], func() { s.w.crash(t) })
	}
	s.allow(messages - kills*share)
	s.settle(t)
	v := s.judge(t, "D4: answers that phones ask for again")
	v.Seed, v.Kills, v.Injected = chaosSeed(t), kills, int(s.w.wa.Ledger().RetriesToBot)
	v.report(t, chaosFile)
	if v.Injected < messages/50 {
		t.Errorf("phones asked again %d times, want about %d", v.Injected, messages/20)
	}
}

// readsLater lets a message wait for a customer who is offline until something
// has happened to the program, and then be unreadable: the process that has to
// send it again is not the one that sent it.
func readsLater(t *testing.T, shop *shop, something func()) {
	t.Helper()
	absent := shop.w.customer(t, "Neema")
	absent.SetAirplane(true)
	shop.settles(t, shop.sends(t, absent.Number(), "Your order is ready.").ID, "sent")
	something()
	shop.w.wa.Faults().UndecryptableOnce(absent.Number())
	absent.SetAirplane(false)
	if shown := absent.reads(t, shop); shown.Text != "Your order is ready." || !shown.Retried {
		t.Errorf("the customer reads %+v, want the message after asking again", shown)
	}
	if n := absent.shown(shop); n != 1 {
		t.Errorf("the customer sees %d messages, want 1", n)
	}
}

// WhatsApp takes a tenth of the answers and keeps its acknowledgement to
// itself. In the short form the connection then breaks; in the long one the
// bot waits in vain. Half of the phones give no receipts, so that nothing
// proves that the answer went out.
func TestLostAcknowledgement_TheAnswerIsShownOnce(t *testing.T) {
	t.Parallel()
	s := newStorm(t, newWorld(t, postgresDatabase(t)), size(10, 40), 0)
	for i, shop := range s.shops {
		s.chats = append(s.chats, s.chatOf(shop, s.w.phoneWithReceipts(t, i%2 == 0)))
	}
	s.w.wa.Faults().SwallowServerAcks("", 0.1)
	messages := size(40, 1_500)
	s.begin(chaosSeed(t), messages, 3)
	s.allow(messages)
	if !full() {
		stop := s.breakSilentConnections()
		defer stop()
	}
	s.settle(t)
	v := s.judge(t, "D5: acknowledgements that never come")
	v.Seed, v.Injected = chaosSeed(t), int(s.w.wa.Ledger().AcksSwallowed)
	v.report(t, chaosFile)
	if v.Injected == 0 {
		t.Error("no acknowledgement was kept back: the test tests nothing")
	}
	for i, shop := range s.shops { // a delivery receipt proves as much as an acknowledgement
		if copies := s.w.wa.Ledger().PerTenant[shop.owner.Number()].Repeats; i%2 == 0 && copies > 0 {
			t.Errorf("%d copies of answers went out although their phones had told of the first", copies)
		}
	}
	// One message of a tenant is on its way at a time, so that each swallowed
	// acknowledgement is one attempt of unknown outcome.
	eventually(t, "every attempt of unknown outcome is counted", time.Minute, func() (bool, string) {
		n, swallowed := s.w.metric(t, "flowhq_ambiguous_total"), int(s.w.wa.Ledger().AcksSwallowed)
		return n == swallowed, fmt.Sprintf("%d counted, %d acknowledgements swallowed", n, swallowed)
	})
}

func (w *world) phoneWithReceipts(t *testing.T, receipts bool) *simulator.Phone {
	t.Helper()
	p, err := w.wa.NewPhone(simulator.PhoneOptions{Number: w.number(), NoReceipts: !receipts})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// breakSilentConnections cuts the connection of each shop that waits for an
// acknowledgement that was swallowed.
func (s *storm) breakSilentConnections() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		broken := map[string]int64{}
		_ = await(ctx, "the storm is over", func() (bool, string) {
			for number, counts := range s.w.wa.Ledger().PerTenant {
				if counts.AcksSwallowed > broken[number] {
					broken[number] = counts.AcksSwallowed
					s.w.wa.Faults().DropConnections(number)
				}
			}
			return false, ""
		})
	}()
	return func() { cancel(); <-done }
}

// backlog lets every customer write while the program is away.
func (s *storm) backlog(t *testing.T, each int, age time.Duration) {
	t.Helper()
	for i := range each {
		for _, c := range s.chats {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			id, err := c.who.SendText(ctx, c.shop.owner, "menu", simulator.WithTimestamp(time.Now().Add(-age).Add(time.Duration(i)*time.Second)))
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			c.written, c.sent = append(c.written, id), append(c.sent, time.Now())
		}
	}
}

// logged waits until every message is in the log, once, and tells how long it
// took since the start.
func (s *storm) logged(t *testing.T, started time.Time, within time.Duration) time.Duration {
	t.Helper()
	eventually(t, "every message is logged", within, func() (bool, string) {
		n := s.w.count(t, "SELECT count(*) FROM message_logs WHERE direction = 'IN'")
		return n >= s.messages(), fmt.Sprintf("%d of %d", n, s.messages())
	})
	return time.Since(started)
}

func TestBacklog_OldMessagesAreLoggedAndOnlyTheLastOfAChatIsAnswered(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		age     time.Duration
		answers int // to each chat
	}{
		{"an hour old: the last one", time.Hour, 1},
		{"a day old: none", 24 * time.Hour, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStorm(t, newWorld(t, postgresDatabase(t)), 1, size(10, 50))
			s.w.child.kill()
			s.backlog(t, size(30, 100), tt.age)
			started := time.Now()
			s.w.serve(t)
			took := s.logged(t, started, time.Minute)
			for _, c := range s.chats {
				last := c.written[len(c.written)-1]
				eventually(t, fmt.Sprintf("the chat has %d answers", tt.answers), patience, func() (bool, string) {
					return len(s.unsilenced(t, c)) == tt.answers && c.behind() == len(c.written)-tt.answers, fmt.Sprint(s.unsilenced(t, c))
				})
				for _, answered := range s.unsilenced(t, c) {
					if answered != last {
						t.Errorf("the answer is to %s, want to the last message %s", answered, last)
					}
				}
			}
			if n := s.w.count(t, "SELECT count(*) FROM (SELECT wa_message_id FROM message_logs WHERE direction = 'IN' GROUP BY 1) x"); n != s.messages() {
				t.Errorf("%d different messages are logged, want %d", n, s.messages())
			}
			t.Logf("%d messages logged %s after the start", s.messages(), took.Round(time.Millisecond))
		})
	}
}

// unsilenced are the messages of a chat to which an answer was not taken back.
func (s *storm) unsilenced(t *testing.T, c *chat) (ids []string) {
	t.Helper()
	for _, row := range s.w.rows(t, "SELECT in_reply_to FROM outbox WHERE contact = $1 AND status <> 'cancelled'", c.who.Number()) {
		ids = append(ids, row[0])
	}
	return ids
}

func TestBacklog_FreshMessagesAreAllAnswered(t *testing.T) {
	t.Parallel()
	s := newStorm(t, newWorld(t, postgresDatabase(t)), 1, size(10, 50))
	s.w.child.kill()
	s.backlog(t, size(30, 100), time.Minute)
	s.tokens = make(chan struct{})
	started := time.Now()
	s.w.serve(t)
	took := s.logged(t, started, 5*time.Minute) // the answers take their time too
	s.settle(t)
	v := s.judge(t, "D7: messages that wait at the connection")
	v.Seed = chaosSeed(t)
	v.report(t, chaosFile)
	t.Logf("%d messages logged after %s, answered after %s", s.messages(), took.Round(time.Millisecond), time.Since(started).Round(time.Millisecond))
}
