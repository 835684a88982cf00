package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

// logged stores a message of a tenant as it would stand in the log.
func logged(t testing.TB, s *store.Store, tenant uuid.UUID, direction domain.Direction, at time.Time) {
	t.Helper()
	exec(t, s, `INSERT INTO message_logs (tenant_id, id, direction, contact, from_number, to_number, message_text, kind, wa_message_id, status, reason, from_phone, created_at)
		VALUES ($1, $2, $3, $4, '', '', '', 'text', '', '', '', false, $5)`, tenant, domain.NewID(), string(direction), neema, at)
}

func TestLastHeard_IsWhenACustomerLastWrote(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		noon := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
		asked, campaign, silent := storetest.NewTenant(t, s).ID, storetest.NewTenant(t, s).ID, storetest.NewTenant(t, s).ID
		logged(t, s, asked, domain.DirectionIn, noon.Add(-time.Hour))
		logged(t, s, asked, domain.DirectionIn, noon.Add(-time.Minute))
		logged(t, s, asked, domain.DirectionOut, noon)
		logged(t, s, campaign, domain.DirectionIn, noon.Add(10*time.Minute))
		for range 60 {
			logged(t, s, campaign, domain.DirectionOut, noon.Add(time.Hour))
		}
		logged(t, s, silent, domain.DirectionOut, noon)
		for hour, received := range map[time.Time]int{noon.Add(-time.Hour): 5, noon: 1, noon.Add(time.Hour): 0} {
			exec(t, s, `INSERT INTO hourly_stats (tenant_id, hour, received, sent, failed, replies) VALUES ($1, $2, $3, 60, 0, '[]')`, campaign, hour, received)
		}

		heard, err := s.Profiles().LastHeard(t.Context(), []uuid.UUID{asked, campaign, silent, domain.NewID()})
		must(t, err)
		want := map[uuid.UUID]time.Time{asked: noon.Add(-time.Minute), campaign: noon}
		if fmt.Sprint(heard) != fmt.Sprint(want) {
			t.Errorf("heard %v, want %v", heard, want)
		}
		if none, err := s.Profiles().LastHeard(t.Context(), nil); err != nil || len(none) != 0 {
			t.Errorf("of nobody: %v %v", none, err)
		}
	})
}
