package store

import (
	"context"

	"github.com/google/uuid"

	"flowhq/domain"
)

// ReplicaNames lists the names of replicas that hold tenants, sorted.
func (o Operations) ReplicaNames(ctx context.Context) (names []string, err error) {
	defer translated("list replicas", &err)
	err = o.s.read.NewSelect().TableExpr("replicas AS r").ColumnExpr("DISTINCT r.name").
		Where("EXISTS (SELECT 1 FROM leases l WHERE l.owner = r.id)").OrderExpr("r.name").Scan(ctx, &names)
	return names, err
}

// shownReplicas are those that live, and those that died a short while ago.
const shownReplicas = `state <> 'dead' OR heartbeat_at > flowhq_after(-3600)`

// Replicas lists what an operator wants to see. The contract is handlers.Operations'.
func (o Operations) Replicas(ctx context.Context) (all []domain.Replica, err error) {
	defer translated("list replicas", &err)
	found, err := o.s.reader.QueryContext(ctx, o.s.text(`SELECT id, name, version, capacity, held, connected, started_at, heartbeat_at, expires_at, state
		FROM replicas WHERE `+shownReplicas+` ORDER BY CASE state WHEN 'alive' THEN 0 WHEN 'draining' THEN 1 ELSE 2 END, name, id`))
	if err != nil {
		return nil, err
	}
	defer found.Close()
	return scanReplicas(found)
}

// Drain asks a replica to hand over everything, or lets it serve again. The
// contract is handlers.Operations'; the pool sees it with its next heartbeat.
func (o Operations) Drain(ctx context.Context, id uuid.UUID, on bool) (err error) {
	defer translated("drain replica", &err)
	state := domain.ReplicaAlive
	if on {
		state = domain.ReplicaDraining
	}
	return changedOne(ctx, o.s.write.NewUpdate().Table("replicas").Set("state = ?", state).Where("id = ? AND state <> 'dead'", id), "replica")
}
