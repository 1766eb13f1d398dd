// The sound of instruments and drums: synthesis with Web Audio, without samples or a sound font.
// Each family of instruments is a waveform of a few partials with a course of loudness; drums are
// bursts of noise and of falling sines.

import { drumKind, familyOf } from "./instruments.js";

const MOST_VOICES = 96;
const VIBRATO_HZ = 5.3;
const NOISE_S = 1.5;
const sawtooth = (many, slope = 1) => Array.from({ length: many }, (_, i) => 1 / (i + 1) ** slope);

/**
 * `partials` are amplitudes of the multiples of the pitch. A note rises in `attack` seconds, then
 * nears `hold` of its loudness with the time constant `decay`, and dies with `release`. `bright` is
 * how many multiples of the pitch the filter lets through for the loudest note, `vibrato` is in
 * cents, `breath` the share of noise, and `ring` a further partial that is no multiple.
 */
const FAMILIES = {
  piano: { partials: [1, 0.55, 0.3, 0.19, 0.11, 0.08, 0.05, 0.035, 0.02], level: 0.32, attack: 0.006, hold: 0.12, decay: 1.1, release: 0.07, bright: 14 },
  bells: { partials: [1, 0, 0, 0.18], level: 0.3, attack: 0.003, hold: 0, decay: 0.55, release: 0.35, bright: 16, ring: [2.76, 0.35] },
  organ: { partials: [1, 0.8, 0.5, 0.45, 0, 0.28, 0, 0.3], level: 0.22, attack: 0.02, hold: 1, decay: 1, release: 0.04, bright: 16 },
  plucked: { partials: [1, 0.7, 0.55, 0.35, 0.3, 0.18, 0.14, 0.1, 0.08, 0.06], level: 0.34, attack: 0.003, hold: 0, decay: 0.5, release: 0.08, bright: 12 },
  bass: { partials: [1, 0.6, 0.28, 0.14, 0.08], level: 0.46, attack: 0.006, hold: 0.35, decay: 0.6, release: 0.05, bright: 7 },
  bowed: { partials: sawtooth(18, 1.15), level: 0.24, attack: 0.09, hold: 0.85, decay: 0.5, release: 0.12, bright: 9, vibrato: 11 },
  voices: { partials: [1, 0.42, 0.5, 0.2, 0.08, 0.05, 0.04], level: 0.26, attack: 0.12, hold: 0.9, decay: 0.6, release: 0.16, bright: 6, vibrato: 16, breath: 0.05 },
  brass: { partials: sawtooth(16, 0.75), level: 0.24, attack: 0.045, hold: 0.75, decay: 0.25, release: 0.07, bright: 10, opens: true },
  reeds: { partials: [1, 0.12, 0.62, 0.16, 0.38, 0.14, 0.2, 0.08, 0.1], level: 0.25, attack: 0.04, hold: 0.85, decay: 0.4, release: 0.06, bright: 10, vibrato: 6 },
  flutes: { partials: [1, 0.16, 0.06, 0.02], level: 0.3, attack: 0.06, hold: 0.85, decay: 0.4, release: 0.08, bright: 8, vibrato: 10, breath: 0.09 },
  lead: { partials: sawtooth(20), level: 0.2, attack: 0.008, hold: 0.75, decay: 0.3, release: 0.05, bright: 9 },
  pad: { partials: sawtooth(12, 1.3), level: 0.24, attack: 0.25, hold: 0.9, decay: 0.8, release: 0.35, bright: 5, vibrato: 7 },
};

// Noise that passes a filter: `[type, Hz, level, decay]`; a sine that falls: `[from Hz, to Hz, level, decay]`.
const HITS = {
  kick: { fall: [150, 46, 0.95, 0.11], noise: ["lowpass", 1200, 0.2, 0.012] },
  snare: { fall: [240, 170, 0.34, 0.05], noise: ["highpass", 1600, 0.42, 0.075] },
  tom: { fall: [1.5, 1, 0.6, 0.14] },
  hat: { noise: ["highpass", 7500, 0.3, 0.022] },
  cymbal: { noise: ["highpass", 4800, 0.3, 0.4] },
  shaker: { noise: ["highpass", 6000, 0.24, 0.03] },
  skin: { fall: [1.25, 1, 0.42, 0.07] },
  bell: { fall: [1, 1, 0.2, 0.06] },
};
const TOM_HZ = { 41: 82, 43: 98, 45: 117, 47: 139, 48: 156, 50: 186 };
const SHAKERS = [54, 58, 69, 70, 73, 74];
const SKINS = [60, 61, 62, 63, 64, 65, 66, 78, 79];

/** The hit of a pitch of the percussion channel, and the frequency that its falling sine ends at. */
function hitOf(pitch) {
  const kind = drumKind(pitch);
  if (kind === "tom") return [HITS.tom, TOM_HZ[pitch]];
  if (kind === "hat" && pitch === 46) return [{ noise: ["highpass", 7000, 0.28, 0.16] }, 1]; // open
  if (kind === "cymbal" && [51, 53, 59].includes(pitch)) return [{ noise: ["highpass", 6500, 0.2, 0.18] }, 1]; // ride
  if (kind !== "percussion") return [HITS[kind], 1];
  if (SHAKERS.includes(pitch)) return [HITS.shaker, 1];
  if (SKINS.includes(pitch)) return [HITS.skin, 420 - 24 * (pitch - 60)];
  return [HITS.bell, 600 + 40 * (pitch - 53)];
}

/** Sounds notes of any program, and drums, into a node of a context. */
export class Band {
  #waves = new Map();
  #voices = new Set(); // the oldest first
  #noise = null;
  #vibrato = null;

  constructor(context, output) {
    this.context = context;
    this.output = output;
  }

  /**
   * Sounds a note at a time of the context.
   * @param note `pitch`, `velocity`, and where they are known `program`, `drum`, `volume` and `track`
   */
  sound(note, at, length) {
    const family = note.drum ? "kit" : familyOf(note.program ?? 0);
    const loud = (note.velocity / 127) ** 1.6 * (note.volume ?? 1);
    if (family === "kit") this.#hit(note, at, loud, ...hitOf(note.pitch));
    else if (family === "drum") this.#hit(note, at, loud, HITS.tom, hertz(note.pitch));
    else if (family === "effects") this.#hit(note, at, loud, HITS.cymbal, 1);
    else this.#tone(note, at, length, loud, FAMILIES[family], family);
  }

  #tone(note, at, length, loud, instrument, family) {
    const { context } = this;
    const { attack, hold, decay, release, bright, level, vibrato, breath, ring, opens } = instrument;
    const frequency = hertz(note.pitch);
    const peak = loud * level;
    const gain = new GainNode(context, { gain: 0 });
    const most = context.sampleRate / 2.2;
    const cutoff = Math.min(500 + frequency * (1 + bright * (0.35 + (0.65 * note.velocity) / 127)), most);
    const tone = new BiquadFilterNode(context, { type: "lowpass", frequency: cutoff, Q: 0.3 });
    tone.connect(gain);
    if (opens) {
      tone.frequency.setValueAtTime(Math.min(frequency * 2, most), at);
      tone.frequency.linearRampToValueAtTime(cutoff, at + attack * 1.6);
    }
    const source = new OscillatorNode(context, { periodicWave: this.#wave(family), frequency });
    source.connect(tone);
    const sources = [source];
    if (vibrato) this.#shake(source, vibrato);
    if (ring) {
      const [ratio, share] = ring;
      const second = new OscillatorNode(context, { frequency: Math.min(frequency * ratio, most) });
      const quiet = new GainNode(context, { gain: share });
      quiet.gain.setTargetAtTime(0, at, decay / 3);
      second.connect(quiet).connect(tone);
      sources.push(second);
    }
    if (breath) {
      const band = new BiquadFilterNode(context, { type: "bandpass", frequency: Math.min(frequency * 2, most), Q: 0.8 });
      const air = this.#noiseSource();
      air.connect(band).connect(new GainNode(context, { gain: breath })).connect(tone);
      sources.push(air);
    }
    const dies = decay * Math.min(Math.max(1.25 - (note.pitch - 60) * 0.016, 0.3), 1.9); // high strings die sooner
    gain.gain.setValueAtTime(0, at);
    const risen = at + Math.min(attack, length * 0.8);
    gain.gain.linearRampToValueAtTime(peak, risen);
    gain.gain.setTargetAtTime(peak * hold, risen, dies);
    gain.gain.setTargetAtTime(0, Math.max(at + length, risen), release);
    this.#keep(note, gain, sources, at, length + 6 * release);
  }

  #hit(note, at, loud, { fall, noise }, pitch) {
    const { context } = this;
    const gain = new GainNode(context, { gain: loud });
    const sources = [];
    let lasts = 0;
    const course = (level, decay) => {
      const part = new GainNode(context, { gain: 0 });
      part.gain.setValueAtTime(level, at);
      part.gain.setTargetAtTime(0, at, decay);
      part.connect(gain);
      lasts = Math.max(lasts, 6 * decay);
      return part;
    };
    if (fall) {
      const [from, to, level, decay] = fall;
      const source = new OscillatorNode(context);
      source.frequency.setValueAtTime(from * pitch, at);
      source.frequency.exponentialRampToValueAtTime(to * pitch, at + decay);
      source.connect(course(level, decay));
      sources.push(source);
    }
    if (noise) {
      const [type, frequency, level, decay] = noise;
      const source = this.#noiseSource();
      source.connect(new BiquadFilterNode(context, { type, frequency, Q: 0.5 })).connect(course(level, decay));
      sources.push(source);
    }
    this.#keep(note, gain, sources, at, lasts);
  }

  #wave(family) {
    if (!this.#waves.has(family)) {
      const sines = new Float32Array([0, ...FAMILIES[family].partials]);
      this.#waves.set(family, this.context.createPeriodicWave(new Float32Array(sines.length), sines));
    }
    return this.#waves.get(family);
  }

  #noiseSource() {
    if (!this.#noise) {
      this.#noise = new AudioBuffer({ length: NOISE_S * this.context.sampleRate, sampleRate: this.context.sampleRate });
      const samples = this.#noise.getChannelData(0);
      for (let i = 0; i < samples.length; i++) samples[i] = 2 * Math.random() - 1;
    }
    return new AudioBufferSourceNode(this.context, { buffer: this.#noise, loop: true });
  }

  /** Lets a pitch waver; all voices share one slow oscillator. */
  #shake(source, cents) {
    if (!this.#vibrato) {
      this.#vibrato = new OscillatorNode(this.context, { frequency: VIBRATO_HZ });
      this.#vibrato.start();
    }
    const depth = new GainNode(this.context, { gain: cents });
    this.#vibrato.connect(depth).connect(source.detune);
    source.addEventListener("ended", () => this.#vibrato.disconnect(depth));
  }

  #keep(note, gain, sources, at, length) {
    gain.connect(this.output);
    // Where too much sounds, the oldest voice makes room.
    if (this.#voices.size >= MOST_VOICES) this.#end(this.#voices.values().next().value);
    const voice = { track: note.track, gain, sources };
    this.#voices.add(voice);
    sources[0].addEventListener("ended", () => this.#voices.delete(voice));
    for (const source of sources) {
      source.start(at);
      source.stop(at + length);
    }
  }

  #end(voice) {
    const now = this.context.currentTime;
    voice.gain.gain.cancelScheduledValues(now);
    voice.gain.gain.setTargetAtTime(0, now, 0.02);
    for (const source of voice.sources) source.stop(now + 0.15);
    this.#voices.delete(voice);
  }

  /** Ends everything that sounds, or that of one track. */
  silence(track = null) {
    for (const voice of [...this.#voices]) if (track === null || voice.track === track) this.#end(voice);
  }
}

const hertz = (pitch) => 440 * 2 ** ((pitch - 69) / 12);
