package worker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// unlinked are connections that show codes to scan one after the other, and end.
type unlinked struct {
	fakePhones
	refuses bool // to issue a code to type
}

func (u unlinked) Open(ctx context.Context, _ domain.TenantProfile, _ domain.Tenure, _ string, h PhoneHandler) (Phone, error) {
	go func() {
		for i, life := range []time.Duration{60 * time.Second, 20 * time.Second, 20 * time.Second} {
			h.Linking(fmt.Sprint("code ", i+1), time.Now().Add(life))
			select {
			case <-time.After(life):
			case <-ctx.Done():
				return
			}
		}
		h.Gone(domain.ReasonQRExpired, "")
	}()
	return issuing{fakePhone{fleet: u.fleet, line: ctx}, u.refuses}, nil
}

type issuing struct {
	fakePhone
	refuses bool
}

func (i issuing) PairingCode(context.Context, domain.Phone) (string, error) {
	if i.refuses {
		return "", errors.New("no such number")
	}
	return "ABCD-EFGH", nil
}

// asking are the profiles of tenants for which a pairing code is asked.
type asking struct{ fakeProfiles }

func (a asking) Profiles(ctx context.Context, ids []uuid.UUID) ([]domain.TenantProfile, error) {
	all, err := a.fakeProfiles.Profiles(ctx, ids)
	for i := range all {
		all[i].Session.PairingPhone = "+255754000001"
	}
	return all, err
}

func TestRunner_ShowsWhatBecameOfTheWishForAPairingCodeForAsLongAsTheConnection(t *testing.T) {
	type shown struct {
		qr, code string
		reason   domain.Reason
	}
	for name, c := range map[string]struct {
		refuses bool
		code    string
		reason  domain.Reason
	}{
		"issued":  {false, "ABCD-EFGH", domain.ReasonNone},
		"refused": {true, "", domain.ReasonPairFailed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet()
				tenant := f.tenant()
				f.rows[tenant].DeviceJID = ""
				p := f.pool(DefaultSettings())
				p.svc.Phones, p.svc.Profiles = unlinked{fakePhones{fleet: f}, c.refuses}, asking{fakeProfiles{f}}
				runs(t, p)
				time.Sleep(30 * time.Second)
				f.set(func() { f.rows[tenant].Command = domain.CommandPair })
				f.wakes <- tenant
				time.Sleep(2 * time.Minute)
				want := []shown{{"code 1", "", domain.ReasonNone}, {"code 1", c.code, c.reason}, {"code 2", c.code, c.reason}, {"code 3", c.code, c.reason},
					{"code 1", "", domain.ReasonNone}}
				f.set(func() {
					for i, l := range f.reports[tenant] {
						if got := (shown{l.QR, l.PairingCode, l.Reason}); i < len(want) && got != want[i] {
							t.Errorf("report %d shows %+v, want %+v", i+1, got, want[i])
						}
						if answers := i == 1; l.Answers != answers {
							t.Errorf("report %d answers the wish: %v, want %v", i+1, l.Answers, answers)
						}
					}
					if n := len(f.reports[tenant]); n < len(want) {
						t.Errorf("there are %d reports, want %d", n, len(want))
					}
				})
			})
		})
	}
}
