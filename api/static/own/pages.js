// What a page does besides being read: keys, the slider, fragments, the theme. Without it everything
// works by links and forms.
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

  const form = document.querySelector("form[data-point]");
  const go = () => {
    const asked = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) asked.set(name, value);
    if (asked.get("as_of") === form.dataset.today && !form.elements.from_known_at) asked.delete("as_of");
    location.search = asked.toString();
  };
  const move = (days, months) => {
    if (!form) return;
    const date = form.elements.as_of ?? form.elements.to;
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
    const slider = form.querySelector("input[type=range]");
    if (slider) {
      slider.addEventListener("input", () => {
        form.elements.as_of.value = shifted(slider.dataset.first, Number(slider.value), 0);
      });
      slider.addEventListener("change", go);
    }
  }

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
