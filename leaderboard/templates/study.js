"use strict";
const $ = (query) => document.querySelector(query);
const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const study = JSON.parse($("#data").textContent);
const key = `madance-study-${study.study.slice(0, 16)}`;
const random = (bytes) => [...crypto.getRandomValues(new Uint8Array(bytes))].map((one) => one.toString(16).padStart(2, "0")).join("");
const sides = ["left", "right"];
const shown = { left: $("#left"), right: $("#right") };

// what was answered is kept after every answer, so that a closed page loses nothing
let state = null;
const keep = () => { try { localStorage.setItem(key, JSON.stringify(state)); } catch { /* a page from a file may have no storage */ } };
try { state = JSON.parse(localStorage.getItem(key)); } catch { state = null; }
const whole = state && Number.isInteger(state.at) && study.booklets[state.booklet] && typeof state.answers === "object";
if (!whole) {
  const asked = Number((location.hash.match(/^#b?(\d+)$/) || [])[1]);
  const booklet = Number.isInteger(asked) && study.booklets[asked] ? asked : Math.floor(Math.random() * study.booklets.length);
  state = { rater: random(16), booklet, at: 0, answers: {}, consent: false };
}
const trials = study.booklets[state.booklet];

let seen, ready, now;
const choices = [["left", "Left", "1"], ["tie", "No difference", "2"], ["right", "Right", "3"]];
const answersOf = (trial) => (state.answers[trial] = state.answers[trial] || {});

function draw() {
  const id = trials[state.at], trial = study.trials[id], given = answersOf(id);
  const already = study.questions.every((question) => given[question.name]);
  seen = { left: already, right: already };
  ready = already ? performance.now() : null;
  for (const side of sides) {
    shown[side].pause();
    shown[side].classList.remove("playing");
    shown[side].parentElement.classList.toggle("seen", already);
    shown[side].dataset.played = "0";
    shown[side].src = `media/${trial[side === "left" ? 0 : 1]}`;
  }
  $("#questions").replaceChildren(...study.questions.map((question, place) => {
    const box = make("div", { class: "choices" });
    for (const [value, text, press] of choices) {
      const input = make("input", { type: "radio", name: question.name, value });
      input.checked = (given[question.name] || {}).choice === value;
      input.addEventListener("change", () => answer(question.name, value, place));
      box.append(make("label", {}, input, `${text} (${press})`));
    }
    return make("fieldset", { id: `q-${question.name}` }, make("legend", {}, question.text), box);
  }));
  now = 0;
  scrollTo(0, 0);
  $("#progress").value = state.at;
  $("#count").textContent = `${state.at + 1} of ${trials.length}`;
  $("#back").disabled = state.at === 0;
  $("#early").hidden = state.at === 0;
  enable();
}

function enable() {
  const both = seen.left && seen.right;
  if (both && ready === null) ready = performance.now();
  for (const [place, question] of study.questions.entries()) {
    const field = $(`#q-${question.name}`);
    field.disabled = !both;
    field.classList.toggle("now", both && place === now);
  }
  $("#watch").hidden = both;
  const given = answersOf(trials[state.at]);
  $("#next").disabled = !study.questions.every((question) => given[question.name]);
  $("#next").textContent = state.at === trials.length - 1 ? "Finish" : "Next";
}

function answer(name, choice, place) {
  const played = sides.reduce((least, side) => Math.min(least, Number(shown[side].dataset.played)), Infinity);
  const before = answersOf(trials[state.at])[name];
  answersOf(trials[state.at])[name] = {
    choice, ms: Math.round(performance.now() - ready), played_ms: Math.max(Math.round(played), before ? before.played_ms : 0),
  };
  now = Math.min(place + 1, study.questions.length - 1);
  keep();
  enable();
}

function play(side) {
  for (const other of sides) if (other !== side) shown[other].pause();
  if (shown[side].ended) shown[side].currentTime = 0;
  shown[side].play();
}
for (const side of sides) {
  const video = shown[side];
  let from = null;
  const took = () => {
    if (from !== null) video.dataset.played = String(Number(video.dataset.played) + Math.max(0, video.currentTime - from) * 1000);
    from = video.paused ? null : video.currentTime;
  };
  video.addEventListener("play", () => { from = video.currentTime; video.classList.add("playing"); });
  video.addEventListener("timeupdate", took);
  video.addEventListener("pause", () => { took(); from = null; video.classList.remove("playing"); });
  video.addEventListener("ended", () => {
    took();
    seen[side] = true;
    video.parentElement.classList.add("seen");
    if (side === "left" && !seen.right) play("right");
    enable();
  });
  video.addEventListener("click", () => (video.paused ? play(side) : video.pause()));
  $(`[data-play=${side}]`).addEventListener("click", () => play(side));
}

function move(step) {
  if (step > 0 && $("#next").disabled) return;
  state.at += step;
  keep();
  if (state.at >= trials.length) finish(); else draw();
}
$("#next").addEventListener("click", () => move(1));
$("#back").addEventListener("click", () => move(-1));
document.addEventListener("keydown", (event) => {
  if ($("#trial").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  const place = ["1", "2", "3"].indexOf(event.key);
  if (place >= 0) {
    const input = document.querySelectorAll(`#q-${study.questions[now].name} input`)[place];
    if (!input.closest("fieldset").disabled) input.click();
    if (!$("#next").disabled) $("#next").focus();  // so that Enter goes on, wherever the focus was
  } else if (event.key === "Enter" && !event.target.closest("button")) move(1);
  else if (event.key === " " && !event.target.closest("button")) { event.preventDefault(); play(seen.left ? "right" : "left"); }
  else return;
});

function packed() {
  const answers = [];
  for (const trial of trials) for (const [question, one] of Object.entries(state.answers[trial] || {})) answers.push({ trial, question, ...one });
  return JSON.stringify({
    schema: "madance.answers/1", study: study.study, rater: state.rater, booklet: state.booklet, consent: true,
    complete: state.at >= trials.length, answers,
  });
}
function save() {
  const link = make("a", { download: `answers-${state.rater.slice(0, 8)}.json` });
  link.href = URL.createObjectURL(new Blob([packed()], { type: "application/json" }));
  link.click();
  URL.revokeObjectURL(link.href);
}
function finish() {
  for (const side of sides) shown[side].pause();
  $("#trial").hidden = true;
  $("#done").hidden = false;
  if (!study.post) return;
  $("#sent").textContent = "Sending your answers …";
  fetch(study.post, { method: "POST", headers: { "Content-Type": "application/json" }, body: packed() })
    .then((reply) => { $("#sent").textContent = reply.ok ? "Your answers were sent." : "Your answers could not be sent: please save them."; })
    .catch(() => { $("#sent").textContent = "Your answers could not be sent: please save them."; });
}
for (const one of ["#save", "#stop"]) $(one).addEventListener("click", save);

$("#tone").addEventListener("click", () => {
  const context = new AudioContext(), tone = context.createOscillator(), gain = context.createGain();
  gain.gain.value = 0.1;
  tone.connect(gain).connect(context.destination);
  tone.start();
  tone.stop(context.currentTime + 0.7);
});
function begin() {
  state.consent = true;
  keep();
  $("#welcome").hidden = true;
  if (state.at >= trials.length) { finish(); return; }
  $("#trial").hidden = false;
  draw();
}
$("#consent").addEventListener("change", (event) => { $("#begin").disabled = !event.target.checked; });
$("#begin").addEventListener("click", begin);
if (state.consent) begin();
