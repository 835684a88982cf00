package worker

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"flowhq/domain"
)

func TestRunner_TellsThatATenantIsResetOnceItsKeysAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		tenant, p := f.tenant(), f.pool(DefaultSettings())
		f.rows[tenant].Command, f.holds = domain.CommandReset, true
		runs(t, p)
		time.Sleep(5 * time.Minute)
		f.set(func() {
			if said := f.reports[tenant]; slices.ContainsFunc(said, func(l domain.LinkReport) bool { return l.Unlinked }) {
				t.Errorf("people are told %+v although the keys are there", said)
			}
			f.holds = false
		})
		time.Sleep(2 * time.Minute)
		f.set(func() {
			if said := f.reports[tenant]; len(said) == 0 || said[len(said)-1].Event != domain.EventReset || !said[len(said)-1].Unlinked {
				t.Errorf("the reports are %+v", said)
			}
			if row := f.rows[tenant]; row.DeviceJID != "" || row.Wanted || row.Command != domain.CommandNone {
				t.Errorf("the lease is %+v", row.Lease)
			}
		})
	})
}

// Else the tenant would link for ever once it is unlinked, because nothing but
// the same command ends it.
func TestRunner_EndsAWishForAPairingCodeThatWasMetWithoutAWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		tenant, p := f.tenant(), f.pool(DefaultSettings())
		f.rows[tenant].Command, f.unheard = domain.CommandPair, 1
		runs(t, p)
		time.Sleep(2 * time.Minute)
		f.set(func() {
			if row := f.rows[tenant]; row.Command != domain.CommandNone || !row.Wanted || f.online[tenant] == nil {
				t.Errorf("the lease of the linked tenant is %+v", row.Lease)
			}
		})
	})
}

func TestPool_FindsAConfigurationThatNobodyHintedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fleetOf(3)
		p := f.settled(t, DefaultSettings())
		f.set(func() { f.version = time.Now() })
		time.Sleep(time.Minute)
		p.mu.Lock()
		defer p.mu.Unlock()
		for id, r := range p.runners {
			if got := r.profile.Load().Config.UpdatedAt; !got.Equal(f.version) {
				t.Errorf("tenant %s is served as configured at %v, want %v", id, got, f.version)
			}
		}
		if len(p.runners) != 3 {
			t.Errorf("%d tenants are served, want 3", len(p.runners))
		}
	})
}
