// Sharing: an address that shows an answer again, and a picture of it.

import { colourOfClass } from "./colours.js";
import { Problem, ranked } from "./dom.js";

const VERSION = 1;
const MOST_LABELS = 7;
const LONGEST = 12_000; // characters of an address that browsers and messengers carry
const MOST_S = 1_000_000; // no piece that a server judges is longer
const MOST_NOTES = 100_000_000;
const LONGEST_NAME = 300;
const CARD = { width: 1200, height: 630, margin: 56 };
const MOST_ON_CARD = 4;

const round = (share) => Math.round(share * 1000) / 1000;

/** A number of an address, which anybody can write: one out of its range is refused. */
function within(value, most, least = 0) {
  if (typeof value !== "number" || !(value >= least && value <= most)) throw new RangeError("out of range");
  return value;
}

/** A text of an address. */
function short(value) {
  if (typeof value !== "string" || value.length > LONGEST_NAME) throw new TypeError("no name");
  return value;
}

/**
 * Writes an answer for an address, without the music.
 * @param key name of the member that holds the class
 * @returns {Promise<string>} letters, digits, "-" and "_"; empty where the answer is too long
 */
export async function packAnswer(answer, name, key) {
  const shares = ranked(answer.probabilities).slice(0, MOST_LABELS);
  const labels = [...new Set([...shares.map(([label]) => label), ...answer.segments.map((segment) => segment[key])])];
  const segments = answer.segments.map((segment) => [
    segment.start_s, segment.end_s, labels.indexOf(segment[key]), round(segment.probability),
    ...labels.map((label) => round(segment.probabilities?.[label] ?? 0)),
  ]);
  const { model, piece } = answer;
  const facts = [
    VERSION, name.slice(0, LONGEST_NAME), key, labels, labels.map((label) => round(answer.probabilities[label] ?? 0)),
    [answer.none_of_these === true, Boolean(answer.unsure)],
    [model.name, model.version, model.dataset], [piece.notes, piece.duration_s], segments,
  ];
  const packed = await pumped(new TextEncoder().encode(JSON.stringify(facts)), new CompressionStream("deflate-raw"));
  const text = btoa(String.fromCharCode(...packed)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return text.length > LONGEST ? "" : text;
}

/**
 * Reads an answer from an address.
 * @returns {Promise<{answer: object, name: string, key: string}>}
 * @throws {Problem} when the address is cut off, was made by another version of the page, or holds what no answer does
 */
export async function unpackAnswer(text) {
  try {
    const packed = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    const facts = JSON.parse(new TextDecoder().decode(await pumped(packed, new DecompressionStream("deflate-raw"), 200_000)));
    const [version, name, key, labels, shares, [none, unsure], [model, number, dataset], [notes, duration], segments] = facts;
    if (version !== VERSION) throw new TypeError("another version");
    const known = labels.map(short);
    if (!known.length || !segments.length) throw new TypeError("no answer");
    return {
      name: short(name),
      key: short(key),
      answer: {
        probabilities: Object.fromEntries(known.map((label, index) => [label, within(shares[index], 1)])),
        none_of_these: none === true,
        unsure: unsure === true,
        model: { name: short(model), version: within(number, Number.MAX_SAFE_INTEGER), dataset: short(dataset) },
        piece: { notes: within(notes, MOST_NOTES), duration_s: within(duration, MOST_S) },
        segments: segments.map(([start_s, end_s, label, probability, ...each]) => ({
          start_s: within(start_s, MOST_S),
          end_s: within(end_s, MOST_S),
          [key]: short(known[label]),
          probability: within(probability, 1),
          probabilities: Object.fromEntries(known.map((one, index) => [one, within(each[index], 1)])),
        })),
      },
    };
  } catch {
    throw new Problem({ title: "This address does not hold an answer", detail: "It was cut off, or another version of this page made it.", advice: "Ask for it again, or choose a piece below." });
  }
}

/** Sends bytes through a stream; more than `most` bytes are refused. */
async function pumped(bytes, stream, most = Infinity) {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const parts = [];
  let size = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    size += part.value.length;
    if (size > most) throw new RangeError("too much");
  }
  const all = new Uint8Array(size);
  parts.reduce((place, part) => (all.set(part, place), place + part.length), 0);
  return all;
}

/**
 * Draws an answer as a picture to send: what it is, its roll, its ribbon, and whose colours the ribbon has.
 * @param stage holds the drawn roll and ribbon and their colours
 * @param texts `title`, `verdict`, `more` and `source`
 * @returns {Promise<Blob>} a PNG
 */
export function drawCard(stage, texts) {
  const canvas = document.createElement("canvas");
  const { width, height, margin } = CARD;
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  const paint = (name) => stage.paint(`var(${name})`);
  const style = getComputedStyle(document.documentElement);
  const line = (text, y, size, family, colour, weight = 400) => {
    pen.fillStyle = colour;
    pen.font = `${weight} ${size}px ${style.getPropertyValue(family)}`;
    pen.fillText(text, margin, y, width - 2 * margin);
  };
  pen.fillStyle = paint("--card");
  pen.fillRect(0, 0, width, height);
  line(texts.title, margin + 26, 30, "--sans", paint("--soft"));
  line(texts.verdict, margin + 110, 84, "--serif", paint("--ink"), 500);
  line(texts.more, margin + 160, 28, "--sans", paint("--ink"));
  const [top, bottom] = [margin + 190, height - margin - 36];
  const roll = stage.notes.length ? (bottom - top) * 0.74 : 0;
  if (roll) {
    const drawn = document.createElement("canvas");
    const size = { width: width - 2 * margin, height: roll, scale: 1 };
    Object.assign(drawn, { width: size.width, height: size.height });
    stage.drawWhole(drawn.getContext("2d"), size);
    pen.drawImage(drawn, margin, top);
  }
  pen.drawImage(stage.ribbonBack, margin, top + roll, width - 2 * margin, bottom - top - roll);
  line(texts.source, height - margin + 12, 22, "--sans", paint("--soft"));
  let right = width - margin;
  for (const name of stage.names.slice(0, MOST_ON_CARD).reverse()) {
    right -= pen.measureText(name).width;
    pen.fillStyle = paint("--soft");
    pen.fillText(name, right, height - margin + 12);
    right -= 28;
    pen.fillStyle = stage.paint(colourOfClass(name));
    pen.fillRect(right, height - margin - 6, 18, 18);
    right -= 24;
  }
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** The name of a piece without its ending, as the name of a file. */
export const fileName = (name) => name.replace(/\.[a-z0-9]{2,8}$/i, "").replace(/[^\p{L}\p{N} ._-]/gu, "").trim() || "piece";
