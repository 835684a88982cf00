// The page of the demo: one small poll keeps everything true, forms are sent
// without leaving the page. Without this script links and forms work as well.
(() => {
  "use strict";
  const stage = document.querySelector("[data-live]"), chat = document.getElementById("demo-chat"), down = document.getElementById("demo-down");
  const input = document.querySelector("#compose input[name=text]"), gone = document.getElementById("demo-gone"), toasts = document.getElementById("toasts");
  let tag = "", asking = false, again = false;

  // Changes only what differs, so that focus, scroll position and open parts stay.
  function patch(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== 1 || old.nodeName !== fresh.nodeName || old.id !== fresh.id) return old.replaceWith(fresh);
    if (old.dataset.expires && old.dataset.expires === fresh.dataset.expires) return; // app.js counts it down
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    const before = [...old.childNodes], after = [...fresh.childNodes];
    after.forEach((node, i) => (before[i] ? patch(before[i], node) : old.append(node)));
    before.slice(after.length).forEach((node) => node.remove());
  }

  const atEnd = () => chat.scrollHeight - chat.scrollTop - chat.clientHeight < 48;
  function toEnd() { chat.scrollTop = chat.scrollHeight; down.hidden = true; }

  // A dot at the customers whose chats have grown since they were looked at.
  const seen = new Map();
  function mark(first) {
    document.querySelectorAll("#demo-who a").forEach((a) => {
      const chat = a.getAttribute("href"), said = Number(a.dataset.said);
      if (first || a.hasAttribute("aria-current")) seen.set(chat, said);
      a.toggleAttribute("data-fresh", said > (seen.get(chat) ?? 0));
    });
  }

  function show(html, own) {
    const fresh = new DOMParser().parseFromString(html, "text/html"), other = fresh.getElementById("demo-chat").dataset.chat !== chat.dataset.chat;
    const follow = own || other || atEnd(), last = chat.lastElementChild.id;
    for (const part of [...fresh.body.children]) {
      const old = document.getElementById(part.id);
      if (old) patch(old, document.adoptNode(part));
    }
    mark(false);
    if (follow) toEnd();
    else if (chat.lastElementChild.id !== last) down.hidden = false;
  }

  // One request at a time; whoever asks meanwhile gets the next one.
  async function poll(own) {
    if (asking) { again = true; return; }
    asking = true;
    const asked = location.search;
    try {
      const answer = await fetch(stage.dataset.live + asked, { headers: { "HX-Request": "true", ...(tag && { "If-None-Match": tag }) } });
      gone.hidden = true;
      if (answer.status === 200 && asked === location.search) {
        tag = answer.headers.get("ETag") || "";
        show(await answer.text(), own);
      }
    } catch {
      gone.hidden = false;
    }
    asking = false;
    if (again) { again = false; poll(own); }
  }

  // An answer of the bot is there within moments of a message.
  function soon(own) { [0, 200, 500].forEach((ms) => setTimeout(poll, ms, own)); }

  function go(address) {
    if (address === location.pathname + location.search) return;
    history.replaceState(null, "", address);
    tag = "";
    document.querySelectorAll("input[name=back]").forEach((el) => { el.value = address; });
  }

  async function act(form) {
    const body = new URLSearchParams(new FormData(form)), typed = form.contains(input) ? input.value : "";
    if (form.contains(input)) {
      if (!typed.trim()) return;
      input.value = "";
    }
    form.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(`/demo/${form.dataset.act}${location.search}`, { method: "POST", body, headers: { "HX-Request": "true" } });
      if (answer.ok && answer.headers.has("X-Demo-Page")) go(answer.headers.get("X-Demo-Page"));
      const html = await answer.text();
      if (html) toasts.append(...new DOMParser().parseFromString(html, "text/html").body.children);
      if (!answer.ok && typed && !input.value) input.value = typed;
    } catch {
      gone.hidden = false;
      if (typed && !input.value) input.value = typed;
    }
    form.removeAttribute("aria-busy");
    soon(form.dataset.act === "send");
  }

  document.addEventListener("submit", (e) => {
    if (!e.target.dataset.act) return;
    e.preventDefault();
    if (e.target.getAttribute("aria-busy") !== "true" || e.target.contains(input)) act(e.target);
  });
  document.addEventListener("click", (e) => {
    const pick = e.target.closest("a[data-pick]");
    if (!pick || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    go(pick.getAttribute("href"));
    poll();
  });
  down.addEventListener("click", toEnd);
  chat.addEventListener("scroll", () => { if (atEnd()) down.hidden = true; }, { passive: true });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });
  setInterval(() => { if (!document.hidden) poll(); }, 1000);
  mark(true);
  toEnd();
})();
