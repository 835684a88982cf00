package worker

import (
	"os"
	"strings"
	"testing"
	"time"

	"flowhq/domain"
	"flowhq/domain/flow"
)

// chat plays one customer's conversation against a decider, carrying the rows
// from message to message as the database does.
type chat struct {
	t    *testing.T
	d    decider
	now  time.Time
	conv domain.Conversation
	cust domain.Customer
	n    int
}

func newChat(t *testing.T) *chat {
	t.Helper()
	engine, err := flow.New(os.DirFS("../domain/flow"))
	if err != nil {
		t.Fatal(err)
	}
	name, phone := "Saluni", "+255754000001"
	v, err := domain.NewTenant(domain.TenantInput{Name: &name, Phone: &phone}, domain.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &chat{t: t, now: time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC),
		d: decider{engine: engine, profile: &domain.TenantProfile{TenantView: v, Key: []byte("key")}, settings: DefaultSettings()}}
}

func (c *chat) incoming(text string) domain.Incoming {
	c.n++
	return domain.Incoming{Contact: "+255754000101", ChatJID: "1@lid", WAID: "IN" + strings.Repeat("0", c.n%5), Name: "Asha",
		Text: text, Kind: domain.MediaText, SentAt: c.now}
}

func (c *chat) hear(in domain.Incoming) domain.Decision {
	c.t.Helper()
	out, err := c.d.decide(in, domain.InboxView{Now: c.now, MessageID: domain.NewID(), Conversation: c.conv, Customer: c.cust})
	if err != nil {
		c.t.Fatal(err)
	}
	if out.Conversation != nil {
		c.conv = *out.Conversation
	}
	if out.Customer != nil {
		c.cust = *out.Customer
	}
	return out
}

func (c *chat) say(text string) domain.Decision {
	c.t.Helper()
	return c.hear(c.incoming(text))
}

// ownerAnswers lets the owner answer by hand.
func (c *chat) ownerAnswers(text string) domain.Decision {
	c.t.Helper()
	in := c.incoming(text)
	in.FromMe = true
	return c.hear(in)
}

func TestDecide_AFirstMessageMakesACustomerAndIsAnswered(t *testing.T) {
	c := newChat(t)
	out := c.say("Habari")
	if out.Customer == nil || out.Customer.Name != "Asha" || out.Customer.Contact != "+255754000101" {
		t.Errorf("customer: %+v", out.Customer)
	}
	if len(out.Replies) != 1 || out.Replies[0].ChatJID != "1@lid" || out.Replies[0].InReplyTo == "" || out.Replies[0].WAID == "" {
		t.Fatalf("replies: %+v", out.Replies)
	}
	if again := c.say("menu"); again.Customer != nil {
		t.Error("a known customer was written again")
	}
}

func TestDecide_TheOwnersOwnMessageSilencesTheBotForAWhile(t *testing.T) {
	c := newChat(t)
	if out := c.ownerAnswers("Nitakupigia"); !out.SilenceChat || len(out.Replies) != 0 {
		t.Fatalf("decision: %+v", out)
	}
	if out := c.say("Sawa"); len(out.Replies) != 0 {
		t.Fatal("the bot talked into the owner's conversation")
	}
	c.now = c.now.Add(domain.OwnerPause + time.Second)
	if out := c.say("Habari"); len(out.Replies) != 1 {
		t.Fatal("the bot did not come back")
	}
}

func TestDecide_WhatTheOwnerWroteDuringAnOutageSilencesNobodyAfterIt(t *testing.T) {
	c := newChat(t)
	in := c.incoming("Nitakupigia")
	in.FromMe, in.SentAt = true, c.now.Add(-domain.OwnerPause-time.Second)
	if out := c.hear(in); !out.SilenceChat {
		t.Error("what waited before the owner answered is still sent")
	}
	if out := c.say("Habari"); len(out.Replies) != 1 {
		t.Error("the customer is not answered")
	}
	in.SentAt = c.now.Add(time.Hour) // a wrong clock
	c.hear(in)
	c.now = c.now.Add(domain.OwnerPause + time.Second)
	if out := c.say("Habari"); len(out.Replies) != 1 {
		t.Error("the pause is longer than it should be")
	}
}

func TestDecide_AReactionOfTheOwnerIsNoAnswer(t *testing.T) {
	for _, kind := range []domain.MediaKind{domain.MediaReaction, domain.MediaEdit, domain.MediaRevoke} {
		c := newChat(t)
		in := c.incoming("")
		in.FromMe, in.Kind = true, kind
		if out := c.hear(in); out.SilenceChat {
			t.Errorf("%s of the owner takes answers back", kind)
		}
		if out := c.say("Habari"); len(out.Replies) != 1 {
			t.Errorf("after %s of the owner the customer is not answered", kind)
		}
	}
}

func TestDecide_AnAlbumIsAnsweredOnceAndMutesNobody(t *testing.T) {
	c := newChat(t)
	c.say("Habari")
	answers := 0
	for range 2 * loopMaxEqual {
		in := c.incoming("")
		in.Kind = domain.MediaImage
		answers += len(c.hear(in).Replies)
		c.now = c.now.Add(time.Second)
	}
	if answers != 1 {
		t.Errorf("%d answers to an album, want 1", answers)
	}
	if out := c.say("menu"); len(out.Replies) != 1 {
		t.Error("after an album the customer is not answered")
	}
	c.now = c.now.Add(2 * albumPause)
	in := c.incoming("")
	in.Kind = domain.MediaImage
	if out := c.hear(in); len(out.Replies) != 1 {
		t.Error("another picture later is not answered")
	}
}

func TestDecide_AnswersSortAfterThoseOfAReplicaWhoseClockIsAhead(t *testing.T) {
	c := newChat(t)
	ahead := domain.NewID()
	ahead[0]++
	out, err := c.d.decide(c.incoming("Habari"), domain.InboxView{Now: c.now, Youngest: ahead})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range out.Replies {
		if r.ID.String() <= ahead.String() {
			t.Errorf("%s goes before %s", r.ID, ahead)
		}
		ahead = r.ID
	}
}

func TestDecide_AnAbandonedHandoffEndsByItself(t *testing.T) {
	c := newChat(t)
	c.say("Habari")
	c.say("niongee na mtu")
	if c.conv.MutedReason != mutedByHandoff {
		t.Fatalf("muted by %q", c.conv.MutedReason)
	}
	c.now = c.now.Add(handoffPause + time.Minute)
	if out := c.say("menu"); len(out.Replies) != 1 || c.conv.MutedReason != "" {
		t.Fatalf("replies %d, muted by %q", len(out.Replies), c.conv.MutedReason)
	}
}

func TestDecide_TheBotComesBackAfterAPersonHasAnswered(t *testing.T) {
	c := newChat(t)
	c.say("Habari")
	c.say("niongee na mtu")
	c.ownerAnswers("Karibu, nikusaidie nini?")
	c.now = c.now.Add(domain.OwnerPause + time.Minute)
	if out := c.say("Habari, nataka miadi"); len(out.Replies) != 1 {
		t.Error("the bot is silent for ever")
	}
	c.say("niongee na mtu")
	c.conv.MutedUntil, c.conv.MutedReason = nil, "" // "Let the bot answer again"
	if out := c.say("Habari"); len(out.Replies) != 1 {
		t.Error("the bot is silent although the portal let it answer again")
	}
}

func TestDecide_AYesToTheOwnerBooksNothing(t *testing.T) {
	c := newChat(t)
	for _, text := range []string{"1", "kunyoa", "kesho saa nne asubuhi", "Neema"} {
		c.say(text)
	}
	if !strings.Contains(string(c.conv.State), `"confirm"`) {
		t.Fatalf("nothing is to be confirmed: %s", c.conv.State)
	}
	c.ownerAnswers("Kesho haiwezekani, njoo keshokutwa")
	c.now = c.now.Add(domain.OwnerPause + time.Minute)
	if out := c.say("sawa"); len(out.Appointments) != 0 {
		t.Error("the time that the owner refused is booked")
	}
}

func TestDecide_TheSameAnswerOverDaysIsNoLoop(t *testing.T) {
	c := newChat(t)
	for day := range 3 * loopMaxEqual {
		if out := c.say("Habari"); len(out.Replies) != 1 {
			t.Fatalf("day %d is not answered", day)
		}
		c.now = c.now.Add(24 * time.Hour)
	}
}

func TestDecide_TwoBotsThatTalkToEachOtherAreStopped(t *testing.T) {
	c := newChat(t)
	answered := 0
	for range 50 {
		answered += len(c.say("menu").Replies)
		c.now = c.now.Add(2 * time.Second)
	}
	if answered > loopMaxCount {
		t.Errorf("%d automatic answers in a row", answered)
	}
	if c.conv.MutedReason != mutedByLoop {
		t.Errorf("muted by %q", c.conv.MutedReason)
	}
	c.now = c.now.Add(loopPause + time.Minute)
	if out := c.say("Habari"); len(out.Replies) != 1 {
		t.Error("the chat stays dead after the pause")
	}
}

func TestDecide_WithoutTheGuardEveryMessageIsAnswered(t *testing.T) {
	c := newChat(t)
	c.d.settings.LoopGuard = false
	for i := range 50 {
		if len(c.say("menu").Replies) != 1 {
			t.Fatalf("message %d is not answered", i)
		}
	}
}

func TestDecide_ABacklogIsAnsweredByItsLastMessageOnly(t *testing.T) {
	c := newChat(t)
	in := c.incoming("Habari")
	in.SentAt = c.now.Add(-20 * time.Minute)
	out := c.hear(in)
	if !out.SilenceChat || len(out.Replies) != 1 || !out.Replies[0].RunAt.After(c.now) {
		t.Fatalf("silence %v, replies %+v", out.SilenceChat, out.Replies)
	}
}

func TestDecide_AMessageOfYesterdayIsNotAnswered(t *testing.T) {
	c := newChat(t)
	in := c.incoming("Habari")
	in.SentAt = c.now.Add(-13 * time.Hour)
	if out := c.hear(in); len(out.Replies) != 0 || out.Conversation == nil {
		t.Fatalf("decision: %+v", out)
	}
}

func TestDecide_ASwitchedOffBotListensAndIsSilent(t *testing.T) {
	c := newChat(t)
	c.d.profile.Config.BotEnabled = false
	if out := c.say("Habari"); len(out.Replies) != 0 || out.Customer == nil {
		t.Fatalf("decision: %+v", out)
	}
}

func TestDecide_APanicOfTheConversationIsAnError(t *testing.T) {
	c := newChat(t)
	c.d.engine = nil
	_, err := c.d.safely(c.incoming("x"), domain.InboxView{Now: c.now})
	if _, ok := err.(*conversationError); !ok {
		t.Fatalf("got %v", err)
	}
}
