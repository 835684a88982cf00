package handlers

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
)

// screens are the templates: one set for each page and language, so that a page
// can neither see nor break the blocks of another. A set is parsed when it is
// first shown, because each holds the layout and all partials anew and most are
// never looked at; a test parses them all.
type screens struct {
	files       fs.FS
	translators map[string]*translator
	assets      *assets

	mu   sync.Mutex
	sets map[string]*template.Template // "en admin/tenants"
}

// areas are the folders of pages, each with the layout around its pages.
var areas = map[string]string{"admin": "admin", "auth": "plain", "errors": "plain", "demo": "demo"}

func newScreens(files fs.FS, a *assets) (*screens, error) {
	translators, err := newTranslators(files)
	if err != nil {
		return nil, err
	}
	return &screens{files: files, translators: translators, assets: a, sets: map[string]*template.Template{}}, nil
}

// pages lists every page, as "area/name".
func (sc *screens) pages() (all []string, err error) {
	for area := range areas {
		found, err := fs.Glob(sc.files, area+"/*.html")
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			all = append(all, strings.TrimSuffix(name, ".html"))
		}
	}
	return all, nil
}

// set returns the templates of a page in a language.
func (sc *screens) set(lang, page string) (*template.Template, error) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	key := lang + " " + page
	if set := sc.sets[key]; set != nil {
		return set, nil
	}
	t, layout := sc.translators[lang], areas[path.Dir(page)]
	if t == nil || layout == "" {
		return nil, fmt.Errorf("there is no page %q in %q", page, lang)
	}
	set, err := template.New("common").Funcs(sc.funcs(t)).Funcs(t.pageFuncs()).Option("missingkey=error").
		ParseFS(sc.files, "layouts/base.html", "layouts/"+layout+".html", "partials/*.html", page+".html")
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", page, err)
	}
	sc.sets[key] = set
	return set, nil
}

// view is what every template gets: the frame around the page and the typed
// struct of the page itself.
type view struct {
	Frame frame
	Page  any
}

// execute renders a block of a page into a buffer.
func (sc *screens) execute(lang, page, block string, v view) ([]byte, error) {
	set, err := sc.set(lang, page)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := set.ExecuteTemplate(&out, block, v); err != nil {
		return nil, fmt.Errorf("render %s of %s: %w", block, page, err)
	}
	return out.Bytes(), nil
}

// page answers with a whole page.
func (s *Server) page(c *gin.Context, status int, name string, page any) error {
	return s.block(c, status, name, "base", page)
}

// block answers with one block of a page; nothing is sent when it does not render.
func (s *Server) block(c *gin.Context, status int, name, block string, page any) error {
	f, err := s.frame(c)
	if err != nil {
		return err
	}
	if shown, ok := page.(interface{ once() bool }); ok {
		f.Once = shown.once()
	}
	body, err := s.web.screens.execute(f.Lang, name, block, view{Frame: f, Page: page})
	if err != nil {
		return err
	}
	if err := s.saveUI(c); err != nil {
		return err
	}
	c.Data(status, "text/html; charset=utf-8", body)
	return nil
}

// seeOther sends the browser to another page after a form, or tells htmx to go there.
func (s *Server) seeOther(c *gin.Context, to string) error {
	if err := s.saveUI(c); err != nil {
		return err
	}
	if fromHTMX(c) {
		c.Header("HX-Redirect", to)
		c.Status(http.StatusNoContent)
		return nil
	}
	c.Redirect(http.StatusSeeOther, to)
	return nil
}

// fromHTMX reports whether a fragment is expected and not a page.
func fromHTMX(c *gin.Context) bool { return c.GetHeader("HX-Request") == "true" }
