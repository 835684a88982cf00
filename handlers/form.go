package handlers

import (
	"errors"
	"maps"
	"strings"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// form is what a person typed and what is wrong with it, so that a refused
// form comes back as it was.
type form struct {
	Values  map[string]string
	Errors  map[string]string
	Problem string // what is wrong with the form as a whole
}

func emptyForm() form { return form{Values: map[string]string{}, Errors: map[string]string{}} }

// secretFields never come back to the browser.
var secretFields = map[string]bool{"password": true, "again": true, "current": true, "code": true}

// readForm reads the named fields, without spaces around them.
func readForm(c *gin.Context, names ...string) form {
	f := emptyForm()
	for _, name := range names {
		text := domain.CleanText(c.PostForm(name))
		if !secretFields[name] {
			text = strings.TrimSpace(text)
		}
		f.Values[name] = text
	}
	return f
}

// refuse takes over what an error says about the form. It reports false for
// errors that are not about the form.
func (f *form) refuse(err error, t *translator) bool {
	var e *domain.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case domain.KindInvalid, domain.KindConflict, domain.KindTooLarge, domain.KindBusy:
	default:
		return false
	}
	maps.Copy(f.Errors, t.sentences(e.Fields))
	if len(e.Fields) == 0 {
		f.Problem = t.sentence(e.Message)
	}
	return true
}

// shown is the form without its secrets.
func (f form) shown() form {
	f.Values = maps.Clone(f.Values)
	for name := range secretFields {
		delete(f.Values, name)
	}
	return f
}
