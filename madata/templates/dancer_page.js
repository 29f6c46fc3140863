{
  const $ = (query) => document.querySelector(query);
  const data = JSON.parse($("#data").textContent), scene = dancerScene($("#scene"), data.dancers);
  const sound = data.sound ? new Audio(data.sound) : null;
  let time = 0, playing = false, last = 0;
  const rate = () => Number($("#speed").value);
  function set(next) {
    time = Math.max(0, Math.min(scene.seconds, next));
    if (sound && Math.abs(sound.currentTime - time) > 0.08) sound.currentTime = time;
  }
  function play(on) {
    if (on && time >= scene.seconds - 0.02) set(0);
    playing = on;
    $("#play").textContent = on ? "❚❚" : "▶";
    $("#play").setAttribute("aria-label", on ? "pause" : "play");
    if (!sound) return;
    sound.playbackRate = rate();
    if (on) { sound.currentTime = time; sound.play().catch(() => {}); } else sound.pause();
  }
  const ticks = () => drawBeats($("#line"), $("#seek"), $("#controls"), data.beats, scene.seconds);
  function step(now) {
    if (playing) {
      const ours = time + ((now - last) / 1000) * rate();
      // the sound is the clock while it plays: pictures follow what is heard
      time = sound && !sound.paused && !sound.ended && sound.currentTime > 0 ? sound.currentTime : ours;
      if (time >= scene.seconds) { time = scene.seconds; play(false); }
    }
    last = now;
    $("#seek").value = time / scene.seconds;
    $("#time").textContent = time.toFixed(2);
    $("#time").style.fontWeight = onBeat(data.beats, time) ? "700" : "";
    scene.draw(time);
    requestAnimationFrame(step);
  }
  scene.dancers.forEach((one, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = one.name;
    button.style.setProperty("--own", one.colour);
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => { one.shown = !one.shown; button.setAttribute("aria-pressed", String(one.shown)); });
    button.title = `${one.frames} frames, ${one.fps} per second (key ${place + 1})`;
    $("#who").append(button);
  });
  $("#play").addEventListener("click", () => play(!playing));
  $("#seek").addEventListener("input", (event) => set(Number(event.target.value) * scene.seconds));
  $("#speed").addEventListener("change", () => { if (sound) sound.playbackRate = rate(); });
  $("#follow").addEventListener("change", (event) => { scene.view.follow = event.target.checked; });
  addEventListener("resize", ticks);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
    const frame = 1 / scene.dancers[0].fps;
    if (event.key === " " && !event.target.matches("button")) { event.preventDefault(); play(!playing); }
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") { event.preventDefault(); play(false); set(time + (event.key === "ArrowLeft" ? -frame : frame)); }
    else if (event.key.toLowerCase() === "r") scene.reset();
    else if (/^[1-9]$/.test(event.key)) document.querySelectorAll("#who button")[Number(event.key) - 1]?.click();
  });
  ticks();
  requestAnimationFrame(step);
}
