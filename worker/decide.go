package worker

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"flowhq/domain"
	"flowhq/domain/flow"
)

// Why the bot is silent in a conversation. A handoff is silence by the flow
// itself, which still listens for the way back; the others are absolute.
const (
	mutedByOwner   = "owner"
	mutedByHandoff = "handoff"
	mutedByLoop    = "loop"

	handoffPause = 12 * time.Hour // after it the bot helps again
)

// decider turns one inbound message into everything that follows from it. It
// is pure but for the ids it makes: no clock, no database.
type decider struct {
	engine   *flow.Engine
	profile  *domain.TenantProfile
	settings Settings
}

// decide is called inside the inbox transaction.
func (d *decider) decide(in domain.Incoming, v domain.InboxView) (domain.Decision, error) {
	conv := v.Conversation
	conv.ChatJID = in.ChatJID
	if in.FromMe {
		return d.ownerWrote(in, conv, v), nil
	}
	conv.LastInAt = &v.Now
	out := domain.Decision{Conversation: &conv}
	out.Customer = d.customer(in, v)
	if !d.profile.Config.BotEnabled || marginal(in.Kind) {
		return out, nil
	}
	state := flow.Decode(conv.State)
	if conv.Muted(v.Now) && conv.MutedReason != mutedByHandoff {
		return out, nil // a person is talking: the flow stays where it was
	}
	if !conv.Muted(v.Now) {
		state.HandedOver = false // the person is done, or nobody took over in time; the bot helps again
		conv.MutedUntil, conv.MutedReason = nil, ""
	}
	state, effects := d.engine.Step(flow.Input{State: state, Message: flow.Message{ID: in.WAID, Text: in.Text, Kind: string(in.Kind),
		ContactName: in.Name, SentAt: in.SentAt}, Profile: d.flowProfile(), Now: v.Now, Booked: v.Booked})
	raw, err := state.Encode()
	if err != nil {
		return domain.Decision{}, fmt.Errorf("encode conversation state: %w", err)
	}
	conv.State = raw
	d.apply(effects, in, v, &conv, &out)
	d.pace(in, v, &conv, &out)
	return out, nil
}

// ownerWrote pauses the bot in a chat in which the owner answered by hand. The
// pause begins when that was: after an outage it may be over. A reaction, a
// correction or a deletion is no answer.
func (d *decider) ownerWrote(in domain.Incoming, conv domain.Conversation, v domain.InboxView) domain.Decision {
	if marginal(in.Kind) {
		return domain.Decision{Conversation: &conv}
	}
	wrote := in.SentAt
	if wrote.After(v.Now) {
		wrote = v.Now // a wrong clock
	}
	if conv.LastOutAt == nil || wrote.After(*conv.LastOutAt) {
		conv.LastOutAt = &wrote
	}
	if raw, err := flow.Decode(conv.State).Interrupted().Encode(); err == nil {
		conv.State = raw // a "yes" to the owner must not book what the bot had asked
	}
	if until := wrote.Add(d.settings.OwnerPause); until.After(v.Now) {
		conv.MutedUntil, conv.MutedReason = &until, mutedByOwner
	}
	return domain.Decision{Conversation: &conv, SilenceChat: true}
}

// marginal reports whether a message only says something about another one.
func marginal(kind domain.MediaKind) bool {
	return kind == domain.MediaReaction || kind == domain.MediaRevoke || kind == domain.MediaEdit
}

func (d *decider) flowProfile() flow.Profile {
	c := d.profile.Config
	return flow.Profile{TenantID: d.profile.ID.String(), BusinessName: c.BusinessName, Address: c.Address, Phone: string(d.profile.Phone),
		Template: c.Template, Language: c.Language, Location: c.Location(), Hours: c.Hours, Services: c.Services}
}

// apply turns the engine's effects into rows.
func (d *decider) apply(effects []flow.Effect, in domain.Incoming, v domain.InboxView, conv *domain.Conversation, out *domain.Decision) {
	customer := func() *domain.Customer {
		if out.Customer == nil {
			c := v.Customer
			out.Customer = &c
		}
		return out.Customer
	}
	for _, e := range effects {
		switch e := e.(type) {
		case flow.Reply:
			if len(out.Replies) < domain.MaxRepliesPerStep {
				r := d.reply(e.Text, in, v)
				v.Youngest = r.ID
				out.Replies = append(out.Replies, r)
			}
		case flow.BookAppointment:
			out.Appointments = append(out.Appointments, domain.Appointment{ID: domain.NewID(), TenantID: d.profile.ID,
				Contact: in.Contact, Name: e.Name, Service: e.Service, At: e.At, Status: domain.AppointmentPending, CreatedAt: v.Now})
		case flow.CancelAppointment:
			out.CancelAt = append(out.CancelAt, e.At)
		case flow.SaveCustomerName:
			customer().Name = e.Name
		case flow.Handoff:
			until := v.Now.Add(handoffPause)
			conv.MutedUntil, conv.MutedReason = &until, mutedByHandoff
		case flow.EndHandoff:
			conv.MutedUntil, conv.MutedReason = nil, ""
		case flow.OptOut:
			customer().OptedOut = true
		case flow.OptIn:
			customer().OptedOut = false
		}
	}
}

func (d *decider) reply(text string, in domain.Incoming, v domain.InboxView) domain.Outbound {
	id := domain.NewIDAfter(v.Youngest)
	expires := v.Now.Add(domain.ReplyLife)
	return domain.Outbound{ID: id, TenantID: d.profile.ID, Contact: in.Contact, ChatJID: in.ChatJID, Lane: domain.LaneReply,
		WAID: domain.DeriveWAID(d.profile.Key, id), InReplyTo: in.WAID, Text: text, Status: domain.StatusQueued,
		RunAt: v.Now, ExpiresAt: &expires, CreatedAt: v.Now}
}

// pace applies the rules that keep a bot from making a fool of itself: old
// messages are answered once a chat or not at all, and two bots that talk to
// each other are stopped.
func (d *decider) pace(in domain.Incoming, v domain.InboxView, conv *domain.Conversation, out *domain.Decision) {
	age := v.Now.Sub(in.SentAt)
	switch {
	case age > d.settings.SilentAfter:
		out.Replies = nil
		return
	case age > d.settings.StaleAfter:
		// The backlog of an outage arrives in one go: each further message of
		// the chat silences the answer to the one before.
		out.SilenceChat = true
		for i := range out.Replies {
			out.Replies[i].RunAt = v.Now.Add(staleSettle)
		}
	}
	if in.Kind != domain.MediaText && said(conv, out.Replies, v.Now) {
		out.Replies = nil // one answer to an album
	}
	if len(out.Replies) == 0 {
		return
	}
	conv.LastOutAt = &v.Now
	if d.settings.LoopGuard && loops(conv, out.Replies, v.Now) {
		until := v.Now.Add(loopPause)
		conv.MutedUntil, conv.MutedReason = &until, mutedByLoop
		out.Replies = nil
	}
}

const (
	staleSettle  = 3 * time.Second
	loopWindow   = 10 * time.Minute
	loopMaxCount = 20
	loopMaxEqual = 5
	loopPause    = time.Hour

	albumPause = time.Minute
)

// said reports whether the last thing that the bot said a moment ago is what it
// would say now.
func said(conv *domain.Conversation, replies []domain.Outbound, now time.Time) bool {
	return len(replies) > 0 && conv.LastOutAt != nil && now.Sub(*conv.LastOutAt) < albumPause && conv.LastText == fingerprint(replies[len(replies)-1].Text)
}

// fingerprint recognises a text without keeping it.
func fingerprint(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// loops counts automatic answers and reports whether the chat looks like two
// bots talking: too many in ten minutes, or the same one again and again.
func loops(conv *domain.Conversation, replies []domain.Outbound, now time.Time) bool {
	if conv.WindowStart == nil || now.Sub(*conv.WindowStart) > loopWindow {
		conv.WindowStart, conv.WindowCount, conv.LastText, conv.SameCount = &now, 0, "", 0
	}
	conv.WindowCount += len(replies)
	for _, r := range replies {
		text := fingerprint(r.Text)
		if text == conv.LastText {
			conv.SameCount++
		} else {
			conv.LastText, conv.SameCount = text, 1
		}
	}
	return conv.WindowCount > loopMaxCount || conv.SameCount > loopMaxEqual
}

// customer returns the customer row when the message adds to what is known: a
// first message, or a name where there was none.
func (d *decider) customer(in domain.Incoming, v domain.InboxView) *domain.Customer {
	c := v.Customer
	switch {
	case c.CreatedAt.IsZero():
		c = domain.Customer{ID: domain.NewID(), TenantID: d.profile.ID, Contact: in.Contact, Name: in.Name, CreatedAt: v.Now}
	case c.Name == "" && in.Name != "":
		c.Name = in.Name
	default:
		return nil
	}
	c.UpdatedAt = v.Now
	return &c
}
