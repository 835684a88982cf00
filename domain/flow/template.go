package flow

import (
	"errors"
	"fmt"

	"flowhq/domain"
)

// A template is the conversation of one kind of business. Adding one takes a file and its texts:
//
//  1. Write <name>.go with an init function that calls register(newTemplate(kind)) and fills the template in:
//     t.text declares a text with its placeholders, t.item adds a line to the numbered menu, t.step adds a place in
//     the conversation. The ready-made items (services, prices, location, hours, person) are in answers.go.
//  2. Write every declared text under [<section>] in texts/sw.toml and texts/en.toml; the section is the template
//     type in lower case. New refuses to start while one is missing or its placeholders differ.
//
// The engine itself takes care of greetings, emergencies, opting out, hand-over to a person, language, "menu",
// "back" and "cancel", media, opening hours, appointments and messages that nobody understands.
// A template type without a file is answered by the generic template.
type template struct {
	kind  domain.TemplateType
	texts []*text
	menu  []item
	steps map[Step]step
}

// step is one place in a conversation.
type step struct {
	ask      func(*turn)      // says what is expected here; called on entering and after a side question
	take     func(*turn) bool // reads the answer; false when it was not understood (it must then have said nothing)
	back     Step             // where "back" leads
	calendar bool             // take or ask needs Input.Booked
	open     bool             // any words can be the answer, so the language is not guessed from them
}

// item is a line of the numbered menu, reached by its number at the menu or by its words.
type item struct {
	title *text
	words phraseSet        // anywhere in a message
	alone phraseSet        // as the whole message
	match func(*turn) bool // or by meaning; may be nil
	run   func(*turn)
	info  bool // answers without leaving the present step, so it may interrupt one
}

func (i item) meant(t *turn) bool {
	return i.words.in(t.words) || i.alone.is(essence(t.words)) || i.match != nil && i.match(t)
}

// registered holds the templates of this package's files.
var registered []*template

func register(t *template) *template {
	registered = append(registered, t)
	return t
}

// newTemplate makes a template with the steps that all have.
func newTemplate(kind domain.TemplateType) *template {
	t := &template{kind: kind, steps: map[Step]step{}}
	t.steps[stepMenu] = step{ask: (*turn).showMenu, take: takeMenu, back: stepMenu}
	t.steps[stepCancelAppointment] = step{ask: askCancelAppointment, take: takeCancelAppointment, back: stepMenu}
	return t
}

func (t *template) item(i item)            { t.menu = append(t.menu, i) }
func (t *template) step(name Step, s step) { t.steps[name] = s }

// text declares a text of this template; its placeholders are filled in the order given here.
func (t *template) text(key string, placeholders ...string) *text {
	declared := &text{section: sectionOf(t.kind), key: key, placeholders: placeholders}
	t.texts = append(t.texts, declared)
	return declared
}

func (t *template) validate() error {
	var problems []error
	if len(t.menu) == 0 || len(t.menu) > 9 {
		problems = append(problems, fmt.Errorf("the menu has %d items, wanted 1 to 9", len(t.menu)))
	}
	for i, entry := range t.menu {
		if entry.title == nil || entry.run == nil {
			problems = append(problems, fmt.Errorf("menu item %d has no title or nothing to run", i+1))
		}
	}
	for name, s := range t.steps {
		if s.ask == nil || s.take == nil {
			problems = append(problems, fmt.Errorf("step %s cannot ask or cannot take an answer", name))
		}
		if _, ok := t.steps[s.back]; !ok {
			problems = append(problems, fmt.Errorf("step %s leads back to unknown step %q", name, s.back))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("template %s: %w", t.kind, err)
	}
	return nil
}
