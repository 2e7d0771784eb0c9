// A form that tells what it will come to while it is filled in. Without this there are a button for
// the preview and a plain list of deals.
"use strict";
(() => {
  const form = document.querySelector("form[data-preview]");
  if (!form) return;

  // What depends on what was typed, asked again a moment after the last change; and by and by where
  // the server had no time for it.
  let waiting = 0;
  let asked = 0;
  const preview = (moment = 250) => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const number = ++asked;
      const typed = new URLSearchParams(new FormData(form));
      typed.set("fragment", "1");
      document.getElementById("preview")?.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(form.dataset.preview, { method: "POST", body: typed });
        if (number !== asked) return;
        if (!answer.ok || answer.redirected) throw answer.status;
        const found = document.createElement("template");
        found.innerHTML = await answer.text();
        if (number === asked) show(found.content);
      } catch { /* the button that records tells what is wrong */ } finally {
        document.getElementById("preview")?.removeAttribute("aria-busy");
      }
    }, moment);
  };
  const again = () => {
    if (document.querySelector("#preview[data-again]")) preview(2000);
  };
  // What stands there already is not read out a second time.
  const isSaid = (here, part) => part.id === "preview" && part.innerHTML === here.innerHTML;
  const show = (found) => {
    const focused = document.activeElement;
    const chosen = focused?.name === "action_type" ? focused.value : null;
    for (const part of [...found.children].filter((one) => one.id)) {
      const here = document.getElementById(part.id);
      if (here && !isSaid(here, part)) here.replaceWith(part);
    }
    if (chosen) form.querySelector(`[name=action_type][value="${CSS.escape(chosen)}"]`)?.focus();
    find();
    evidence();
    again();
    const likely = document.getElementById("deal-hint")?.dataset.doer;
    if (likely && !form.elements.manager_id.value) form.elements.manager_id.value = likely;
  };
  let saidWho = false; // else another deal has another likely doer
  form.addEventListener("change", (event) => {
    if (event.target.closest(".combo") && event.target.tagName === "INPUT") return;
    if (event.target.name === "manager_id") saidWho = true;
    if (event.target.name === "deal_id" && form.elements.version) form.elements.version.value = "";
    if (event.target.name === "deal_id" && !saidWho) form.elements.manager_id.value = "";
    evidence();
    preview();
  });
  form.addEventListener("input", (event) => {
    if (event.target.matches("[inputmode=decimal]")) preview();
  });

  // Types by a part of their name.
  const finder = form.querySelector("[data-find]");
  const find = () => {
    const wanted = (finder?.value || "").trim().toLowerCase();
    for (const one of form.querySelectorAll(".opt"))
      one.hidden = !!wanted && !one.textContent.toLowerCase().includes(wanted);
  };
  finder?.addEventListener("input", find);
  finder?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const first = form.querySelector(".opt:not([hidden]) input:not(:disabled)");
    if (first) { first.focus(); first.click(); }
  });

  // Evidence is marked as optional unless the chosen type needs it.
  const evidence = () => {
    const needed = form.querySelector("[name=action_type]:checked")?.dataset.evidence === "1";
    const field = form.elements.evidence;
    if (field) field.required = needed;
    const mark = form.querySelector("[data-optional]");
    if (mark) mark.hidden = needed;
  };
  evidence();

  // Whoever is quick has typed before this came; and a browser may have put back what was typed.
  const isTyped = (one) => {
    if (one.options) {
      const first = [...one.options].findIndex((option) => option.defaultSelected);
      return one.selectedIndex !== Math.max(first, 0);
    }
    if (one.defaultValue === undefined) return false;
    return one.value !== one.defaultValue || one.checked !== one.defaultChecked;
  };
  if ([...form.elements].some(isTyped)) preview();
  else again();

  for (const button of form.querySelectorAll("button[name=day]"))
    button.addEventListener("click", (event) => {
      event.preventDefault();
      form.elements.effective_on.value = button.value;
      preview();
    });

  // Once is enough: the server would know the second click too, by the form's key.
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  addEventListener("pageshow", () => { sent = false; });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  // A list becomes a field with suggestions (ARIA: combobox with a listbox).
  for (const select of form.querySelectorAll("select[data-combo]")) {
    const input = document.createElement("input");
    const list = document.createElement("ul");
    const options = [...select.options].filter((one) => one.value);
    input.type = "text";
    input.id = select.id;
    input.autocomplete = "off";
    input.placeholder = select.options[0].text;
    for (const [name, value] of Object.entries({
      role: "combobox", "aria-expanded": "false", "aria-controls": `${select.id}-list`,
      "aria-autocomplete": "list",
    })) input.setAttribute(name, value);
    for (const name of ["aria-invalid", "aria-describedby"])
      if (select.hasAttribute(name)) input.setAttribute(name, select.getAttribute(name));
    list.id = `${select.id}-list`;
    list.className = "list";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", select.labels[0]?.textContent || "");
    select.removeAttribute("id");
    select.hidden = true;
    select.after(input, list);

    let active = -1;
    const named = () => select.selectedOptions[0]?.value ? select.selectedOptions[0].text : "";
    const items = () => [...list.children];
    const point = (place) => {
      active = place;
      items().forEach((item, number) => {
        item.setAttribute("aria-selected", String(number === place));
        if (number === place) item.scrollIntoView({ block: "nearest" });
      });
      if (place >= 0) input.setAttribute("aria-activedescendant", items()[place].id);
      else input.removeAttribute("aria-activedescendant");
    };
    const close = () => {
      input.setAttribute("aria-expanded", "false");
      list.classList.remove("open");
      point(-1);
    };
    const open = () => {
      const words = input.value === named() ? [] : input.value.toLowerCase().split(/\s+/);
      const found = options.filter((one) => {
        const text = `${one.text} ${one.dataset.more}`.toLowerCase();
        return words.every((word) => text.includes(word));
      });
      list.replaceChildren(...found.slice(0, 50).map((one, number) => {
        const item = document.createElement("li");
        item.id = `${list.id}-${number}`;
        item.setAttribute("role", "option");
        item.dataset.value = one.value;
        const name = document.createElement("span");
        const more = document.createElement("span");
        name.textContent = one.text;
        more.textContent = one.dataset.more;
        more.className = "dim";
        item.append(name, more);
        return item;
      }));
      list.classList.toggle("open", found.length > 0);
      input.setAttribute("aria-expanded", String(found.length > 0));
      point(found.length && words.length ? 0 : -1);
    };
    const choose = (item) => {
      select.value = item.dataset.value;
      input.value = named();
      close();
      select.dispatchEvent(new Event("change", { bubbles: true }));
    };
    input.value = named();
    // Whoever comes to record begins here; the list opens with the first letter, or when asked for.
    if (!select.value && !form.querySelector("[aria-invalid]")) input.focus({ preventScroll: true });
    input.addEventListener("focus", () => { input.select(); open(); });
    input.addEventListener("click", () => { if (!list.classList.contains("open")) open(); });
    input.addEventListener("input", open);
    input.addEventListener("blur", () => { input.value = named(); close(); });
    list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const item = event.target.closest("li");
      if (item) choose(item);
    });
    input.addEventListener("keydown", (event) => {
      const count = items().length;
      const isOpen = list.classList.contains("open");
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (!isOpen) open();
        const step = event.key === "ArrowDown" ? 1 : -1;
        if (items().length) point((active + step + items().length) % items().length);
      } else if (event.key === "Enter" && isOpen && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        if (active >= 0 || count === 1) choose(items()[Math.max(active, 0)]);
      } else if (event.key === "Escape") {
        input.value = named();
        close();
      }
    });
  }
})();
