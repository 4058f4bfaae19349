"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const results = [...document.querySelectorAll("details.result")];
  const groups = [...document.querySelectorAll("section.area")];
  const chips = [...document.querySelectorAll(".chip")];
  const text = $("f-text"), area = $("f-area"), level = $("f-level"), shown = $("shown"), none = $("none");
  const words = results.map((r) => r.querySelector(".what").textContent.toLowerCase() + " " + r.parentElement.dataset.area);

  // A story stands once, as text, and is told wherever a finding rests on it. Each telling has IDs of its own.
  let tellings = 0;
  const tell = (place) => {
    const id = place.dataset.story, story = $(id).querySelector("noscript").textContent;
    place.innerHTML = story.replaceAll(id + "-", id + "-" + (++tellings) + "-");
    place.removeAttribute("data-story");
  };
  if ($("stories")) $("stories").hidden = true;

  // A closed requirement keeps its body as the text of a noscript element, which costs nothing until it is opened.
  const fill = (r) => {
    const kept = r.querySelector(":scope > noscript");
    if (kept) {
      kept.insertAdjacentHTML("afterend", kept.textContent);
      kept.remove();
    }
    r.querySelectorAll(".told[data-story]").forEach(tell);
    r.querySelectorAll(".copy").forEach((b) => { b.hidden = false; });
  };
  results.forEach((r) => {
    if (r.open) fill(r);
    r.addEventListener("toggle", () => { if (r.open) fill(r); });
  });

  const filter = () => {
    const standings = chips.filter((c) => c.getAttribute("aria-pressed") === "true").map((c) => c.dataset.standing);
    const wanted = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    results.forEach((r, i) => {
      const tokens = r.dataset.standing.split(" ");
      const fits = (!standings.length || standings.some((s) => tokens.includes(s))) &&
        (!area.value || r.parentElement.dataset.area === area.value) &&
        (!level.value || r.dataset.level === level.value) &&
        wanted.every((w) => words[i].includes(w));
      r.hidden = !fits;
      if (fits) n++;
    });
    groups.forEach((g) => { g.hidden = !g.querySelector("details.result:not([hidden])"); });
    shown.textContent = n === results.length ? String(n) : n + " of " + results.length;
    none.hidden = n > 0 || !results.length;
  };
  const reset = () => {
    text.value = area.value = level.value = "";
    chips.forEach((c) => c.setAttribute("aria-pressed", "false"));
    filter();
  };

  chips.forEach((c) => c.addEventListener("click", () => {
    c.setAttribute("aria-pressed", String(c.getAttribute("aria-pressed") !== "true"));
    filter();
  }));
  text.addEventListener("input", filter);
  area.addEventListener("change", filter);
  level.addEventListener("change", filter);
  $("filters").addEventListener("submit", (e) => e.preventDefault());
  $("reset").addEventListener("click", () => { reset(); text.focus(); });
  $("filters").hidden = false;
  reset();

  // A link to a requirement opens it, even when a filter hides it.
  const follow = () => {
    let id = "";
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { return; }
    const target = id && $(id);
    if (!target) return;
    if (target.matches("details.result")) { fill(target); target.open = true; }
    if (target.closest("[hidden]")) reset();
    target.scrollIntoView({ block: "start", behavior: "instant" });
    const focusable = target.querySelector("summary");
    if (focusable) focusable.focus({ preventScroll: true });
  };
  addEventListener("hashchange", follow);
  addEventListener("load", follow);

  document.addEventListener("keydown", (e) => {
    const typing = e.target.matches("input, select, textarea");
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "/" && !typing) { e.preventDefault(); text.focus(); }
    if (e.key === "Escape" && typing) { reset(); e.target.blur(); }
    if ((e.key === "j" || e.key === "k") && !typing) {
      const visible = results.filter((r) => !r.hidden);
      const at = visible.findIndex((r) => r.contains(document.activeElement));
      const next = visible[at < 0 ? 0 : at + (e.key === "j" ? 1 : -1)];
      if (next) next.querySelector("summary").focus();
    }
  });

  // An arrow of the diagram opens its exchange in the list.
  document.addEventListener("click", (e) => {
    const arrow = e.target.closest("g[data-hop]");
    if (!arrow) return;
    const hop = arrow.closest(".finding").querySelectorAll(".hops > li > details")[arrow.dataset.hop];
    hop.open = true;
    hop.querySelector("summary").focus({ preventScroll: true });
    hop.scrollIntoView({ block: "nearest" });
  });

  const select = (node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  document.addEventListener("click", async (e) => {
    const button = e.target.closest(".copy");
    if (!button) return;
    const code = button.previousElementSibling;
    let done = false;
    try { await navigator.clipboard.writeText(code.textContent); done = true; }
    catch { select(code); done = document.execCommand("copy"); }
    button.textContent = done ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });

  // On paper everything that is not a pass is open.
  let closed = [];
  addEventListener("beforeprint", () => {
    if (document.body.classList.contains("matrix")) return;
    closed = results.filter((r) => !r.open && !r.hidden && r.dataset.standing !== "pass" && r.dataset.standing !== "not-applicable");
    closed.forEach((r) => { fill(r); r.open = true; });
  });
  addEventListener("afterprint", () => { closed.forEach((r) => { r.open = false; }); });
})();
