package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	Seconds        float64 `json:"seconds"`
	Clean          bool    `json:"clean"`
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
	for _, c := range s.chats {
		v.add(t, c, question, logged)
	}
	l := s.w.wa.Ledger()
	v.CounterReuse, v.HiddenRepeats, v.DecryptErrors = int(l.CounterReuse), int(l.Repeats), int(l.DecryptErrors)
	v.RetriesFromBot, v.Redelivered = int(l.RetriesFromBot), int(l.Redelivered)
	v.Clean = v.Lost+v.Twice+v.OutOfOrder+v.CounterReuse+v.NotLogged+v.GivenUp+v.Unexplained == 0
	return v
}

// add judges one chat.
func (v *verdict) add(t *testing.T, c *chat, question map[string]string, logged map[string]int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	place := make(map[string]int, len(c.written))
	for i, id := range c.written {
		place[id] = i
		if logged[id] != 1 {
			v.NotLogged++
			t.Logf("message %s is logged %d times", id, logged[id])
		}
	}
	answered, latest := map[int]bool{}, -1
	for _, id := range c.shown {
		i, known := place[question[id]]
		switch {
		case !known:
			v.Unexplained++
			t.Logf("%s shows %s, which answers none of its messages", c.who.Number(), id)
			continue
		case answered[i]:
			v.Twice++
			t.Logf("%s shows a second answer to %s: %s", c.who.Number(), c.written[i], id)
		case i < latest:
			v.OutOfOrder++
			t.Logf("%s shows the answer to %s after that to %s", c.who.Number(), c.written[i], c.written[latest])
		}
		answered[i] = true
		latest = max(latest, i)
	}
	for i, id := range c.written {
		if !answered[i] {
			v.Lost++
			t.Logf("message %s of %s has no answer", id, c.who.Number())
		}
	}
}

// report prints the verdict in one line, keeps it after a full run, and fails
// the test unless it is clean.
func (v verdict) report(t *testing.T, file string) {
	t.Helper()
	line, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%s\n", line)
	if full() {
		if err := keep(filepath.Join("..", "bench", "results", file), v); err != nil {
			t.Errorf("keep the result: %v", err)
		}
	}
	if !v.Clean {
		t.Errorf("the promise is broken: %s", line)
	}
}

// keep puts a verdict into a file of verdicts in the place of the earlier one
// of its name.
func keep(file string, v verdict) error {
	var all []verdict
	raw, err := os.ReadFile(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(raw, &all); err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
	}
	all = append(slices.DeleteFunc(all, func(old verdict) bool { return old.Name == v.Name }), v)
	if raw, err = json.MarshalIndent(all, "", "  "); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(raw, '\n'), 0o644)
}

// full reports whether the big form of the tests is wanted.
func full() bool { return os.Getenv("FLOWHQ_CHAOS") == "full" }
