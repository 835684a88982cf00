package store_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

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

// fleet fills an installation with many tenants of which some need somebody.
func fleet(b *testing.B, s *store.Store, n int) {
	b.Helper()
	replica := storetest.Replica(b, s, "bench")
	db, dialect := s.DBForWhatsApp()
	tx, err := db.Begin()
	must(b, err)
	run := func(query string, args ...any) {
		b.Helper()
		_, err := tx.ExecContext(b.Context(), query, args...)
		must(b, err)
	}
	now, hour := domain.Now(), domain.Now().Truncate(time.Hour)
	states := []string{"ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE", "PAUSED", "NEW", "QR_PENDING", "ERROR"}
	for i := range n {
		id := domain.NewID()
		status, seen := states[i%len(states)], now.Add(-time.Duration(i*7919%n)*time.Second)
		run(`INSERT INTO tenants (id, name, phone_number, status, wa_key, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6)`,
			id, fmt.Sprintf("%s la Mteja %d", []string{"Duka", "Saluni", "Hoteli", "kliniki"}[i%4], i*7919%n), fmt.Sprintf("+2557%08d", i), status, make([]byte, 32), now)
		run(`INSERT INTO tenant_configs (tenant_id, template_type, business_name, address, language, timezone, hours_json, services_json, bot_enabled, updated_at)
			VALUES ($1, 'SALON', 'x', 'Kariakoo', 'SW', 'Africa/Dar_es_Salaam', 'null', '[{"name":"Kusuka"}]', true, $2)`, id, now)
		run(`INSERT INTO whatsapp_sessions (tenant_id, state, qr, pairing_code, pairing_phone, jid, next_prekey, reason, reason_detail, last_seen_at, updated_at)
			VALUES ($1, 'CONNECTED', '', '', '', $2, 1, '', '', $3, $4)`, id, fmt.Sprintf("2557%08d:1@s.whatsapp.net", i), seen, now)
		run(`INSERT INTO worker_processes (tenant_id, status, last_error, updated_at) VALUES ($1, 'RUNNING', '', $2)`, id, now)
		run(`INSERT INTO leases (tenant_id, wanted, command, owner, epoch, acquired_at, not_before, fail_count) VALUES ($1, true, '', $2, 1, $3, $3, 0)`, id, replica.ID, now)
		for h := range 6 {
			run(`INSERT INTO hourly_stats (tenant_id, hour, received, sent, failed, replies) VALUES ($1, $2, 5, 4, 0, '[]')`, id, hour.Add(-time.Duration(h)*time.Hour))
		}
	}
	must(b, tx.Commit())
	_, err = db.ExecContext(b.Context(), map[bool]string{true: "ANALYZE", false: "VACUUM ANALYZE"}[dialect == "sqlite"])
	must(b, err)
}

// BenchmarkOperations measures what the operator's pages read with 10,000
// tenants, and reports the 95th percentile.
func BenchmarkOperations(b *testing.B) {
	eachDialect(b, func(b *testing.B, s *store.Store) {
		fleet(b, s, 10_000)
		midnight := domain.Now().Add(-12 * time.Hour)
		rows := func(f domain.TenantFilter) func() error {
			f.Scope = domain.Scope{Admin: true}
			return func() error {
				page, err := s.Operations().Rows(b.Context(), f, midnight, domain.PageQuery{})
				if err == nil && len(page.Items) == 0 {
					return errProbe
				}
				return err
			}
		}
		for _, c := range []struct {
			name string
			call func() error
		}{
			{"newest", rows(domain.TenantFilter{})},
			{"name", rows(domain.TenantFilter{Sort: domain.SortName})},
			{"status", rows(domain.TenantFilter{Sort: domain.SortStatus})},
			{"last seen", rows(domain.TenantFilter{Sort: domain.SortLastSeen})},
			{"last seen reversed", rows(domain.TenantFilter{Sort: domain.SortLastSeen, Reverse: true})},
			{"search of a name", rows(domain.TenantFilter{Search: "mteja 7777"})},
			{"search of many by name", rows(domain.TenantFilter{Search: "SALUNI", Sort: domain.SortName})},
			{"search of a number", rows(domain.TenantFilter{Search: "0700004321"})},
			{"status ERROR", rows(domain.TenantFilter{Status: domain.TenantError, Sort: domain.SortName})},
			{"replica", rows(domain.TenantFilter{Replica: "bench", Sort: domain.SortStatus})},
			{"counts", func() error {
				_, err := s.Operations().CountTenants(b.Context(), domain.TenantFilter{Scope: domain.Scope{Admin: true}, Search: "duka"})
				return err
			}},
			{"version", func() error { _, err := s.Versions().TenantsVersion(b.Context()); return err }},
			{"alerts", func() error { _, err := s.Operations().Alerts(b.Context(), domain.Now(), 20); return err }},
			{"export", func() error {
				return s.Operations().EachTenant(b.Context(), domain.TenantFilter{Scope: domain.Scope{Admin: true}, Sort: domain.SortName}, midnight,
					func(domain.TenantRow) error { return nil })
			}},
		} {
			b.Run(c.name, func(b *testing.B) {
				var took []time.Duration
				for b.Loop() {
					began := time.Now()
					if err := c.call(); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(began))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
				b.ReportMetric(0, "ns/op")
			})
		}
	})
}
