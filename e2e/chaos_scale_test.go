package e2e

import (
	"testing"
	"time"
)

func TestFleet_ReplicasJoinAndLeaveUnnoticed(t *testing.T) {
	c := chaos{replicas: 2, tenants: 40, rounds: 1, ttl: 15 * time.Second, perSecond: 20, messages: 500}
	if full() {
		c = chaos{replicas: 2, tenants: 1000, rounds: 1, ttl: 15 * time.Second, perSecond: 20, messages: 6_000}
	}
	f, s, _ := c.open(t, false)
	began := time.Now()
	third, fourth := f.join(t, "replica-3", false), f.join(t, "replica-4", false)
	f.spread(t, c.tenants, 4, 5*time.Minute)
	joined := time.Since(began)
	began = time.Now()
	third.child.stop(t)
	fourth.child.stop(t)
	f.spread(t, c.tenants, 2, 5*time.Minute)
	f.whole(t, s, time.Minute)
	left := time.Since(began)
	v := c.close(t, s, "2 → 4 → 2 replicas")
	v.SpreadMax = max(joined, left).Seconds()
	v.within(t, "spread within a tenth after", v.SpreadMax, 180)
	v.within(t, "longest wait for an answer", v.AnswerMax, 2)
	v.report(t, "chaos.json")
}
