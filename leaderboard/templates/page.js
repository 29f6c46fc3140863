"use strict";
document.documentElement.classList.add("scripted");
const $ = (query, root = document) => root.querySelector(query);
const all = (query, root = document) => [...root.querySelectorAll(query)];
const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const remember = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* a page from a file may have no storage */ } },
};

// colours
{
  const button = $("#theme"), names = ["automatic", "light", "dark"];
  const apply = (name) => {
    if (name === "automatic") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = name;
    button.textContent = { automatic: "◐", light: "☀", dark: "☾" }[name];
    button.setAttribute("aria-label", `Colours: ${name}`);
  };
  let theme = names.includes(remember.get("theme")) ? remember.get("theme") : "automatic";
  apply(theme);
  button.addEventListener("click", () => { theme = names[(names.indexOf(theme) + 1) % 3]; remember.set("theme", theme); apply(theme); });
}

// where a reader stands, in the address after the anchor: #video?find=edge,lodge&video=-fid_k
const address = (() => {
  const read = () => {
    const [anchor, query] = location.hash.slice(1).split(/\?(.*)/s);
    return { anchor, values: new URLSearchParams(query ?? ""), full: query !== undefined };
  };
  let { anchor, values } = read();
  const followers = [];
  const write = () => {
    const query = values.toString();
    try { history.replaceState(null, "", `#${anchor}${query && "?"}${query}`); } catch { /* a page within another may have no address */ }
  };
  const go = () => { for (const follow of followers) follow(); document.getElementById(anchor)?.scrollIntoView(); };
  addEventListener("hashchange", () => {
    const now = read();
    anchor = now.anchor;
    if (now.full) { values = now.values; go(); } else write();  // a link within the page keeps what is chosen
  });
  return {
    get: (name) => values.get(name),
    set(name, value) { if (value) values.set(name, value); else values.delete(name); write(); },
    follow(apply) { followers.push(apply); apply(); },
    start() { if (anchor && values.size) document.getElementById(anchor)?.scrollIntoView(); },
  };
})();

// tables: sorting stays within a section, a value that is missing is always last
for (const table of all("table.board")) {
  const task = table.dataset.task, heads = all("thead button", table), places = [...heads[0].closest("tr").cells];
  const first = all("tbody", table).map((body) => all("tr:not(.section)", body));
  const valueOf = (row, at) => {
    if (!at) return row.cells[0].textContent.trim().toLowerCase();
    const value = row.cells[at].dataset.v;
    return value === undefined ? null : Number(value);
  };
  const sort = (button, up) => {
    const at = places.indexOf(button.parentElement), ranks = !["name", "date"].includes(button.dataset.sort);
    for (const other of heads) other.parentElement.setAttribute("aria-sort", "none");
    button.parentElement.setAttribute("aria-sort", up ? "ascending" : "descending");
    for (const body of table.tBodies) {
      const rows = all("tr:not(.section)", body).map((row, place) => ({ row, place, value: valueOf(row, at) }));
      rows.sort((a, b) => {
        if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.place - b.place;
        const order = a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
        return (up ? order : -order) || a.place - b.place;
      });
      if (ranks) for (const { row } of rows) row.cells[1].textContent = row.cells[at].dataset.rank ?? "";
      body.append(...rows.map((item) => item.row));
    }
  };
  for (const button of heads) {
    button.addEventListener("click", () => {
      const now = button.parentElement.getAttribute("aria-sort"), name = button.dataset.sort;
      const usual = name === "name" || (name !== "date" && button.dataset.higher !== "1");
      const up = now === "ascending" ? false : now === "descending" ? true : usual;
      sort(button, up);
      address.set(task, (up ? "" : "-") + name);
    });
  }
  let sorted = false;
  address.follow(() => {
    const wanted = address.get(task) ?? "", up = !wanted.startsWith("-"), name = up ? wanted : wanted.slice(1);
    const button = heads.find((head) => head.dataset.sort === name);
    if (!button && sorted) [...table.tBodies].forEach((body, place) => body.append(...first[place]));
    if (button) {
      if (button.parentElement.classList.contains("extra")) table.closest(".task")?.classList.add("show-extra");
      sort(button, up);
    }
    sorted = Boolean(button);
  });
}
for (const task of all(".task")) {
  for (const box of all("[data-show]", task)) {
    const name = `${task.id}.${box.dataset.show}`, usual = box.checked;
    const apply = () => {
      if (box.dataset.show === "extra") task.classList.toggle("show-extra", box.checked);
      else task.classList.toggle(`no-${box.dataset.show}`, !box.checked);
    };
    box.addEventListener("change", () => { apply(); address.set(name, box.checked === usual ? "" : box.checked ? "yes" : "no"); });
    address.follow(() => {
      const said = address.get(name);
      box.checked = said ? said === "yes" : usual || (box.dataset.show === "extra" && task.classList.contains("show-extra"));
      apply();
    });
  }
}

// one search: every table and every card; a comma between two finds both
{
  const field = $("#find"), found = $("#found");
  const rows = all(".task").map((task) => all("tbody", task).map((body) => all("tr:not(.section)", body).map((row) => [row, row.cells[0].textContent.toLowerCase()])));
  const folds = all(".task").map((task) => $(".fold", task)?.open);
  const search = () => {
    const wanted = field.value.toLowerCase().split(",").map((part) => part.trim().split(/\s+/).filter(Boolean)).filter((words) => words.length);
    const fits = (text) => !wanted.length || wanted.some((words) => words.every((word) => text.includes(word)));
    let count = 0, tables = 0;
    all(".task").forEach((task, at) => {
      let here = 0;
      all("tbody", task).forEach((body, place) => {
        let shown = 0;
        for (const [row, text] of rows[at][place]) { row.hidden = !fits(text); shown += !row.hidden; }
        body.hidden = !shown;
        here += shown;
      });
      $(".nothing", task).hidden = here > 0;
      $(".scroll", task).hidden = !here;
      $(".fold", task).open = folds[at] || (wanted.length > 0 && here > 0);
      count += here;
      tables += here > 0;
    });
    for (const card of all("[data-name]")) card.hidden = !fits(card.dataset.name.toLowerCase());
    found.hidden = !wanted.length;
    found.textContent = !wanted.length ? "" : count ? `${count} row${count === 1 ? "" : "s"} in ${tables} table${tables === 1 ? "" : "s"}` : `Nothing found for “${field.value.trim()}”`;
  };
  field.addEventListener("input", () => { search(); address.set("find", field.value.trim()); });
  address.follow(() => { field.value = address.get("find") ?? ""; search(); });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); field.focus(); }
    if (event.key === "Escape" && event.target === field) { field.value = ""; field.dispatchEvent(new Event("input")); }
  });
}

// notes
{
  const pop = $("#pop");
  let owner = null;
  const hide = () => { pop.hidden = true; owner = null; };
  document.addEventListener("click", (event) => {
    const note = event.target.closest?.(".note");
    if (!note || note === owner) return hide();
    owner = note;
    pop.textContent = note.title;
    pop.hidden = false;
    const at = note.getBoundingClientRect(), size = pop.getBoundingClientRect();
    pop.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`;
    pop.style.top = `${at.bottom + size.height + 12 < innerHeight ? at.bottom + 6 : Math.max(8, at.top - size.height - 6)}px`;
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", hide, { passive: true });
}
