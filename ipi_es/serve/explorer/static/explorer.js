"use strict";
// The keyboard, the choice of a time by dragging, further rows without a new page, and what came since. Without it all
// pages work, by links and forms.

const POLL = 20_000; // milliseconds
const editing = (element) => /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);

// --- parts of a page
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-replaces]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const name = link.dataset.replaces;
  try {
    const answer = await fetch(link.href, { credentials: "same-origin" });
    const part = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(`[data-part="${name}"]`);
    if (!answer.ok || !part) throw new Error("no such part");
    document.querySelector(`[data-part="${name}"]`).replaceWith(part);
    history.replaceState(null, "", link.href);
    (part.querySelector(`a[data-replaces]`) || part.querySelector("a"))?.focus();
  } catch {
    location.assign(link.href);
  }
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

// --- keys
const items = () => [...document.querySelectorAll("[data-item]")];
const opener = (item) => item.querySelector("a[data-open]") || item.querySelector("a[href]");
function step(by) {
  const all = items();
  const here = all.findIndex((each) => each.contains(document.activeElement));
  const next = all[here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(here + by, 0), all.length - 1)];
  if (!next) return;
  opener(next)?.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}
function goTo(key) {
  const target = document.querySelector(`[data-key="${key}"]`);
  if (!target) return false;
  const details = target.closest("details");
  if (details && target.tagName === "SUMMARY") details.open = true;
  (details?.querySelector(":required:invalid") || target).focus();
  target.scrollIntoView({ block: "nearest" });
  return true;
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && editing(event.target)) event.target.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || editing(event.target)) return;
  const cells = event.target.closest("svg[data-cells]");
  if (cells && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
    const all = [...cells.querySelectorAll("a")];
    const here = all.indexOf(document.activeElement);
    const by = event.key === "ArrowRight" ? 1 : -1;
    all[here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(here + by, 0), all.length - 1)].focus();
    event.preventDefault();
    return;
  }
  const up = document.querySelector("a[data-up]") || document.querySelector(".trail a");
  const actions = {
    j: () => step(1),
    k: () => step(-1),
    u: () => up?.click(),
    "/": () => document.querySelector("[data-search]")?.focus(),
  };
  if (actions[event.key]) actions[event.key]();
  else if (!/^[a-z]$/.test(event.key) || !goTo(event.key)) return;
  event.preventDefault();
});

// --- a time by dragging over the lanes
let drag = null;
document.addEventListener("pointerdown", (event) => {
  const picture = event.target.closest("[data-columns] td.picture");
  if (!picture || event.button !== 0 || event.pointerType === "touch") return;
  drag = { picture, from: event.clientX, brush: null };
});
document.addEventListener("pointermove", (event) => {
  if (!drag || (!drag.brush && Math.abs(event.clientX - drag.from) < 6)) return;
  if (!drag.brush) {
    drag.brush = document.createElement("div");
    drag.brush.className = "brush";
    drag.picture.append(drag.brush);
  }
  const box = drag.picture.getBoundingClientRect();
  const [left, right] = [drag.from, event.clientX].sort((a, b) => a - b).map((x) => Math.min(Math.max(x - box.left, 0), box.width));
  drag.brush.style.left = `${left}px`;
  drag.brush.style.width = `${right - left}px`;
  event.preventDefault();
});
document.addEventListener("pointerup", (event) => {
  const done = drag;
  drag = null;
  if (!done?.brush) return;
  const columns = done.picture.closest("[data-columns]").dataset.columns.split(" ");
  const box = done.picture.getBoundingClientRect();
  const at = (x) => Math.min(Math.max(((x - box.left) / box.width) * (columns.length - 1), 0), columns.length - 1);
  const [first, last] = [done.from, event.clientX].sort((a, b) => a - b).map(at);
  const url = new URL(location.href);
  url.searchParams.set("start", columns[Math.floor(first)]);
  url.searchParams.set("end", columns[Math.max(Math.ceil(last), Math.floor(first) + 1)]);
  for (const name of ["page", "entities", "addresses", "did", "at"]) url.searchParams.delete(name);
  addEventListener("click", (click) => { click.preventDefault(); click.stopPropagation(); }, { capture: true, once: true });
  setTimeout(() => location.assign(url), 0);
});
document.addEventListener("dragstart", (event) => { if (event.target.closest?.("[data-columns]")) event.preventDefault(); });

// --- what came since the page was made: said, without moving what is read
const live = document.querySelector("[data-live]");
if (live) {
  let said = "";
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(live.dataset.live, { credentials: "same-origin", headers: { accept: "application/json" } });
      const ended = answer.redirected && { text: "Your session ended", count: 0 };
      const found = ended || (answer.ok ? await answer.json() : { text: `New findings aren't counted (status ${answer.status})`, count: 0 });
      if (found.text === said) return;
      said = found.text;
      const url = new URL(location.href);
      url.searchParams.delete("end");
      url.searchParams.delete("page");
      const link = Object.assign(document.createElement("a"), { href: url.href, textContent: ended ? "Sign in" : "Show" });
      live.replaceChildren(...(said ? [`${said}. `, link] : []));
      document.title = document.title.replace(/^\(\d+\) /, "").replace(/^/, found.count ? `(${found.count}) ` : "");
    } catch { /* the next time may succeed */ }
  }, Number(live.dataset.every) || POLL);
}
