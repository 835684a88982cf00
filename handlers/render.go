package handlers

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"
)

// screens are the parsed templates: one set for each page and language, so
// that a page can neither see nor break the blocks of another.
type screens struct {
	sets        map[string]map[string]*template.Template // language → page → set
	translators map[string]*translator
	assets      *assets
}

// areas are the folders of pages, each with the layout around its pages.
var areas = map[string]string{"admin": "admin", "auth": "plain", "errors": "plain", "demo": "demo"}

func newScreens(files fs.FS, a *assets) (*screens, error) {
	translators, err := newTranslators(files)
	if err != nil {
		return nil, err
	}
	sc := &screens{sets: map[string]map[string]*template.Template{}, translators: translators, assets: a}
	for _, lang := range languages {
		sc.sets[lang] = map[string]*template.Template{}
		for area, layout := range areas {
			if err := sc.parseArea(files, lang, area, layout); err != nil {
				return nil, err
			}
		}
	}
	return sc, nil
}

func (sc *screens) parseArea(files fs.FS, lang, area, layout string) error {
	pages, err := fs.Glob(files, area+"/*.html")
	if err != nil {
		return err
	}
	t := sc.translators[lang]
	common := template.New("common").Funcs(sc.funcs(t)).Funcs(t.pageFuncs()).Option("missingkey=error")
	if common, err = common.ParseFS(files, "layouts/base.html", "layouts/"+layout+".html", "partials/*.html"); err != nil {
		return fmt.Errorf("parse the layout %s: %w", layout, err)
	}
	for _, page := range pages {
		set, err := common.Clone()
		if err != nil {
			return err
		}
		if set, err = set.ParseFS(files, page); err != nil {
			return fmt.Errorf("parse %s: %w", page, err)
		}
		sc.sets[lang][area+"/"+strings.TrimSuffix(path.Base(page), ".html")] = set
	}
	return nil
}

// view is what every template gets: the frame around the page and the typed
// struct of the page itself.
type view struct {
	Frame frame
	Page  any
}

// execute renders a block of a page into a buffer.
func (sc *screens) execute(lang, page, block string, v view) ([]byte, error) {
	set := sc.sets[lang][page]
	if set == nil {
		return nil, fmt.Errorf("there is no page %q in %q", page, lang)
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
