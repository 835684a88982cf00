package handlers

import (
	"errors"
	"html/template"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"flowhq/domain"
)

func templateFiles() fs.FS { return os.DirFS("../templates") }

func TestTexts_EveryLanguageHasTheSameIDs(t *testing.T) {
	ids := map[string]map[string]bool{}
	for _, lang := range languages {
		raw, err := fs.ReadFile(templateFiles(), "locales/"+lang+".toml")
		if err != nil {
			t.Fatal(err)
		}
		var entries map[string]any
		if err := toml.Unmarshal(raw, &entries); err != nil {
			t.Fatal(err)
		}
		ids[lang] = map[string]bool{}
		for id := range entries {
			if !strings.HasPrefix(id, "sentence.") {
				ids[lang][id] = true
			}
		}
	}
	for id := range ids[english] {
		if !ids[swahili][id] {
			t.Errorf("%q is missing in Swahili", id)
		}
	}
	for id := range ids[swahili] {
		if !ids[english][id] {
			t.Errorf("%q is missing in English", id)
		}
	}
}

// everyScreen are the pages with the real templates and assets.
func everyScreen(t *testing.T) *screens {
	t.Helper()
	a, err := newAssets(os.DirFS("../static"))
	if err != nil {
		t.Fatal(err)
	}
	sc, err := newScreens(templateFiles(), a)
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

func TestBanner_EveryHealthSaysWhatToDoInEveryLanguage(t *testing.T) {
	sc := everyScreen(t)
	for _, lang := range languages {
		seen := map[string]domain.Health{}
		for _, h := range domain.Healths() {
			head := tenantHead{Health: h, Zone: domain.DefaultTimezone}
			body, err := sc.execute(lang, "admin/tenant", "tenanthead", view{Frame: frame{Lang: lang}, Page: messagesPage{tenantHead: head}})
			if err != nil {
				t.Errorf("%s in %s: %v", h, lang, err)
				continue
			}
			title := sc.translators[lang].must("next." + string(h) + ".title")
			if !strings.Contains(string(body), template.HTMLEscapeString(title)) {
				t.Errorf("%s in %s does not say %q", h, lang, title)
			}
			if other, taken := seen[title]; taken {
				t.Errorf("%s and %s say the same in %s: %q", h, other, lang, title)
			}
			seen[title] = h
		}
	}
}

var constantText = regexp.MustCompile(`(?:\bt|must\(|text\() ?"([a-zA-Z_0-9.]+)"`)

func TestTexts_EveryConstantIDExists(t *testing.T) {
	translators, err := newTranslators(templateFiles())
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, raw []byte) {
		for _, m := range constantText.FindAllSubmatch(raw, -1) {
			id := string(m[1])
			if strings.HasSuffix(id, ".") || strings.HasSuffix(id, "_") || !strings.Contains(id, ".") {
				continue // the rest of it is computed
			}
			for _, lang := range languages {
				if _, err := translators[lang].text(id, "n", 1); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
	for _, root := range []fs.FS{templateFiles(), os.DirFS(".")} {
		err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") || !(strings.HasSuffix(name, ".html") || strings.HasSuffix(name, ".go")) {
				return err
			}
			raw, err := fs.ReadFile(root, name)
			check(name, raw)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestScreens_EveryTemplateParsesInEveryLanguage(t *testing.T) {
	sc := everyScreen(t)
	pages, err := sc.pages()
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range languages {
		for _, page := range pages {
			set, err := sc.set(lang, page)
			if err != nil {
				t.Errorf("%s in %s: %v", page, lang, err)
				continue
			}
			var wrong *template.Error // escaping comes before the data is looked at
			if err := set.ExecuteTemplate(io.Discard, "base", nil); errors.As(err, &wrong) {
				t.Errorf("%s in %s: %v", page, lang, wrong)
			}
		}
	}
	if len(pages) < 20 {
		t.Errorf("only %d pages are found", len(pages))
	}
}
