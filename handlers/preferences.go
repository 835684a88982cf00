package handlers

import (
	"strings"

	"github.com/gin-gonic/gin"
)

// preferences stores theme and language in the visitor's own cookie and goes
// back to the page they were on.
func (s *Server) preferences(c *gin.Context) error {
	u := s.uiOf(c)
	switch theme := c.PostForm("theme"); theme {
	case "light", "dark":
		u.Theme, u.changed = theme, true
	case "auto":
		u.Theme, u.changed = "", true
	}
	switch lang := c.PostForm("lang"); lang {
	case english, swahili:
		u.Lang, u.changed = lang, true
	}
	back := localPath(c.PostForm("back"))
	if back == "" {
		back = "/"
	}
	return s.seeOther(c, back)
}

// browserName is what of a User-Agent people recognise.
func browserName(agent string) string {
	for _, b := range []struct{ mark, name string }{
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"},
	} {
		if strings.Contains(agent, b.mark) {
			return b.name + on(agent)
		}
	}
	return clipped(agent, 40)
}

func on(agent string) string {
	for _, o := range []struct{ mark, name string }{
		{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
	} {
		if strings.Contains(agent, o.mark) {
			return " · " + o.name
		}
	}
	return ""
}
