package simulator

import (
	"cmp"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Faults makes the server misbehave, by call. Every method takes a business number, or "" for all
// numbers; unknown numbers are ignored. Faults that are states last until they are set back or Clear is called.
type Faults struct {
	srv      *Server
	all      faultSlot
	slow     atomic.Int64
	tooOld   atomic.Bool
	anything atomic.Bool // some state has been set at some time; spares the hot path the lookups

	rngMu sync.Mutex
	rng   *rand.Rand
}

// Faults returns the fault switches of this server.
func (s *Server) Faults() *Faults { return &s.faults }

func (f *Faults) init(s *Server) {
	f.srv = s
	f.rng = rand.New(rand.NewPCG(uint64(s.opts.Seed), 0x5eed))
}

// faultState is the set of states in force for a number.
type faultState struct {
	refuse, unavailable, holdAcks, restricted, keepReplaced, cutLinked, noPreKeys bool
	refuseFrom                                                                    string // an IP address; empty for none
	dropAcks, swallow, unreadable, redeliver                                      float64
	ackDelay                                                                      time.Duration
	tempBan                                                                       int
	tempBanFor                                                                    time.Duration
}

// faultSlot holds the states and the pending one-shot faults of one number or of all.
type faultSlot struct {
	state         atomic.Pointer[faultState]
	undecryptable atomic.Int32
	corrupt       atomic.Int32
}

func (s *faultSlot) get() faultState {
	if st := s.state.Load(); st != nil {
		return *st
	}
	return faultState{}
}

// of merges what is in force for everybody with what is in force for this phone.
func (f *Faults) of(p *Phone) faultState {
	if !f.anything.Load() {
		return faultState{}
	}
	a, b := f.all.get(), p.faults.get()
	b.refuse = b.refuse || a.refuse
	b.unavailable = b.unavailable || a.unavailable
	b.holdAcks = b.holdAcks || a.holdAcks
	b.restricted = b.restricted || a.restricted
	b.keepReplaced = b.keepReplaced || a.keepReplaced
	b.cutLinked = b.cutLinked || a.cutLinked
	b.noPreKeys = b.noPreKeys || a.noPreKeys
	b.refuseFrom = cmp.Or(b.refuseFrom, a.refuseFrom)
	b.dropAcks = max(b.dropAcks, a.dropAcks)
	b.swallow = max(b.swallow, a.swallow)
	b.unreadable = max(b.unreadable, a.unreadable)
	b.redeliver = max(b.redeliver, a.redeliver)
	b.ackDelay = max(b.ackDelay, a.ackDelay)
	if b.tempBan == 0 {
		b.tempBan, b.tempBanFor = a.tempBan, a.tempBanFor
	}
	return b
}

// slot returns where the faults of this number are kept, or nil for an unknown one.
func (f *Faults) slot(number string) *faultSlot {
	if number == "" {
		return &f.all
	}
	if p := f.srv.Phone(number); p != nil {
		return &p.faults
	}
	return nil
}

func (f *Faults) set(number string, change func(*faultState)) {
	slot := f.slot(number)
	if slot == nil {
		return
	}
	f.anything.Store(true)
	for {
		old := slot.state.Load()
		next := slot.get()
		change(&next)
		if slot.state.CompareAndSwap(old, &next) {
			return
		}
	}
}

// chance draws from the seeded source.
func (f *Faults) chance(p float64) bool {
	if p <= 0 {
		return false
	}
	f.rngMu.Lock()
	defer f.rngMu.Unlock()
	return f.rng.Float64() < p
}

// copies draws how often a message is delivered again: at once, and after its acknowledgement.
func (f *Faults) copies(p float64) (atOnce, later int) {
	if !f.chance(p) {
		return 0, 0
	}
	f.rngMu.Lock()
	defer f.rngMu.Unlock()
	all := 1 + f.rng.IntN(maxCopies)
	atOnce = f.rng.IntN(all + 1)
	return atOnce, all - atOnce
}

// maxCopies is how often RedeliverSome delivers one message again at most.
const maxCopies = 5

// phones returns the phones that a number stands for.
func (f *Faults) phones(number string) []*Phone {
	if number == "" {
		return f.srv.Phones()
	}
	if p := f.srv.Phone(number); p != nil {
		return []*Phone{p}
	}
	return nil
}

// eachConn visits the present connections of a number, or all of them, unpaired ones included. Clients
// that come back at once are not visited again.
func (f *Faults) eachConn(number string, do func(*conn)) {
	var present []*conn
	if number == "" {
		f.srv.conns.Range(func(c, _ any) bool {
			present = append(present, c.(*conn))
			return true
		})
	} else if p := f.srv.Phone(number); p != nil {
		for _, d := range p.companions() {
			if c := d.connection(); c != nil {
				present = append(present, c)
			}
		}
	}
	for _, c := range present {
		do(c)
	}
}

func (f *Faults) refusesEverybody() bool { return f.all.get().refuse }

func (f *Faults) outdated() bool { return f.tooOld.Load() }

func (f *Faults) latency() time.Duration { return time.Duration(f.slow.Load()) }

func takeOne(n *atomic.Int32) bool {
	for {
		v := n.Load()
		if v <= 0 {
			return false
		}
		if n.CompareAndSwap(v, v-1) {
			return true
		}
	}
}

func (f *Faults) takeCorrupt(to, from *Phone) bool {
	return takeOne(&to.faults.corrupt) || takeOne(&from.faults.corrupt) || takeOne(&f.all.corrupt)
}

func (f *Faults) takeUndecryptable(to, from *Phone) bool {
	if f.chance(f.of(from).unreadable) {
		return true
	}
	return takeOne(&to.faults.undecryptable) || takeOne(&from.faults.undecryptable) || takeOne(&f.all.undecryptable)
}
