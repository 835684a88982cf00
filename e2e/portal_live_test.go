package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"
)

// answers puts an expression in place of the answer to every request of the
// page's script; "" lets the requests through again.
func (b *tab) answers(expression string) {
	b.t.Helper()
	if expression == "" {
		js[bool](b, `(window.fetch = window.reallyFetch, true)`)
		return
	}
	js[bool](b, `(window.reallyFetch ||= window.fetch, window.fetch = async () => `+expression+`, true)`)
}

func TestPortal_WhatDoesNotComeFromTheServerReplacesNothingAndIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqliteDatabase(t))
	b := newTab(t, w)
	b.signedUp()
	w.created(t, input{"name": "Duka la Baraka", "template_type": "ECOMMERCE", "language": "SW"})
	b.open("/admin/tenants")
	same := b.stays()
	for i, cause := range []string{
		`new Response("<h1>502 Bad Gateway</h1>", { status: 502 })`,
		`Promise.reject(new TypeError("there is no network"))`,
	} {
		b.answers(cause)
		b.sees("Not up to date since")
		if text := js[string](b, `document.querySelector("#rows").innerText`); !strings.Contains(text, "Duka la Baraka") {
			t.Errorf("after %s the list is %q", cause, text)
		}
		b.answers("")
		b.comes("the next answer takes the note away", `document.querySelector("#stale").hidden`, patience)
		next := fmt.Sprintf("Duka la Neema %d", i)
		w.created(t, input{"name": next, "template_type": "ECOMMERCE", "language": "SW"})
		b.sees(next)
	}
	for _, line := range b.heard() {
		if !strings.Contains(line, "there is no network") {
			t.Errorf("the browser complained: %s", line)
		}
	}
	same()
}

func TestPortal_APageOfWhatIsDeletedStopsPolling(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqliteDatabase(t))
	b := newTab(t, w)
	b.signedUp()
	shop := w.created(t, salon)
	b.open(shop.adminPath(""))
	b.sees("Not started")
	js[bool](b, `(() => {
		window.refused = {}; window.due = {};
		const ask = window.fetch;
		window.fetch = async (address, ...more) => {
			const answer = await ask(address, ...more), part = new URL(address, location).pathname;
			if (answer.status === 404) window.refused[part] = (window.refused[part] || 0) + 1;
			return answer;
		};
		for (const part of ["tenant-head", "rows"]) document.getElementById(part).addEventListener("every", () => {
			if (Object.keys(window.refused).length) window.due[part] = (window.due[part] || 0) + 1;
		});
		return true;
	})()`)
	shop.does(t, "DELETE", "", nil)
	b.sees("This does not exist")
	b.comes("each part has been due three times", `window.due["tenant-head"] >= 3 && window.due.rows >= 3`, patience)
	for part, n := range js[map[string]int](b, `window.refused`) {
		if n != 1 {
			t.Errorf("%s was asked for %d times after the tenant was gone, want once", part, n)
		}
	}
}

func TestPortal_ASessionThatEndsKeepsWhatIsBeingTyped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqliteDatabase(t))
	elsewhere, b := newTab(t, w), newTab(t, w)
	elsewhere.signedUp()
	shop := w.created(t, salon)
	b.signIn()
	b.open(shop.adminPath("/settings"))
	b.fill("#f-address", "Mtaa wa Samora")
	same := b.stays()
	elsewhere.open("/account")
	elsewhere.submit(`form[action$="/end-all"] button`)
	elsewhere.sees("You are signed out everywhere.")

	b.sees("You are signed out. What you have typed is still here.")
	b.accessible("signed-out")
	b.keep("signed-out")
	if link := js[string](b, `document.querySelector("#signed-out a").target + " " + document.querySelector("#signed-out a").pathname`); link != "_blank /login" {
		t.Errorf("the note leads to %q, want the sign-in page in a tab of its own", link)
	}
	js[int](b, fmt.Sprintf(`fetch("/login", {method: "POST", redirect: "manual", body: new URLSearchParams({email: %q, password: %q})}).then(r => r.status)`, adminEmail, adminPassword))
	b.comes("signing in takes the note away", `document.querySelector("#signed-out").hidden`, patience)
	same()
	b.submit("form.form button.btn")
	b.sees("Saved.")
	if typed := js[string](b, `document.querySelector("#f-address").value`); typed != "Mtaa wa Samora" {
		t.Errorf("the address became %q", typed)
	}
}

func TestPortal_AChartStaysWhileItsNumbersChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqliteDatabase(t))
	b := newTab(t, w)
	b.signedUp()
	hour := time.Now().UTC().Add(-3 * time.Hour).Truncate(time.Hour).Format("2006-01-02 15:04:05-07:00")
	w.change(t, "INSERT INTO hourly_stats (tenant_id, hour, received, sent, failed, replies) VALUES ($1, $2, 3, 3, 0, '[]')", uuid.Nil.String(), hour)
	b.open("/admin")
	b.has(".plot canvas")
	js[bool](b, `(window.canvas = document.querySelector(".plot canvas"), window.picture = window.canvas.toDataURL(), true)`)
	w.change(t, "UPDATE hourly_stats SET received = 30")
	b.comes("the same chart shows other numbers", `window.canvas.isConnected && window.canvas.toDataURL() !== window.picture`, patience)
	if n := js[int](b, `document.querySelectorAll(".plot canvas").length`); n != 1 {
		t.Errorf("%d charts are drawn, want 1", n)
	}
	b.do(chromedp.EmulateViewport(600, 900))
	b.comes("the chart follows the window", `window.canvas.getBoundingClientRect().right <= innerWidth`, patience)
}
