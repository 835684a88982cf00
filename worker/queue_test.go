package worker

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

func outbound(contact string, lane domain.Lane) domain.Outbound {
	return domain.Outbound{ID: domain.NewID(), Contact: contact, ChatJID: contact + "@lid", Lane: lane, Status: domain.StatusQueued}
}

func TestSender_LeavesAMessageInTheDatabaseWhileOlderOnesOfItsChatMayWaitThere(t *testing.T) {
	d := newDesk(hurried())
	first := bulk(maxQueued)
	older, younger, reply := outbound("b", domain.LaneManual), outbound("b", domain.LaneManual), outbound("b", domain.LaneReply)
	d.stored(append(first, older)...)

	d.offer(first[:1])
	if len(d.queue) != 0 {
		t.Error("a row is queued before it is known what waits in the database")
	}
	load(t, d.sender)
	d.queue, d.known = d.queue[100:], map[uuid.UUID]bool{} // the others are sent
	d.offer([]domain.Outbound{younger, reply})
	if d.known[younger.ID] || !d.known[reply.ID] || !d.reload {
		t.Errorf("younger %v, reply %v, reload %v: want the reply alone, and another look at the database", d.known[younger.ID], d.known[reply.ID], d.reload)
	}
	d.open = map[uuid.UUID]domain.Outbound{older.ID: older, younger.ID: younger}
	d.queue, d.reload = nil, false
	load(t, d.sender)
	if row, _ := d.pick(time.Now()); row == nil || row.ID != older.ID || !d.known[younger.ID] || d.beyond != nil {
		t.Errorf("next is %+v of %d rows, want the older row of two", row, len(d.queue))
	}
}

func load(t *testing.T, s *sender) {
	t.Helper()
	if err := s.load(); err != nil {
		t.Fatal(err)
	}
}
