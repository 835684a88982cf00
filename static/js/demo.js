"use strict";
const $ = (id) => document.getElementById(id);
const query = () => new URLSearchParams({ tenant: $("tenant").value, customer: $("customer").value });
const words = { NEW: "Not started", QR_PENDING: "Waiting for the scan", ACTIVE: "Connected", PAUSED: "Paused", ERROR: "Needs attention" };
let shown = "";

async function call(path, options) {
  const answer = await fetch(`${path}?${query()}`, options);
  const body = await answer.json();
  $("error").textContent = answer.ok ? "" : body.error;
  return answer.ok ? body : null;
}

function bubble(m) {
  const div = document.createElement("div");
  div.className = m.mine ? "bubble mine" : "bubble";
  m.text.split(/\*([^*\n]+)\*/).forEach((part, i) => {
    const node = i % 2 ? document.createElement("b") : document.createTextNode(part); // *bold*, as WhatsApp shows it
    if (i % 2) node.textContent = part;
    div.append(node);
  });
  const small = document.createElement("small");
  small.textContent = m.mine ? `${m.at} ${m.status === "sent" ? "✓" : "✓✓"}` : m.at;
  div.append(small);
  return div;
}

function show(state) {
  $("status").textContent = words[state.status] || state.status;
  $("reason").textContent = state.reason;
  $("link").hidden = !state.qr;
  $("ideas").hidden = state.status !== "ACTIVE";
  if (state.qr && $("qr").getAttribute("src") !== state.qr) $("qr").src = state.qr;
  $("expires").textContent = `A new code in ${state.expires} s`;
  const now = JSON.stringify([$("tenant").value, $("customer").value, state.messages]);
  if (now === shown) return;
  shown = now;
  const empty = document.createElement("p");
  empty.className = "empty";
  empty.textContent = state.status === "ACTIVE" ? "Write the first message." : "Link the business first, then write to it.";
  $("chat").replaceChildren(...(state.messages.length ? state.messages.map(bubble) : [empty]));
  $("chat").scrollTop = $("chat").scrollHeight;
}

async function poll() {
  try {
    const state = await call("/demo/state");
    if (state) show(state);
  } catch {
    $("error").textContent = "The demo does not answer. Is it still running?";
  }
}

$("scan").addEventListener("click", () => call("/demo/scan", { method: "POST" }).then(poll));
$("compose").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("text").value;
  if (!text.trim()) return;
  if (await call("/demo/send", { method: "POST", body: new URLSearchParams({ text }) })) $("text").value = "";
  poll();
});
for (const id of ["tenant", "customer"]) $(id).addEventListener("change", poll);
poll();
setInterval(() => document.hidden || poll(), 1000);
