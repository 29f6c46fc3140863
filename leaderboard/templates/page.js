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

// tables: sorting stays within a section, a value that is missing is always last
for (const table of all("table.board")) {
  const heads = all("thead button", table);
  const valueOf = (row, key) => {
    if (key === "name") return row.cells[0].textContent.trim().toLowerCase();
    const value = row.cells[Number(key) + 1].dataset.v;
    return value === undefined ? null : Number(value);
  };
  const sort = (button, up) => {
    for (const other of heads) other.parentElement.setAttribute("aria-sort", "none");
    button.parentElement.setAttribute("aria-sort", up ? "ascending" : "descending");
    for (const body of table.tBodies) {
      const rows = all("tr:not(.section)", body).map((row, place) => ({ row, place, value: valueOf(row, button.dataset.sort) }));
      rows.sort((a, b) => {
        if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.place - b.place;
        const order = a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
        return (up ? order : -order) || a.place - b.place;
      });
      body.append(...rows.map((item) => item.row));
    }
  };
  for (const button of heads) {
    button.addEventListener("click", () => {
      const now = button.parentElement.getAttribute("aria-sort");
      const first = button.dataset.sort === "name" || button.dataset.higher !== "1";
      sort(button, now === "ascending" ? false : now === "descending" ? true : first);
    });
  }
}
for (const task of all(".task")) {
  for (const box of all("[data-show]", task)) {
    const apply = () => {
      const shown = box.checked;
      if (box.dataset.show === "extra") task.classList.toggle("show-extra", shown);
      else task.classList.toggle(`no-${box.dataset.show}`, !shown);
    };
    box.addEventListener("change", apply);
    apply();
  }
  const filter = $("[data-filter]", task);
  filter?.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const row of all("tbody tr:not(.section)", task)) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
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
    pop.textContent = note.dataset.note;
    pop.hidden = false;
    const at = note.getBoundingClientRect(), size = pop.getBoundingClientRect();
    pop.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`;
    pop.style.top = `${at.bottom + size.height + 12 < innerHeight ? at.bottom + 6 : Math.max(8, at.top - size.height - 6)}px`;
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", hide, { passive: true });
}

// the plane of two metrics
const svg = (tag, attributes, text) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
};
const scaleOf = (values) => {
  let low = Math.min(...values), high = Math.max(...values);
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  low = low >= 0 && low < room * 2 ? 0 : low - room;
  high += room;
  const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => power * factor).find((size) => size >= raw * 0.999);
  const ticks = [];
  for (let place = Math.ceil(low / step - 1e-9); place * step <= high + 1e-9 * step && ticks.length < 20; place++) ticks.push(Number((place * step).toPrecision(12)));
  return { low, high, ticks, at: (value, [start, end]) => start + (end - start) * Math.min(1, Math.max(0, (value - low) / (high - low))) };
};
const drawPlane = (data, names) => {
  const columns = names.map((name) => data.columns.find((column) => column.metric === name));
  const both = data.rows.filter((row) => names.every((name) => row.values[name]));
  const near = (row) => names.every((name) => {
    const own = both.filter((other) => other.kind === "system").map((other) => other.values[name][0]);
    const room = (Math.max(...own) - Math.min(...own)) / 2;
    return !own.length || (row.values[name][0] >= Math.min(...own) - room && row.values[name][0] <= Math.max(...own) + room);
  });
  const points = both.filter(near);
  const [width, height, left, right, top, bottom] = [560, 380, 62, 20, 20, 48];
  const scales = names.map((name) => scaleOf(points.flatMap((row) => row.values[name].filter((end) => end !== null))));
  const spans = [[left, width - right], [height - bottom, top]].map((span, place) => columns[place].higher ? span : [...span].reverse());
  const root = svg("svg", { class: "plane", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${columns[1].label} against ${columns[0].label}; better is up and to the right` });
  for (const tick of scales[0].ticks) {
    const x = scales[0].at(tick, spans[0]);
    root.append(svg("line", { class: "grid", x1: x, x2: x, y1: top, y2: height - bottom }), svg("text", { class: "tick", x, y: height - bottom + 16 }, String(tick)));
  }
  for (const tick of scales[1].ticks) {
    const y = scales[1].at(tick, spans[1]);
    root.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: y, y2: y }), svg("text", { class: "tick end", x: left - 8, y: y + 4 }, String(tick)));
  }
  root.append(svg("text", { class: "name", x: (left + width - right) / 2, y: height - 8 }, `${columns[0].label} ${columns[0].arrow}`));
  root.append(svg("text", { class: "name", transform: `translate(14 ${(top + height - bottom) / 2}) rotate(-90)` }, `${columns[1].label} ${columns[1].arrow}`));
  const gains = (one, other) => names.map((name, place) => (columns[place].higher ? 1 : -1) * (one.values[name][0] - other.values[name][0]));
  const beats = (one, other) => { const found = gains(one, other); return Math.min(...found) >= 0 && Math.max(...found) > 0; };
  const systems = points.filter((row) => row.kind === "system");
  const front = systems.filter((row) => !systems.some((other) => beats(other, row))).sort((a, b) => a.values[names[0]][0] - b.values[names[0]][0]);
  const place = (row) => names.map((name, axis) => scales[axis].at(row.values[name][0], spans[axis]));
  if (front.length > 1) root.append(svg("polyline", { class: "front", points: front.map((row) => place(row).join(",")).join(" ") }));
  const taken = [], short = (name) => name.length > 28 ? `${name.slice(0, 27)}…` : name;
  for (const row of [...points].sort((a, b) => place(a)[1] - place(b)[1])) {
    const [x, y] = place(row), group = svg("g", { class: row.kind + (front.includes(row) ? " best" : "") });
    group.append(svg("title", {}, row.name));
    const [across, up] = names.map((name) => row.values[name]);
    if (across[1] !== null) group.append(svg("line", { class: "bar", x1: scales[0].at(across[1], spans[0]), x2: scales[0].at(across[2], spans[0]), y1: y, y2: y }));
    if (up[1] !== null) group.append(svg("line", { class: "bar", x1: x, x2: x, y1: scales[1].at(up[1], spans[1]), y2: scales[1].at(up[2], spans[1]) }));
    const end = x > width * 0.55;
    let line = y - 7;
    while (taken.some(([beside, other]) => Math.abs(line - other) < 13 && Math.abs(x - beside) < 190)) line += 3;
    taken.push([x, line]);
    group.append(svg("circle", { class: "dot", cx: x, cy: y, r: 5 }), svg("text", { class: `point ${end ? "end" : "start"}`, x: x + (end ? -9 : 9), y: line }, short(row.name)));
    root.append(group);
  }
  return root;
};
for (const figure of all("[data-plane]")) {
  const data = JSON.parse(figure.dataset.plane), choices = all("[data-axis]", figure);
  const draw = () => $(".draw", figure).replaceChildren(drawPlane(data, choices.map((choice) => choice.value)));
  for (const choice of choices) choice.addEventListener("change", draw);
}

// clips: every video follows the first one that has the longest duration
if ($("#clips-data")) {
  const data = JSON.parse($("#clips-data").textContent), viewer = $("#viewer"), lanes = $("#lanes");
  const picker = $("#clip"), seek = $("#seek"), play = $("#play"), sound = $("#sound"), rate = $("#rate"), loop = $("#loop");
  const many = new Set(data.lanes.map((lane) => lane.task).filter(Boolean)).size > 1;
  const withVideo = data.lanes.filter((lane) => Object.keys(lane.videos).length);
  const shown = new Set((withVideo.length ? withVideo : data.lanes).slice(0, 8).map((lane) => lane.key));
  let videos = [], playing = false;
  const longest = () => videos.reduce((best, video) => (video.duration || 0) > (best?.duration || 0) ? video : best, videos[0]);
  const hear = () => videos.forEach((video, place) => { video.muted = !sound.checked || place > 0; });
  const show = (time, end) => { $("#time").textContent = `${time.toFixed(2)} / ${(end || 0).toFixed(2)} s`; };
  const goTo = (time) => {
    for (const video of videos) video.currentTime = Math.max(0, Math.min(time, (video.duration || time) - 0.001));
    const lead = longest();
    if (lead) { seek.value = time / (lead.duration || 1); show(time, lead.duration); }
  };
  const pause = () => { playing = false; for (const video of videos) video.pause(); play.textContent = "▶"; play.setAttribute("aria-label", "Play"); };
  const start = async () => {
    const lead = longest();
    if (!lead) return;
    const from = lead.ended || lead.currentTime >= lead.duration - 0.02 ? 0 : lead.currentTime;
    for (const video of videos) { video.currentTime = Math.min(from, video.duration || from); video.playbackRate = Number(rate.value); }
    playing = true;
    play.textContent = "❚❚"; play.setAttribute("aria-label", "Pause");
    try { await Promise.all(videos.filter((video) => !(from >= video.duration - 0.02)).map((video) => video.play())); } catch { if (playing) pause(); }
    requestAnimationFrame(follow);
  };
  const follow = () => {
    const lead = longest();
    if (!playing || !lead) return;
    if (lead.ended) {
      if (!loop.checked) { pause(); return; }
      start(); return;
    }
    for (const video of videos) if (video !== lead && !video.ended && Math.abs(video.currentTime - lead.currentTime) > 0.08 && lead.currentTime < (video.duration || 0) - 0.1) video.currentTime = lead.currentTime;
    seek.value = lead.currentTime / (lead.duration || 1);
    show(lead.currentTime, lead.duration);
    requestAnimationFrame(follow);
  };
  const laneOf = (lane, clip) => {
    const head = make("h4", {}, make("span", { title: lane.name }, many && lane.task ? `${lane.name} · ${lane.task}` : lane.name));
    if (lane.same.includes(clip)) head.append(make("small", { title: "The hash of this video is that of the file that was scored" }, "✓ scored file"));
    const box = make("article", { class: `lane ${lane.kind}`, "data-key": lane.key }, head);
    const path = lane.videos[clip];
    if (path) {
      const video = make("video", { src: path, preload: "auto", playsinline: "", "aria-label": `${lane.name}, clip ${clip}` });
      video.muted = true;
      video.addEventListener("loadedmetadata", () => { if (video === longest()) show(video.currentTime, video.duration); });
      videos.push(video);
      box.append(video);
    } else if (withVideo.length) box.append(make("div", { class: "none" }, "no video given"));
    const scores = make("dl");
    for (const [metric, values] of Object.entries(lane.scores)) {
      if (!(clip in values)) continue;
      const about = data.metrics[metric];
      scores.append(make("dt", { title: about.title }, `${about.label.replace("_", " ")} ${about.arrow}`), make("dd", {}, values[clip].toFixed(about.digits)));
    }
    if (scores.childElementCount) box.append(scores);
    return box;
  };
  const draw = () => {
    pause();
    for (const video of videos) { video.removeAttribute("src"); video.load(); }
    videos = [];
    const clip = picker.value;
    lanes.replaceChildren(...data.lanes.filter((lane) => shown.has(lane.key)).map((lane) => laneOf(lane, clip)));
    $("#count").textContent = `${data.clips.indexOf(clip) + 1} of ${data.clips.length}`;
    $(".control").hidden = !videos.length;
    seek.value = 0;
    show(0, 0);
    hear();
  };
  const step = (by) => { picker.selectedIndex = (picker.selectedIndex + by + data.clips.length) % data.clips.length; draw(); };
  for (const lane of data.lanes) {
    const chip = make("button", { type: "button", "aria-pressed": shown.has(lane.key), title: lane.name }, many && lane.task ? `${lane.name} · ${lane.task}` : lane.name);
    chip.addEventListener("click", () => { if (!shown.delete(lane.key)) shown.add(lane.key); chip.setAttribute("aria-pressed", shown.has(lane.key)); draw(); });
    $("#chips").append(chip);
  }
  picker.addEventListener("change", draw);
  for (const button of all("[data-step]", viewer)) button.addEventListener("click", () => step(Number(button.dataset.step)));
  play.addEventListener("click", () => playing ? pause() : start());
  seek.addEventListener("input", () => { pause(); goTo(seek.value * (longest()?.duration || 0)); });
  sound.addEventListener("change", hear);
  rate.addEventListener("change", () => videos.forEach((video) => { video.playbackRate = Number(rate.value); }));
  viewer.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|BUTTON)$/.test(event.target.tagName);
    if (event.key === " " && !typing) { event.preventDefault(); playing ? pause() : start(); }
    else if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && !typing) { event.preventDefault(); pause(); goTo((longest()?.currentTime || 0) + (event.key === "ArrowLeft" ? -1 : 1) / 30); }
    else if (event.key === "[") step(-1);
    else if (event.key === "]") step(1);
  });
  draw();
}
