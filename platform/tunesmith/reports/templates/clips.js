"use strict";
// Plays segments of pieces: triangle waves that die away, no samples.
const clips = JSON.parse(document.getElementById("clips").textContent);
const ATTACK_S = 0.01;
const LEAST_S = 0.15;
let context = null;
let playing = null;

function stop() {
  if (!playing) return;
  for (const voice of playing.voices) voice.stop();
  clearTimeout(playing.timer);
  playing.button.textContent = "Play";
  playing = null;
}

function sound([onset, length, pitch, velocity], from) {
  const start = from + onset;
  const end = start + Math.max(length, LEAST_S);
  const voice = new OscillatorNode(context, { type: "triangle", frequency: 440 * 2 ** ((pitch - 69) / 12) });
  const gain = new GainNode(context, { gain: 0 });
  const loudness = 0.16 * (0.3 + 0.7 * velocity / 127);
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(loudness, start + ATTACK_S);
  gain.gain.setTargetAtTime(loudness * 0.35, start + ATTACK_S, 0.35);
  gain.gain.setTargetAtTime(0, end, 0.06);
  voice.connect(gain).connect(context.destination);
  voice.start(start);
  voice.stop(end + 0.4);
  return voice;
}

async function play(button) {
  const isSame = playing?.button === button;
  stop();
  if (isSame) return;
  context ??= new AudioContext();
  await context.resume();
  const notes = clips[button.dataset.clip];
  const voices = notes.map((note) => sound(note, context.currentTime + 0.1));
  const length = Math.max(...notes.map(([onset, lasts]) => onset + lasts), 0);
  button.textContent = "Stop";
  playing = { button, voices, timer: setTimeout(stop, 1000 * (length + 0.6)) };
}

for (const button of document.querySelectorAll("button[data-clip]")) {
  button.hidden = false;
  button.addEventListener("click", () => play(button));
}
