"use strict";
// dancers on a canvas: data as madata.motion.viewer makes it, a clock that says the time in seconds
function dancerScene(canvas, dancers) {
  const colours = ["#e4572e", "#2a7de1", "#27a468", "#a14ad1", "#d19a00", "#0aa5b5"];
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const all = dancers.map((dancer, place) => {
    const raw = bytes(dancer.positions);
    return { ...dancer, at: new Int16Array(raw.buffer), stands: bytes(dancer.standing), colour: colours[place % colours.length], shown: true };
  });
  const view = { yaw: 0, pitch: 0.16, far: 4.2, follow: true };
  const start = { ...view };
  const seconds = Math.max(...all.map((one) => one.frames / one.fps));
  const point = (one, frame, joint) => {
    const at = Math.max(0, Math.min(one.frames - 1, frame)), low = Math.floor(at), high = Math.min(low + 1, one.frames - 1), share = at - low;
    const a = (low * one.joints + joint) * 3, b = (high * one.joints + joint) * 3;
    return [0, 1, 2].map((axis) => (one.at[a + axis] * (1 - share) + one.at[b + axis] * share) / 1000);
  };
  function draw(time) {
    const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const shown = all.filter((one) => one.shown), first = shown[0] || all[0];
    const centre = view.follow ? point(first, time * first.fps, 0) : [0, 0, 0];
    const [cy, sy, cp, sp] = [Math.cos(view.yaw), Math.sin(view.yaw), Math.cos(view.pitch), Math.sin(view.pitch)];
    const focal = Math.min(width, height) * 1.15;
    const project = ([x, y, z]) => {
      const dx = x - centre[0], dy = y - 0.95, dz = z - centre[2];
      const across = dx * cy - dz * sy, depth = dx * sy + dz * cy;
      const up = dy * cp - depth * sp, away = view.far - (dy * sp + depth * cp);
      return away < 0.2 ? null : [width / 2 + (across * focal) / away, height * 0.48 - (up * focal) / away, focal / away, away];
    };
    const stroke = (a, b, colour, thick) => {
      if (!a || !b) return;
      pen.strokeStyle = colour;
      pen.lineWidth = thick;
      pen.beginPath();
      pen.moveTo(a[0], a[1]);
      pen.lineTo(b[0], b[1]);
      pen.stroke();
    };
    pen.lineCap = "round";
    const line = style.getPropertyValue("--line") || "#ccc";
    const gx = Math.round(centre[0] * 2) / 2, gz = Math.round(centre[2] * 2) / 2;
    for (let step = -4; step <= 4; step++) {
      stroke(project([gx + step / 2, 0, gz - 2]), project([gx + step / 2, 0, gz + 2]), line, 1);
      stroke(project([gx - 2, 0, gz + step / 2]), project([gx + 2, 0, gz + step / 2]), line, 1);
    }
    for (const one of shown) {
      const frame = time * one.fps, at = Array.from({ length: one.joints }, (_, joint) => project(point(one, frame, joint)));
      const left = new Set(one.left), now = Math.min(one.frames - 1, Math.round(frame));
      const bones = one.edges.map(([a, b]) => [a, b, at[a] && at[b] ? at[a][3] + at[b][3] : 0]).sort((p, q) => q[2] - p[2]);
      for (const [a, b, depth] of bones) {
        if (!depth) continue;
        pen.globalAlpha = left.has(b) ? 0.72 : 1;  // the dancer's left is lighter
        stroke(at[a], at[b], one.colour, 0.055 * at[b][2]);
      }
      pen.globalAlpha = 1;
      pen.fillStyle = one.colour;
      if (one.head >= 0 && at[one.head]) {
        pen.beginPath();
        pen.arc(at[one.head][0], at[one.head][1] - 0.05 * at[one.head][2], 0.1 * at[one.head][2], 0, 7);
        pen.fill();
      }
      one.feet.forEach((joint, foot) => {
        if (!at[joint] || !one.stands[now * one.feet.length + foot]) return;
        pen.strokeStyle = "#27c267";
        pen.lineWidth = 2.5;
        pen.beginPath();
        pen.arc(at[joint][0], at[joint][1], 0.055 * at[joint][2], 0, 7);
        pen.stroke();
      });
    }
  }
  const held = new Map();
  canvas.addEventListener("pointerdown", (event) => { held.set(event.pointerId, [event.clientX, event.clientY]); canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    if (held.size === 2) {
      const other = [...held].find(([id]) => id !== event.pointerId)[1];
      const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
      zoom(apart(before) / apart([event.clientX, event.clientY]));
    } else {
      view.yaw -= (event.clientX - before[0]) * 0.008;
      view.pitch = Math.max(-0.3, Math.min(1.5, view.pitch + (event.clientY - before[1]) * 0.006));
    }
    held.set(event.pointerId, [event.clientX, event.clientY]);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => held.delete(event.pointerId));
  const zoom = (factor) => { view.far = Math.max(1.2, Math.min(14, view.far * factor)); };
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(event.deltaY * 0.0012)); }, { passive: false });
  return { draw, view, seconds, dancers: all, reset: () => Object.assign(view, start) };
}

// the beats above a slider, as ticks on a canvas that lies over it within its home
function drawBeats(canvas, seek, home, beats, seconds) {
  const box = seek.getBoundingClientRect();
  canvas.style.left = `${box.left - home.getBoundingClientRect().left}px`;
  canvas.style.width = `${box.width}px`;
  canvas.width = box.width;
  canvas.height = 10;
  const pen = canvas.getContext("2d");
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--soft");
  for (const beat of beats) pen.fillRect(8 + (beat / seconds) * (box.width - 16), 2, 1.5, 8);
}
const onBeat = (beats, time) => beats.some((beat) => time >= beat && time - beat < 0.1);
