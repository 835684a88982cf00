package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// crashPoints are the named points of the message path at which the program
// can be made to kill itself: I before and after an inbound message is stored;
// O1 before encrypting an answer, O2 and O3 before and after the ratchet is
// stored, O4 after a frame left, O5 after WhatsApp acknowledged it.
var crashPoints = []string{"I2", "I3", "O1", "O2", "O3", "O4", "O5"}

// havoc is the size of a crash test.
type havoc struct {
	tenants, customers, messages, kills, perPoint int
}

func TestCrash_LosesNothingAndAnswersNothingTwice(t *testing.T) {
	t.Parallel()
	sizes := map[string]havoc{
		"sqlite":   {tenants: 4, customers: 3, messages: 300, kills: 6, perPoint: 1},
		"postgres": {tenants: 8, customers: 3, messages: 600, kills: 10, perPoint: 1},
	}
	if full() {
		sizes = map[string]havoc{
			"sqlite":   {tenants: 10, customers: 4, messages: 5_000, kills: 50, perPoint: 1},
			"postgres": {tenants: 50, customers: 4, messages: 20_000, kills: 200, perPoint: 20},
		}
	}
	onBoth(t, func(t *testing.T, db database) {
		size := sizes[db.kind]
		s := newStorm(t, newWorld(t, db), size.tenants, size.customers)
		seed := chaosSeed(t)
		s.rage(t, seed, size)
		s.settle(t)
		v := s.judge(t, fmt.Sprintf("crash on %s, %d messages", db.kind, size.messages))
		v.Seed, v.Kills, v.PointKills = seed, size.kills, size.perPoint*len(crashPoints)
		v.report(t, "crash.json")
	})
}

func chaosSeed(t *testing.T) uint64 {
	t.Helper()
	raw := os.Getenv("FLOWHQ_CHAOS_SEED")
	if raw == "" {
		return 1
	}
	seed, err := strconv.ParseUint(raw, 10, 64)
	if err != nil {
		t.Fatalf("FLOWHQ_CHAOS_SEED: %v", err)
	}
	return seed
}

// death is how one process ends: at a point, or at a random moment.
type death struct {
	point   string        // empty for a random moment
	pass    int           // the pass of the point, or how many answers are seen before the end
	early   bool          // counted from the start of the process, not from answers
	instant time.Duration // after that
}

// deaths draws the ends of all processes of a run.
func (size havoc) deaths(rng *rand.Rand, share int) []death {
	var all []death
	for range size.kills {
		d := death{early: rng.IntN(3) == 0, pass: 1 + rng.IntN(max(share/2, 1))}
		if d.early {
			d.instant = time.Duration(rng.IntN(600)) * time.Millisecond
		} else {
			d.instant = time.Duration(rng.IntN(30_000)) * time.Microsecond
		}
		all = append(all, d)
	}
	for _, point := range crashPoints {
		for range size.perPoint {
			all = append(all, death{point: point, pass: 1 + rng.IntN(max(share/2, 1))})
		}
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// rage lets the customers write while process after process dies, each
// followed at once by the next; the last one stays.
func (s *storm) rage(t *testing.T, seed uint64, size havoc) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0xdead))
	share := size.messages / (size.kills + size.perPoint*len(crashPoints) + 1)
	all := size.deaths(rng, share)
	s.begin(seed, size.messages, 4)
	s.w.child.kill()
	for i, d := range all {
		seen := s.answers.Load()
		s.allow(share)
		if d.point != "" {
			s.w.spawn(t, setting{"FLOWHQ_CRASH_AT", fmt.Sprintf("%s:%d", d.point, d.pass)})
			if !s.w.child.gone(time.Minute) {
				t.Fatalf("death %d of %d: point %s was not passed %d times within a minute", i+1, len(all), d.point, d.pass)
			}
			continue
		}
		s.w.spawn(t)
		if !d.early {
			s.progress(t, seen+int64(d.pass))
		}
		moment := time.NewTimer(d.instant)
		select {
		case <-moment.C:
		case <-s.w.child.exited:
			t.Fatalf("death %d of %d: the process ended by itself", i+1, len(all))
		}
		s.w.child.kill()
	}
	s.allow(size.messages - share*len(all))
	s.w.serve(t)
}

// progress waits until so many answers have been shown in all.
func (s *storm) progress(t *testing.T, answers int64) {
	t.Helper()
	eventually(t, "the bot goes on answering", time.Minute, func() (bool, string) {
		now := s.answers.Load()
		return now >= answers, fmt.Sprintf("%d of %d answers", now, answers)
	})
}
