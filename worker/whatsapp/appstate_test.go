package whatsapp

import (
	"context"
	"testing"
	"testing/synctest"
)

func TestAppSync_FetchesApartAndOnceMoreForWhatIsAskedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetches, blocked := 0, make(chan struct{})
		s := &appSync{busy: map[string]bool{}}
		s.fetch = func(ctx context.Context, collection string) error {
			if s.apart(ctx, collection) {
				t.Error("a fetch of ours is put off as well")
			}
			fetches++
			<-blocked
			return nil
		}
		for range 3 {
			if !s.apart(t.Context(), "regular") {
				t.Error("whatsmeow fetches itself")
			}
			synctest.Wait()
		}
		close(blocked)
		synctest.Wait()
		if fetches != 2 || len(s.busy) != 0 {
			t.Errorf("%d fetches, want 2; under way: %v", fetches, s.busy)
		}
	})
}
