package flow

import (
	"encoding/json"
	"strings"
	"time"

	"flowhq/domain"
)

const (
	maxReplyRunes    = 4000
	maxListed        = 30
	maxBusinessRunes = 100
	maxAddressRunes  = 500
)

// turn is the answering of one message.
type turn struct {
	engine   *Engine
	template *template
	in       Input
	state    State
	text     string   // the message, normalised
	words    []string // its words
	first    bool     // this message was greeted

	paragraphs []string
	effects    []Effect
}

func (e *Engine) begin(in Input) *turn {
	if in.Profile.Location == nil {
		in.Profile.Location = time.UTC
	}
	state := in.State.sanitised()
	t := &turn{engine: e, template: e.template(in.Profile.Template), in: in, state: state}
	t.text = normalise(in.Message.Text)
	t.words = wordsOf(t.text)
	if _, known := t.template.steps[state.Step]; !known || state.Template != in.Profile.Template {
		t.reset()
	}
	t.state.Template = domain.TemplateType(clip(string(in.Profile.Template), 40))
	return t
}

// end joins what was said into one reply: a customer who writes once is answered once.
func (t *turn) end() (State, []Effect) {
	if len(t.paragraphs) > 0 {
		t.effects = append(t.effects, Reply{Text: clip(strings.Join(t.paragraphs, "\n\n"), maxReplyRunes)})
	}
	return t.state.sanitised(), t.effects
}

// say adds a paragraph to the reply. The values fill the placeholders in the order of the text's declaration.
func (t *turn) say(what *text, values ...string) {
	t.paragraphs = append(t.paragraphs, capitalised(t.render(what, values...)))
}

// sayBlock adds lines that are no text of the catalogue, such as a numbered list.
func (t *turn) sayBlock(lines ...string) {
	t.paragraphs = append(t.paragraphs, strings.Join(lines, "\n"))
}

func (t *turn) render(what *text, values ...string) string {
	return t.engine.texts.render(t.language(), what, values...)
}

// capitalised begins a sentence whose first words were filled in, such as "*kesho*".
func capitalised(s string) string {
	bare := strings.TrimLeft(s, "*")
	return s[:len(s)-len(bare)] + upperFirst(bare)
}

func (t *turn) do(effect Effect) { t.effects = append(t.effects, effect) }

// language is the one this customer is answered in.
func (t *turn) language() domain.Language {
	if t.state.Language != "" {
		return t.state.Language
	}
	if t.in.Profile.Language == domain.LanguageEnglish {
		return domain.LanguageEnglish
	}
	return domain.LanguageSwahili
}

func (t *turn) business() string { return clean(t.in.Profile.BusinessName, maxBusinessRunes) }

// enter moves to a step and asks its question.
func (t *turn) enter(name Step) {
	t.state.Step = name
	t.state.Offered = nil
	t.ask()
}

func (t *turn) ask() { t.step().ask(t) }

func (t *turn) step() step { return t.template.steps[t.state.Step] }

// reset forgets what was being collected and stands at the menu, silently.
func (t *turn) reset() {
	t.state.Step, t.state.Data, t.state.Offered, t.state.Confused = stepMenu, nil, nil, 0
}

// load reads what the template collected so far into a pointer; what cannot be read leaves it as it is.
func (t *turn) load(into any) { _ = json.Unmarshal(t.state.Data, into) }

// save keeps what the template collected. It must fit into maxDataBytes or the conversation returns to the menu.
func (t *turn) save(collected any) {
	data, err := json.Marshal(collected)
	if err != nil {
		data = nil // a template stores plain values only; an unstorable one is as good as nothing collected
	}
	t.state.Data = data
}

// now is the present in the business's location.
func (t *turn) now() time.Time { return t.in.Now.In(t.in.Profile.Location) }

// written is the moment from which "tomorrow" is counted: a message may have waited on its way.
func (t *turn) written() time.Time {
	sent := t.in.Message.SentAt
	if sent.After(t.in.Now.Add(-48*time.Hour)) && !sent.After(t.in.Now) {
		return sent.In(t.in.Profile.Location)
	}
	return t.now()
}

// quote is the customer's message as a person of the business reads it in a notification.
func (t *turn) quote() string { return clean(t.in.Message.Text, maxNoteRunes) }

// clean makes foreign words safe to stand in our sentences: one line, no formatting marks, bounded.
func clean(s string, runes int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune("*_~`", r), isInvisible(r):
			return -1
		case r < ' ':
			return ' '
		}
		return r
	}, clip(s, 4*runes))
	return strings.TrimSpace(clip(strings.Join(strings.Fields(s), " "), runes))
}

// isInvisible names characters that reorder or hide text.
func isInvisible(r rune) bool {
	return r == 0x7f || r >= 0x200e && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfeff
}
