package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"flowhq/domain"
)

// stubborn are leases whose tenants cannot be removed.
type stubborn struct {
	fakeLeases
	attempts *int
}

func (s stubborn) CommandDone(context.Context, domain.Tenure, domain.Command, bool) error {
	s.set(func() { *s.attempts++ })
	return errors.New("the history is too long")
}

func TestRunner_LetsATenantRestThatIsNotRemovedToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, attempts := newFleet(), 0
		row := f.rows[f.tenant()]
		row.DeviceJID, row.Wanted, row.Command = "", false, domain.CommandDelete
		p := f.pool(DefaultSettings())
		p.svc.Leases = stubborn{fakeLeases{fleet: f}, &attempts}
		runs(t, p)
		time.Sleep(10*time.Minute + 30*time.Second)
		f.set(func() {
			if attempts < 9 || attempts > 11 {
				t.Errorf("%d attempts to remove a tenant in ten minutes, want one a minute", attempts)
			}
		})
	})
}
