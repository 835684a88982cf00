// What the pages need beside htmx. Everything else works without it.
(() => {
  "use strict";
  const each = (selector, fn, root = document) => root.querySelectorAll(selector).forEach(fn);

  // Hidden tabs do not poll; nor does a list while somebody reads further down.
  document.addEventListener("htmx:config:request", (e) => {
    const { sourceEvent, sourceElement } = e.detail.ctx;
    e.detail.ctx.fetch = fetchUnpressed;
    if (sourceEvent?.type !== "every") return;
    const reading = sourceElement?.hasAttribute("data-hold") && scrollY > 400;
    if (document.hidden || reading || ended.has(sourceElement)) e.preventDefault();
  });

  // What moves between press and release loses the click, so an answer waits for
  // the release; on a touch screen the click comes a little after it. A press
  // whose release is never heard of (a menu of the browser took it) holds up an
  // answer for five seconds.
  let pressed, release;
  addEventListener("pointerdown", () => { pressed ||= new Promise((done) => { release = done; }); }, true);
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { if (release) setTimeout(release, 50); pressed = undefined; }, true);
  async function fetchUnpressed(...request) {
    const response = await fetch(...request);
    if (pressed) await Promise.race([pressed, new Promise((done) => setTimeout(done, 5000))]);
    return response;
  }

  // Our own server says in a header where its errors belong. One without comes
  // from something in between, and must not take the place of a part that polls.
  const stale = document.getElementById("stale"), signedOut = document.getElementById("signed-out");
  const ended = new WeakSet(); // polled parts of what is deleted
  let upToDate = new Date();
  document.addEventListener("htmx:before:response", (e) => {
    const { response, sourceEvent, sourceElement } = e.detail.ctx, to = response.headers.get("HX-Redirect");
    if (response.status >= 400 && !to && !response.headers.has("HX-Retarget")) {
      e.preventDefault();
      response.raw.body?.cancel();
      return missed();
    }
    if (to && signedOut && unsaved()) {
      e.preventDefault();
      signedOut.querySelector("a").href = to;
      signedOut.hidden = false;
      return;
    }
    if (response.status === 404 && sourceEvent?.type === "every") ended.add(sourceElement);
    if (response.status < 400) answered();
  });
  document.addEventListener("htmx:error", (e) => { if (e.detail.ctx) missed(); });
  function answered() {
    upToDate = new Date();
    for (const note of [stale, signedOut]) if (note) note.hidden = true;
  }
  function missed() {
    if (!stale?.hidden) return;
    const time = stale.querySelector("time");
    time.dateTime = upToDate.toISOString();
    time.textContent = new Intl.DateTimeFormat(lang, { timeZone: time.dataset.zone, timeStyle: "medium", hourCycle: "h23" }).format(upToDate);
    stale.hidden = false;
  }

  // Whether a form holds what somebody has typed or chosen and nobody has stored.
  function unsaved() {
    const changed = (el) => {
      if (el.options) return el.selectedIndex !== Math.max(0, [...el.options].findIndex((option) => option.defaultSelected));
      return el.type === "checkbox" || el.type === "radio" ? el.checked !== el.defaultChecked : el.value !== el.defaultValue;
    };
    const refused = document.querySelector("main form[method=post] :is([data-invalid], .flash)");
    return refused || [...document.querySelectorAll("main form[method=post] :is(input, select, textarea)")].some(changed);
  }

  // Times stay true while the page is open.
  const lang = document.documentElement.lang, relative = new Intl.RelativeTimeFormat(lang, { numeric: "always", style: "short" });
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  function age() {
    each("time[data-ago]", (el) => {
      const seconds = Math.round((Date.now() - Date.parse(el.dateTime)) / 1000);
      if (seconds < 10) return;
      const [unit, size] = units.find(([, s]) => seconds >= s);
      el.textContent = relative.format(-Math.floor(seconds / size), unit);
    });
  }
  setInterval(age, 10000);

  // The age of a QR code, as a bar and as a number.
  function countdown() {
    each("[data-expires]", (el) => {
      const left = Math.max(0, (Date.parse(el.dataset.expires) - Date.now()) / 1000), bar = el.querySelector("[data-bar]"), word = el.querySelector("[data-left]");
      if (bar) bar.style.inlineSize = Math.min(100, (left * 100) / el.dataset.life) + "%";
      if (word) word.textContent = Math.ceil(left);
      el.classList.toggle("is-over", left === 0);
    });
  }
  setInterval(countdown, 500);

  // Charts, on pages that have one. A swap keeps what is drawn and brings new numbers.
  const plots = new Map();
  function charts() {
    plots.forEach((plot, el) => { if (!el.isConnected) { plot.destroy(); plots.delete(el); } });
    each("[data-chart]", (el) => {
      if (!window.uPlot) return;
      const data = JSON.parse(el.dataset.chart), drawn = plots.get(el);
      if (drawn) return drawn.setData(data);
      const css = getComputedStyle(el), [stroke, second, text, grid] = ["--chart-in", "--chart-out", "--muted-foreground", "--border"].map((v) => css.getPropertyValue(v).trim());
      const when = new Intl.DateTimeFormat(lang, { timeZone: el.dataset.zone, ...(el.dataset.hourly === "true" ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : { day: "numeric", month: "short" }) });
      const times = (_, values) => values.map((v) => when.format(v * 1000));
      const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
      plots.set(el, new uPlot({
        width: el.clientWidth, height: 220, cursor: { y: false }, legend: { live: false },
        scales: { y: { range: (_, min, max) => [0, Math.max(5, max * 1.1)] } },
        axes: [{ ...axis, values: times, space: 70 }, { ...axis, size: 46, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000] }],
        series: [{}, { label: el.dataset.in, stroke, width: 2, fill: stroke + "22" }, { label: el.dataset.out, stroke: second, width: 2 }],
      }, data, el));
    });
  }
  addEventListener("resize", () => plots.forEach((plot, el) => plot.setSize({ width: el.clientWidth, height: 220 })));

  function prepare() { age(); countdown(); charts(); picked(); }
  document.addEventListener("htmx:after:swap", prepare);
  prepare();

  document.addEventListener("click", async (e) => {
    const copy = e.target.closest("[data-copy]"), all = e.target.closest("[data-check-all]");
    if (copy) {
      await navigator.clipboard?.writeText(copy.dataset.copy);
      copy.classList.add("is-done");
      setTimeout(() => copy.classList.remove("is-done"), 1500);
    }
    if (all) { each("input[name=tenant]", (box) => { box.checked = all.checked; }); }
    if (e.target.closest("[data-dismiss]")) e.target.closest(".toast-note").remove();
    each("details.menu[open]", (m) => { if (!m.contains(e.target)) m.open = false; });
    picked();
  });
  document.addEventListener("change", (e) => {
    if (e.target.matches("[data-autosubmit] select")) e.target.form.requestSubmit();
    picked();
  });
  function picked() {
    const all = document.querySelector("input[name=all]")?.checked, n = document.querySelectorAll("input[name=tenant]:checked").length;
    each("[data-picked]", (el) => { el.textContent = all ? document.querySelector("[data-matching]").dataset.matching : n; });
  }

  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", (e) => {
    const button = e.submitter;
    if (button && !e.defaultPrevented && !e.target.target) setTimeout(() => { button.disabled = true; button.setAttribute("aria-busy", "true"); });
  });
  addEventListener("pageshow", () => each("[aria-busy][disabled]", (b) => { b.disabled = false; b.removeAttribute("aria-busy"); }));

  // Toasts go by themselves, unless the pointer rests on them.
  new MutationObserver(() => {
    each(".toast-note:not([data-timed])", (note) => {
      note.dataset.timed = "";
      each(".toast-note[data-timed]", (old) => { if (old !== note && old.textContent === note.textContent) old.remove(); });
      setTimeout(() => { if (!note.matches(":hover")) note.remove(); }, 8000);
    });
  }).observe(document.getElementById("toasts"), { childList: true });

  // Keyboard: / searches, g t goes to tenants, Escape closes.
  let before = "";
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "Escape") {
      each("details.menu[open]", (m) => { m.open = false; });
      if (location.hash === "#nav") location.hash = "main";
      return;
    }
    if (e.target.closest("input, textarea, select, [contenteditable]")) return;
    if (e.key === "/") {
      e.preventDefault();
      (document.querySelector("main input[type=search]") || document.getElementById("top-q"))?.focus();
    }
    const pages = { d: "/admin", t: "/admin/tenants", r: "/admin/replicas", a: "/admin/alerts" };
    if (before === "g" && pages[e.key]) location.assign(pages[e.key]);
    before = e.key;
  });
})();
