package flow

import "time"

// Effect is something the caller must do. The set is closed: the types of this file are all there are.
// Effects of one Step belong into one transaction with the new State.
type Effect interface{ effect() }

// Reply is a text for the customer, in WhatsApp's formatting. It is at most 4000 characters long.
type Reply struct{ Text string }

// BookAppointment enters an appointment that the customer has confirmed.
type BookAppointment struct {
	Service string
	At      time.Time
	Name    string
	Note    string // what the customer added when confirming; usually empty
}

// CancelAppointment withdraws the customer's appointment at this time. It may be gone already: then nothing happens.
type CancelAppointment struct{ At time.Time }

// SaveCustomerName stores the name the customer gave.
type SaveCustomerName struct{ Name string }

// Handoff asks a person of the business to take over and notifies the owner. It can come again while a person has
// already taken over (an emergency does that): the owner is then told once more.
type Handoff struct {
	Reason HandoffReason
	Note   string // the customer's request or message, shortened
}

// EndHandoff says that the customer went back to the menu on his own while a person had taken over.
type EndHandoff struct{}

// OptOut stops every message to the customer that he did not ask for, reminders included.
type OptOut struct{}

// OptIn ends an OptOut: the customer wrote again.
type OptIn struct{}

// HandoffReason tells the owner why a person is needed.
type HandoffReason string

// The reasons for a Handoff.
const (
	ReasonAsked     HandoffReason = "asked"     // the customer wants to talk to a person
	ReasonRequest   HandoffReason = "request"   // the customer left an order or a request for the team
	ReasonEmergency HandoffReason = "emergency" // words of an emergency were read
)

func (Reply) effect()             {}
func (BookAppointment) effect()   {}
func (CancelAppointment) effect() {}
func (SaveCustomerName) effect()  {}
func (Handoff) effect()           {}
func (EndHandoff) effect()        {}
func (OptOut) effect()            {}
func (OptIn) effect()             {}
