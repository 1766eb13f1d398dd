// Plays notes with Web Audio: a struck-string sound made of a few partials, no samples.

const AHEAD_S = 0.25;
const TICK_MS = 60;
const MOST_VOICES = 72;
const PARTIALS = [0, 1, 0.55, 0.3, 0.19, 0.11, 0.08, 0.05, 0.035, 0.02];

export class Player extends EventTarget {
  notes = [];
  duration = 0;
  playing = false;
  #context = null;
  #output = null;
  #wave = null;
  #volume = 0.7;
  #position = 0; // while stopped
  #origin = 0; // the context's time at position 0, while playing
  #next = 0;
  #timer = 0;
  #voices = new Set();

  load(notes, duration) {
    this.stop();
    this.notes = notes;
    this.duration = duration;
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

  async #prepare() {
    if (!this.#context) {
      this.#context = new AudioContext({ latencyHint: "interactive" });
      const squeeze = new DynamicsCompressorNode(this.#context, { threshold: -20, ratio: 6, release: 0.2 });
      this.#output = new GainNode(this.#context, { gain: this.#volume });
      this.#output.connect(squeeze).connect(this.#context.destination);
      this.#wave = this.#context.createPeriodicWave(new Float32Array(PARTIALS.length), new Float32Array(PARTIALS));
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
      const at = this.#origin + note.onset;
      if (note.drum) this.#tap(note, at);
      else this.sound(note.pitch, note.velocity, at, Math.max(note.offset - note.onset, 0.05));
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
    this.#silence();
    this.dispatchEvent(new Event("change"));
  }

  seek(seconds) {
    this.#position = Math.min(Math.max(seconds, 0), this.duration);
    if (this.playing) {
      this.#silence();
      this.#start();
    }
  }

  #silence() {
    const now = this.#context.currentTime;
    for (const voice of this.#voices) {
      voice.gain.gain.cancelScheduledValues(now);
      voice.gain.gain.setTargetAtTime(0, now, 0.02);
      voice.source.stop(now + 0.15);
    }
    this.#voices.clear();
  }

  /** Sounds one note at a time of the context. */
  sound(pitch, velocity, at, length) {
    if (this.#voices.size >= MOST_VOICES) return;
    const loud = (velocity / 127) ** 1.6 * 0.32;
    const decay = Math.min(Math.max(2.6 - (pitch - 36) * 0.035, 0.35), 3); // high strings die sooner
    const source = new OscillatorNode(this.#context, {
      periodicWave: this.#wave,
      frequency: 440 * 2 ** ((pitch - 69) / 12),
    });
    const tone = new BiquadFilterNode(this.#context, { type: "lowpass", frequency: 900 + velocity * 38, Q: 0.3 });
    const gain = new GainNode(this.#context, { gain: 0 });
    source.connect(tone).connect(gain).connect(this.#output);
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(loud, at + 0.006);
    gain.gain.setTargetAtTime(loud * 0.12, at + 0.006, decay / 2.2);
    gain.gain.setTargetAtTime(0, at + length, 0.07);
    this.#keep(source, gain, at, length + 0.6);
  }

  /** A short knock for a drum. */
  #tap(note, at) {
    const source = new OscillatorNode(this.#context, { type: "triangle", frequency: 60 + note.pitch * 3 });
    const gain = new GainNode(this.#context, { gain: 0 });
    source.connect(gain).connect(this.#output);
    gain.gain.setValueAtTime((note.velocity / 127) * 0.14, at);
    gain.gain.exponentialRampToValueAtTime(0.0004, at + 0.09);
    this.#keep(source, gain, at, 0.1);
  }

  #keep(source, gain, at, length) {
    const voice = { source, gain };
    this.#voices.add(voice);
    source.onended = () => this.#voices.delete(voice);
    source.start(at);
    source.stop(at + length);
  }

  /** Sounds a note now, for a key that was pressed. */
  async touch(pitch, velocity = 88) {
    await this.#prepare();
    this.sound(pitch, velocity, this.#context.currentTime, 0.5);
  }
}
