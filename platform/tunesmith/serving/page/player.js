// Plays notes in time with Web Audio.

import { Band } from "./sound.js";

const AHEAD_S = 0.25;
const TICK_MS = 60;

export class Player extends EventTarget {
  notes = [];
  duration = 0;
  playing = false;
  #context = null;
  #output = null;
  #band = null;
  #volume = 0.7;
  #position = 0; // while stopped
  #origin = 0; // the context's time at position 0, while playing
  #next = 0;
  #timer = 0;
  #muted = new Set(); // tracks

  load(notes, duration) {
    this.stop();
    this.notes = notes;
    this.duration = duration;
    this.#muted.clear();
    this.#position = 0;
  }

  get position() {
    if (!this.playing) return this.#position;
    return Math.min(Math.max(this.#context.currentTime - this.#origin, 0), this.duration);
  }

  set volume(value) {
    this.#volume = value;
    if (this.#output) this.#output.gain.setTargetAtTime(value, this.#context.currentTime, 0.02);
  }

  /** Leaves a track out, or lets it be heard again from its next note on. */
  mute(track, isMuted) {
    if (isMuted) this.#muted.add(track);
    else this.#muted.delete(track);
    if (isMuted) this.#band?.silence(track);
  }

  async #prepare() {
    if (!this.#context) {
      this.#context = new AudioContext({ latencyHint: "interactive" });
      const squeeze = new DynamicsCompressorNode(this.#context, { threshold: -20, ratio: 6, release: 0.2 });
      this.#output = new GainNode(this.#context, { gain: this.#volume });
      this.#output.connect(squeeze).connect(this.#context.destination);
      this.#band = new Band(this.#context, this.#output);
    }
    await this.#context.resume();
  }

  async play() {
    if (this.playing || !this.notes.length) return;
    await this.#prepare();
    if (this.#position >= this.duration - 0.05) this.#position = 0;
    this.playing = true;
    this.#start();
    this.#timer = setInterval(() => this.#schedule(), TICK_MS);
    this.dispatchEvent(new Event("change"));
  }

  #start() {
    this.#origin = this.#context.currentTime + 0.06 - this.#position;
    this.#next = this.notes.findIndex((note) => note.onset >= this.#position - 0.001);
    if (this.#next < 0) this.#next = this.notes.length;
    this.#schedule();
  }

  #schedule() {
    const now = this.#context.currentTime - this.#origin;
    while (this.#next < this.notes.length && this.notes[this.#next].onset < now + AHEAD_S) {
      const note = this.notes[this.#next++];
      if (this.#muted.has(note.track)) continue;
      this.#band.sound(note, this.#origin + note.onset, Math.max(note.offset - note.onset, 0.05));
    }
    if (now >= this.duration) {
      this.stop();
      this.#position = this.duration;
      this.dispatchEvent(new Event("end"));
    }
  }

  stop() {
    if (!this.playing) return;
    this.#position = this.position;
    this.playing = false;
    clearInterval(this.#timer);
    this.#band.silence();
    this.dispatchEvent(new Event("change"));
  }

  seek(seconds) {
    this.#position = Math.min(Math.max(seconds, 0), this.duration);
    if (this.playing) {
      this.#band.silence();
      this.#start();
    }
  }

  /** Sounds a note now, for a key that was pressed. */
  async touch(pitch, velocity = 88) {
    await this.#prepare();
    this.#band.sound({ pitch, velocity }, this.#context.currentTime, 0.5);
  }
}
