package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// loggedOut are connections that WhatsApp ends for good.
type loggedOut struct{ fakePhones }

func (l loggedOut) Open(ctx context.Context, _ domain.TenantProfile, _ domain.Tenure, _ string, h PhoneHandler) (Phone, error) {
	go h.Gone(domain.ReasonLoggedOut, "")
	return fakePhone{fleet: l.fleet, line: ctx}, nil
}

func TestRunner_TellsThatAPhoneIsUnlinkedOnceItsKeysAreGone(t *testing.T) {
	for name, c := range map[string]struct {
		unlink func(f *fleet, p *Pool, tenant uuid.UUID)
		told   domain.Event
	}{
		"a person resets the tenant": {func(f *fleet, _ *Pool, tenant uuid.UUID) { f.rows[tenant].Command = domain.CommandReset }, domain.EventReset},
		"WhatsApp has unlinked it":   {func(f *fleet, p *Pool, _ uuid.UUID) { p.svc.Phones = loggedOut{fakePhones{fleet: f}} }, domain.EventFailed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet()
				tenant, p := f.tenant(), f.pool(DefaultSettings())
				f.kept = errors.New("the database is slow")
				c.unlink(f, p, tenant)
				runs(t, p)
				time.Sleep(5 * time.Minute)
				f.set(func() {
					for _, l := range f.reports[tenant] {
						if l.Unlinked {
							t.Errorf("people are told %+v although the keys are there", l)
						}
					}
					if n := len(f.opened); n > 20 {
						t.Errorf("it was tried %d times in five minutes", n)
					}
					f.kept = nil
				})
				time.Sleep(2 * time.Minute)
				f.set(func() {
					said := f.reports[tenant]
					if len(said) == 0 || said[len(said)-1].Event != c.told || !said[len(said)-1].Unlinked {
						t.Errorf("the reports are %+v", said)
					}
					if row := f.rows[tenant]; row.DeviceJID != "" || row.Wanted || row.Command != domain.CommandNone {
						t.Errorf("the lease is %+v", row.Lease)
					}
				})
			})
		})
	}
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
