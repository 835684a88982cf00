package store_test

import (
	"testing"

	"flowhq/store"
	"flowhq/store/storetest"
)

func TestMigrate_TwiceChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		if err := s.Migrate(t.Context(), storetest.Upgrade); err != nil {
			t.Fatal(err)
		}
	})
}
