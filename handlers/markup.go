package handlers

import (
	"html/template"
	"regexp"
)

// WhatsApp's own marks within a text: *bold*, _italic_, ~struck~. They count
// only around something that neither begins nor ends with a space.
var marks = []struct {
	found *regexp.Regexp
	html  string
}{
	{regexp.MustCompile(`(^|[\s(>])\*([^\s*](?:[^*\n]*[^\s*])?)\*`), "$1<strong>$2</strong>"},
	{regexp.MustCompile(`(^|[\s(>])_([^\s_](?:[^_\n]*[^\s_])?)_`), "$1<em>$2</em>"},
	{regexp.MustCompile(`(^|[\s(>])~([^\s~](?:[^~\n]*[^\s~])?)~`), "$1<s>$2</s>"},
}

// whatsAppMarkup shows a message as WhatsApp does. The text is escaped first,
// so that nothing but these three elements comes out of it.
func whatsAppMarkup(text string) template.HTML {
	escaped := template.HTMLEscapeString(text)
	for _, m := range marks {
		escaped = m.found.ReplaceAllString(escaped, m.html)
	}
	return template.HTML(escaped)
}
