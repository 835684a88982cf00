package e2e

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"flowhq/simulator"
)

// scansTheScreen reads the QR code from the pixels of a picture of the page and
// scans it with a phone. The reader misjudges some codes at some sizes (it
// counts 63 modules where there are 61), so it comes nearer from try to try, as
// a hand with a phone does.
func (b *tab) scansTheScreen(phone *simulator.Phone) {
	b.t.Helper()
	b.has("figure.qr svg")
	var code string
	nearness := 0
	eventually(b.t, "the code can be read from the screen", patience, func() (bool, string) {
		picture, err := b.picture("figure.qr", 1+float64(nearness%8)/4)
		nearness++
		if err == nil {
			code, err = readQR(picture)
		}
		return err == nil, fmt.Sprint(err)
	})
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	if err := phone.ScanQR(ctx, code); err != nil {
		b.t.Fatalf("scan %q: %v", code, err)
	}
}

// picture is what the window shows of an element, scaled.
func (b *tab) picture(selector string, scale float64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience/4)
	defer cancel()
	return chromedp.Run(ctx, chromedp.ScreenshotScale(selector, scale))
}

func readQR(picture []byte) (string, error) {
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return "", err
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		return "", err
	}
	found, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil {
		return "", err
	}
	return found.GetText(), nil
}

// stays fails when the page was loaded anew since it was called first.
func (b *tab) stays() (check func()) {
	b.t.Helper()
	js[bool](b, `(window.notReloaded = true)`)
	return func() {
		b.t.Helper()
		if !js[bool](b, `window.notReloaded === true`) {
			b.t.Error("the page was loaded anew; it should change by itself")
		}
	}
}

func TestPortal_FromTheSetupLinkToTheFirstAnswer(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		b := newTab(t, w)
		b.signedUp()
		owner, err := w.phone("Owner")
		if err != nil {
			t.Fatal(err)
		}

		b.click(`a[href="/admin/tenants/new"]`)
		b.fill("#f-name", "Saluni ya Amina")
		b.fill("#f-phone_number", strings.Replace(owner.Number(), "+255", "0", 1))
		b.fill("#f-address", "Mtaa wa Samora")
		eventually(t, "the number is written in full when its field is left", patience, func() (bool, string) {
			v := js[string](b, `document.querySelector("#f-phone_number").value`)
			return strings.HasPrefix(v, "+255 "), v
		})
		b.submit("form.card-body button.btn:not([data-variant])")
		b.sees("Not started")

		b.submit(`form[action$="/start"] button`)
		same := b.stays()
		b.scansTheScreen(owner)
		b.sees("All is well.")
		b.sees("Linked phone")

		asha := w.customer(t, "Asha")
		asha.asks(t, b.shop(owner), "habari")
		b.has(`tr[data-direction=IN]`)
		b.has(`.ticks[data-state=read]`)
		b.sees("habari")
		same()
	})
}

// shop is the tenant whose page is open.
func (b *tab) shop(owner *simulator.Phone) *shop {
	parts := strings.Split(b.path(), "/")
	return &shop{w: b.w, id: parts[3], owner: owner}
}

func TestPortal_ShowsARotatedCodeWithinTwoSeconds(t *testing.T) {
	w := newWorld(t, sqliteDatabase(t))
	b := newTab(t, w)
	b.signedUp()
	shop := w.created(t, salon)
	shop.does(t, "POST", "/worker/start", nil)
	b.open(shop.adminPath(""))
	b.has("figure.qr svg")
	drawn := func() string {
		return js[string](b, `document.querySelector("figure.qr path")?.getAttribute("d") || ""`)
	}
	first := drawn()
	// What somebody has opened and typed survives.
	b.unfold("details.code-ask")
	b.fill("#pair-phone", "0754 123")
	// A restart issues a new code at once, like the rotation after its life.
	shop.does(t, "POST", "/worker/restart", nil)
	var stored linkView
	eventually(t, "a new code is issued", patience, func() (bool, string) {
		stored = linkView{}
		err := shop.ask("GET", "/session", nil, &stored)
		return err == nil && stored.QR != "", fmt.Sprint(stored, err)
	})
	began := time.Now()
	eventually(t, "the page shows the new code", patience, func() (bool, string) {
		now := drawn()
		return now != "" && now != first, now
	})
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the page shows the new code after %s, want about 2 s", took)
	}
	if typed := js[string](b, `document.querySelector("details.code-ask[open] #pair-phone")?.value || "closed"`); typed != "0754 123" {
		t.Errorf("what was typed became %q", typed)
	}
}

func TestPortal_LinksByPhoneCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqliteDatabase(t))
	b := newTab(t, w)
	b.signedUp()
	shop := w.created(t, salon)
	b.open(shop.adminPath(""))
	b.submit(`form[action$="/start"] button`)
	b.unfold("details.code-ask")
	b.fill("#pair-phone", shop.owner.Number())
	b.submit(`form[action$="/pairing-code"] button`)
	b.has(".pair-code .code")
	code := js[string](b, `document.querySelector(".pair-code .code").innerText`)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := shop.owner.EnterPairingCode(ctx, code); err != nil {
		t.Fatalf("enter %q: %v", code, err)
	}
	b.sees("All is well.")
}

func TestPortal_EveryBannerSaysWhatToDo(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		b := newTab(t, w)
		b.signedUp()
		for _, tt := range []struct {
			name   string
			happen func(shop *shop)
			says   []string
		}{
			{"logged out", func(s *shop) { w.wa.Faults().LoggedOut(s.owner.Number()) },
				[]string{"The link was removed on the phone.", "Scan again; conversations and settings stay."}},
			{"banned", func(s *shop) { w.wa.Faults().TempBan(s.owner.Number(), 101, 24*time.Hour) },
				[]string{"WhatsApp has blocked this number.", "Do not link it again before the block ends", "Until 20"}},
			{"outdated", func(s *shop) {
				w.wa.Faults().Outdated405(true)
				w.wa.Faults().DropConnections(s.owner.Number())
			}, []string{"Flow HQ must be updated.", "Install the newest version"}},
			{"connection lost", func(s *shop) {
				w.wa.Faults().RefuseConnections(s.owner.Number(), true)
				w.wa.Faults().DropConnections(s.owner.Number())
			}, []string{"The connection was lost and comes back by itself.", "nothing is lost", "Next attempt at"}},
			{"new chats restricted", func(s *shop) {
				w.wa.Faults().Restricted463(s.owner.Number(), true)
				s.sends(t, w.customer(t, "Zawadi").Number(), "offer of the week")
			}, []string{"WhatsApp refuses new chats for now.", "Answers to customers who write still work."}},
			{"stopped", func(s *shop) { s.does(t, "POST", "/worker/stop", nil) }, []string{"The bot is stopped.", "no scan is needed"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				shop := w.opened(t, salon)
				b.open(shop.adminPath(""))
				b.sees("All is well.")
				same := b.stays()
				tt.happen(shop)
				for _, text := range tt.says {
					b.sees(text)
				}
				same()
				b.keep("banner-" + strings.ReplaceAll(tt.name, " ", "-"))
				w.wa.Faults().Outdated405(false)
				w.wa.Faults().Clear(shop.owner.Number())
			})
		}
	})
}

func TestPortal_LinkedElsewhereGivesWayAfterTheThirdTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqliteDatabase(t))
	b := newTab(t, w)
	b.signedUp()
	shop := w.opened(t, salon)
	b.open(shop.adminPath(""))
	for range 3 {
		b.seesWithin("All is well.", time.Minute)
		w.wa.Faults().Replaced(shop.owner.Number())
		eventually(t, "the page notices", patience, func() (bool, string) {
			text := js[string](b, `document.querySelector(".next").innerText`)
			return !strings.Contains(text, "All is well."), text
		})
	}
	b.sees("Another system uses this link.")
	b.keep("banner-replaced")
	b.open("/admin/alerts")
	b.sees("needs somebody.")
	b.shows("alerts-some")
}
