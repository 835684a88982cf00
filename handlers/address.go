package handlers

import (
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/gin-gonic/gin"
)

// formPages are the pages of forms that are sent to an address which cannot be
// opened, or shows something else.
var formPages = map[string]string{
	"/account/password":   "/account",
	"/admin/keys":         "/admin/keys/new",
	"/admin/tenants":      "/admin/tenants/new",
	"/admin/tenants/bulk": "/admin/tenants",
}

const belongsKey = "belongs"

// belongsTo names the page of a form whose answer cannot be opened again.
func belongsTo(c *gin.Context, page string) { c.Set(belongsKey, page) }

// addressOf is where what a request shows can be opened again: an answer to a
// form has the address of the page that the form is on.
func (s *Server) addressOf(c *gin.Context) string {
	if named := c.GetString(belongsKey); named != "" {
		return named
	}
	if c.Request.Method == http.MethodGet {
		return c.Request.URL.RequestURI()
	}
	if page := s.formPage(c); page != "" {
		return page
	}
	return s.returnAddress(c)
}

// returnAddress is the page that a visitor wanted, or was on when a form or a
// fragment was refused.
func (s *Server) returnAddress(c *gin.Context) string {
	if c.Request.Method == http.MethodGet && !fromHTMX(c) && !strings.HasPrefix(c.Request.URL.Path, livePrefix) {
		return c.Request.URL.RequestURI()
	}
	for _, header := range []string{"HX-Current-URL", "Referer"} {
		if u, err := url.Parse(c.GetHeader(header)); err == nil && s.opens(u.Path) {
			return u.RequestURI()
		}
	}
	if page := s.formPage(c); page != "" {
		return page
	}
	return "/"
}

// formPage is the page of the form that a request sends; "" when its address does not tell.
func (s *Server) formPage(c *gin.Context) string {
	if page := formPages[c.FullPath()]; page != "" {
		return page
	}
	if s.opens(c.Request.URL.Path) {
		return c.Request.URL.Path
	}
	return ""
}

// opens reports whether a path is that of a page: the route that fits it best
// takes GET.
func (s *Server) opens(address string) bool {
	if forPrograms(address) || strings.HasPrefix(address, livePrefix) {
		return false
	}
	fewest, takesGet := len(address), false
	for _, r := range s.web.routes {
		parts, open := strings.Split(r.Path, "/"), 0
		for i, part := range parts {
			if strings.HasPrefix(part, ":") {
				parts[i], open = "*", open+1
			}
		}
		if fits, err := path.Match(strings.Join(parts, "/"), address); err != nil || !fits || open > fewest {
			continue
		}
		takesGet = r.Method == http.MethodGet || open == fewest && takesGet
		fewest = open
	}
	return takesGet
}
