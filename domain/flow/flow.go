// Package flow is the conversation engine: it turns one message of a customer and what is known about the
// conversation into a new state and a list of effects. It is a pure function. It reads no clock, no network,
// no database and no random source, so the same input gives the same answer on every replica and after every crash.
//
// The caller loads the State, calls Step, and stores the new State together with everything the effects ask for
// in one transaction.
package flow

import (
	"fmt"
	"io/fs"
	"time"

	"flowhq/domain"
)

// Profile is what the engine knows about the business that is written to.
type Profile struct {
	TenantID     string
	BusinessName string
	Address      string // one line for people; empty when unknown
	Phone        string // as people dial it; empty when unknown
	Template     domain.TemplateType
	Language     domain.Language
	Location     *time.Location // nil means UTC
	Hours        domain.Hours   // the zero value means always open
	Services     []domain.Service
}

// Kinds of messages. Every value that is not KindText is treated as media; its Text is then the caption.
const (
	KindText     = "text"
	KindImage    = "image"
	KindAudio    = "audio"
	KindVideo    = "video"
	KindDocument = "document"
	KindSticker  = "sticker"
	KindLocation = "location"
	KindContact  = "contact"
	KindOther    = "other"
)

// Message is one inbound message.
type Message struct {
	ID          string
	Text        string
	Kind        string
	ContactName string    // the push name; may be empty
	SentAt      time.Time // "tomorrow" is counted from here, so a message that waited is still understood
}

// Input is everything one Step depends on.
type Input struct {
	State   State
	Message Message
	Profile Profile
	Now     time.Time
	Booked  []time.Time // times already taken in the next 60 days; loaded only when NeedsCalendar says so
}

// Engine answers messages. It is immutable and safe for concurrent use.
type Engine struct {
	texts     catalogue
	templates map[domain.TemplateType]*template
	fallback  *template
}

// New reads texts/sw.toml and texts/en.toml from the file system. It fails when a text is missing in a language,
// when its placeholders differ from what the code fills in, or when a template is incomplete.
func New(texts fs.FS) (*Engine, error) {
	return newEngine(texts, registered)
}

func newEngine(texts fs.FS, templates []*template) (*Engine, error) {
	engine := &Engine{templates: map[domain.TemplateType]*template{}, fallback: generic}
	declared := core.texts
	for _, t := range append([]*template{generic}, templates...) {
		if err := t.validate(); err != nil {
			return nil, err
		}
		if engine.templates[t.kind] != nil {
			return nil, fmt.Errorf("template %s is registered twice", t.kind)
		}
		engine.templates[t.kind] = t
		declared = append(declared[:len(declared):len(declared)], t.texts...)
	}
	catalogue, err := loadCatalogue(texts, declared)
	if err != nil {
		return nil, err
	}
	engine.texts = catalogue
	return engine, nil
}

// NeedsCalendar reports whether the next Step from this state may have to know which times are taken.
func (e *Engine) NeedsCalendar(s State) bool {
	s = s.sanitised()
	step, ok := e.template(s.Template).steps[s.Step]
	return ok && step.calendar && !s.HandedOver && !s.OptedOut
}

func (e *Engine) template(kind domain.TemplateType) *template {
	if t, ok := e.templates[kind]; ok {
		return t
	}
	return e.fallback
}
