// The picture of a piece: its piano roll, and below it the ribbon of who it sounds like.

import { colourOf } from "./dom.js";

export const COLOURS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7"];
const OTHERS = "--c-others";
const CLOSE_S = 16;
const UNSURE = 0.5;

export const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};

const MARK_PX = 70;
const LONGEST_STEP_S = 1200;

/** A round number of seconds between two marks of the time axis; however long the piece, few marks fit. */
const markEvery = (span, width) =>
  [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((step) => (step / span) * width >= MARK_PX) ??
  LONGEST_STEP_S * Math.max(1, Math.ceil((span * MARK_PX) / (width * LONGEST_STEP_S)));

export class Stage {
  constructor(roll, ribbon) {
    this.roll = roll;
    this.ribbon = ribbon;
    this.notes = [];
    this.duration = 0;
    this.segments = [];
    this.names = [];
    this.shown = new Map();
    this.position = 0;
    this.follow = false;
    this.back = document.createElement("canvas"); // the roll without its cursor
    this.stale = true;
    this.theme = {};
    new ResizeObserver(() => this.refresh()).observe(roll);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.refresh());
  }

  /** Shows notes; the ribbon comes with the answer. */
  setNotes(notes, duration) {
    this.notes = notes;
    this.duration = Math.max(duration, 0.1);
    this.segments = [];
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
   * @param names the classes in the order of their colours
   */
  setAnswer(segments, names, label) {
    this.segments = segments;
    this.label = label;
    this.names = names.slice(0, COLOURS.length);
    this.refresh();
  }

  colour(name) {
    const index = this.names.indexOf(name);
    return this.theme[index < 0 ? OTHERS : COLOURS[index]];
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

  draw() {
    if (!this.notes.length && !this.segments.length) return;
    if (this.stale) this.theme = Object.fromEntries(["--well", "--line", "--soft", "--ink", "--card", "--note", OTHERS, ...COLOURS].map((name) => [name, colourOf(name)]));
    const { theme } = this;
    const size = fit(this.roll);
    if (this.stale || this.back.width !== this.roll.width || this.back.height !== this.roll.height) {
      this.back.width = this.roll.width;
      this.back.height = this.roll.height;
      this.drawRoll(this.back.getContext("2d"), size, theme);
      this.drawRibbon(fit(this.ribbon), theme);
      this.stale = false;
    }
    const pen = this.roll.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(this.back, 0, 0);
    pen.setTransform(size.scale, 0, 0, size.scale, 0, 0);
    this.drawSounding(pen, size, theme);
    this.drawRibbonCursor(theme);
  }

  x(seconds, width) {
    const [start, end] = this.window();
    return ((seconds - start) / (end - start)) * width;
  }

  y(pitch, height) {
    return ((this.high - pitch) / (this.high - this.low + 1)) * height;
  }

  drawRoll(pen, { width, height, scale }, theme) {
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = theme["--well"];
    pen.fillRect(0, 0, width, height);
    const step = height / (this.high - this.low + 1);
    pen.strokeStyle = theme["--line"];
    pen.lineWidth = 1;
    pen.font = "11px system-ui, sans-serif";
    for (let pitch = this.low; pitch <= this.high; pitch++) {
      if (pitch % 12) continue;
      const y = Math.round(this.y(pitch, height) + step) + 0.5;
      pen.beginPath();
      pen.moveTo(0, y);
      pen.lineTo(width, y);
      pen.stroke();
    }
    const [start, end] = this.window();
    const every = markEvery(end - start, width);
    pen.globalAlpha = 0.6;
    for (let mark = Math.ceil(start / every) * every; mark < end; mark += every) {
      const x = Math.round(this.x(mark, width)) + 0.5;
      pen.beginPath();
      pen.moveTo(x, 0);
      pen.lineTo(x, height);
      pen.stroke();
    }
    pen.globalAlpha = 1;
    for (const note of this.notes) {
      if (note.drum || note.end < start || note.onset > end) continue;
      this.drawNote(pen, note, width, height, step, this.noteColour(note));
    }
    pen.fillStyle = theme["--soft"];
    pen.strokeStyle = theme["--well"];
    for (let pitch = this.low; pitch <= this.high; pitch++) {
      if (pitch % 12 === 0) write(pen, `C${pitch / 12 - 1}`, 5, this.y(pitch, height) + step - 3);
    }
    for (let mark = Math.ceil(start / every) * every; mark < end; mark += every) {
      const x = this.x(mark, width);
      if (mark > 0 && x < width - 28) write(pen, clock(mark), x + 4, height - 6);
    }
  }

  noteColour(note) {
    const segment = this.segmentAt(note.onset);
    return segment ? this.colour(segment[this.label]) : this.theme["--note"];
  }

  drawNote(pen, note, width, height, step, colour) {
    const left = this.x(note.onset, width);
    const wide = Math.max(this.x(note.end, width) - left - 0.6, 1.4);
    const tall = Math.max(step - 0.8, 1.6);
    pen.globalAlpha = 0.6 + (0.4 * note.velocity) / 127;
    pen.fillStyle = colour;
    pen.beginPath();
    pen.roundRect(left, this.y(note.pitch, height), wide, tall, Math.min(2.5, tall / 2, wide / 2));
    pen.fill();
    pen.globalAlpha = 1;
  }

  drawSounding(pen, { width, height }, theme) {
    const step = height / (this.high - this.low + 1);
    for (const note of this.notes) {
      if (note.onset > this.position) break;
      if (note.end > this.position && this.position > 0 && !note.drum) {
        this.drawNote(pen, { ...note, velocity: 127 }, width, height, step, theme["--ink"]);
      }
    }
    const x = this.x(this.position, width);
    pen.fillStyle = theme["--ink"];
    pen.fillRect(x - 0.75, 0, 1.5, height);
  }

  /** Stacked probabilities; between the middles of two neighbouring segments they flow. */
  drawRibbon({ width, height, scale }, theme) {
    const picture = (this.ribbonBack ??= document.createElement("canvas"));
    picture.width = this.ribbon.width;
    picture.height = this.ribbon.height;
    const pen = picture.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = theme["--well"];
    pen.fillRect(0, 0, width, height);
    for (const run of runs(this.segments)) this.drawRun(pen, run, width, height);
    pen.fillStyle = hatch(pen, theme["--card"]);
    pen.globalAlpha = 0.6;
    for (const segment of this.segments) {
      if (segment.probability >= UNSURE) continue;
      const left = this.x(segment.start_s, width);
      pen.fillRect(left, 0, this.x(segment.end_s, width) - left, height);
    }
    pen.globalAlpha = 1;
    pen.fillStyle = theme["--ink"];
    for (const segment of this.segments) {
      if (!segment.disputed) continue;
      for (let x = this.x(segment.start_s, width) + 4; x < this.x(segment.end_s, width) - 2; x += 8) {
        pen.beginPath();
        pen.arc(x, 6, 1.8, 0, 7);
        pen.fill();
      }
    }
  }

  drawRun(pen, run, width, height) {
    const points = [];
    for (const segment of run) {
      const middle = (segment.start_s + segment.end_s) / 2;
      const reach = (segment.end_s - segment.start_s) * 0.18;
      points.push([middle - reach, segment], [middle + reach, segment]);
    }
    points[0][0] = run[0].start_s;
    points.at(-1)[0] = run.at(-1).end_s;
    let below = points.map(() => 0);
    const layers = [...this.names, null];
    for (const name of layers) {
      const above = points.map(([, segment], index) => (name === null ? 1 : below[index] + (segment.probabilities?.[name] ?? (segment[this.label] === name ? segment.probability : 0))));
      pen.fillStyle = name === null ? this.theme[OTHERS] : this.colour(name);
      pen.beginPath();
      trace(pen, points, above, (s) => this.x(s, width), height, true);
      trace(pen, points, below, (s) => this.x(s, width), height, false);
      pen.closePath();
      pen.fill();
      below = above;
    }
  }

  drawRibbonCursor(theme) {
    const size = fit(this.ribbon);
    const pen = this.ribbon.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(this.ribbonBack, 0, 0);
    pen.setTransform(size.scale, 0, 0, size.scale, 0, 0);
    const x = this.x(this.position, size.width);
    pen.fillStyle = theme["--well"];
    pen.fillRect(x - 2.25, 0, 4.5, size.height);
    pen.fillStyle = theme["--ink"];
    pen.fillRect(x - 0.75, 0, 1.5, size.height);
  }
}

/** Spreading a long list as arguments overflows the stack: first by pieces. */
function sample(values, choose) {
  const found = [];
  for (let i = 0; i < values.length; i += 5000) found.push(choose(...values.slice(i, i + 5000)));
  return found;
}

/** Segments that follow each other without a silence. */
function runs(segments) {
  const found = [];
  for (const segment of segments) {
    const last = found.at(-1)?.at(-1);
    if (last && segment.start_s <= last.end_s + 0.01) found.at(-1).push(segment);
    else found.push([segment]);
  }
  return found;
}

function trace(pen, points, values, x, height, forward) {
  const order = forward ? [...points.keys()] : [...points.keys()].reverse();
  let [lastX, lastY] = [0, 0];
  order.forEach((index, nth) => {
    const [px, py] = [x(points[index][0]), height * (1 - Math.min(values[index], 1))];
    if (nth === 0) pen[forward ? "moveTo" : "lineTo"](px, py);
    else {
      const middle = (lastX + px) / 2;
      pen.bezierCurveTo(middle, lastY, middle, py, px, py);
    }
    [lastX, lastY] = [px, py];
  });
}

/** Text that stays readable over notes. */
function write(pen, text, x, y) {
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  pen.strokeText(text, x, y);
  pen.fillText(text, x, y);
}

function hatch(pen, colour) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const draw = tile.getContext("2d");
  draw.strokeStyle = colour;
  draw.lineWidth = 2;
  for (const shift of [-8, 0, 8]) {
    draw.moveTo(shift, 8);
    draw.lineTo(shift + 8, 0);
  }
  draw.stroke();
  return pen.createPattern(tile, "repeat");
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
