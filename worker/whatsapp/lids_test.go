package whatsapp

import (
	"context"
	"testing"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

// writes is a map of LIDs that notes what is written.
type writes struct {
	store.LIDStore
	known   map[string]types.JID // by number
	batches [][]store.LIDMapping
	single  int
}

func (w *writes) PutManyLIDMappings(_ context.Context, mappings []store.LIDMapping) error {
	w.batches = append(w.batches, mappings)
	return nil
}

func (w *writes) PutLIDMapping(_ context.Context, lid, pn types.JID) error {
	w.known[pn.User] = lid
	w.single++
	return nil
}

func (w *writes) GetLIDForPN(_ context.Context, pn types.JID) (types.JID, error) {
	return w.known[pn.User], nil
}

func newWrites(t *testing.T) (*lidStore, *writes) {
	w := &writes{known: map[string]types.JID{}}
	return newLIDStore(newGate(t.Context()), func() store.LIDStore { return w }), w
}

func TestLIDs_AreTakenFromWhatsAppAlone(t *testing.T) {
	s, w := newWrites(t)
	claim := []store.LIDMapping{
		{LID: types.NewJID("2", types.HiddenUserServer), PN: types.NewJID("255754000002", types.DefaultUserServer)},
		{LID: types.NewJID("1", types.HiddenUserServer), PN: types.NewJID("255754000001", types.DefaultUserServer)},
	}
	if err := s.PutManyLIDMappings(t.Context(), claim); err != nil || len(w.batches) != 0 {
		t.Errorf("a message says whose a number is, and it is stored: %v, error %v", w.batches, err)
	}
	asked := context.WithValue(t.Context(), asksKey{}, true)
	if err := s.PutManyLIDMappings(asked, claim); err != nil || len(w.batches) != 1 {
		t.Fatalf("WhatsApp's answer is stored %d times, want once; error %v", len(w.batches), err)
	}
	if first := w.batches[0][0].LID.User; first != "1" {
		t.Errorf("the first to be stored is %s, want the lowest", first)
	}
}

func TestLIDs_AreWrittenOnlyWhenTheyAreNew(t *testing.T) {
	s, w := newWrites(t)
	pn := types.NewJID("255754000001", types.DefaultUserServer)
	for _, step := range []struct {
		lid  string
		want int
	}{{"1", 1}, {"1", 1}, {"2", 2}} {
		if err := s.PutLIDMapping(t.Context(), types.NewJID(step.lid, types.HiddenUserServer), pn); err != nil {
			t.Fatal(err)
		}
		if w.single != step.want {
			t.Errorf("after LID %s the table was written %d times, want %d", step.lid, w.single, step.want)
		}
	}
}
