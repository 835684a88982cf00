package domain

import (
	"testing"
	"time"
)

func TestSignIn_DelaysGrowAndNeverLastForGood(t *testing.T) {
	for name, p := range map[string]ThrottlePolicy{"account": ThrottleAccount, "address": ThrottleAddress} {
		now, throttle, last := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Throttle{}, time.Duration(0)
		for i := 1; i <= 100; i++ {
			throttle = throttle.Fail(p, now)
			wait := throttle.Wait(now)
			switch {
			case i <= p.Free && wait != 0:
				t.Errorf("%s: failure %d, which is free, costs %s", name, i, wait)
			case i == p.Free+1 && wait != p.Base:
				t.Errorf("%s: the first delay is %s, want %s", name, wait, p.Base)
			case wait < last || wait > p.Max:
				t.Errorf("%s: failure %d costs %s after %s, want no less and at most %s", name, i, wait, last, p.Max)
			}
			last, now = wait, now.Add(wait)
		}
		if last != p.Max {
			t.Errorf("%s: after 100 failures the delay is %s, want %s", name, last, p.Max)
		}
		if wait := throttle.Fail(p, now.Add(p.Window+time.Second)).Wait(now.Add(p.Window + time.Second)); wait != 0 {
			t.Errorf("%s: failures are not forgotten: %s", name, wait)
		}
	}
}

func TestSignIn_WhatWentWellIsNoFailure(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var throttle Throttle
	for range 1000 {
		throttle = throttle.Fail(ThrottleAddress, now).Forgive()
		now = now.Add(time.Millisecond)
	}
	if throttle.Failures != 0 || throttle.Wait(now) != 0 || (Throttle{}).Forgive().Failures != 0 {
		t.Errorf("after a thousand good sign-ins the throttle is %+v", throttle)
	}
}
