package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// verdict is what became of a storm. Lost to Unexplained must be 0; what
// follows is told for the reader.
type verdict struct {
	Name         string `json:"name"`
	Database     string `json:"database"`
	Seed         uint64 `json:"seed"`
	Tenants      int    `json:"tenants"`
	Chats        int    `json:"chats"`
	Messages     int    `json:"messages"`
	Kills        int    `json:"kills"`           // at random moments
	PointKills   int    `json:"kills_at_points"` // at named points of the message path
	Lost         int    `json:"lost"`            // messages without an answer on the phone
	Twice        int    `json:"answered_twice"`  // messages with two answers on the phone, or one shown twice
	OutOfOrder   int    `json:"out_of_order"`    // answers shown before the answer to an earlier message of the chat
	CounterReuse int    `json:"counter_reuse"`   // message keys used twice
	NotLogged    int    `json:"not_logged"`      // messages that are not, or more than once, in the log
	GivenUp      int    `json:"given_up"`        // answers in the outbox that failed or expired
	Unexplained  int    `json:"unexplained"`     // shown without a row in the outbox

	HiddenRepeats  int     `json:"hidden_repeats"` // sent again with the same id after a crash; phones hide them
	DecryptErrors  int     `json:"decrypt_errors"` // answers that a phone had to ask for again
	RetriesFromBot int     `json:"retries_from_bot"`
	Redelivered    int     `json:"redelivered"`
	Injected       int     `json:"injected,omitempty"` // faults, where the test counts them
	Seconds        float64 `json:"seconds"`
	Clean          bool    `json:"clean"`

	// Of several replicas.
	Replicas   int     `json:"replicas,omitempty"`
	LeaseTTL   string  `json:"lease_ttl,omitempty"`
	Rounds     int     `json:"rounds,omitempty"`
	Revived    int     `json:"revived,omitempty"`      // replicas whose lease ran out without a fault
	Struck     int     `json:"struck,omitempty"`       // tenants whose replica a fault hit, each time counted
	AnswerP50  float64 `json:"answer_p50_s,omitempty"` // from the message to its answer on the phone
	AnswerP99  float64 `json:"answer_p99_s,omitempty"`
	AnswerMax  float64 `json:"answer_max_s,omitempty"`
	StruckMax  float64 `json:"answer_after_fault_max_s,omitempty"` // the same, from the last fault that hit the tenant if that came later
	OutageP95  float64 `json:"outage_p95_s,omitempty"`             // of a tenant, as WhatsApp sees its connection
	OutageMax  float64 `json:"outage_max_s,omitempty"`
	SocketsMax float64 `json:"sockets_closed_max_s,omitempty"` // after the database was gone
	MovedMax   float64 `json:"moved_max_s,omitempty"`          // until others held the tenants
	SpreadMax  float64 `json:"spread_s,omitempty"`             // until the tenants were spread again
	Machine    string  `json:"machine,omitempty"`
	Program    string  `json:"program,omitempty"`  // the commit it was measured on
	Limits     string  `json:"limits,omitempty"`   // what the figures had to keep
	Exceeded   string  `json:"exceeded,omitempty"` // and did not
}

// judge compares what phones wrote and show, what the simulator counted and
// what the tables say. An answer is matched to its message by its outbox row.
func (s *storm) judge(t *testing.T, name string) verdict {
	t.Helper()
	v := verdict{Name: name, Database: s.w.db.kind, Tenants: len(s.shops), Chats: len(s.chats), Messages: s.messages(), Seconds: time.Since(s.started).Seconds()}
	question := map[string]string{} // by the id of its answer
	for _, row := range s.w.rows(t, "SELECT wa_id, in_reply_to, status FROM outbox") {
		question[row[0]] = row[1]
		if row[2] == "failed" || row[2] == "expired" || row[2] == "cancelled" {
			v.GivenUp++
		}
	}
	logged := map[string]int{}
	for _, row := range s.w.rows(t, "SELECT wa_message_id FROM message_logs WHERE direction = 'IN'") {
		logged[row[0]]++
	}
	var waits []time.Duration
	var slowest sight
	for _, c := range s.chats {
		c.mu.Lock()
		for _, a := range c.answers(question) {
			waits = append(waits, a.wait)
			if s.sinceStruck(a) > s.sinceStruck(slowest) {
				slowest = a
			}
		}
		for _, line := range v.judgeChat(c.who.Number(), c.written, c.shown, question, logged) {
			t.Log(line, "of tenant", c.shop.id)
		}
		c.mu.Unlock()
	}
	t.Logf("the longest wait had message %s to tenant %s: %s from %s on, and %s after the last fault", slowest.question, slowest.tenant,
		slowest.wait, slowest.sent.UTC().Format(time.RFC3339Nano), s.sinceStruck(slowest))
	v.AnswerP50, v.AnswerP99, v.AnswerMax = quantile(waits, 0.5), quantile(waits, 0.99), quantile(waits, 1)
	if s.strikes != nil {
		v.StruckMax = s.sinceStruck(slowest).Seconds()
	}
	for _, times := range s.strikes {
		v.Struck += len(times)
	}
	l := s.w.wa.Ledger()
	v.CounterReuse, v.HiddenRepeats, v.DecryptErrors = int(l.CounterReuse), int(l.Repeats), int(l.DecryptErrors)
	v.RetriesFromBot, v.Redelivered = int(l.RetriesFromBot), int(l.Redelivered)
	v.Clean = v.Lost+v.Twice+v.OutOfOrder+v.CounterReuse+v.NotLogged+v.GivenUp+v.Unexplained == 0
	return v
}

// sight is the first sight of an answer on a phone.
type sight struct {
	tenant   string
	question string
	sent     time.Time // the question
	wait     time.Duration
}

// struck notes that a fault has just hit a replica. Faults come at random
// moments, also one after the other where a tenant has just moved.
func (s *storm) struck(t *testing.T, m *member) {
	t.Helper()
	if s.strikes == nil {
		s.strikes = map[string][]time.Time{}
	}
	now := time.Now()
	for _, row := range s.w.rows(t, "SELECT l.tenant_id FROM leases l JOIN replicas r ON l.owner = r.id WHERE r.name = $1 AND r.state <> 'dead'", m.name) {
		s.strikes[row[0]] = append(s.strikes[row[0]], now)
	}
}

// sinceStruck is how long an answer took once no further fault hit its tenant.
func (s *storm) sinceStruck(a sight) time.Duration {
	shown := a.sent.Add(a.wait)
	for _, at := range slices.Backward(s.strikes[a.tenant]) {
		if at.Before(shown) {
			return min(a.wait, shown.Sub(at))
		}
	}
	return a.wait
}

// answers are those that were shown.
func (c *chat) answers(question map[string]string) (all []sight) {
	sent := make(map[string]time.Time, len(c.written))
	for i, id := range c.written {
		sent[id] = c.sent[i]
	}
	for i, id := range c.shown {
		asked := question[id]
		if at, ok := sent[asked]; ok {
			all = append(all, sight{c.shop.id, asked, at, c.seen[i].Sub(at)})
			delete(sent, asked)
		}
	}
	return all
}

// judgeChat counts the damage in one chat and tells of each piece.
func (v *verdict) judgeChat(who string, written, shown []string, question map[string]string, logged map[string]int) (damage []string) {
	place := make(map[string]int, len(written))
	for i, id := range written {
		place[id] = i
		if logged[id] != 1 {
			v.NotLogged++
			damage = append(damage, fmt.Sprintf("message %s is logged %d times", id, logged[id]))
		}
	}
	answered, latest := map[int]bool{}, -1
	for _, id := range shown {
		i, known := place[question[id]]
		switch {
		case !known:
			v.Unexplained++
			damage = append(damage, fmt.Sprintf("%s shows %s, which answers none of its messages", who, id))
			continue
		case answered[i]:
			v.Twice++
			damage = append(damage, fmt.Sprintf("%s shows another answer to %s: %s", who, written[i], id))
		case i < latest:
			v.OutOfOrder++
			damage = append(damage, fmt.Sprintf("%s shows the answer to %s after that to %s", who, written[i], written[latest]))
		}
		answered[i] = true
		latest = max(latest, i)
	}
	for i, id := range written {
		if !answered[i] {
			v.Lost++
			damage = append(damage, fmt.Sprintf("message %s of %s has no answer", id, who))
		}
	}
	return damage
}

// report prints the verdict in one line, keeps it after a full run, and fails
// the test unless it is clean.
func (v verdict) report(t *testing.T, file string) {
	t.Helper()
	v.Machine, v.Program = fmt.Sprintf("%d CPUs, %s", runtime.NumCPU(), runtime.Version()), commit()
	line, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%s\n", line)
	if full() {
		kept.Lock()
		defer kept.Unlock()
		defer writeProof(t)
		if err := keep(filepath.Join("..", "bench", "results", file), v, func(old verdict) bool { return old.Name == v.Name }); err != nil {
			t.Errorf("keep the result: %v", err)
		}
	}
	if !v.Clean {
		t.Errorf("the promise is broken: %s", line)
	}
}

// commit names the version of the program under test; "" where there is no
// history. It is asked once: the first result that is kept changes the files.
var commit = sync.OnceValue(func() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
})

// kept guards the files of results and the page that is made from them: runs
// abreast may end at the same time.
var kept sync.Mutex

// keep puts a result into a file of results in the place of the earlier one.
func keep[T any](file string, v T, earlier func(T) bool) error {
	all, err := results[T](file)
	if err != nil {
		return err
	}
	all = append(slices.DeleteFunc(all, earlier), v)
	raw, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(raw, '\n'), 0o644)
}

func TestVerdict_SeesEveryKindOfDamage(t *testing.T) {
	written := []string{"q1", "q2", "q3"}
	question := map[string]string{"a1": "q1", "a2": "q2", "a3": "q3", "b2": "q2"}
	once := map[string]int{"q1": 1, "q2": 1, "q3": 1}
	for _, tt := range []struct {
		name   string
		shown  []string
		logged map[string]int
		want   verdict
	}{
		{"all well", []string{"a1", "a2", "a3"}, once, verdict{}},
		{"an answer is missing", []string{"a1", "a3"}, once, verdict{Lost: 1}},
		{"one answer is shown twice", []string{"a1", "a2", "a2", "a3"}, once, verdict{Twice: 1}},
		{"two answers to one message", []string{"a1", "a2", "b2", "a3"}, once, verdict{Twice: 1}},
		{"the wrong order", []string{"a2", "a1", "a3"}, once, verdict{OutOfOrder: 1}},
		{"an answer from nowhere", []string{"a1", "a2", "a3", "x"}, once, verdict{Unexplained: 1}},
		{"a message is not in the log", []string{"a1", "a2", "a3"}, map[string]int{"q1": 1, "q2": 1}, verdict{NotLogged: 1}},
		{"a message is in the log twice", []string{"a1", "a2", "a3"}, map[string]int{"q1": 2, "q2": 1, "q3": 1}, verdict{NotLogged: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got verdict
			if damage := got.judgeChat("somebody", written, tt.shown, question, tt.logged); got != tt.want {
				t.Errorf("the verdict is %+v because of %q, want %+v", got, damage, tt.want)
			}
		})
	}
}

// full reports whether the big form of the tests is wanted.
func full() bool { return os.Getenv("FLOWHQ_CHAOS") == "full" }
