package domain

import "time"

// Throttle counts failed attempts under one key (an account, a device of its
// owner or a network address). It delays, it never locks anybody out for good.
// Whoever goes on guessing goes on delaying an account, so its owner's devices
// have keys of their own: an attacker must not be able to keep a person away.
type Throttle struct {
	Failures int
	Since    time.Time // first failure of the present window
	Until    time.Time // nothing is tried before
}

// ThrottlePolicy says how failures turn into delays.
type ThrottlePolicy struct {
	Free   int           // failures without a delay
	Base   time.Duration // delay after the first failure beyond Free; doubles with each further one
	Max    time.Duration // longest delay
	Window time.Duration // failures are forgotten this long after the last delay ended
}

// The two policies of signing in.
var (
	ThrottleAccount = ThrottlePolicy{Free: 5, Base: time.Second, Max: 15 * time.Minute, Window: time.Hour}
	ThrottleAddress = ThrottlePolicy{Free: 20, Base: 10 * time.Second, Max: 10 * time.Minute, Window: 10 * time.Minute}
)

// Fail returns the throttle after one more failure.
func (t Throttle) Fail(p ThrottlePolicy, now time.Time) Throttle {
	if t.Failures == 0 || now.After(later(t.Since, t.Until).Add(p.Window)) {
		t = Throttle{Since: now}
	}
	t.Failures++
	if over := t.Failures - p.Free; over > 0 {
		delay := p.Max
		if over <= 20 {
			delay = min(p.Base<<(over-1), p.Max)
		}
		t.Until = now.Add(delay)
	}
	return t
}

// Forgive takes one failure back: the attempt that was counted went well.
func (t Throttle) Forgive() Throttle {
	return Throttle{Failures: max(0, t.Failures-1), Since: t.Since}
}

// Wait returns how long the next attempt has to wait, 0 when it may come now.
func (t Throttle) Wait(now time.Time) time.Duration { return max(0, t.Until.Sub(now)) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
