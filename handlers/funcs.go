package handlers

import (
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"flowhq/domain"
)

// funcs are what templates may call, in one language.
func (sc *screens) funcs(t *translator) template.FuncMap {
	return template.FuncMap{
		"t":        t.text,
		"sentence": t.sentence,
		"asset":    sc.assets.url,
		"sprite":   func() (string, error) { return sc.assets.url("icons/sprite.svg") },
		"num":      grouped,
		"ago":      t.ago,
		"dur":      t.duration,
		"clock":    func(at time.Time, zone string) string { return at.In(zoneOf(zone)).Format("15:04:05") },
		"stamp":    func(at time.Time, zone string) string { return at.In(zoneOf(zone)).Format("2006-01-02 15:04:05") },
		"day":      func(at time.Time, zone string) string { return at.In(zoneOf(zone)).Format("2006-01-02") },
		"rfc3339":  func(at time.Time) string { return at.UTC().Format(time.RFC3339) },
		"masked":   maskedContact,
		"contact":  shownContact,
		"field":    newField,
		"health":   func(h domain.Health) string { return t.must("health." + string(h)) },
		"reason":   func(r domain.Reason) string { return r.Text(t.domainLanguage()) },
		"kind":     func(x domain.TemplateType) string { return t.must("template." + string(x)) },
		"language": func(l domain.Language) string { return t.must("language." + string(l)) },
		"ticks":    ticksOf,
		"wa":       whatsAppMarkup,
		"query":    withQuery,
		"join":     strings.Join,
		"lower":    strings.ToLower,
	}
}

// operatorZone is the zone in which the operator's pages show times that
// belong to no tenant.
const operatorZone = domain.DefaultTimezone

func zoneOf(name string) *time.Location { return domain.TenantConfig{Timezone: name}.Location() }

// grouped writes a number with thousands separators.
func grouped(n int) string {
	digits := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// ago says how long ago something was; app.js keeps it true while the page is open.
func (t *translator) ago(at time.Time) string {
	d := time.Since(at)
	switch {
	case d < 0:
		return t.must("ago.soon")
	case d < 10*time.Second:
		return t.must("ago.now")
	case d < time.Minute:
		return t.must("ago.seconds", "n", int(d.Seconds()))
	case d < time.Hour:
		return t.must("ago.minutes", "n", int(d.Minutes()))
	case d < 24*time.Hour:
		return t.must("ago.hours", "n", int(d.Hours()))
	}
	return t.must("ago.days", "n", int(d.Hours()/24))
}

// duration writes a length of time with one or two digits that matter.
func (t *translator) duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return t.must("duration.days", "n", int(d.Hours()/24))
}

// maskedContact hides the middle of a customer's number.
func maskedContact(contact string) string {
	if lid, ok := strings.CutPrefix(contact, "lid:"); ok {
		return "LID " + lid[:min(3, len(lid))] + "…"
	}
	return domain.Phone(contact).Masked()
}

// shownContact writes a contact in full: "+255 754 000 101".
func shownContact(contact string) string {
	if lid, ok := strings.CutPrefix(contact, "lid:"); ok {
		return "LID " + lid
	}
	if len(contact) == 13 && contact[0] == '+' {
		return contact[:4] + " " + contact[4:7] + " " + contact[7:10] + " " + contact[10:]
	}
	return contact
}

// ticks is how the state of an outbound message is drawn.
type ticks struct {
	Mark  string // "✓", "✓✓", or "" for states with a word only
	State string // for the colour
}

func ticksOf(s domain.MessageStatus) ticks {
	switch s {
	case domain.StatusSent:
		return ticks{"✓", "sent"}
	case domain.StatusDelivered:
		return ticks{"✓✓", "delivered"}
	case domain.StatusRead:
		return ticks{"✓✓", "read"}
	}
	return ticks{"", string(s)}
}

// withQuery returns an address with some parameters replaced; an empty value
// removes one.
func withQuery(address string, pairs ...string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	q := u.Query()
	for i := 0; i+1 < len(pairs); i += 2 {
		if q.Del(pairs[i]); pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// formField is what the partial "field" draws.
type formField struct {
	Name, Label, Value, Error, Help string
	Type                            string
	Attrs                           map[string]string
}

// newField makes a field of a form: its label, what was typed, and what is
// wrong with it. more are pairs: "type", "help", or an attribute.
func newField(f form, name, label string, more ...string) formField {
	out := formField{Name: name, Label: label, Value: f.Values[name], Error: f.Errors[name], Type: "text", Attrs: map[string]string{}}
	for i := 0; i+1 < len(more); i += 2 {
		switch more[i] {
		case "type":
			out.Type = more[i+1]
		case "help":
			out.Help = more[i+1]
		default:
			out.Attrs[more[i]] = more[i+1]
		}
	}
	return out
}
