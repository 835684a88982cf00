package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const proofFile = "../docs/proof.md"

const proofHead = `# Proof

What the long fault tests found, as they wrote it to ` + "`bench/results`" + `; this page is made from those files. Each run has a seed (that of collisions decides how many, not which) and can be repeated: ` + "`make chaos`" + ` runs all of them, ` + "`make test`" + ` a short form of each. Real processes, real whatsmeow, real Postgres, and the simulator in place of WhatsApp; all of it on one machine. [guarantees.md](guarantees.md) says why it holds, [failure-modes.md](failure-modes.md) what remains.

Every message of a run has exactly one answer due. *Lost* counts messages without an answer on the phone, *twice* answers shown more than once, *order* answers shown before the answer to an earlier message of the chat, *keys* message keys used for two messages. *Wait* is the time from a message to its answer on the phone, *outage* a tenant's time without a connection as WhatsApp sees it. Faults come at random moments and may hit a tenant again before it has answered; *longest after a fault* counts from the last one.

| run | database | messages | lost | twice | order | keys | wait p50 · p99 · max | other figures | took | program, machine |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
`

// proof renders the results in a folder.
func proof(dir string) (string, error) {
	var b strings.Builder
	b.WriteString(proofHead)
	seen := map[string]bool{}
	for _, name := range []string{"crash.json", "flood.json", "chaos.json"} {
		all, err := results[verdict](filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		for _, v := range all {
			seen[v.Name] = v.Clean && v.Exceeded == ""
			fmt.Fprintf(&b, "| %s, seed %d | %s | %d | %d | %d | %d | %d | %s | %s | %s | %s |\n", v.Name, v.Seed, v.Database, v.Messages,
				v.Lost, v.Twice, v.OutOfOrder, v.CounterReuse, v.waited(), v.figures(), minutes(v.Seconds), v.measuredOn())
		}
	}
	all, err := results[idle](filepath.Join(dir, "idle.json"))
	if err != nil {
		return "", err
	}
	missing := slices.DeleteFunc(longRuns(), func(name string) bool { return seen[name] })
	if !slices.ContainsFunc(all, idle.kept) {
		missing = append(missing, "idle cost of 1000 and 10000 tenants")
	}
	if len(missing) > 0 {
		fmt.Fprintf(&b, "\nNot measured yet, or not within its limits:\n\n- %s\n", strings.Join(missing, "\n- "))
	}
	if len(all) == 0 {
		return b.String(), nil
	}
	b.WriteString("\n| idle tenants on 4 replicas | statements/s | heartbeats within 10 ms | took |\n| --- | --- | --- | --- |\n")
	for _, v := range all {
		fmt.Fprintf(&b, "| %d and %d | %.1f and %.1f | %.1f %% | %s |\n", v.Tenants[0], v.Tenants[1], v.Statements[0], v.Statements[1], 100*v.Within10ms, minutes(v.Seconds))
	}
	return b.String(), nil
}

// longRuns are the runs that this page is to have.
func longRuns() (names []string) {
	names = []string{"crash on sqlite, 5000 messages", "crash on postgres, 20000 messages", "flood on sqlite, 100 chats x 1000", "flood on postgres, 100 chats x 1000",
		"3 replicas, 100 kills, leases of 15s", "4 replicas, 20 rolling restarts, leases of 15s", "2 → 4 → 2 replicas, leases of 15s",
		"a deploy over a migration, both versions side by side, leases of 3s",
		"3 replicas, 500 times frozen, leases of 3s", "3 replicas, 20 times frozen, leases of 15s",
		"3 replicas, 200 times frozen while WhatsApp keeps replaced connections, leases of 3s", "3 replicas, 20 times frozen while WhatsApp keeps replaced connections, leases of 15s",
		"20 times the clock of the database jumps by an hour and back, leases of 3s", "20 times the clock of the database jumps by an hour and back, leases of 15s",
		"50 immediate restarts of Postgres under 2 replicas, leases of 15s", "C4: collisions in 1 % of the statements", "C6: one connection to the database",
		"D3: messages delivered again", "D4: answers that phones ask for again", "D5: acknowledgements that never come", "D7: messages that wait at the connection"}
	for _, p := range partitions {
		names = append(names, fmt.Sprintf("3 replicas, 100 times one %s, leases of 3s", p.name), fmt.Sprintf("3 replicas, 20 times one %s, leases of 15s", p.name))
	}
	return names
}

// measuredOn names the commit of the program and the machine.
func (v verdict) measuredOn() string {
	parts := slices.DeleteFunc([]string{v.Program, v.Machine}, func(s string) bool { return s == "" })
	if len(parts) == 0 {
		return "–"
	}
	return strings.Join(parts, ", ")
}

func (v verdict) waited() string {
	if v.AnswerMax == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f · %.2f · %.2f s", v.AnswerP50, v.AnswerP99, v.AnswerMax)
}

// figures are those that some runs have, and their limits.
func (v verdict) figures() string {
	var parts []string
	add := func(name string, seconds float64) {
		if seconds > 0 {
			parts = append(parts, fmt.Sprintf("%s %.1f s", name, seconds))
		}
	}
	add("longest after a fault", v.StruckMax)
	add("outage p95", v.OutageP95)
	add("outage max", v.OutageMax)
	add("sockets closed", v.SocketsMax)
	add("moved", v.MovedMax)
	add("spread", v.SpreadMax)
	if v.Struck > 0 {
		parts = append(parts, fmt.Sprintf("faults hit tenants %d times", v.Struck))
	}
	if v.RetriesFromBot > 0 {
		parts = append(parts, fmt.Sprintf("the bot asked for %d messages again", v.RetriesFromBot))
	}
	if v.Revived > 0 {
		parts = append(parts, fmt.Sprintf("%d times a lease ran out without a fault", v.Revived))
	}
	if v.Limits != "" {
		parts = append(parts, "limits: "+v.Limits)
	}
	if v.Exceeded != "" {
		parts = append(parts, "**not kept: "+v.Exceeded+"**")
	}
	if len(parts) == 0 {
		return "–"
	}
	return strings.Join(parts, "; ")
}

func minutes(seconds float64) string {
	if seconds < 120 {
		return fmt.Sprintf("%.0f s", seconds)
	}
	return fmt.Sprintf("%.0f min", seconds/60)
}

// results reads a file of results; a missing one has none.
func results[T any](file string) (all []T, err error) {
	raw, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return all, nil
}

// writeProof makes the page anew after a long run.
func writeProof(t *testing.T) {
	t.Helper()
	page, err := proof("../bench/results")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(proofFile, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestProof_SaysWhatTheResultsSay(t *testing.T) {
	want, err := proof("../bench/results")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(proofFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what bench/results says; a long run writes both", proofFile)
	}
}
