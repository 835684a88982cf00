package worker

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// cutOff is a replica none of whose tenants gets through.
var cutOff = coverage{linked: 10, failing: 10}

func TestEgress_MovesOnlyWhatIsBetterOffElsewhere(t *testing.T) {
	const ttl = 15 * time.Second
	well := []domain.Replica{{State: domain.ReplicaAlive, Held: 10, Connected: 9}}
	start := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		c     coverage
		peers []domain.Replica
		after time.Duration
		want  bool
	}{
		{"cut off for three times to live while another is well", cutOff, well, 45 * time.Second, true},
		{"not yet three times to live", cutOff, well, 44 * time.Second, false},
		{"half of them try in vain", coverage{linked: 10, online: 5, failing: 5}, well, time.Hour, false},
		{"most are silent for half a time to live", coverage{linked: 10, online: 4, silent: 6}, well, 7500 * time.Millisecond, true},
		{"most are silent, but not yet so long", coverage{linked: 10, silent: 10}, well, 7 * time.Second, false},
		{"half of them are silent", coverage{linked: 10, online: 5, silent: 5}, well, time.Hour, false},
		{"some are silent and some try in vain", coverage{linked: 10, silent: 5, failing: 5}, well, 44 * time.Second, false},
		{"some are silent and some try in vain, for long", coverage{linked: 10, silent: 5, failing: 5}, well, 45 * time.Second, true},
		{"some are silent and the others have tried since before that", coverage{linked: 10, silent: 1, failing: 9, mute: 5}, well, 7500 * time.Millisecond, true},
		{"none is silent and all have tried for a while", coverage{linked: 10, failing: 10, mute: 10}, well, 44 * time.Second, false},
		{"WhatsApp is down for all", cutOff, []domain.Replica{{State: domain.ReplicaAlive, Held: 10, Connected: 1}}, time.Hour, false},
		{"alone", cutOff, nil, time.Hour, false},
		{"the other one is handing over", cutOff, []domain.Replica{{State: domain.ReplicaDraining, Held: 10, Connected: 10}}, time.Hour, false},
		{"nothing is linked here", coverage{}, well, time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var e egress
			e.hear(start, tt.c, tt.peers, ttl)
			now := start.Add(tt.after)
			if got := e.hear(now, tt.c, tt.peers, ttl); got != tt.want {
				t.Errorf("it moves: %v, want %v", got, tt.want)
			}
			if got := e.resting(now.Add(time.Minute), tt.peers, ttl); got != tt.want {
				t.Errorf("it rests afterwards: %v, want %v", got, tt.want)
			}
			if e.resting(now.Add(11*time.Minute), tt.peers, ttl) {
				t.Error("it rests for ever")
			}
			if e.resting(now.Add(time.Minute), nil, ttl) {
				t.Error("it rests although nobody else is left")
			}
		})
	}
}

func TestEgress_TheTimeOfAnOutageForAllDoesNotCount(t *testing.T) {
	var e egress
	start, ttl := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC), 15*time.Second
	e.hear(start, cutOff, []domain.Replica{{State: domain.ReplicaAlive, Held: 10}}, ttl)
	well, mostly := []domain.Replica{{State: domain.ReplicaAlive, Held: 10, Connected: 10}}, coverage{linked: 10, failing: 8}
	if e.hear(start.Add(time.Hour), mostly, well, ttl) {
		t.Error("it hands everything over because another one recovered sooner")
	}
	if !e.hear(start.Add(time.Hour+time.Minute), mostly, well, ttl) {
		t.Error("a minute later it still keeps everything")
	}
}

func TestEgress_AMomentOnlineBeginsTheWaitAnew(t *testing.T) {
	var e egress
	well := []domain.Replica{{State: domain.ReplicaAlive, Held: 10, Connected: 10}}
	start := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	e.hear(start, cutOff, well, 15*time.Second)
	e.hear(start.Add(50*time.Second), coverage{linked: 10, online: 10}, well, 15*time.Second)
	if e.hear(start.Add(70*time.Second), cutOff, well, 15*time.Second) {
		t.Error("it gives up although it was connected twenty seconds ago")
	}
}

func TestEgress_SilenceThatEndsInBrokenConnectionsGainsNoTime(t *testing.T) {
	var e egress
	well := []domain.Replica{{State: domain.ReplicaAlive, Held: 10, Connected: 10}}
	start := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	e.hear(start, coverage{linked: 10, silent: 10}, well, 15*time.Second)
	if !e.hear(start.Add(15*time.Second), cutOff, well, 15*time.Second) {
		t.Error("the wait begins anew when the silent connections are given up")
	}
}

func TestEgress_ConnectionsThatGoSilentMoveAndThoseThatAnswerAgainStay(t *testing.T) {
	for name, tt := range map[string]struct {
		again, moves bool // WhatsApp answers the repeated question
	}{"silent for good": {false, true}, "answered again": {true, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := fleetOf(20)
				mute, well := f.pool(DefaultSettings()), f.pool(DefaultSettings())
				runs(t, mute, well)
				time.Sleep(3 * time.Minute)
				held, _ := mute.Held()
				f.note(mute.self.ID, domain.ReasonSilent)
				time.Sleep(4 * time.Second)
				if _, connected := mute.Held(); connected != 0 {
					t.Errorf("%d of %d silent connections are told as connected", connected, held)
				}
				if tt.again {
					f.note(mute.self.ID, domain.ReasonNone)
				}
				time.Sleep(20 * time.Second)
				now, _ := mute.Held()
				if held == 0 || now != 0 && now != held || (now == 0) != tt.moves {
					t.Errorf("of %d tenants %d are left; they should move: %v", held, now, tt.moves)
				}
			})
		})
	}
}

// letsNoneIn is WhatsApp that takes no more connections from a replica; those
// that it has are returned.
func (f *fleet) letsNoneIn(replica uuid.UUID) (phones []PhoneHandler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for tenant, h := range f.online {
		if f.rows[tenant].Replica == replica {
			phones = append(phones, h)
		}
	}
	f.refuses = func(from, _ uuid.UUID) bool { return from == replica }
	return phones
}

func TestEgress_ConnectionsThatAreGivenUpForTheirSilenceCountAsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fleetOf(20)
		mute, well := f.pool(DefaultSettings()), f.pool(DefaultSettings())
		runs(t, mute, well)
		time.Sleep(3 * time.Minute)
		phones := f.letsNoneIn(mute.self.ID)
		for _, h := range phones { // never are more than a third silent at once
			go func() {
				h.Noted(domain.ReasonSilent)
				time.Sleep(9 * time.Second)
				h.Gone(domain.ReasonNetwork, "")
			}()
			time.Sleep(3 * time.Second)
		}
		time.Sleep(10 * time.Second)
		if held, _ := mute.Held(); len(phones) < 8 || held != 0 {
			t.Errorf("%d of %d tenants are still here", held, len(phones))
		}
	})
}

func TestEgress_ConnectionsThatWereCutOffBeforeTheyWereMadeCountWithTheSilentOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fleetOf(20)
		mute, well := f.pool(DefaultSettings()), f.pool(DefaultSettings())
		runs(t, mute, well)
		time.Sleep(3 * time.Minute)
		held, _ := mute.Held()
		phones := f.letsNoneIn(mute.self.ID)
		half := (held + 1) / 2
		for _, h := range phones[:half] {
			h.Gone(domain.ReasonNetwork, "")
		}
		time.Sleep(20 * time.Second)
		if still, _ := mute.Held(); still != held || held < 8 {
			t.Fatalf("%d of %d tenants are still here although half of them are served well", still, held)
		}
		for _, h := range phones[half:] {
			h.Noted(domain.ReasonSilent)
		}
		time.Sleep(15 * time.Second)
		if still, _ := mute.Held(); still != 0 {
			t.Errorf("%d of %d tenants are still here", still, held)
		}
	})
}

func TestEgress_NobodyWaitsForASendThatCannotGoOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, settings := fleetOf(20), DefaultSettings()
		f.sendFor, settings.HumanPace = time.Hour, false
		mute, well := f.pool(settings), f.pool(settings)
		runs(t, mute, well)
		time.Sleep(3 * time.Minute)
		mute.mu.Lock()
		served := slices.Collect(maps.Values(mute.runners))
		mute.mu.Unlock()
		for _, r := range served {
			f.set(func() { f.due[r.tenure.TenantID] = domain.Outbound{ID: domain.NewID()} })
			r.sender.wake()
		}
		time.Sleep(time.Second)
		f.note(mute.self.ID, domain.ReasonSilent)
		for _, r := range served {
			<-r.ctx.Done()
		}
		time.Sleep(finishFor / 2)
		if held, _ := mute.Held(); len(served) == 0 || held != 0 {
			t.Errorf("%d of %d tenants are still to move", held, len(served))
		}
	})
}
