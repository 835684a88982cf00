package main

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/simulator"
)

func TestIdeas_OfferWhatTheLastAnswerAsksFor(t *testing.T) {
	salon := domain.TenantConfig{Language: domain.LanguageSwahili, Services: []domain.Service{{Name: "Kusuka"}}}
	barber := domain.TenantConfig{Language: domain.LanguageEnglish}
	for _, tt := range []struct {
		config domain.TenantConfig
		answer string
		want   []string
	}{
		{salon, "", []string{"Habari", "Kuweka miadi", "kusuka kesho saa nne asubuhi"}},
		{barber, "", []string{"Hello", "I'd like to book", "What are your prices?"}},
		{salon, "Nikusaidie nini?\n1. Kuweka miadi\n2. Bei", []string{"1", "2", "kusuka kesho saa nne asubuhi"}},
		{salon, "Niandike miadi kwa jina la *Asha*? Jibu *NDIYO*.", []string{"Ndiyo", "Hapana", "kusuka kesho saa nne asubuhi"}},
		{barber, "Reply *YES* or *NO*.", []string{"Yes", "No", "What are your prices?"}},
	} {
		var got []string
		for _, idea := range ideas(tt.config, tt.answer) {
			got = append(got, idea.Text)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("after %q (-want +got):\n%s", tt.answer, diff)
		}
	}
}

func TestAudit_SeesWhatIsLostAndWhatIsShownTwice(t *testing.T) {
	const shop = "+255754000001"
	tenant := domain.TenantView{Tenant: domain.Tenant{ID: domain.NewID()}}
	list := func(context.Context, uuid.UUID, domain.MessageFilter, domain.PageQuery) (domain.Page[domain.MessageLog], error) {
		return domain.Page[domain.MessageLog]{Items: []domain.MessageLog{{WAMessageID: "q1"}, {WAMessageID: "a1"}}}, nil
	}
	answers := func(ids ...string) (screen []simulator.Message) {
		for _, id := range ids {
			screen = append(screen, simulator.Message{ID: id, From: shop})
		}
		return screen
	}
	for _, tt := range []struct {
		name        string
		taken       []string
		screen      []simulator.Message
		lost, twice int
	}{
		{"all well", []string{"q1"}, answers("a1"), 0, 0},
		{"taken and not in the log", []string{"q1", "q2"}, answers("a1"), 1, 0},
		{"an answer that the log does not know", []string{"q1"}, answers("a1", "a2"), 0, 1},
		{"one answer in two bubbles", nil, answers("a1", "a1"), 0, 1},
		{"the owner's own words", nil, answers("a1", "o1"), 0, 0},
	} {
		a := newDemoAudit()
		a.ownerWrote("o1")
		lost, twice, err := a.compare(t.Context(), list, tenant, shop, tt.taken, [][]simulator.Message{tt.screen})
		if err != nil || lost != tt.lost || twice != tt.twice {
			t.Errorf("%s: %d lost, %d shown twice, error %v; want %d and %d", tt.name, lost, twice, err, tt.lost, tt.twice)
		}
	}
}
