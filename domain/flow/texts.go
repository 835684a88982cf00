package flow

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"flowhq/domain"
)

// text is a declared text: where it stands in the catalogue and which placeholders it has.
type text struct {
	section, key string
	placeholders []string
}

func (t *text) name() string { return t.section + "." + t.key }

func sectionOf(kind domain.TemplateType) string { return strings.ToLower(string(kind)) }

// catalogue holds every text by language and name.
type catalogue map[domain.Language]map[string]string

var languageFiles = []struct {
	language domain.Language
	path     string
}{
	{domain.LanguageSwahili, "texts/sw.toml"},
	{domain.LanguageEnglish, "texts/en.toml"},
}

var placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)

// loadCatalogue reads both languages and reports all that is wrong with them at once.
func loadCatalogue(files fs.FS, declared []*text) (catalogue, error) {
	loaded := catalogue{}
	var problems []error
	for _, file := range languageFiles {
		texts, err := readTexts(files, file.path)
		if err != nil {
			return nil, err
		}
		loaded[file.language] = texts
		problems = append(problems, checkTexts(file.path, texts, declared)...)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("texts of the conversations: %w", err)
	}
	return loaded, nil
}

func readTexts(files fs.FS, path string) (map[string]string, error) {
	data, err := fs.ReadFile(files, path)
	if err != nil {
		return nil, fmt.Errorf("read texts: %w", err)
	}
	var sections map[string]map[string]string
	if err := toml.Unmarshal(data, &sections); err != nil {
		return nil, fmt.Errorf("parse %s: %w", path, err)
	}
	texts := map[string]string{}
	for section, entries := range sections {
		for key, value := range entries {
			texts[section+"."+key] = strings.TrimSpace(value)
		}
	}
	return texts, nil
}

func checkTexts(path string, texts map[string]string, declared []*text) []error {
	var problems []error
	known := map[string]bool{}
	for _, d := range declared {
		known[d.name()] = true
		value := texts[d.name()]
		if value == "" {
			problems = append(problems, fmt.Errorf("%s: %s is missing", path, d.name()))
			continue
		}
		if got, want := placeholdersOf(value), sorted(d.placeholders); !slices.Equal(got, want) {
			problems = append(problems, fmt.Errorf("%s: %s has placeholders %v, wanted %v", path, d.name(), got, want))
		}
	}
	for name := range texts {
		if !known[name] {
			problems = append(problems, fmt.Errorf("%s: %s is not used", path, name))
		}
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return problems
}

func placeholdersOf(value string) []string {
	var names []string
	for _, match := range placeholder.FindAllStringSubmatch(value, -1) {
		names = append(names, match[1])
	}
	return slices.Compact(sorted(names))
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

// render fills the placeholders in their declared order. What is filled in is never read for placeholders again.
func (c catalogue) render(language domain.Language, t *text, values ...string) string {
	return placeholder.ReplaceAllStringFunc(c[language][t.name()], func(found string) string {
		i := slices.Index(t.placeholders, found[1:len(found)-1])
		if i < 0 || i >= len(values) {
			return ""
		}
		return values[i]
	})
}
