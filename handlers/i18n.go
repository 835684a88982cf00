package handlers

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/text/language"

	"flowhq/domain"
)

// The languages of the portals, as they stand in the html element.
const (
	english = "en"
	swahili = "sw"
)

var languages = []string{english, swahili}

// translator speaks one language. Ids are those of templates/locales/*.toml.
type translator struct {
	lang      string
	localizer *i18n.Localizer
}

func newTranslators(templates fs.FS) (map[string]*translator, error) {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("toml", toml.Unmarshal)
	all := map[string]*translator{}
	for _, lang := range languages {
		name := "locales/" + lang + ".toml"
		raw, err := fs.ReadFile(templates, name)
		if err != nil {
			return nil, err
		}
		if _, err := bundle.ParseMessageFileBytes(raw, lang+".toml"); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	for _, lang := range languages {
		all[lang] = &translator{lang: lang, localizer: i18n.NewLocalizer(bundle, lang)}
	}
	return all, nil
}

// text returns a message. args are pairs of names and values; the value of
// "n" chooses between singular and plural. An unknown id is an error, so that
// rendering a page in a test finds it.
func (t *translator) text(id string, args ...any) (string, error) {
	data := map[string]any{}
	var count any
	for i := 0; i+1 < len(args); i += 2 {
		name := fmt.Sprint(args[i])
		data[name] = args[i+1]
		if name == "n" {
			count = args[i+1]
		}
	}
	text, tag, err := t.localizer.LocalizeWithTag(&i18n.LocalizeConfig{MessageID: id, TemplateData: data, PluralCount: count})
	if err != nil && count != nil { // a message that reads the same for one and for many
		text, tag, err = t.localizer.LocalizeWithTag(&i18n.LocalizeConfig{MessageID: id, TemplateData: data})
	}
	if err != nil {
		return "", fmt.Errorf("text %q in %q: %w", id, t.lang, err)
	}
	if base, _ := tag.Base(); base.String() != t.lang {
		return "", fmt.Errorf("text %q is missing in %q", id, t.lang)
	}
	return text, nil
}

// must is text for ids that are constants of the program.
func (t *translator) must(id string, args ...any) string {
	text, err := t.text(id, args...)
	if err != nil {
		return id
	}
	return text
}

// sentence translates a sentence of domain for people. Those that no
// catalogue has, for example because they quote what was typed, stay English.
func (t *translator) sentence(s string) string {
	if t.lang == english || s == "" {
		return s
	}
	if text, err := t.text("sentence." + sentenceID(s)); err == nil {
		return text
	}
	if date := anyDate.FindString(s); date != "" {
		if text, err := t.text("sentence."+sentenceID(strings.Replace(s, date, "", 1)), "date", date); err == nil {
			return text
		}
	}
	return s
}

// anyDate is the one thing that sentences quote which reads alike in every language.
var anyDate = regexp.MustCompile(`\d{4}-\d{2}-\d{2}`)

// sentences translates what is wrong with each field.
func (t *translator) sentences(fields map[string]string) map[string]string {
	all := make(map[string]string, len(fields))
	for field, problem := range fields {
		all[field] = t.sentence(problem)
	}
	return all
}

// sentenceID makes a catalogue id of a sentence: its letters and digits.
func sentenceID(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r == ' ':
			return '_'
		}
		return -1
	}, s)
}

// domainLanguage is the language in which domain's own texts are asked for.
func (t *translator) domainLanguage() domain.Language {
	if t.lang == swahili {
		return domain.LanguageSwahili
	}
	return domain.LanguageEnglish
}
