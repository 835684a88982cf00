package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"flowhq/domain"
)

// aged is a replica whose last heartbeat was a while ago.
func aged(name string, state domain.ReplicaState, ago time.Duration) domain.Replica {
	return domain.Replica{ID: domain.NewID(), Name: name, State: state, StartedAt: domain.Now().Add(-time.Hour), HeartbeatAt: domain.Now().Add(-ago)}
}

func TestReplicas_TheOnlyOneIsDrainedAfterAQuestion(t *testing.T) {
	const question = "nobody would serve its tenants"
	first, second := aged("a", domain.ReplicaAlive, 0), aged("b", domain.ReplicaAlive, 0)
	for want, replicas := range map[int][]domain.Replica{1: {first}, 0: {first, second}} {
		page := (&desk{replicas: replicas}).asks(t)(http.MethodGet, "/admin/replicas").Body.String()
		if got := strings.Count(page, question); got != want || strings.Contains(page, "title=\"It is") {
			t.Errorf("of %d replicas %d are drained after a question, want %d", len(replicas), got, want)
		}
	}
}
