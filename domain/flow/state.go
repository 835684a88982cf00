package flow

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"flowhq/domain"
)

// stateVersion grows when the meaning of a stored State changes.
const stateVersion = 1

// Bounds that keep a State below 4 KB as JSON.
const (
	maxNameRunes    = 60
	maxServiceRunes = 60
	maxNoteRunes    = 300
	maxDataBytes    = 1200
	maxOptions      = 6
	maxAppointments = 4
)

// Step names a place in a template's conversation. Every template has stepMenu.
type Step string

const (
	stepMenu              Step = "menu"
	stepCancelAppointment Step = "cancel_appointment"
)

// State is what the engine remembers of one conversation. It is stored as JSON and stays below 4 KB. The zero value
// is a conversation that has not begun. A State of another version, of another template or with an unknown step is
// read as standing at the menu; language, name, appointments, a hand-over and an opt-out survive that.
type State struct {
	Version  int                 `json:"v"`
	Template domain.TemplateType `json:"template,omitempty"`
	Step     Step                `json:"step,omitempty"`
	Data     json.RawMessage     `json:"data,omitempty"` // what the template collected so far

	Language       domain.Language `json:"language,omitempty"`
	LanguageChosen bool            `json:"language_chosen,omitempty"` // asked for in words, no longer guessed
	Greeted        bool            `json:"greeted,omitempty"`
	HandedOver     bool            `json:"handed_over,omitempty"` // a person answers; set false to let the engine answer again
	OptedOut       bool            `json:"opted_out,omitempty"`
	ClosedTold     int64           `json:"closed_told,omitempty"` // the opening (Unix time) the customer was told about
	Confused       int             `json:"confused,omitempty"`    // messages in a row that were not understood
	Name           string          `json:"name,omitempty"`

	Offered      []time.Time   `json:"offered,omitempty"` // days or times behind the numbers of the last list
	Appointments []Appointment `json:"appointments,omitempty"`
}

// Appointment is one that was confirmed in this conversation.
type Appointment struct {
	Service string    `json:"service"`
	At      time.Time `json:"at"`
}

// Decode reads a stored State. It never fails: what cannot be read is a conversation that has not begun.
func Decode(stored []byte) State {
	var s State
	if len(stored) == 0 || json.Unmarshal(stored, &s) != nil {
		return State{}
	}
	return s
}

// Interrupted is the state after a person has talked to the customer: a word that was said to them must neither book
// nor cancel.
func (s State) Interrupted() State {
	if s.Step == stepConfirm || s.Step == stepCancelAppointment {
		s.Step, s.Data, s.Offered = stepMenu, nil, nil
	}
	return s
}

// Encode writes the State for Decode.
func (s State) Encode() ([]byte, error) { return json.Marshal(s.sanitised()) }

// sanitised enforces the bounds and the version. It copies what it changes, so a caller's State is never touched.
func (s State) sanitised() State {
	if s.Version != stateVersion {
		s.Version, s.Step, s.Data, s.Offered = stateVersion, stepMenu, nil, nil
	}
	if s.Step == "" {
		s.Step = stepMenu
	}
	s.Step = Step(clip(string(s.Step), 40))
	s.Template = domain.TemplateType(clip(string(s.Template), 40))
	if s.Language != domain.LanguageSwahili && s.Language != domain.LanguageEnglish {
		s.Language, s.LanguageChosen = "", false
	}
	s.Name = clip(s.Name, maxNameRunes)
	if s.Data != nil {
		data, err := json.Marshal(s.Data) // as it will be stored, escapes included
		if s.Data = data; err != nil || len(data) > maxDataBytes {
			s.Step, s.Data = stepMenu, nil
		}
	}
	s.Offered = moments(s.Offered, maxOptions)
	s.Appointments = newestAppointments(s.Appointments)
	return s
}

// moments copies at most n times, cut to seconds in UTC: JSON keeps those exactly.
func moments(times []time.Time, n int) []time.Time {
	var out []time.Time
	for _, t := range times[:min(n, len(times))] {
		out = append(out, storable(t))
	}
	return out
}

// storable moves years that JSON cannot carry to the beginning of time.
func storable(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Second)
	if t.Year() < 1 || t.Year() > 9998 {
		return time.Unix(0, 0).UTC()
	}
	return t
}

func newestAppointments(all []Appointment) []Appointment {
	var out []Appointment
	for _, a := range all[max(0, len(all)-maxAppointments):] {
		out = append(out, Appointment{Service: clip(a.Service, maxServiceRunes), At: storable(a.At)})
	}
	return out
}

// clip cuts to n runes of valid UTF-8. JSON would replace invalid bytes on its way through the database.
func clip(s string, n int) string {
	var out []rune
	for _, r := range s[:min(len(s), n*utf8.UTFMax)] {
		if len(out) == n {
			break
		}
		if r != utf8.RuneError {
			out = append(out, r)
		}
	}
	return string(out)
}
