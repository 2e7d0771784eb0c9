// What a page does besides being read: keys, sliders, fragments, the theme, and what was typed kept
// while the language is changed. Without it everything works by links and forms.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const theme = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })();
  if (theme) root.dataset.theme = theme;

  const iso = (day) => day.toISOString().slice(0, 10);
  const shifted = (text, days, months) => {
    const day = new Date(`${text}T00:00:00Z`);
    if (months) {
      const wanted = day.getUTCDate();
      day.setUTCDate(1);
      day.setUTCMonth(day.getUTCMonth() + months);
      const last = new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 0)).getUTCDate();
      day.setUTCDate(Math.min(wanted, last));
    }
    day.setUTCDate(day.getUTCDate() + days);
    return iso(day);
  };

  const stored = (name, value) => {
    try {
      const before = sessionStorage.getItem(name);
      if (value === undefined) sessionStorage.removeItem(name); else sessionStorage.setItem(name, value);
      return before;
    } catch { return null; /* then nothing is kept from page to page */ }
  };

  // The filters are the address. What stands there anyway is left out, so that it follows: today,
  // what is known now, and the day that is compared with unless another is chosen.
  const form = document.querySelector("form[data-point]");
  const go = () => {
    const asked = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      const field = form.elements[name];
      if (value && value !== field.dataset.unsaid) asked.set(name, value);
    }
    stored("focus", document.activeElement?.id || "");
    location.assign(`${form.getAttribute("action") || location.pathname}?${asked}`);
  };
  const move = (days, months) => {
    if (!form) return;
    const date = form.elements.as_of ?? form.elements.to;
    if (!date) return;
    const day = shifted(date.value || form.dataset.today, days, months);
    date.value = day > form.dataset.today ? form.dataset.today : day;
    const from = form.elements.from;
    if (from && from.value >= date.value) from.value = shifted(from.value, days, months);
    go();
  };
  if (form) {
    form.addEventListener("submit", (event) => { event.preventDefault(); go(); });
    for (const field of form.querySelectorAll("input[type=date], select"))
      field.addEventListener("change", () => { if (!field.value || field.checkValidity()) go(); });
    for (const button of form.querySelectorAll("[data-day]"))
      button.addEventListener("click", () => move(Number(button.dataset.day), 0));
    const said = new Intl.DateTimeFormat(root.lang, { dateStyle: "long", timeZone: "UTC" });
    for (const slider of form.querySelectorAll("input[type=range]")) {
      let waiting = 0; // an arrow held down goes through many days, and means the last of them
      slider.addEventListener("input", () => {
        const day = shifted(slider.dataset.first, Number(slider.value), 0);
        form.elements[slider.dataset.moves].value = day;
        slider.setAttribute("aria-valuetext", said.format(new Date(day)));
        clearTimeout(waiting);
      });
      slider.addEventListener("change", () => {
        clearTimeout(waiting);
        waiting = setTimeout(go, 400);
      });
    }
    const before = document.getElementById(stored("focus") || "none");
    before?.closest("details")?.setAttribute("open", "");
    before?.focus({ preventScroll: true });
  }

  // What is typed goes along into the other language, and through the sign-in when a session has
  // ended behind it; without what is a secret of the page.
  const forms = () => [...document.querySelectorAll("main form[method=post]")];
  const typed = (one) => [...new FormData(one)].filter(([name, value]) =>
    typeof value === "string" && !["csrf", "key", "version"].includes(name));
  const keep = (name) =>
    stored(name, JSON.stringify(forms().map((one) => [one.getAttribute("id"), typed(one)])));
  const taken = stored("typed"), sent = stored("sent"), back = location.hash === "#typed";
  const carried = JSON.parse((back ? sent : taken) || "[]");
  if (back) history.replaceState(null, "", location.pathname + location.search);
  document.querySelector("[data-language]")?.addEventListener("click", () => keep("typed"));
  for (const one of forms()) one.addEventListener("submit", () => keep("sent"));
  for (const [place, [id, values]] of carried.entries()) {
    const one = id ? document.getElementById(id) : forms()[place];
    const known = new Map(values);
    for (const field of one?.elements ?? []) {
      if (field.type === "radio") field.checked = known.get(field.name) === field.value;
      else if (field.type === "checkbox") field.checked = known.has(field.name);
      else if (known.has(field.name) && field.type !== "hidden") field.value = known.get(field.name);
    }
    addEventListener("DOMContentLoaded", () => one?.dispatchEvent(new Event("change")));
  }

  // Whoever was refused goes on where it is wrong, once every script has its fields in place.
  addEventListener("DOMContentLoaded", () =>
    document.querySelector(".err :is(input, select, textarea):not([type=hidden], [hidden])")?.focus());

  const click = (key) => document.querySelector(`[data-key="${key}"]`)?.click();
  const help = document.querySelector("dialog.help");
  const keys = {
    n: () => click("n"),
    t: () => click("t"),
    "/": () => document.getElementById("q")?.focus(),
    "?": () => help?.showModal(),
    "[": () => move(-1, 0),
    "]": () => move(1, 0),
    "{": () => move(0, -1),
    "}": () => move(0, 1),
  };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.closest("input, textarea, select, dialog[open]")) return;
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  for (const button of document.querySelectorAll("[data-help]"))
    button.addEventListener("click", () => help?.showModal());
  for (const button of document.querySelectorAll("[data-print]"))
    button.addEventListener("click", () => print());
  for (const button of document.querySelectorAll("[data-theme]"))
    button.addEventListener("click", () => {
      const next = { light: "dark", dark: "", "": "light" }[root.dataset.theme || ""];
      if (next) root.dataset.theme = next; else delete root.dataset.theme;
      try { localStorage.setItem("theme", next); } catch { /* it is kept for this page alone */ }
    });

  for (const place of document.querySelectorAll("[data-fragment]"))
    fetch(place.dataset.fragment, { headers: { accept: "text/html" } })
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)))
      .then((text) => {
        const found = document.createElement("template");
        found.innerHTML = text;
        for (const line of found.content.querySelectorAll("template[data-for]")) {
          const cell = document.querySelector(`[data-spark="${CSS.escape(line.dataset.for)}"]`);
          if (cell) cell.append(line.content.cloneNode(true));
        }
        place.querySelector(".wait")?.replaceWith(...found.content.querySelectorAll("svg.chart"));
      })
      .catch(() => place.querySelector(".wait")?.remove());
})();
