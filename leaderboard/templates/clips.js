// clips: every player follows the one that plays longest; dances are drawn at its time
if ($("#clips-data")) {
  const data = JSON.parse($("#clips-data").textContent), viewer = $("#viewer"), lanes = $("#lanes"), stage = $("#stage");
  const picker = $("#clip"), seek = $("#seek"), play = $("#play"), sound = $("#sound"), rate = $("#rate"), loop = $("#loop");
  const many = new Set(data.lanes.map((lane) => lane.task).filter(Boolean)).size > 1;
  const titleOf = (lane) => many && lane.task ? `${lane.name} · ${lane.task}` : lane.name;
  picker.append(...data.clips.map((clip, at) => make("option", { value: at }, clip)));
  const danceOf = (at) => {  // read when it is looked at: a page may hold hundreds
    const place = data.dances.indexOf(at);
    return place < 0 ? [] : JSON.parse($(`#dance-${place}`).textContent);
  };
  const dancing = new Set(data.dances.length ? danceOf(data.dances[0]).map((one) => one.name) : []);
  const seen = data.lanes.filter((lane) => Object.keys(lane.videos).length || dancing.has(lane.key));
  const usual = (seen.length ? seen : data.lanes).slice(0, seen.length ? 6 : 8).map((lane) => lane.key);
  let shown = new Set(usual), players = [], playing = false, scene = null, beats = [];

  // what plays where there is neither a video nor a sound
  const silence = (duration) => {
    let from = 0, since = null, speed = 1;
    const now = () => Math.min(duration, since === null ? from : from + ((performance.now() - since) / 1000) * speed);
    return {
      duration, muted: true,
      get currentTime() { return now(); },
      set currentTime(time) { from = time; if (since !== null) since = performance.now(); },
      get ended() { return now() >= duration; },
      set playbackRate(value) { from = now(); if (since !== null) since = performance.now(); speed = value; },
      play() { since = performance.now(); return Promise.resolve(); },
      pause() { from = now(); since = null; },
    };
  };
  const longest = () => players.reduce((best, player) => (player.duration || 0) > (best?.duration || 0) ? player : best, players[0]);
  const hear = () => players.forEach((player, place) => { player.muted = !sound.checked || place > 0; });
  const show = (time, end) => {
    $("#time").textContent = `${time.toFixed(2)} / ${(end || 0).toFixed(2)} s`;
    $("#time").classList.toggle("beat", onBeat(beats, time));
    scene?.draw(time);
  };
  const goTo = (time) => {
    for (const player of players) player.currentTime = Math.max(0, Math.min(time, (player.duration || time) - 0.001));
    const lead = longest();
    if (lead) { seek.value = time / (lead.duration || 1); show(Math.max(0, time), lead.duration); }
  };
  const pause = () => { playing = false; for (const player of players) player.pause(); play.textContent = "▶"; play.setAttribute("aria-label", "Play"); };
  const start = async () => {
    const lead = longest();
    if (!lead) return;
    const from = lead.ended || lead.currentTime >= lead.duration - 0.02 ? 0 : lead.currentTime;
    for (const player of players) { player.currentTime = Math.min(from, player.duration || from); player.playbackRate = Number(rate.value); }
    playing = true;
    play.textContent = "❚❚"; play.setAttribute("aria-label", "Pause");
    try { await Promise.all(players.filter((player) => !(from >= player.duration - 0.02)).map((player) => player.play())); } catch { if (playing) pause(); }
    requestAnimationFrame(follow);
  };
  const follow = () => {
    const lead = longest();
    if (!playing || !lead) return;
    if (lead.ended) {
      if (!loop.checked) { pause(); return; }
      start(); return;
    }
    for (const player of players) if (player !== lead && !player.ended && Math.abs(player.currentTime - lead.currentTime) > 0.08 && lead.currentTime < (player.duration || 0) - 0.1) player.currentTime = lead.currentTime;
    seek.value = lead.currentTime / (lead.duration || 1);
    show(lead.currentTime, lead.duration);
    requestAnimationFrame(follow);
  };
  const ticks = () => { if (!$(".control").hidden) drawBeats($("#ticks"), seek, $(".control"), beats, longest()?.duration || 1); };
  const numberOf = (metric, value) => value.toFixed(data.metrics[metric].digits);
  const laneOf = (lane, at) => {
    const head = make("h4", {}, make("span", { title: lane.name }, titleOf(lane)));
    if (lane.same.includes(at)) head.append(make("small", { title: "The hash of this video is that of the file that was scored" }, "✓ scored file"));
    const box = make("article", { class: `lane ${lane.kind}`, "data-key": lane.key }, head);
    const path = lane.videos[at];
    if (path) {
      const video = make("video", { src: path, preload: "auto", playsinline: "", "aria-label": `${lane.name}, clip ${data.clips[at]}` });
      players.push(video);
      box.append(video);
    } else if (seen.some((one) => one.videos[at])) box.append(make("div", { class: "none" }, "no video given"));
    const scores = make("dl");
    for (const [metric, values] of Object.entries(lane.scores)) {
      if (values[at] === null) continue;
      const about = data.metrics[metric];
      scores.append(make("dt", { title: about.title }, `${about.label} ${about.arrow}`), make("dd", {}, numberOf(metric, values[at])));
    }
    if (scores.childElementCount) box.append(scores);
    return box;
  };
  const drawDances = (at) => {
    const dancers = danceOf(at).filter((one) => shown.has(one.name));
    stage.hidden = !dancers.length;
    const old = scene;
    scene = null;
    if (!dancers.length) return;
    const canvas = make("canvas", { tabindex: "0", role: "img", "aria-label": "Dancers over each other in 3D: drag to look from another side, wheel or pinch to come nearer" });
    $("canvas", stage).replaceWith(canvas);
    scene = dancerScene(canvas, dancers);
    if (old) Object.assign(scene.view, old.view);
    $("#dancers").replaceChildren(...scene.dancers.map((one) => {
      const dot = make("i");
      dot.style.background = one.colour;
      return make("span", {}, dot, titleOf(data.lanes.find((lane) => lane.key === one.name)));
    }));
    for (const event of ["pointermove", "wheel"]) canvas.addEventListener(event, () => { if (!playing) scene.draw(longest()?.currentTime || 0); });
  };
  const draw = () => {
    pause();
    for (const player of players) { player.removeAttribute?.("src"); player.load?.(); }
    players = [];
    const at = Number(picker.value);
    beats = data.beats[at] ?? [];
    lanes.replaceChildren(...data.lanes.filter((lane) => shown.has(lane.key)).map((lane) => laneOf(lane, at)));
    if (data.sounds[at]) players.unshift(make("audio", { src: data.sounds[at], preload: "auto" }));
    drawDances(at);
    if (!players.length && scene) players.push(silence(scene.seconds));
    for (const player of players) player.addEventListener?.("loadedmetadata", () => { if (player === longest()) { show(player.currentTime, player.duration); ticks(); } });
    $("#count").textContent = `${at + 1} of ${data.clips.length}`;
    $(".control").hidden = !players.length;
    sound.parentElement.hidden = !players.some((player) => player.load);
    seek.value = 0;
    show(0, longest()?.duration);
    ticks();
    hear();
  };
  const choose = (at) => { picker.value = at; draw(); address.set("clip", at ? data.clips[at] : ""); };
  const step = (by) => choose((Number(picker.value) + by + data.clips.length) % data.clips.length);
  const chips = data.lanes.map((lane) => {
    const chip = make("button", { type: "button", title: lane.name, "data-name": titleOf(lane) }, titleOf(lane));
    chip.addEventListener("click", () => {
      if (!shown.delete(lane.key)) shown.add(lane.key);
      address.set("lanes", [...shown].sort().join() === [...usual].sort().join() ? "" : [...shown].join());
      mark();
      draw();
    });
    return chip;
  });
  const mark = () => chips.forEach((chip, place) => chip.setAttribute("aria-pressed", shown.has(data.lanes[place].key)));
  $("#chips").append(...chips);
  picker.addEventListener("change", () => choose(Number(picker.value)));
  for (const button of all("[data-step]", viewer)) button.addEventListener("click", () => step(Number(button.dataset.step)));
  play.addEventListener("click", () => playing ? pause() : start());
  seek.addEventListener("input", () => { pause(); goTo(seek.value * (longest()?.duration || 0)); });
  sound.addEventListener("change", hear);
  rate.addEventListener("change", () => players.forEach((player) => { player.playbackRate = Number(rate.value); }));
  addEventListener("resize", () => { ticks(); scene?.draw(longest()?.currentTime || 0); });
  viewer.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|BUTTON)$/.test(event.target.tagName);
    if (event.key === " " && !typing) { event.preventDefault(); playing ? pause() : start(); }
    else if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && !typing) { event.preventDefault(); pause(); goTo((longest()?.currentTime || 0) + (event.key === "ArrowLeft" ? -1 : 1) / 30); }
    else if (event.key === "[") step(-1);
    else if (event.key === "]") step(1);
    else if (event.key === "r" && !typing && scene) { scene.reset(); scene.draw(longest()?.currentTime || 0); }
  });
  address.follow(() => {
    picker.value = Math.max(0, data.clips.indexOf(address.get("clip") ?? ""));
    const wanted = (address.get("lanes") ?? "").split(",").filter((key) => data.lanes.some((lane) => lane.key === key));
    shown = new Set(wanted.length ? wanted : usual);
    mark();
    draw();
  });

  // where one system beat another, clip by clip
  const versus = $("#versus"), [first, second, by] = all("select", versus), list = $("tbody", versus);
  const judged = Object.keys(data.metrics).filter((metric) => data.metrics[metric].higher !== null);
  const scored = data.lanes.filter((lane) => judged.some((metric) => lane.scores[metric]));
  const rivals = scored.filter((lane) => lane.kind === "system").length > 1 ? scored.filter((lane) => lane.kind === "system") : scored;
  versus.hidden = scored.length < 2;
  if (scored.length > 1) {
    for (const box of [first, second]) box.append(...scored.map((lane) => make("option", { value: lane.key }, titleOf(lane))));
    let most = 10;
    const compare = () => {
      const pair = [first, second].map((box) => scored.find((lane) => lane.key === box.value));
      const common = judged.filter((metric) => pair.every((lane) => lane.scores[metric]));
      const metric = common.includes(by.dataset.wanted) ? by.dataset.wanted : common[0];
      by.replaceChildren(...common.map((name) => make("option", { value: name }, `${data.metrics[name].label} ${data.metrics[name].arrow}`)));
      if (!metric) { $("#verdict").textContent = "These two share no score of single clips."; list.replaceChildren(); $("#more").hidden = true; return; }
      by.value = metric;
      const sign = data.metrics[metric].higher ? 1 : -1, [one, other] = pair.map((lane) => lane.scores[metric]);
      const gaps = data.clips.map((clip, at) => ({ clip, at, gap: one[at] === null || other[at] === null ? null : sign * (one[at] - other[at]) })).filter((item) => item.gap !== null);
      const won = gaps.filter((item) => item.gap > 0).sort((a, b) => b.gap - a.gap), lost = gaps.filter((item) => item.gap < 0).length;
      $("#verdict").textContent = `${pair[0].name} is better in ${won.length} of ${gaps.length} clips, ${pair[1].name} in ${lost}; ${gaps.length - won.length - lost} are equal.${data.known > data.clips.length ? ` The page holds ${data.clips.length} of ${data.known} clips.` : ""}`;
      list.replaceChildren(...won.slice(0, most).map(({ clip, at }) => {
        const open = make("button", { type: "button", class: "open" }, clip);
        open.addEventListener("click", () => {
          shown = new Set([...pair.map((lane) => lane.key), ...data.lanes.filter((lane) => lane.kind === "ground-truth").map((lane) => lane.key)]);
          address.set("lanes", [...shown].join());
          mark();
          choose(at);
          viewer.scrollIntoView();
          viewer.focus({ preventScroll: true });
        });
        return make("tr", {}, make("td", {}, open), make("td", {}, numberOf(metric, one[at])), make("td", {}, numberOf(metric, other[at])), make("td", {}, numberOf(metric, one[at] - other[at])));
      }));
      $("#more").hidden = won.length <= most;
      $("#more").textContent = `all ${won.length}`;
    };
    const say = () => { most = 10; compare(); address.set("versus", [first.value, second.value, by.value].join()); };
    for (const box of [first, second]) box.addEventListener("change", say);
    by.addEventListener("change", () => { by.dataset.wanted = by.value; say(); });
    $("#swap").addEventListener("click", () => { [first.value, second.value] = [second.value, first.value]; say(); });
    $("#more").addEventListener("click", () => { most = Infinity; compare(); });
    address.follow(() => {
      const [a, b, metric] = (address.get("versus") ?? "").split(",");
      const known = (key, otherwise) => scored.some((lane) => lane.key === key) ? key : otherwise;
      first.value = known(a, rivals[0].key);
      second.value = known(b, rivals[1].key);
      by.dataset.wanted = metric ?? "";
      compare();
    });
  }
}
address.start();
