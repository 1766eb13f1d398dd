// The other kinds of items that this server classifies: rows of a table, drawings, texts.
// Columns, sizes and titles come from the server: see GET /v1/graph.

import { $, askJson, colourOf, drawAnswers, make, Problem } from "./dom.js";
import { drawReasons } from "./reasons.js";

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

/** Below a node's answer: the columns that moved it most. */
async function drawWhy(place, name, row, signal) {
  let why;
  try {
    why = await askJson(`v1/${name}/why`, row, signal);
  } catch (error) {
    if (error instanceof Problem) return; // the answer itself stands
    throw error;
  }
  const list = make("ol", { class: "reasons" });
  const reasons = why.reasons.map((reason) => ({ ...reason, part: readable(reason.part) }));
  const any = drawReasons(list, { ...why, reasons }, { most: 3 });
  if (any) place.querySelector(`[data-node="${name}"]`)?.append(make("p", { class: "why-line" }, `What speaks for ${why[name]}, and how probable it is with and without`), list);
}

/** Nodes that share a column share a form, with every column of theirs once. */
function formsOf(nodes) {
  const forms = [];
  for (const node of nodes) {
    const names = node.preparation.columns.map((column) => column.name);
    let form = forms.find(({ columns }) => names.some((name) => columns.has(name)));
    if (!form) forms.push((form = { nodes: [], columns: new Map() }));
    form.nodes.push(node);
    for (const column of node.preparation.columns) if (!form.columns.has(column.name)) form.columns.set(column.name, column);
  }
  return forms;
}

/** A step of 1, 2 or 5 times a power of ten, about a two hundredth of the range. */
function stepOf(low, high) {
  const power = 10 ** Math.floor(Math.log10((high - low) / 200));
  return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= (high - low) / 200);
}

/** The field of a column: a choice, a text, a slider over its usual values, or a number. */
function fieldOf(column, id) {
  const { name, kind, categories, low, high, usual } = column;
  if (kind === "category") {
    const options = categories.map((value) => make("option", { value }, value));
    const field = make("select", { id, name }, make("option", { value: "" }, "not known"), ...options);
    field.value = usual ?? "";
    return field;
  }
  if (kind === "words" || kind === "ngrams") return make("input", { id, name, type: "text", value: usual ?? "", placeholder: "not known" });
  if (low === null || high === null || low >= high) return make("input", { id, name, type: "number", step: "any", placeholder: "not known" });
  const step = stepOf(low, high);
  const [min, max] = [Math.floor(low / step) * step, Math.ceil(high / step) * step].map((value) => Number(value.toPrecision(12)));
  return make("input", { id, name, type: "range", min, max, step: Number(step.toPrecision(3)), value: usual });
}

export function setUpTables(nodes) {
  formsOf(nodes).forEach((form, number) => setUpTable(form, number));
}

function setUpTable({ nodes, columns }, number) {
  const form = make("form", { autocomplete: "off" });
  const place = make("div", { class: "answers", "aria-live": "polite" });
  $("#tables").append(make("div", { class: "split" }, form, place));
  const titles = Object.fromEntries(nodes.map((node) => [node.name, node.title]));
  const judge = lately(async (signal) => {
    const row = {};
    for (const input of form.elements) {
      const isText = input.tagName === "SELECT" || input.type === "text";
      if (input.name) row[input.name] = input.value === "" ? null : isText ? input.value : Number(input.value);
    }
    try {
      const { answers, gaps } = await askJson("v1/classify", { table: row }, signal);
      const all = { ...answers, ...gaps };
      drawAnswers(place, Object.fromEntries(Object.entries(all).filter(([name]) => name in titles)), titles);
      await Promise.all(Object.keys(answers).filter((name) => name in titles).map((name) => drawWhy(place, name, row, signal)));
    } catch (error) {
      if (error.name === "AbortError") throw error;
      say(place, error);
    }
  });
  for (const [name, column] of columns) {
    const id = `table-${number}-${name.replaceAll(/\W/g, "-")}`;
    const output = make("output", { for: id });
    const input = fieldOf(column, id);
    const show = () => {
      output.textContent = input.type === "range" ? input.value : "";
    };
    input.addEventListener("input", () => {
      show();
      judge();
    });
    show();
    form.append(make("div", { class: "field" }, make("label", { for: id }, make("span", {}, readable(name)), output), input));
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  judge();
}

export function setUpSentence(nodes) {
  if (nodes.length === 1) $("#sentence-title").textContent = nodes[0].title;
  const place = $("#sentence-answers");
  const titles = Object.fromEntries(nodes.map((node) => [node.name, node.title]));
  $("#sentence-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const { answers, gaps } = await askJson("v1/classify", { text: $("#text").value });
      drawAnswers(place, { ...answers, ...gaps }, titles);
    } catch (error) {
      say(place, error);
    }
  });
}

const SIDE = 28;

export function setUpDrawing(nodes) {
  if (nodes.length === 1) $("#drawing-title").textContent = nodes[0].title;
  const canvas = $("#pad");
  const place = $("#drawing-answers");
  const titles = Object.fromEntries(nodes.map((node) => [node.name, node.title]));
  const ink = new Float32Array(SIDE * SIDE);
  const pen = { x: SIDE / 2, y: SIDE / 2, down: false, shown: false };

  const small = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });

  const draw = () => {
    const context = canvas.getContext("2d");
    const cell = canvas.width / SIDE;
    const [red, green, blue] = colourOf("var(--ink)").match(/[\d.]+/g).map(Number);
    const picture = new ImageData(SIDE, SIDE);
    ink.forEach((amount, index) => picture.data.set([red, green, blue, amount * 255], index * 4));
    small.getContext("2d").putImageData(picture, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
    if (pen.shown) {
      context.strokeStyle = colourOf("var(--accent)");
      context.lineWidth = pen.down ? 4 : 2;
      context.beginPath();
      context.arc(pen.x * cell, pen.y * cell, cell, 0, 7);
      context.stroke();
    }
  };

  const judge = lately(async (signal) => {
    if (!ink.some((amount) => amount)) return place.replaceChildren();
    const askOne = async ({ name, preparation }) => {
      try {
        return await askJson(`v1/${name}`, { pixels: preparation.framing === "filled" ? filling(ink) : centred(ink), largest: 1 }, signal);
      } catch (error) {
        if (error instanceof Problem) return error.body;
        throw error;
      }
    };
    const answers = await Promise.all(nodes.map(askOne));
    drawAnswers(place, Object.fromEntries(nodes.map((node, index) => [node.name, answers[index]])), titles);
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

/** Framing `filled`: the drawing fills the square. */
const filling = (ink) => scaled(ink, 32, 32);

/** Framing `centred`: 20 pixels high or wide, the centre of mass in the middle of 28. */
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
