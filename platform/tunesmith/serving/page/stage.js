// The picture of a piece: its piano roll with the drums in rows of their own, and the ribbon below.

import { colourOfClass, colourOfTrack } from "./colours.js";
import { colourOf } from "./dom.js";
import { DRUM_KINDS, DRUM_NAMES, drumKind } from "./instruments.js";
import { drawRibbon } from "./ribbon.js";

const MOST_NAMES = 7; // classes with layers of their own in the ribbon
const CLOSE_S = 16;
const MARK_PX = 70;
const LONGEST_STEP_S = 1200;
const FAINT = 0.22; // what is muted, or not lit up
const HIT_S = 0.12; // how long a drum is marked as sounding

export const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};

/** A round number of seconds between two marks of the time axis; however long the piece, few marks fit. */
const markEvery = (span, width) =>
  [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((step) => (step / span) * width >= MARK_PX) ??
  LONGEST_STEP_S * Math.max(1, Math.ceil((span * MARK_PX) / (width * LONGEST_STEP_S)));

export class Stage {
  constructor(roll, ribbon) {
    this.roll = roll;
    this.ribbon = ribbon;
    this.notes = [];
    this.kinds = []; // of drums that the piece has
    this.duration = 0;
    this.segments = [];
    this.names = [];
    this.muted = new Set();
    this.lit = null;
    this.position = 0;
    this.follow = false;
    this.back = document.createElement("canvas"); // the roll without its cursor
    this.ribbonBack = document.createElement("canvas");
    this.stale = true;
    this.paints = new Map();
    new ResizeObserver(() => this.refresh()).observe(roll);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.refresh());
  }

  /**
   * Shows notes; the ribbon comes with the answer.
   * @param tracks how many tracks have notes: several have colours, one has those of the answer
   */
  setNotes(notes, duration, tracks = 1) {
    this.notes = notes;
    this.duration = Math.max(duration, 0.1);
    this.hasTracks = tracks > 1;
    this.segments = [];
    this.muted.clear();
    this.lit = null;
    const kinds = new Set(notes.filter((note) => note.drum).map((note) => drumKind(note.pitch)));
    this.kinds = DRUM_KINDS.filter((kind) => kinds.has(kind));
    this.roll.style.setProperty("--drums", this.kinds.length); // so that the notes above keep their room
    const pitched = notes.filter((note) => !note.drum).map((note) => note.pitch);
    const [low, high] = pitched.length ? [Math.min(...sample(pitched, Math.min)), Math.max(...sample(pitched, Math.max))] : [48, 72];
    const spare = Math.max(0, 30 - (high - low));
    this.low = Math.max(0, low - 2 - Math.ceil(spare / 2));
    this.high = Math.min(127, high + 2 + Math.floor(spare / 2));
    this.refresh();
  }

  /**
   * Shows the answer.
   * @param segments of the answer, with the probabilities of every class
   * @param names the classes, the most probable first
   * @param label name of the member of a segment that holds its class
   */
  setAnswer(segments, names, label) {
    this.segments = segments;
    this.label = label;
    this.names = names.slice(0, MOST_NAMES);
    this.refresh();
  }

  mute(track, isMuted) {
    if (isMuted) this.muted.add(track);
    else this.muted.delete(track);
    this.refresh();
  }

  /**
   * Lights up a part of the music, or with null nothing.
   * @param lit `notes`, and `band` where the part is a range of pitches
   */
  light(lit) {
    this.lit = lit;
    this.refresh();
  }

  segmentAt(seconds) {
    return this.segments.find((segment) => segment.start_s <= seconds && seconds < segment.end_s);
  }

  /** The seconds at the left and the right edge. */
  window() {
    if (!this.follow || this.duration <= CLOSE_S) return [0, this.duration];
    const start = Math.min(Math.max(this.position - CLOSE_S * 0.3, 0), this.duration - CLOSE_S);
    return [start, start + CLOSE_S];
  }

  refresh() {
    this.stale = true;
    this.draw();
  }

  setFollow(follow) {
    this.follow = follow;
    this.refresh();
  }

  moveTo(position) {
    this.position = position;
    if (this.follow && this.duration > CLOSE_S) this.stale = true;
    this.draw();
  }

  /** A colour of the style sheet as a canvas understands it. */
  paint(colour) {
    if (!this.paints.has(colour)) this.paints.set(colour, colourOf(colour));
    return this.paints.get(colour);
  }

  draw() {
    if (!this.notes.length && !this.segments.length) return;
    const size = fit(this.roll);
    if (this.stale || this.back.width !== this.roll.width || this.back.height !== this.roll.height) {
      this.paints.clear();
      this.back.width = this.roll.width;
      this.back.height = this.roll.height;
      this.drawRoll(this.back.getContext("2d"), size);
      this.drawRibbonBack();
      this.stale = false;
    }
    const pen = this.roll.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(this.back, 0, 0);
    pen.setTransform(size.scale, 0, 0, size.scale, 0, 0);
    this.drawSounding(pen, size);
    this.drawRibbonCursor();
  }

  x(seconds, width) {
    const [start, end] = this.window();
    return ((seconds - start) / (end - start)) * width;
  }

  /** Heights of the pitched notes, of a pitch, and of a row of drums. */
  rows(height) {
    const row = Math.min(Math.max(height / 30, 13), 20);
    const pitched = height - (this.kinds.length ? this.kinds.length * row + 6 : 0);
    return { pitched, step: pitched / (this.high - this.low + 1), row };
  }

  y(pitch, { step }) {
    return (this.high - pitch) * step;
  }

  drawRoll(pen, { width, height, scale }) {
    const rows = this.rows(height);
    const { pitched, step } = rows;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = this.paint("var(--well)");
    pen.fillRect(0, 0, width, height);
    if (this.lit?.band) {
      const [low, high] = this.lit.band;
      const top = Math.max(this.y(high, rows), 0);
      pen.globalAlpha = 0.16;
      pen.fillStyle = this.paint("var(--accent)");
      pen.fillRect(0, top, width, Math.min(this.y(low, rows) + step, pitched) - top);
      pen.globalAlpha = 1;
    }
    const [start, end] = this.window();
    const every = markEvery(end - start, width);
    const octaves = range(this.low, this.high).filter((pitch) => pitch % 12 === 0);
    const marks = range(Math.ceil(start / every), Math.ceil(end / every) - 1).map((nth) => nth * every);
    pen.strokeStyle = this.paint("var(--line)");
    pen.lineWidth = 1;
    for (const pitch of octaves) line(pen, 0, this.y(pitch, rows) + step, width, this.y(pitch, rows) + step);
    pen.globalAlpha = 0.6;
    for (const mark of marks) line(pen, this.x(mark, width), 0, this.x(mark, width), height);
    pen.globalAlpha = 1;
    if (this.kinds.length) line(pen, 0, pitched + 2, width, pitched + 2);
    for (const note of this.notes) {
      if (Math.max(note.end, note.onset + HIT_S) < start || note.onset > end) continue;
      pen.globalAlpha = this.isFaint(note) ? FAINT : 0.6 + (0.4 * note.velocity) / 127;
      this.drawNote(pen, note, width, rows, this.paint(this.noteColour(note)));
    }
    pen.globalAlpha = 1;
    pen.fillStyle = this.paint("var(--soft)");
    pen.strokeStyle = this.paint("var(--well)");
    pen.font = "11px system-ui, sans-serif";
    for (const pitch of octaves) write(pen, `C${pitch / 12 - 1}`, 5, this.y(pitch, rows) + step - 3);
    for (const mark of marks) {
      const x = this.x(mark, width);
      if (mark > 0 && x < width - 28) write(pen, clock(mark), x + 4, pitched - 6);
    }
    this.kinds.forEach((kind, nth) => write(pen, DRUM_NAMES[kind], 5, pitched + 5 + (nth + 0.5) * rows.row + 4));
  }

  /** Draws the whole roll, nothing muted and nothing lit up. */
  drawWhole(pen, size) {
    const { muted, lit } = this;
    [this.muted, this.lit] = [new Set(), null];
    this.drawRoll(pen, size);
    [this.muted, this.lit] = [muted, lit];
  }

  isFaint(note) {
    return this.muted.has(note.track) || Boolean(this.lit && !this.lit.notes.has(note));
  }

  noteColour(note) {
    if (this.hasTracks) return colourOfTrack(note.track);
    const segment = this.segmentAt(note.onset);
    return segment ? colourOfClass(segment[this.label]) : "var(--note)";
  }

  /** Draws a note as a bar, or a hit of a drum as a lozenge in the row of its kind. */
  drawNote(pen, note, width, rows, colour) {
    const left = this.x(note.onset, width);
    pen.fillStyle = colour;
    pen.beginPath();
    if (note.drum) {
      const middle = rows.pitched + 5 + (this.kinds.indexOf(drumKind(note.pitch)) + 0.5) * rows.row;
      const half = Math.min(Math.max(this.x(note.onset + HIT_S / 2, width) - left, 1.2), 5);
      const tall = rows.row / 2 - 1.5;
      pen.moveTo(left - half, middle);
      pen.lineTo(left, middle - tall);
      pen.lineTo(left + half, middle);
      pen.lineTo(left, middle + tall);
      pen.closePath();
    } else {
      const wide = Math.max(this.x(note.end, width) - left - 0.6, 1.4);
      const tall = Math.max(rows.step - 0.8, 1.6);
      pen.roundRect(left, this.y(note.pitch, rows), wide, tall, Math.min(2.5, tall / 2, wide / 2));
    }
    pen.fill();
  }

  drawSounding(pen, { width, height, scale }) {
    const rows = this.rows(height);
    const ink = this.paint("var(--ink)");
    // The colours of tracks are near the ink: what sounds also glows.
    pen.shadowColor = ink;
    pen.shadowBlur = this.hasTracks ? 7 * scale : 0;
    for (const note of this.notes) {
      if (note.onset > this.position) break;
      const end = note.drum ? note.onset + HIT_S : note.end;
      if (end > this.position && this.position > 0 && !this.isFaint(note)) this.drawNote(pen, note, width, rows, ink);
    }
    pen.shadowBlur = 0;
    pen.fillStyle = ink;
    pen.fillRect(this.x(this.position, width) - 0.75, 0, 1.5, height);
  }

  drawRibbonBack() {
    const size = fit(this.ribbon);
    this.ribbonBack.width = this.ribbon.width;
    this.ribbonBack.height = this.ribbon.height;
    const pen = this.ribbonBack.getContext("2d");
    pen.setTransform(size.scale, 0, 0, size.scale, 0, 0);
    const { segments, names, label } = this;
    drawRibbon(pen, size, { segments, names, label, x: (s) => this.x(s, size.width), paint: (colour) => this.paint(colour) });
  }

  drawRibbonCursor() {
    const size = fit(this.ribbon);
    const pen = this.ribbon.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(this.ribbonBack, 0, 0);
    pen.setTransform(size.scale, 0, 0, size.scale, 0, 0);
    const x = this.x(this.position, size.width);
    pen.fillStyle = this.paint("var(--well)");
    pen.fillRect(x - 2.25, 0, 4.5, size.height);
    pen.fillStyle = this.paint("var(--ink)");
    pen.fillRect(x - 0.75, 0, 1.5, size.height);
  }
}

const range = (first, last) => Array.from({ length: Math.max(last - first + 1, 0) }, (_, i) => first + i);

/** Spreading a long list as arguments overflows the stack: first by pieces. */
function sample(values, choose) {
  const found = [];
  for (let i = 0; i < values.length; i += 5000) found.push(choose(...values.slice(i, i + 5000)));
  return found;
}

/** A thin line along the pixels. */
function line(pen, fromX, fromY, toX, toY) {
  pen.beginPath();
  pen.moveTo(Math.round(fromX) + 0.5, Math.round(fromY) + 0.5);
  pen.lineTo(Math.round(toX) + 0.5, Math.round(toY) + 0.5);
  pen.stroke();
}

/** Text that stays readable over notes. */
function write(pen, text, x, y) {
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  pen.strokeText(text, x, y);
  pen.fillText(text, x, y);
}

/** Gives a canvas as many pixels as it covers on the screen. */
function fit(canvas) {
  const scale = Math.min(window.devicePixelRatio || 1, 2);
  const { width, height } = canvas.getBoundingClientRect();
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  return { width, height, scale };
}
