package e2e

import (
	"fmt"
	"testing"
)

func TestFlood_BothWaysAtOnceLosesNothing(t *testing.T) {
	t.Parallel()
	chats, each := 20, 50
	if full() {
		chats, each = 100, 1000
	}
	onBoth(t, func(t *testing.T, db database) {
		s := newStorm(t, newWorld(t, db), 1, chats)
		s.begin(chaosSeed(t), chats*each, 10)
		s.allow(chats * each)
		s.settle(t)
		v := s.judge(t, fmt.Sprintf("flood on %s, %d chats x %d", db.kind, chats, each))
		v.Seed = chaosSeed(t)
		v.report(t, "flood.json")
		if v.DecryptErrors+v.RetriesFromBot > 0 {
			t.Errorf("%d answers and %d messages could not be read at once", v.DecryptErrors, v.RetriesFromBot)
		}
	})
}
