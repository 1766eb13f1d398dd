// Playing oneself: keys on the screen, letters of the keyboard, or a connected MIDI keyboard.

import { $, make } from "./dom.js";

const LOWEST = 60;
const COUNT = 25;
const LETTERS = "awsedftgyhujkolp";
const BLACK = [1, 3, 6, 8, 10];
const NAMES = ["C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B"];
const RECORDED_S = 10;
const SHORTEST_S = 0.12;

/**
 * @param player sounds the keys
 * @param onRecorded called with the notes of a recording
 */
export function setUpKeys(player, onRecorded) {
  const keyboard = $("#keyboard");
  const state = $("#record-state");
  const buttons = new Map();
  const open = new Map();
  let recording = null;

  const press = (pitch, velocity = 88) => {
    if (open.has(pitch)) return;
    player.touch(pitch, velocity);
    buttons.get(pitch)?.classList.add("down");
    const now = performance.now() / 1000;
    if (recording && recording.started === null) begin(now);
    open.set(pitch, { onset: now, pitch, velocity });
  };
  const release = (pitch) => {
    const note = open.get(pitch);
    open.delete(pitch);
    buttons.get(pitch)?.classList.remove("down");
    if (note && recording?.started !== null) recording?.notes.push({ ...note, offset: performance.now() / 1000 });
  };
  const begin = (now) => {
    recording.started = now;
    recording.timer = setInterval(() => {
      const left = RECORDED_S - (performance.now() / 1000 - recording.started);
      state.textContent = left > 0 ? `Recording: ${Math.ceil(left)} s left` : "";
      if (left <= 0) finish();
    }, 200);
  };
  const finish = () => {
    clearInterval(recording.timer);
    for (const pitch of [...open.keys()]) release(pitch);
    const { notes, started } = recording;
    recording = null;
    $("#record").textContent = "Record ten seconds";
    state.textContent = "";
    const timed = notes.map((note) => {
      const onset = Math.max(0, note.onset - started);
      return { ...note, onset, offset: Math.max(note.offset - started, onset + SHORTEST_S) };
    });
    onRecorded(timed.sort((a, b) => a.onset - b.onset));
  };

  $("#record").addEventListener("click", () => {
    if (recording) {
      if (recording.started !== null) return finish();
      recording = null;
      $("#record").textContent = "Record ten seconds";
      state.textContent = "";
      return;
    }
    recording = { notes: [], started: null };
    $("#record").textContent = "Stop";
    state.textContent = "Waiting for your first note…";
  });

  const whites = Array.from({ length: COUNT }, (_, i) => LOWEST + i).filter((pitch) => !BLACK.includes(pitch % 12)).length;
  let white = 0;
  for (let index = 0; index < COUNT; index++) {
    const pitch = LOWEST + index;
    const black = BLACK.includes(pitch % 12);
    const name = `${NAMES[pitch % 12]} ${Math.floor(pitch / 12) - 1}`;
    const key = make("button", { type: "button", class: black ? "key black" : "key", "aria-label": name, tabindex: index ? -1 : 0 }, (LETTERS[index] ?? "").toUpperCase());
    if (black) {
      key.style.width = `${62 / whites}%`;
      key.style.left = `${(100 * white) / whites - 31 / whites}%`;
    } else white++;
    key.addEventListener("pointerdown", (event) => {
      key.releasePointerCapture?.(event.pointerId);
      press(pitch);
    });
    key.addEventListener("pointerenter", (event) => event.buttons && press(pitch));
    for (const name of ["pointerup", "pointerleave", "pointercancel"]) key.addEventListener(name, () => release(pitch));
    key.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) {
        const next = buttons.get(pitch + step);
        if (next) {
          key.tabIndex = -1;
          next.tabIndex = 0;
          next.focus();
        }
        event.preventDefault();
      } else if ((event.key === "Enter" || event.key === " ") && !event.repeat) {
        press(pitch);
        event.preventDefault();
      }
    });
    key.addEventListener("keyup", () => release(pitch));
    buttons.set(pitch, key);
    keyboard.append(key);
  }

  const panel = $("#keys");
  const pitchOf = (event) => {
    if (panel.hidden || event.ctrlKey || event.metaKey || event.altKey || /INPUT|TEXTAREA|SELECT/.test(event.target.tagName)) return null;
    const index = LETTERS.indexOf(event.key.toLowerCase());
    return event.key.length === 1 && index >= 0 ? LOWEST + index : null;
  };
  addEventListener("keydown", (event) => {
    const pitch = pitchOf(event);
    if (pitch !== null && !event.repeat) press(pitch);
  });
  addEventListener("keyup", (event) => {
    const pitch = pitchOf(event);
    if (pitch !== null) release(pitch);
  });
  addEventListener("blur", () => [...open.keys()].forEach(release));

  const toggle = $("#open-keys");
  toggle.addEventListener("click", () => {
    panel.hidden = !panel.hidden;
    toggle.setAttribute("aria-expanded", String(!panel.hidden));
    if (!panel.hidden) buttons.get(LOWEST).focus({ preventScroll: true });
  });

  const connect = $("#connect");
  connect.hidden = !navigator.requestMIDIAccess;
  connect.addEventListener("click", async () => {
    let access;
    try {
      access = await navigator.requestMIDIAccess();
    } catch {
      state.textContent = "The browser did not allow it.";
      return;
    }
    const listen = () => {
      let count = 0;
      for (const input of access.inputs.values()) {
        count++;
        input.onmidimessage = ({ data: [status, pitch, velocity] }) => {
          const kind = status >> 4;
          if (kind === 9 && velocity) press(pitch, velocity);
          else if (kind === 8 || kind === 9) release(pitch);
        };
      }
      state.textContent = count ? `${count} connected: play.` : "No MIDI keyboard is connected.";
    };
    access.onstatechange = listen;
    listen();
  });
}
