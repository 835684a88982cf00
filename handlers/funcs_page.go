package handlers

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"flowhq/domain"
)

// pageFuncs are the parts of pages that templates put together with arguments.
func (t *translator) pageFuncs() template.FuncMap {
	return template.FuncMap{
		"navlink":      newNavLink,
		"pager":        newPager,
		"emptystate":   func(icon, title, text string) emptyState { return emptyState{icon, title, text} },
		"attr":         attribute,
		"operatorzone": func() string { return operatorZone },
		"flashicon":    flashIcon,
		"toneicon":     toneIcon,
		"statustone":   statusTone,
		"tenanturl":    tenantURL,
		"pathescape":   url.PathEscape,
		"liveQuery":    liveQuery,
		"searchquery":  func(q string) string { return url.Values{"q": {q}}.Encode() },
		"linkof":       newLinkCard,
		"tabs":         func() []tab { return tenantTabs },
		"nextaction":   nextAction,
		"detail":       t.detail,
		"spaced":       func(s string) string { return strings.Join(strings.Split(s, ""), " ") },
		"shorttime":    t.shortTime,
		"hhmm":         func(at time.Time, zone string) string { return at.In(zoneOf(zone)).Format("15:04") },
		"dead":         func(s domain.MessageStatus) bool { return s == domain.StatusFailed || s == domain.StatusExpired },
	}
}

type navLink struct {
	Href, Icon, Text string
	Current          bool
	Count            int
}

func newNavLink(v view, href, section, icon, text string, count int) navLink {
	path, _, _ := strings.Cut(v.Frame.Path, "?")
	return navLink{Href: href, Icon: icon, Text: text, Count: count, Current: v.Frame.Section == section && (section != "" || path == "/admin")}
}

// pagerLinks lead through a list by cursors.
type pagerLinks struct {
	First, Next string
	Paged       bool
}

func newPager(path, query, next string, paged bool) pagerLinks {
	p := pagerLinks{First: path, Paged: paged}
	q, _ := url.ParseQuery(query)
	q.Del("cursor")
	if len(q) > 0 {
		p.First += "?" + q.Encode()
	}
	if next != "" {
		q.Set("cursor", next)
		p.Next = path + "?" + q.Encode()
	}
	return p
}

type emptyState struct{ Icon, Title, Text string }

// attribute writes an attribute of a form field; names are constants of the templates.
func attribute(name, value string) template.HTMLAttr {
	if value == "" {
		return template.HTMLAttr(name)
	}
	return template.HTMLAttr(fmt.Sprintf(`%s="%s"`, name, template.HTMLEscapeString(value)))
}

func flashIcon(tone string) string {
	if tone == "good" {
		return "circle-check"
	}
	return "triangle-alert"
}

func toneIcon(tone string) string {
	switch tone {
	case "good":
		return "circle-check"
	case "bad":
		return "triangle-alert"
	case "off":
		return "circle-help"
	}
	return "info"
}

func statusTone(s domain.TenantStatus) string {
	switch s {
	case domain.TenantActive:
		return "good"
	case domain.TenantError:
		return "bad"
	case domain.TenantQRPending:
		return "wait"
	}
	return "off"
}

func tenantURL(id any) string {
	if p, ok := id.(*uuid.UUID); ok && p != nil {
		id = *p
	}
	return fmt.Sprintf("/admin/tenants/%v", id)
}

// liveQuery is the query of a page for the fragment that keeps it up to date.
func liveQuery(path string) template.URL {
	u, err := url.Parse(path)
	if err != nil {
		return ""
	}
	return template.URL(u.Query().Encode()) // encoded here
}

type tab struct{ Name, Path, Text string }

var tenantTabs = []tab{{"messages", "", "tenant.tab_messages"}, {"conversations", "/conversations", "tenant.tab_conversations"}, {"settings", "/settings", "tenant.tab_settings"},
	{"hours", "/hours", "tenant.tab_hours"}, {"events", "/events", "tenant.tab_events"}, {"worker", "/worker", "tenant.tab_worker"}}

// stepAction is the one button that helps in a state.
type stepAction struct{ Path, Text string }

func nextAction(h domain.Health) *stepAction {
	switch h {
	case domain.HealthNew, domain.HealthExpired, domain.HealthLoggedOut, domain.HealthPairFailed:
		return &stepAction{"start", "next." + string(h) + ".do"}
	case domain.HealthPaused, domain.HealthReplaced, domain.HealthOutdated, domain.HealthError, domain.HealthBanned:
		return &stepAction{"start", "next." + string(h) + ".do"}
	case domain.HealthRetrying, domain.HealthUnreachable, domain.HealthUnreadable, domain.HealthUnsure:
		return &stepAction{"restart", "next." + string(h) + ".do"}
	}
	return nil
}

// detail writes what is known beyond the reason; a time in it is shown in the
// operator's zone.
func (t *translator) detail(text string) string {
	if raw, ok := strings.CutPrefix(text, "until "); ok {
		if at, err := time.Parse(time.RFC3339, raw); err == nil {
			return t.must("detail.until", "time", at.In(zoneOf(operatorZone)).Format("2006-01-02 15:04"))
		}
	}
	return t.sentence(text)
}

// shortTime is the time of day for today's messages, else the date with it.
func (t *translator) shortTime(at time.Time, zone string) string {
	loc := zoneOf(zone)
	local, now := at.In(loc), time.Now().In(loc)
	if local.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return local.Format("15:04:05")
	}
	months := strings.Fields(t.must("months.short"))
	return local.Format("02 ") + months[local.Month()-1] + local.Format(" 15:04")
}
