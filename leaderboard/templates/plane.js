// the plane of two metrics: drawn once by leaderboard.figures, and here for any other two
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
  const named = points.length > 30 ? front : points;
  for (const row of [...points].sort((a, b) => place(a)[1] - place(b)[1])) {
    const [x, y] = place(row), group = svg("g", { class: row.kind + (front.includes(row) ? " best" : "") });
    group.append(svg("title", {}, row.name));
    const [across, up] = names.map((name) => row.values[name]);
    if (across[1] !== null) group.append(svg("line", { class: "bar", x1: scales[0].at(across[1], spans[0]), x2: scales[0].at(across[2], spans[0]), y1: y, y2: y }));
    if (up[1] !== null) group.append(svg("line", { class: "bar", x1: x, x2: x, y1: scales[1].at(up[1], spans[1]), y2: scales[1].at(up[2], spans[1]) }));
    group.append(svg("circle", { class: "dot", cx: x, cy: y, r: 5 }));
    if (named.includes(row)) {
      const end = x > width * 0.55;
      let line = y - 7;
      while (taken.some(([beside, other]) => Math.abs(line - other) < 13 && Math.abs(x - beside) < 190)) line += 3;
      taken.push([x, line]);
      group.append(svg("text", { class: `point ${end ? "end" : "start"}`, x: x + (end ? -9 : 9), y: line }, short(row.name)));
    }
    root.append(group);
  }
  return root;
};
for (const figure of all("figure.plane")) {
  const task = figure.closest(".task"), at = all("figure.plane", task).indexOf(figure), name = `${task.id}.plane${at || ""}`;
  const data = JSON.parse($("script", figure).textContent), choices = all("[data-axis]", figure);
  const usual = choices.map((choice) => choice.value);
  const draw = () => $(".draw", figure).replaceChildren(drawPlane(data, choices.map((choice) => choice.value)));
  for (const choice of choices) choice.addEventListener("change", () => { draw(); address.set(name, choices.map((one) => one.value).join(",")); });
  address.follow(() => {
    const wanted = address.get(name)?.split(",") ?? usual;
    if (wanted.every((metric, place) => metric === choices[place]?.value)) return;
    choices.forEach((choice, place) => { choice.value = data.columns.some((column) => column.metric === wanted[place]) ? wanted[place] : usual[place]; });
    draw();
  });
}
