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

// The fragment is not drawn anew with every heartbeat, so an age that a browser
// counts on would grow while all is well.
func TestReplicas_SayWhetherTheirHeartbeatsComeInTime(t *testing.T) {
	for name, tt := range map[string]struct {
		replica domain.Replica
		says    string
		ages    int // times that the browser keeps true: that of the start, and of the death
	}{
		"in time": {aged("a", domain.ReplicaAlive, domain.AlertReplicaAfter/2), "in time", 1},
		"late":    {aged("a", domain.ReplicaAlive, 2*domain.AlertReplicaAfter), "late since ", 1},
		"gone":    {aged("a", domain.ReplicaDead, 5*time.Minute), "5 min ago", 2},
	} {
		page := (&desk{replicas: []domain.Replica{tt.replica}}).asks(t)(http.MethodGet, "/admin/replicas").Body.String()
		if ages := strings.Count(page, "data-ago"); !strings.Contains(page, tt.says) || ages != tt.ages {
			t.Errorf("a replica that is %s is not said to be %q, or %d times are counted on in place of %d", name, tt.says, ages, tt.ages)
		}
	}
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
