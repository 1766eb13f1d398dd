// The ribbon of an answer: how probable each class is along the piece.

import { colourOfClass, OTHERS } from "./colours.js";

const UNSURE = 0.5;

/**
 * Draws stacked probabilities; between the middles of two neighbouring segments they flow.
 * @param names the classes that have layers of their own, from below
 * @param label name of the member of a segment that holds its class
 * @param x the place of a time, in pixels
 * @param paint a colour of the style sheet as a canvas understands it
 */
export function drawRibbon(pen, { width, height }, { segments, names, label, x, paint }) {
  pen.fillStyle = paint("var(--well)");
  pen.fillRect(0, 0, width, height);
  for (const run of runs(segments)) {
    const points = pointsOf(run);
    let below = points.map(() => 0);
    for (const name of [...names, null]) {
      const share = (segment) => segment.probabilities?.[name] ?? (segment[label] === name ? segment.probability : 0);
      const above = points.map(([, segment], index) => (name === null ? 1 : below[index] + share(segment)));
      pen.fillStyle = paint(name === null ? OTHERS : colourOfClass(name));
      pen.beginPath();
      trace(pen, points, above, x, height, true);
      trace(pen, points, below, x, height, false);
      pen.closePath();
      pen.fill();
      below = above;
    }
  }
  pen.fillStyle = hatch(pen, paint("var(--card)"));
  pen.globalAlpha = 0.6;
  for (const segment of segments) {
    if (segment.probability >= UNSURE) continue;
    const left = x(segment.start_s);
    pen.fillRect(left, 0, x(segment.end_s) - left, height);
  }
  pen.globalAlpha = 1;
  pen.fillStyle = paint("var(--ink)");
  for (const segment of segments) {
    if (!segment.disputed) continue;
    for (let at = x(segment.start_s) + 4; at < x(segment.end_s) - 2; at += 8) {
      pen.beginPath();
      pen.arc(at, 6, 1.8, 0, 7);
      pen.fill();
    }
  }
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

/** Times at which the ribbon has the shares of a segment. */
function pointsOf(run) {
  const points = [];
  for (const segment of run) {
    const middle = (segment.start_s + segment.end_s) / 2;
    const reach = (segment.end_s - segment.start_s) * 0.18;
    points.push([middle - reach, segment], [middle + reach, segment]);
  }
  points[0][0] = run[0].start_s;
  points.at(-1)[0] = run.at(-1).end_s;
  return points;
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
