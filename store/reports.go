package store

import (
	"context"
	"time"

	"flowhq/domain"
)

// Reports are what runners observe of their links.
type Reports struct{ s *Store }

// Reports returns the store as the reports of the worker.
func (s *Store) Reports() Reports { return Reports{s} }

var (
	loadStates = statement(`SELECT t.status, s.state, w.status, s.jid, s.reason, s.pairing_phone, s.pairing_since, s.connected_at, s.last_seen_at
		FROM tenants t JOIN whatsapp_sessions s ON s.tenant_id = t.id JOIN worker_processes w ON w.tenant_id = t.id
		WHERE t.id = $1 FOR NO KEY UPDATE OF t`)

	reportTenant = statement(`UPDATE tenants SET status = $2, updated_at = $3 WHERE id = $1 AND status <> $2`)

	reportSession = statement(`UPDATE whatsapp_sessions SET state = $2, qr = $3, qr_expires_at = $4, pairing_code = $5, pairing_phone = $6, pairing_since = $7,
		jid = $8, reason = $9, reason_detail = $10, retry_at = $11, last_seen_at = $12, connected_at = $13, updated_at = $14 WHERE tenant_id = $1`)

	// reportReached forgets the replicas from which the tenant could not connect.
	reportReached = statement(`UPDATE leases SET fail_count = 0, avoid = NULL WHERE tenant_id = $1 AND (fail_count > 0 OR avoid IS NOT NULL)`)

	reportWorker = statement(`UPDATE worker_processes SET status = $2, last_error = $3, updated_at = $4 WHERE tenant_id = $1`)
)

// Report stores one observation in two round trips. The contract is worker.Reports'.
func (r Reports) Report(ctx context.Context, t domain.Tenure, l domain.LinkReport) (err error) {
	defer translated("store report", &err)
	return r.s.session(ctx, func(c session) error {
		var before linkState
		var in batch
		in.add(begin)
		in.fence(t, "")
		in.read(before.scan, loadStates, t.TenantID)
		if err := c.run(ctx, &in); err != nil {
			return err
		}
		next, err := before.Apply(l.Event)
		if err != nil {
			return err
		}
		var out batch
		before.report(&out, t, l, next)
		out.add(commit)
		return c.run(ctx, &out)
	})
}

// linkState is what a report finds.
type linkState struct {
	domain.Lifecycle
	jid, reason, pairingPhone             string
	pairingSince, connectedAt, lastSeenAt *time.Time
}

func (s *linkState) scan(found rows) error {
	if !found.Next() {
		return orElse(found.Err(), domain.ErrFenced) // no tenant, no lease
	}
	err := found.Scan(&s.Tenant, &s.Session, &s.Worker, &s.jid, &s.reason, &s.pairingPhone, &s.pairingSince, &s.connectedAt, &s.lastSeenAt)
	s.Linked = s.jid != ""
	return err
}

func (s *linkState) report(b *batch, t domain.Tenure, l domain.LinkReport, next domain.Lifecycle) {
	now := domain.Now()
	if l.Event == domain.EventQR && s.pairingPhone != "" && !l.Answers { // what it says about a code answered an earlier wish
		l.PairingCode = ""
		if l.Reason == domain.ReasonPairFailed {
			l.Reason, l.Detail = domain.ReasonNone, ""
		}
	}
	if next != s.Lifecycle || string(l.Reason) != s.reason { // a code that was renewed is not worth an entry
		b.event(t.TenantID, t.Replica, l.Event, l.Reason, l.Detail, now)
	}
	switch l.Event {
	case domain.EventScanned:
		s.pairingSince = &now
	case domain.EventConnected:
		s.connectedAt, s.lastSeenAt, s.pairingSince, s.pairingPhone = &now, &now, nil, ""
	case domain.EventLost:
		if s.Session == domain.SessionConnected {
			s.lastSeenAt = &now
		}
	default:
		s.pairingSince = nil
	}
	if l.Answers {
		s.pairingPhone = ""
	}
	if l.JID != "" {
		s.jid = l.JID
	}
	if l.Unlinked || !next.Linked {
		s.jid = ""
	}
	b.add(reportTenant, t.TenantID, string(next.Tenant), now)
	b.add(reportSession, t.TenantID, string(next.Session), l.QR, stampOrNil(l.QRExpiresAt), l.PairingCode, s.pairingPhone, stampOrNil(s.pairingSince),
		s.jid, string(l.Reason), domain.CleanText(l.Detail), stampOrNil(l.RetryAt), stampOrNil(s.lastSeenAt), stampOrNil(s.connectedAt), now)
	if l.Event == domain.EventConnected {
		b.add(reportReached, t.TenantID)
	}
	b.add(reportWorker, t.TenantID, string(next.Worker), domain.CleanText(l.LastError), now)
}
