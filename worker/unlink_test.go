package worker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

func TestUnlink_ATenantStaysLinkedUntilItsKeysAreDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		tenant := f.tenant()
		f.unlinks, f.holds = tenant, true
		p := f.settled(t, DefaultSettings())
		time.Sleep(10 * time.Minute)
		if l := f.lease(tenant); l.Replica != p.self.ID || !l.Wanted || l.DeviceJID == "" {
			t.Errorf("while they cannot be deleted the lease is %+v, want it kept", l)
		}
		if said := f.said(tenant); said.Event != domain.EventLost || said.Reason != domain.ReasonLoggedOut || said.RetryAt == nil || said.Unlinked {
			t.Errorf("people are told %+v, want why and when it goes on", said)
		}
		if n := f.openings(p.self.ID); n != 1 {
			t.Errorf("WhatsApp, which has unlinked it, was asked %d times, want once", n)
		}
		f.set(func() { f.holds = false })
		time.Sleep(6 * time.Minute)
		if l := f.lease(tenant); l.Replica != uuid.Nil || l.Wanted {
			t.Errorf("once they are deleted the lease is %+v, want it free and at rest", l)
		}
		if said := f.said(tenant); said.Event != domain.EventFailed || !said.Unlinked {
			t.Errorf("people are told %+v, want that it is unlinked", said)
		}
	})
}
