// The other things this server can judge: a song's features, a drawn digit, a sentence.

import { $, ask, askJson, colourOf, drawAnswers, drawReasons, make, Problem } from "./dom.js";

// What the usual features of songs mean, from least to most; others get a plain number field.
const FEATURES = {
  acousticness: [0, 1, 0.01, 0.3],
  danceability: [0, 1, 0.01, 0.6],
  duration: [30000, 600000, 1000, 210000],
  energy: [0, 1, 0.01, 0.6],
  instrumentalness: [0, 1, 0.01, 0],
  key: [0, 11, 1, 0],
  liveness: [0, 1, 0.01, 0.15],
  loudness: [-50, 0, 0.5, -8],
  mode: [0, 1, 1, 1],
  popularity: [0, 100, 1, 45],
  spec_rate: [0, 0.00001, 0.0000001, 0.0000005],
  speechiness: [0, 1, 0.01, 0.06],
  tempo: [40, 220, 1, 120],
  valence: [0, 1, 0.01, 0.5],
};

const readable = (name) => name.replaceAll("_", " ").replace(/^\w/, (letter) => letter.toUpperCase());

/** Calls at most once in a while, the last time for sure; a newer call ends an older request. */
function lately(call, wait = 160) {
  let timer;
  let running;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      running?.abort();
      running = new AbortController();
      try {
        await call(running.signal);
      } catch (error) {
        if (error.name !== "AbortError") throw error;
      }
    }, wait);
  };
}

const say = (place, error) => {
  if (!(error instanceof Problem)) throw error;
  place.replaceChildren(make("p", {}, error.message));
};

const isDuration = (name) => name.toLowerCase().startsWith("duration");

/** What follows from the rest of a song: its length under other names, and words a millisecond. */
function complete(song, names) {
  const length = song[Object.keys(song).find(isDuration)] ?? null;
  for (const name of names) {
    if (isDuration(name)) song[name] = length;
    if (name === "spec_rate" && !(name in song)) song[name] = length && song.speechiness !== null ? song.speechiness / length : null;
  }
}

/** What a form asks for: each column once, and the texts to choose from where "key=A" stands for one of them. */
function columnsOf(names) {
  const columns = new Map();
  for (const name of names) {
    const [column, value] = name.split(/=(.*)/s);
    if (isDuration(name) && [...columns.keys()].some(isDuration)) continue;
    if (name === "spec_rate" && names.has("speechiness") && [...names].some(isDuration)) continue;
    if (!columns.has(column)) columns.set(column, []);
    if (value !== undefined) columns.get(column).push(value);
  }
  return columns;
}

/** Below a node's answer: the features that moved it most. */
async function drawWhy(place, name, song, signal) {
  let why;
  try {
    why = await askJson(`/v1/${name}/why`, song, signal);
  } catch (error) {
    if (error instanceof Problem) return; // the answer itself stands
    throw error;
  }
  const list = make("ol", { class: "reasons" });
  const told = drawReasons(list, why.reasons.map((reason) => ({ ...reason, part: readable(reason.part) })), 3);
  if (told) place.querySelector(`[data-node="${name}"]`)?.append(make("p", { class: "why-line" }, `What speaks for ${why[name]}, and how probable it is without`), list);
}

export async function setUpSong(nodes) {
  const names = new Set();
  for (const node of nodes) {
    const card = await ask(`/v1/models/${node.name}`);
    for (const name of card.features ?? card.parameters?.features ?? []) names.add(name);
  }
  const form = $("#song-form");
  const place = $("#song-answers");
  const titles = Object.fromEntries(nodes.map((node) => [node.name, node.title]));
  const judge = lately(async (signal) => {
    const song = {};
    for (const input of form.elements) {
      if (input.name) song[input.name] = input.value === "" ? null : input.tagName === "SELECT" ? input.value : Number(input.value);
    }
    complete(song, names);
    try {
      const { answers, gaps } = await askJson("/v1/classify", { song }, signal);
      const said = { ...answers, ...gaps };
      drawAnswers(place, Object.fromEntries(Object.entries(said).filter(([name]) => name in titles)), titles);
      await Promise.all(Object.keys(answers).filter((name) => name in titles).map((name) => drawWhy(place, name, song, signal)));
    } catch (error) {
      if (error.name === "AbortError") throw error;
      say(place, error);
    }
  });
  for (const [name, values] of columnsOf(names)) {
    const id = `song-${name.replaceAll(/\W/g, "-")}`;
    const [low, high, step, usual] = FEATURES[isDuration(name) ? "duration" : name.toLowerCase()] ?? [];
    const output = make("output", { for: id });
    const label = make("label", { for: id }, make("span", {}, isDuration(name) ? "Duration" : readable(name)), output);
    const input = values.length
      ? make("select", { id, name }, make("option", { value: "" }, "not known"), ...values.map((value) => make("option", { value }, value)))
      : low === undefined
        ? make("input", { id, name, type: "number", step: "any", placeholder: "not known" })
        : make("input", { id, name, type: "range", min: low, max: high, step, value: usual });
    const show = () => {
      output.textContent = low === undefined || values.length ? "" : name.startsWith("duration") ? `${Math.round(input.value / 1000)} s` : input.value;
    };
    input.addEventListener("input", () => {
      show();
      judge();
    });
    show();
    form.append(make("div", { class: "field" }, label, input));
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  judge();
}

export function setUpSentence(nodes) {
  const place = $("#sentence-answers");
  const titles = Object.fromEntries(nodes.map((node) => [node.name, node.title]));
  $("#sentence-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const { answers, gaps } = await askJson("/v1/classify", { text: $("#text").value });
      drawAnswers(place, { ...answers, ...gaps }, titles);
    } catch (error) {
      say(place, error);
    }
  });
}

const SIDE = 28;

export function setUpDigit(nodes) {
  const canvas = $("#pad");
  const place = $("#digit-answers");
  const titles = Object.fromEntries(nodes.map((node) => [node.name, node.title]));
  const ink = new Float32Array(SIDE * SIDE);
  const pen = { x: SIDE / 2, y: SIDE / 2, down: false, shown: false };

  const small = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });

  const draw = () => {
    const context = canvas.getContext("2d");
    const cell = canvas.width / SIDE;
    const [red, green, blue] = colourOf("--ink").match(/[\d.]+/g).map(Number);
    const picture = new ImageData(SIDE, SIDE);
    ink.forEach((amount, index) => picture.data.set([red, green, blue, amount * 255], index * 4));
    small.getContext("2d").putImageData(picture, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
    if (pen.shown) {
      context.strokeStyle = colourOf("--accent");
      context.lineWidth = pen.down ? 4 : 2;
      context.beginPath();
      context.arc(pen.x * cell, pen.y * cell, cell, 0, 7);
      context.stroke();
    }
  };

  const judge = lately(async (signal) => {
    if (!ink.some((amount) => amount)) return place.replaceChildren();
    const ask_one = async ({ name, image }) => {
      try {
        return await askJson(`/v1/${name}`, { pixels: image.height <= 16 ? filling(ink) : centred(ink), largest: 1 }, signal);
      } catch (error) {
        if (error instanceof Problem) return error.body;
        throw error;
      }
    };
    const said = await Promise.all(nodes.map(ask_one));
    drawAnswers(place, Object.fromEntries(nodes.map((node, index) => [node.name, said[index]])), titles);
  }, 250);

  const stroke = (x, y) => {
    const steps = Math.max(1, Math.ceil(Math.hypot(x - pen.x, y - pen.y) * 2));
    for (let step = 1; step <= steps; step++) {
      dab(pen.x + ((x - pen.x) * step) / steps, pen.y + ((y - pen.y) * step) / steps);
    }
    judge();
  };
  const dab = (x, y) => {
    for (let row = Math.floor(y - 2); row <= y + 2; row++) {
      for (let column = Math.floor(x - 2); column <= x + 2; column++) {
        if (row < 0 || column < 0 || row >= SIDE || column >= SIDE) continue;
        const far = Math.hypot(column + 0.5 - x, row + 0.5 - y);
        const index = row * SIDE + column;
        ink[index] = Math.max(ink[index], Math.min(1, Math.max(0, 1.75 - far)));
      }
    }
  };
  const place_of = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    [pen.x, pen.y] = place_of(event);
    Object.assign(pen, { down: true, shown: false });
    stroke(pen.x, pen.y);
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pen.down || pen.shown) return;
    const [x, y] = place_of(event);
    stroke(x, y);
    [pen.x, pen.y] = [x, y];
    draw();
  });
  const lift = () => {
    if (!pen.shown) pen.down = false;
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Delete" || event.key === "Backspace") clear();
    else if (event.key === " ") pen.down = !pen.down;
    else if (!move) return;
    event.preventDefault();
    pen.shown = true;
    const x = Math.min(Math.max(pen.x + (move?.[0] ?? 0), 1), SIDE - 1);
    const y = Math.min(Math.max(pen.y + (move?.[1] ?? 0), 1), SIDE - 1);
    if (pen.down) stroke(x, y);
    [pen.x, pen.y] = [x, y];
    draw();
  });
  canvas.addEventListener("blur", () => {
    Object.assign(pen, { shown: false, down: false });
    draw();
  });
  const clear = () => {
    ink.fill(0);
    place.replaceChildren();
    draw();
  };
  $("#pad-clear").addEventListener("click", clear);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

/** The drawing scaled so that its longer side is `box`, in the middle of a square of `side`. */
function scaled(ink, box, side) {
  const rows = [];
  const columns = [];
  ink.forEach((amount, index) => {
    if (amount < 0.1) return;
    rows.push(Math.floor(index / SIDE));
    columns.push(index % SIDE);
  });
  const [top, left] = [Math.min(...rows), Math.min(...columns)];
  const [height, width] = [Math.max(...rows) - top + 1, Math.max(...columns) - left + 1];
  const from = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const picture = new ImageData(SIDE, SIDE);
  ink.forEach((amount, index) => picture.data.set([255, 255, 255, amount * 255], index * 4));
  from.getContext("2d").putImageData(picture, 0, 0);
  const to = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const pen = to.getContext("2d");
  const scale = box / Math.max(height, width);
  const [w, h] = [width * scale, height * scale];
  pen.imageSmoothingQuality = "high";
  pen.drawImage(from, left, top, width, height, (side - w) / 2, (side - h) / 2, w, h);
  const { data } = pen.getImageData(0, 0, side, side);
  return Array.from({ length: side }, (_, y) => Array.from({ length: side }, (__, x) => data[(y * side + x) * 4 + 3] / 255));
}

/** As the digits of scikit-learn are: the whole square is filled. */
const filling = (ink) => scaled(ink, 32, 32);

/** As MNIST is: 20 pixels high or wide, its weight in the middle of 28. */
function centred(ink) {
  const pixels = scaled(ink, 20, SIDE);
  let [sum, sumX, sumY] = [0, 0, 0];
  pixels.forEach((row, y) => row.forEach((amount, x) => {
    sum += amount;
    sumX += amount * x;
    sumY += amount * y;
  }));
  const [dx, dy] = [Math.round(sumX / sum - (SIDE - 1) / 2), Math.round(sumY / sum - (SIDE - 1) / 2)];
  return pixels.map((row, y) => row.map((_, x) => pixels[y + dy]?.[x + dx] ?? 0));
}
