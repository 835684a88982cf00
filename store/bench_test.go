package store_test

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/store"
	"flowhq/store/storetest"
)

func eachDialect(b *testing.B, run func(b *testing.B, s *store.Store)) {
	b.Run("sqlite", func(b *testing.B) { run(b, storetest.Open(b, storetest.SQLite(b))) })
	b.Run("postgres", func(b *testing.B) { run(b, storetest.Open(b, storetest.Postgres(b))) })
}

// tenants serves n tenants with a linked device each.
func tenants(b *testing.B, s *store.Store, n int) (tenures []domain.Tenure, jids []string) {
	storetest.Replica(b, s, "bench")
	for i := range n {
		tenure := storetest.Serve(b, s, storetest.NewTenant(b, s))
		device := fmt.Sprintf("25575400%04d:7@s.whatsapp.net", i)
		storetest.Device(b, s, tenure, device)
		tenures, jids = append(tenures, tenure), append(jids, device)
	}
	return tenures, jids
}

// BenchmarkMessage is one message in and one answer out: Receive, Save, Finish.
func BenchmarkMessage(b *testing.B) {
	eachDialect(b, func(b *testing.B, s *store.Store) {
		n := 16
		if v, err := strconv.Atoi(os.Getenv("BENCH_TENANTS")); err == nil {
			n = v
		}
		tenures, jids := tenants(b, s, n)
		var next atomic.Int64
		b.SetParallelism(n / 2)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			i := int(next.Add(1)) % n
			tenure := tenures[i]
			for pb.Next() {
				id := uuid.NewString()
				in := incoming(id, "habari")
				in.Contact = "+2557" + id[:8]
				w := ratchetOf(id)
				w.JID, w.Buffered, w.RemovePreKeys, w.Identities = jids[i], nil, nil, nil
				w.Sessions = map[string][]byte{id[:8] + ":0": make([]byte, 1500)}
				r, err := s.Inbox().Receive(b.Context(), tenure, in, w, answer("karibu sana, tunaweza kukusaidiaje leo?"))
				if err != nil {
					b.Error(err)
					return
				}
				if err := s.Ratchet().Save(b.Context(), tenure, w, r.Replies[0].ID); err != nil {
					b.Error(err)
					return
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	})
}

func BenchmarkReceive(b *testing.B) {
	eachDialect(b, func(b *testing.B, s *store.Store) {
		tenures, jids := tenants(b, s, 1)
		b.ResetTimer()
		for b.Loop() {
			id := uuid.NewString()
			w := ratchetOf(id)
			w.JID, w.Buffered, w.RemovePreKeys, w.Identities = jids[0], nil, nil, nil
			w.Sessions = map[string][]byte{"111:0": make([]byte, 1500)}
			if _, err := s.Inbox().Receive(b.Context(), tenures[0], incoming(id, "habari"), w, answer("karibu sana")); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func inWorldB(b *testing.B, run func(b *testing.B, w *world)) {
	eachDialect(b, func(b *testing.B, s *store.Store) { run(b, newWorld(b, s)) })
}
