package worker

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// waiting is an outbox whose rows all wait.
type waiting struct {
	Outbox
	rows []domain.Outbound
}

func (w *waiting) Due(_ context.Context, _ uuid.UUID, limit int, _ []string) ([]domain.Outbound, time.Time, error) {
	return w.rows[:min(limit, len(w.rows))], time.Time{}, nil
}

func outbound(contact string, lane domain.Lane) domain.Outbound {
	return domain.Outbound{ID: domain.NewID(), Contact: contact, ChatJID: contact + "@lid", Lane: lane, Status: domain.StatusQueued}
}

func TestSender_LeavesAMessageInTheDatabaseWhileOlderOnesOfItsChatMayWaitThere(t *testing.T) {
	out := &waiting{}
	for range maxQueued {
		out.rows = append(out.rows, outbound("a", domain.LaneManual))
	}
	older, younger, reply := outbound("b", domain.LaneManual), outbound("b", domain.LaneManual), outbound("b", domain.LaneReply)
	out.rows = append(out.rows, older)
	svc := &Services{Outbox: out, Logger: slog.New(slog.DiscardHandler)}
	s := newSender(svc, newFinisher(out, svc.Logger), domain.Tenure{}, func(error) {}, func(domain.Reason) {})

	s.offer(out.rows[:1])
	if len(s.queue) != 0 {
		t.Error("a row is queued before it is known what waits in the database")
	}
	load(t, s)
	s.queue, s.known = s.queue[100:], map[uuid.UUID]bool{} // the others are sent
	s.offer([]domain.Outbound{younger, reply})
	if s.known[younger.ID] || !s.known[reply.ID] || !s.reload {
		t.Errorf("younger %v, reply %v, reload %v: want the reply alone, and another look at the database", s.known[younger.ID], s.known[reply.ID], s.reload)
	}
	out.rows, s.queue, s.reload = []domain.Outbound{older, younger}, nil, false
	load(t, s)
	if row, _ := s.pick(time.Now()); row == nil || row.ID != older.ID || !s.known[younger.ID] || s.beyond != nil {
		t.Errorf("next is %+v of %d rows, want the older row of two", row, len(s.queue))
	}
}

func load(t *testing.T, s *sender) {
	t.Helper()
	if err := s.load(); err != nil {
		t.Fatal(err)
	}
}
