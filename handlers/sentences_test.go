package handlers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"flowhq/domain"
)

// noPage are files whose sentences go to programs, to the console or to the log.
var noPage = []string{"../commands.go", "../domain/lifecycle.go", "../store/enqueue.go", "../store/fence.go", "../store/lock.go", "../store/migrate.go",
	"../store/open.go", "../store/patience.go", "../store/postgres.go", "../store/restore.go", "../store/keys.go", "api_*.go", "health.go", "middleware.go"}

// sayers are calls that make a sentence for people, with the place of it among their arguments.
var sayers = map[string]int{"Errorf": 1, "Add": 1, "failed": 1, "ended": 1}

// missers say that there is no such thing, with the place of its name.
var missers = map[string]int{"NotFound": 0, "orNotFound": 1, "orNotFoundRows": 2, "changedOne": 2}

// said collects the sentences of a file that do not depend on anything.
func said(t *testing.T, name string) (all []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	collect := func(e ast.Expr, before, after string) {
		if text, ok := constant(e); ok && text != "" && text != "%s" {
			all = append(all, before+text+after)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			return file.Name.Name == "domain" // errors of other rooms that are variables have pages of their own
		case *ast.CallExpr:
			called := calledName(n)
			if at, ok := sayers[called]; ok && at < len(n.Args) {
				collect(n.Args[at], "", "")
			}
			if at, ok := missers[called]; ok && at < len(n.Args) {
				collect(n.Args[at], "There is no such ", ".")
			}
			if called == "New" && file.Name.Name == "domain" {
				collect(n.Args[0], "", "")
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && slices.Contains([]string{"Message", "Reason", "Detail"}, key.Name) {
				collect(n.Value, "", "")
			}
		case *ast.CompositeLit:
			if typ, ok := n.Type.(*ast.SelectorExpr); ok && typ.Sel.Name == "Invalid" {
				for _, field := range n.Elts {
					collect(field.(*ast.KeyValueExpr).Value, "", "")
				}
			}
		}
		return true
	})
	return slices.DeleteFunc(all, func(s string) bool { return !strings.HasSuffix(s, ".") || strings.ToUpper(s[:1]) != s[:1] })
}

// constant is a text that is put together from literals alone.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, e.Kind == token.STRING && err == nil
	case *ast.BinaryExpr:
		left, ok := constant(e.X)
		right, too := constant(e.Y)
		return left + right, ok && too
	}
	return "", false
}

func calledName(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

func TestSentences_ThatReachPagesAreAllInSwahili(t *testing.T) {
	translators, err := newTranslators(templateFiles())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, pattern := range []string{"*.go", "../domain/*.go", "../store/*.go", "../worker/*.go", "../worker/whatsapp/*.go", "../demo*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || slices.ContainsFunc(noPage, func(p string) bool { ok, _ := filepath.Match(p, name); return ok }) {
				continue
			}
			for _, sentence := range said(t, name) {
				found[sentence] = true
				if translators[swahili].sentence(sentence) == sentence {
					t.Errorf("%s: %q has no entry sentence.%s in sw.toml", name, sentence, sentenceID(sentence))
				}
			}
		}
	}
	for _, sentence := range []string{"This is the last admin. Make another one first.", "There is no such invitation.", "The database does not answer. Try again in a moment.",
		"Choose at least one tenant.", "A name is required.", "This number is not on WhatsApp.", "WhatsApp did not answer in time.", "There are enough customers for a demo."} {
		if !found[sentence] {
			t.Errorf("%q is not found in the program: the test does not look where it should", sentence)
		}
	}
}

func TestSentences_AboutHoursThatDoNotFitAreInSwahili(t *testing.T) {
	translators, err := newTranslators(templateFiles())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []form{
		{Values: map[string]string{"mon": "08:00-12:00, 11:00-14:00"}},
		{Values: map[string]string{"mon": "08:00-08:00"}},
		{Values: map[string]string{"mon": "24:00-08:00"}},
		{Values: map[string]string{"mon": "1-2,3-4,5-6,7-8,9-10,11-12,13-14"}},
		{Values: map[string]string{"exceptions": "2026-12-25\n2026-12-25 Krismasi"}},
		{Values: map[string]string{"exceptions": manyDays(401)}},
		{Values: map[string]string{"exceptions": "2026-12-31 9"}},
	} {
		_, err := hoursOf(f)
		refused := emptyForm()
		if !refused.refuse(err, translators[swahili]) || len(refused.Errors) != 1 {
			t.Errorf("%v is refused with %v (%v)", f.Values, refused, err)
		}
		for field, problem := range refused.Errors {
			if english := err.(*domain.Error).Fields[field]; problem == english {
				t.Errorf("%q is shown in English: %s", f.Values[field], problem)
			}
		}
		if f.Values["exceptions"] == "2026-12-25\n2026-12-25 Krismasi" && !strings.Contains(refused.Errors["exceptions"], "2026-12-25") {
			t.Errorf("which date is twice is not said: %q", refused.Errors["exceptions"])
		}
	}
}

// manyDays are so many lines of exceptions.
func manyDays(n int) string {
	var out strings.Builder
	for i := range n {
		out.WriteString(domain.Now().AddDate(0, 0, i).Format("2006-01-02") + "\n")
	}
	return out.String()
}

func TestPages_ShowDatesAndDetailsInTheirLanguage(t *testing.T) {
	translators, err := newTranslators(templateFiles())
	if err != nil {
		t.Fatal(err)
	}
	at := domain.Now().AddDate(-1, 0, 0)
	for at.Month() != 8 {
		at = at.AddDate(0, 0, 10)
	}
	if got := translators[swahili].shortTime(at, "UTC"); got != at.Format("02 ")+"Ago"+at.Format(" 15:04") {
		t.Errorf("%s is written %q", at, got)
	}
	if got := translators[english].shortTime(at, "UTC"); got != at.Format("02 Jan 15:04") {
		t.Errorf("%s is written %q", at, got)
	}
}
