// Standard MIDI Files: to notes in seconds for drawing and playing, and from notes to a file.

/** What is wrong with a file that cannot be drawn; the server says it better. */
export class MidiFault extends Error {}

class Reader {
  constructor(bytes, start, end) {
    Object.assign(this, { bytes, at: start, end });
  }
  u8() {
    if (this.at >= this.end) throw new MidiFault("the file ends too early");
    return this.bytes[this.at++];
  }
  number(width) {
    let value = 0;
    for (let i = 0; i < width; i++) value = value * 256 + this.u8();
    return value;
  }
  variable() {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const byte = this.u8();
      value = value * 128 + (byte & 127);
      if (byte < 128) return value;
    }
    throw new MidiFault("a length is too long");
  }
}

const DRUMS = 9;
const SUSTAIN = 64;
const VOLUME = 7;
const EXPRESSION = 11;
const USUAL_VOLUME = 100;
const MOST_NOTES = 200000;
const LONGEST_NAME = 40;

/** A name in UTF-8 or, as in most old files, in Latin-1. */
function text(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("latin1").decode(bytes);
  }
}

/** The name of a track, and its events that matter here: [tick, kind, a, b, channel]. */
function readTrack(reader) {
  const events = [];
  let name = "";
  let tick = 0;
  let status = 0;
  while (reader.at < reader.end) {
    tick += reader.variable();
    let first = reader.u8();
    if (first === 0xff) {
      const kind = reader.u8();
      const size = reader.variable();
      if (kind === 0x51 && size === 3) events.push([tick, "tempo", reader.number(3) / 1e6]);
      else {
        if (kind === 3 && !name) name = text(reader.bytes.subarray(reader.at, Math.min(reader.at + size, reader.end))).trim().slice(0, LONGEST_NAME);
        reader.at += size;
      }
      if (kind === 0x2f) break;
    } else if (first === 0xf0 || first === 0xf7) {
      reader.at += reader.variable();
    } else {
      if (first >= 128) {
        status = first;
        first = reader.u8();
      }
      const [kind, channel] = [status >> 4, status & 15];
      if (kind < 8) throw new MidiFault("an event has no status");
      const second = kind === 12 || kind === 13 ? 0 : reader.u8();
      if (kind === 9 && second > 0) events.push([tick, "on", first, second, channel]);
      else if (kind === 9 || kind === 8) events.push([tick, "off", first, second, channel]);
      else if (kind === 11 && first === SUSTAIN) events.push([tick, "pedal", second >= 64, 0, channel]);
      else if (kind === 11 && (first === VOLUME || first === EXPRESSION)) events.push([tick, "loudness", first, second, channel]);
      else if (kind === 12) events.push([tick, "program", first & 127, 0, channel]);
    }
  }
  return { name, events };
}

/** Returns a function from ticks to seconds. */
function tempoMap(tracks, division) {
  if (division & 0x8000) {
    const frames = 256 - (division >> 8);
    const rate = (frames === 29 ? 29.97 : frames) * (division & 255);
    return (tick) => tick / rate;
  }
  const changes = tracks.flat().filter((event) => event[1] === "tempo").sort((a, b) => a[0] - b[0]);
  const marks = [{ tick: 0, seconds: 0, perTick: 0.5 / division }];
  for (const [tick, , perQuarter] of changes) {
    const last = marks.at(-1);
    marks.push({ tick, seconds: last.seconds + (tick - last.tick) * last.perTick, perTick: perQuarter / division });
  }
  return (tick) => {
    let [low, high] = [0, marks.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (marks[middle].tick <= tick) low = middle;
      else high = middle - 1;
    }
    return marks[low].seconds + (tick - marks[low].tick) * marks[low].perTick;
  };
}

/**
 * Reads a file, in seconds.
 * @param {Uint8Array} bytes
 * @returns `{notes, duration, tracks}`: notes `{onset, offset, end, pitch, velocity, volume, drum, program, track}`
 * by onset, and tracks `{name, program, drum}`: one program on one channel of one track of the file each
 */
export function readMidi(bytes) {
  let start = -1;
  for (let i = 0; i < Math.min(bytes.length - 4, 516); i++) {
    if (bytes[i] === 0x4d && bytes[i + 1] === 0x54 && bytes[i + 2] === 0x68 && bytes[i + 3] === 0x64) {
      start = i;
      break;
    }
  }
  if (start < 0) throw new MidiFault("this is no MIDI file");
  const reader = new Reader(bytes, start + 4, bytes.length);
  const headerEnd = reader.number(4) + reader.at;
  reader.number(4);
  const division = reader.number(2);
  if (!division) throw new MidiFault("the file names no ticks per quarter");
  reader.at = headerEnd;
  const found = [];
  while (reader.at + 8 <= bytes.length) {
    const name = reader.number(4);
    const size = reader.number(4);
    const end = Math.min(reader.at + size, bytes.length);
    if (name === 0x4d54726b) found.push(readTrack(new Reader(bytes, reader.at, end)));
    reader.at = end;
  }
  const events = found.map((track) => track.events);
  const seconds = tempoMap(events, division);
  // Some files set the programs of all channels in their first track.
  const programs = new Map();
  for (const [, kind, program, , channel] of events.flat()) {
    if (kind === "program" && !programs.has(channel)) programs.set(channel, program);
  }
  const [notes, tracks] = [[], []];
  for (const track of found) pairNotes(track, seconds, programs, notes, tracks);
  notes.sort((a, b) => a.onset - b.onset || a.pitch - b.pitch);
  return { notes, tracks, duration: notes.reduce((latest, note) => Math.max(latest, note.end), 0) };
}

/** Pairs the ons and offs of a track; `offset` is held by the pedal, `end` is the key's own. */
function pairNotes({ name, events }, seconds, programs, notes, tracks) {
  const own = new Map();
  const loudness = new Map();
  const numbers = new Map(); // of the tracks, by channel and program
  const sounds = (channel) => {
    const drum = channel === DRUMS;
    const program = drum ? 0 : own.get(channel) ?? programs.get(channel) ?? 0;
    const key = channel * 128 + program;
    if (!numbers.has(key)) numbers.set(key, tracks.push({ name, program, drum }) - 1);
    const { [VOLUME]: volume = USUAL_VOLUME, [EXPRESSION]: expression = 127 } = loudness.get(channel) ?? {};
    return { drum, program, track: numbers.get(key), volume: (volume / USUAL_VOLUME) * (expression / 127) };
  };
  const open = new Map();
  const held = new Map();
  const down = new Set();
  const release = (channel, at) => {
    for (const note of held.get(channel) ?? []) note.offset = Math.min(at, note.end + 6);
    held.set(channel, []);
  };
  let last = 0;
  for (const [tick, kind, a, b, channel] of events) {
    const at = seconds(tick);
    last = at;
    const key = channel * 128 + a;
    if (kind === "on" || kind === "off") {
      for (const note of kind === "off" ? open.get(key) ?? [] : []) {
        note.offset = note.end = at;
        if (down.has(channel)) held.set(channel, [...(held.get(channel) ?? []), note]);
      }
      if (kind === "off") open.delete(key);
      else {
        if (notes.length >= MOST_NOTES) throw new MidiFault("the file has too many notes to draw");
        const note = { onset: at, offset: at + 0.1, end: at + 0.1, pitch: a, velocity: b, ...sounds(channel) };
        notes.push(note);
        open.set(key, [...(open.get(key) ?? []), note]);
      }
    } else if (kind === "program") {
      own.set(channel, a);
    } else if (kind === "loudness") {
      loudness.set(channel, { ...loudness.get(channel), [a]: b });
    } else if (kind === "pedal") {
      if (a) down.add(channel);
      else {
        down.delete(channel);
        release(channel, at);
      }
    }
  }
  for (const channel of held.keys()) release(channel, last);
}

const variableBytes = (value) => {
  const bytes = [value & 127];
  while ((value >>= 7)) bytes.unshift((value & 127) | 128);
  return bytes;
};

const bigEndian = (value, width) => Array.from({ length: width }, (_, i) => (value >>> (8 * (width - 1 - i))) & 255);

/**
 * Writes notes in seconds as a file of one track, 480 ticks a quarter at 120 quarters a minute.
 * @returns {Uint8Array}
 */
export function writeMidi(notes) {
  const tick = (seconds) => Math.round(seconds * 960);
  const events = notes.flatMap((note) => [
    [tick(note.onset), 1, 0x90, note.pitch, note.velocity],
    [Math.max(tick(note.offset), tick(note.onset) + 1), 0, 0x80, note.pitch, 0],
  ]);
  events.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const body = [];
  let at = 0;
  for (const [when, , ...message] of events) {
    body.push(...variableBytes(when - at), ...message);
    at = when;
  }
  body.push(0, 0xff, 0x2f, 0);
  const letters = (name) => [...name].map((letter) => letter.charCodeAt(0));
  return new Uint8Array([
    ...letters("MThd"), ...bigEndian(6, 4), ...bigEndian(0, 2), ...bigEndian(1, 2), ...bigEndian(480, 2),
    ...letters("MTrk"), ...bigEndian(body.length, 4), ...body,
  ]);
}
