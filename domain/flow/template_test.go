package flow

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"flowhq/domain"
)

// kite is a template as its one file would hold it: it lets out kites by colour.
func kite() *template {
	k := newTemplate("KITE")
	title := k.text("title")
	askColour := k.text("ask_colour")
	done := k.text("done", "colour", "business")
	k.item(item{title: title, words: phrases("kite, tiara"), run: func(t *turn) { t.enter("colour") }})
	k.item(locationItem)
	k.step("colour", step{
		ask:  func(t *turn) { t.say(askColour) },
		back: stepMenu,
		take: func(t *turn) bool {
			if !phrases("red, blue, nyekundu, bluu").in(t.words) {
				return false
			}
			t.reset()
			t.say(done, t.quote(), t.business())
			return true
		},
	})
	return k
}

var kiteTexts = map[string]string{
	"texts/sw.toml": "\n[kite]\ntitle = \"Tiara\"\nask_colour = \"Rangi gani?\"\ndone = \"{business}: tiara ya {colour}\"\n",
	"texts/en.toml": "\n[kite]\ntitle = \"Kites\"\nask_colour = \"Which colour?\"\ndone = \"A {colour} kite from {business}\"\n",
}

// textsWith is the real catalogue with something added to or replaced in each file.
func textsWith(t *testing.T, change func(path, content string) string) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	for path := range kiteTexts {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = &fstest.MapFile{Data: []byte(change(path, string(content)))}
	}
	return files
}

func TestTemplate_TakesOneFileAndItsTexts(t *testing.T) {
	texts := textsWith(t, func(path, content string) string { return content + kiteTexts[path] })
	engine, err := newEngine(texts, append(registered[:len(registered):len(registered)], kite()))
	if err != nil {
		t.Fatal(err)
	}
	profile := salon()
	profile.Template = "KITE"
	c := &chat{t: t, engine: engine, profile: profile, now: monday}
	c.play([]line{
		{"habari", []string{"Karibu *Asha Salon*", "1. Tiara", "2. Tulipo"}},
		{"nataka tiara", []string{"Rangi gani?"}},
		{"mko wapi", []string{"Mikocheni", "Rangi gani?"}},
		{"njano", []string{"sijakuelewa", "Rangi gani?"}},
		{"rudi", []string{"1. Tiara"}},
		{"1", nil},
		{"bluu", []string{"Asha Salon: tiara ya bluu"}},
		{"English", []string{"1. Kites"}},
		{"dharura", []string{"112"}},
	})
}

func TestNew_RefusesIncompleteTexts(t *testing.T) {
	swOnly := func(old, replacement string) func(path, content string) string {
		return func(path, content string) string {
			if path != "texts/sw.toml" {
				return content
			}
			return strings.Replace(content, old, replacement, 1)
		}
	}
	for name, tt := range map[string]struct {
		change func(path, content string) string
		want   string
	}{
		"a key lacks":              {swOnly("ask_date = ", "ask_day = "), "texts/sw.toml: booking.ask_date is missing"},
		"a key too many":           {swOnly("[booking]", "[booking]\nspare = \"x\""), "booking.spare is not used"},
		"a placeholder is renamed": {swOnly("{opening}", "{ufunguzi}"), "core.closed_now has placeholders [ufunguzi], wanted [opening]"},
		"a placeholder lacks":      {swOnly("{price}", ""), "core.price_of has placeholders [service], wanted [price service]"},
		"no TOML":                  {swOnly("[core]", "[core"), "parse texts/sw.toml"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(textsWith(t, tt.change)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := New(fstest.MapFS{}); err == nil {
		t.Error("an engine without texts starts")
	}
}

func TestNew_RefusesIncompleteTemplates(t *testing.T) {
	texts := textsWith(t, func(path, content string) string { return content + kiteTexts[path] })
	noMenu, deadEnd := kite(), kite()
	noMenu.menu = nil
	deadEnd.step("lost", step{ask: (*turn).showMenu, take: takeMenu, back: "nowhere"})
	for name, templates := range map[string][]*template{"no menu": {noMenu}, "dead end": {deadEnd}, "twice": {kite(), kite()}} {
		if _, err := newEngine(texts, templates); err == nil || !strings.Contains(err.Error(), "KITE") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestRender_NeverReadsPlaceholdersInWhatIsFilledIn(t *testing.T) {
	profile := salon()
	profile.BusinessName = "{opening} {business} *x*"
	if reply := newChat(t, profile).send("habari"); !strings.Contains(reply, "Karibu *{opening} {business} x*") {
		t.Errorf("greeted with %q", reply)
	}
}

func TestNeedsCalendar_OnlyWhileATimeIsBeingChosen(t *testing.T) {
	engine := newTestEngine(t)
	for step, want := range map[Step]bool{stepMenu: false, stepService: true, stepDate: true, stepTime: true, stepConfirm: true, "gone": false} {
		if got := engine.NeedsCalendar(State{Version: stateVersion, Template: domain.TemplateBooking, Step: step}); got != want {
			t.Errorf("at %s: %v, want %v", step, got, want)
		}
	}
	if engine.NeedsCalendar(State{}) || engine.NeedsCalendar(State{Version: stateVersion, Template: domain.TemplateBooking, Step: stepTime, HandedOver: true}) {
		t.Error("the calendar is wanted where nothing is booked")
	}
}
