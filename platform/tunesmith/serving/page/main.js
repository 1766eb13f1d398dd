// The page: a piece goes in, its picture appears at once, the answer follows, and it can be heard.

import { colourOfClass, meetClasses, OTHERS } from "./colours.js";
import { $, ask, drawBars, drawSimilar, make, percent, Problem, ranked, save, swatch } from "./dom.js";
import { bytesOf, describeHearing, dropped, readThere, showProblem } from "./files.js";
import { setUpDrawing, setUpSentence, setUpTables } from "./forms.js";
import { setUpGame } from "./game.js";
import { setUpKeys } from "./keys.js";
import { coloured, compare, describeKnowledge } from "./knowledge.js";
import { setUpMicrophone } from "./microphone.js";
import { readMidi, writeMidi, MidiFault } from "./midi.js";
import { PIECES } from "./pieces.js";
import { Player } from "./player.js";
import { drawReasons, placesOn, sentence } from "./reasons.js";
import { drawCard, fileName, packAnswer, unpackAnswer } from "./share.js";
import { clock, Stage } from "./stage.js";
import { setUpTracks } from "./tracks.js";
import { setUpTransport } from "./transport.js";

const described = ask("v1/graph");
const graph = described.then(({ nodes }) => nodes.filter((node) => node.ready));
let node = null; // judges pieces
let shown = null; // the answer that is shown, its name, and the member that holds its class
let last = null; // the piece that was judged last, and how it was heard
const player = new Player();
const stage = new Stage($("#roll"), $("#ribbon"));
const move = setUpTransport(player, stage);
const showTracks = setUpTracks(player, stage);
let asking = null;
const HEARD = "What the microphone heard";

const midiRequest = (bytes, signal) => ({ method: "POST", headers: { "Content-Type": "audio/midi" }, body: bytes, signal });
const say = (text) => {
  $("#status").textContent = text;
};

/** The first model that reads MIDI files; several are offered in a list. */
async function firstNode() {
  const nodes = (await graph).filter((one) => one.reads === "midi");
  if (nodes.length) return nodes[0];
  throw new Problem({ title: "No model reads MIDI files yet", detail: "", advice: "A model is served within seconds of its promotion." });
}

function describeNode() {
  describeKnowledge(node).catch(() => {}); // the page works without it
  $("#piece-title").textContent = document.title = node.title;
  $("#chunk").textContent = String(Math.round((10 * node.preparation.chunk_frames) / node.preparation.frames_per_second) / 10);
}

/**
 * Judges a file: draws its notes at once and asks the server for the rest. A recording is heard by the
 * server first, and its notes are then judged as a file of MIDI.
 */
async function judge(bytes, name, heard = null, address = "") {
  stopListening();
  history.replaceState(null, "", address || location.pathname + location.search);
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  player.stop();
  $("#problem").hidden = true;
  $("#result").hidden = true;
  $("#result").toggleAttribute("data-shared", false);
  for (const place of ["#why", "#same-music", "#shared", "#truth"]) $(place).hidden = true;
  shareState("");
  let piece = null;
  try {
    piece = readMidi(bytes);
  } catch (error) {
    if (!(error instanceof MidiFault)) throw error;
    try {
      [piece, heard] = await readElsewhere(bytes, name, signal);
      if (heard) bytes = writeMidi(piece.notes);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      showProblem(problem);
      return;
    }
  }
  describeHearing(heard);
  if (piece.notes.length) showNotes(piece, name);
  say(`Classifying ${name}…`);
  try {
    node ??= await firstNode();
    last = [bytes, name, heard];
    const [answer] = await Promise.all([ask(`v1/${node.name}?detail=true`, midiRequest(bytes, signal)), coloured]);
    if (!piece.notes.length) showUndrawn(answer.piece.duration_s, name);
    showAnswer(answer, name, node.name);
    await Promise.all([explain(bytes, signal), nameMusic(bytes, signal)]);
  } catch (error) {
    if (error.name === "AbortError") return;
    $("#verdict").textContent = "No answer";
    if (!piece.notes.length) $("#result").hidden = true;
    showProblem(error);
  }
}

/** Shows the notes of a piece, without an answer yet. */
function showNotes(piece, name) {
  const { notes, duration } = piece;
  $("#result").hidden = false;
  for (const place of ["#bars", "#legend", "#segments", "#about-model", "#verdict-more", "#here"]) $(place).replaceChildren();
  $("#piece-name").textContent = name;
  $("#verdict").textContent = "Listening…";
  const many = showTracks(piece);
  player.load(notes, duration);
  stage.position = 0;
  stage.setNotes(notes, duration, many);
  move(0);
}

/** Lets the server read a file that is no MIDI: a recording or a score. */
async function readElsewhere(bytes, name, signal) {
  say(`Reading ${name}. A recording is listened to first, which takes some seconds…`);
  return readThere(bytes, signal);
}

/** Shows a piece whose notes cannot be drawn. */
function showUndrawn(duration, name) {
  $("#result").hidden = false;
  $("#piece-name").textContent = name;
  showTracks({ notes: [] });
  player.load([], duration);
  stage.position = 0;
  stage.setNotes([], duration);
  move(0);
}

// A piece may have been learned from and still be unlike the others of its class.
function unlike(answer, best) {
  return answer.known > 0
    ? `Nearest: ${best}, but less like it than ${percent(1 - answer.known)} of the pieces of ${best} that it knows.`
    : `Unlike anything it learned from; nearest: ${best}.`;
}

function showAnswer(answer, name, key) {
  shown = { answer, name, key };
  const shares = ranked(answer.probabilities);
  meetClasses(shares.map(([label]) => label));
  stage.setAnswer(answer.segments, shares.map(([label]) => label), key);
  const [[best, share], second] = shares;
  const none = answer.none_of_these === true;
  const others = answer.segments.filter((segment) => segment[key] !== best);
  // A verdict against most of the segments is none.
  const isContradicted = 2 * others.length > answer.segments.length;
  const clear = !answer.unsure && !isContradicted;
  $("#verdict").textContent = none ? "None of these" : clear ? best : "Hard to say";
  const unsure = answer.segments.filter((segment) => segment.probability < 0.5);
  const disputed = answer.segments.filter((segment) => segment.disputed);
  $("#verdict-more").textContent = [
    none ? unlike(answer, best) : clear ? `${percent(share)} sure of it.` : `${best} at ${percent(share)}${second ? `, ${second[0]} at ${percent(second[1])}` : ""}.`,
    !none && others.length ? `${others.length} of ${answer.segments.length} segments sound like another class.` : !none && answer.segments.length > 1 ? `All ${answer.segments.length} segments agree.` : "",
    unsure.length ? `In ${unsure.length} of ${answer.segments.length} segments no class reaches 50 %.` : "",
    disputed.length ? `In ${disputed.length} of ${answer.segments.length} segments the models disagree.` : "",
  ].filter(Boolean).join(" ");
  drawBars($("#bars"), answer.probabilities, colourOfClass);
  const known = stage.names.map((label) => make("li", {}, swatch(colourOfClass(label)), label));
  known.unshift(make("li", { class: "legend-title" }, stage.hasTracks || !stage.notes.length ? "Ribbon" : "Notes and ribbon"));
  if (shares.length > stage.names.length) known.push(make("li", {}, swatch(OTHERS), "others"));
  if (unsure.length) known.push(make("li", {}, make("span", { class: "swatch hatch" }), "no class above 50 %"));
  if (disputed.length) known.push(make("li", {}, make("span", { class: "swatch dots" }), "the models disagree"));
  $("#legend").replaceChildren(...known);
  $("#segments").replaceChildren(
    ...answer.segments.map((segment) =>
      make("tr", {}, ...[clock(segment.start_s), clock(segment.end_s), segment[key], percent(segment.probability)].map((text) => make("td", {}, text))),
    ),
  );
  $("#about-model").textContent = `${answer.piece.notes.toLocaleString()} notes, ${clock(answer.piece.duration_s)} long. Judged by ${answer.model.name} version ${answer.model.version}, trained on ${answer.model.dataset.split("@")[0]}.`;
  $("#ribbon").setAttribute("aria-label", `Probability of each class along the piece: ${$("#verdict-more").textContent}`);
  say("");
  $("#announce").textContent = `${name}: ${$("#verdict").textContent}. ${$("#verdict-more").textContent}`;
  move(player.position);
}

/** Shows an answer that an address holds; its music is not there. */
async function showShared(text) {
  asking?.abort();
  player.stop();
  const { answer, name, key } = await unpackAnswer(text);
  await coloured;
  // What the server said of another piece does not belong to it.
  for (const place of ["#problem", "#why", "#same-music", "#truth", "#transcribed"]) $(place).hidden = true;
  $("#result").toggleAttribute("data-shared", true);
  $("#shared").hidden = false;
  showUndrawn(answer.piece.duration_s, name);
  showAnswer(answer, name, key);
  document.title = `${name}: ${$("#verdict").textContent}`;
  $("#result").scrollIntoView();
}

const shareState = (text) => {
  $("#share-state").textContent = text;
};
$("#copy-link").addEventListener("click", async () => {
  const { answer, name, key } = shown;
  if (!location.hash) {
    const text = await packAnswer(answer, name, key);
    if (!text) return shareState("This answer is too long for a link. Save a picture instead.");
    history.replaceState(null, "", `#answer=${text}`);
  }
  try {
    await navigator.clipboard.writeText(location.href);
    shareState("Copied.");
  } catch {
    shareState("Copy it from the address of this page.");
  }
});
$("#save-picture").addEventListener("click", async () => {
  const { answer, name } = shown;
  const more = $("#verdict-more").textContent;
  const source = `Tunesmith · ${answer.model.name} version ${answer.model.version}`;
  const blob = await drawCard(stage, { title: name, verdict: $("#verdict").textContent, more, source });
  save(blob, `${fileName(name)}.png`);
});
$("#save-midi").addEventListener("click", () => save(new Blob([last[0]], { type: "audio/midi" }), `${fileName(last[1])}.mid`));

/** Asks for more about a piece; null where the server has no answer: that of the model stands. */
async function askMore(path, bytes, signal) {
  try {
    return await ask(path, midiRequest(bytes, signal));
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}

/** Names the piece of the server's dataset that this one is; nothing is shown where there is no dataset. */
async function nameMusic(bytes, signal) {
  const answer = (await described).similar && (await askMore("v1/similar?limit=3", bytes, signal));
  if (answer) drawSimilar($("#same-music"), answer);
}

/** Fetches the reasons for the answer and shows them below; without reasons nothing is shown. */
async function explain(bytes, signal) {
  const why = await askMore(`v1/${node.name}/why`, bytes, signal);
  if (!why) return;
  $("#why-title").textContent = `Why ${why[node.name]}?`;
  $("#why-sentence").textContent = sentence(why[node.name], why);
  $("#why-place").textContent = "";
  const place = placesOn(stage, (part, many) => {
    $("#why-place").textContent = part ? `${many.toLocaleString()} notes are lit up on the roll: ${part}.` : "";
    if (part) $("#stage").scrollIntoView({ block: "nearest" });
  });
  $("#why").hidden = !drawReasons($("#reasons"), why, { colour: colourOfClass(why[node.name]), place });
}

const unmarkPieces = () => document.querySelectorAll("#pieces button").forEach((button) => button.removeAttribute("aria-current"));

/** Judges the file that `choose` returns. */
async function judgeFile(choose) {
  unmarkPieces();
  try {
    const file = choose();
    await judge(await bytesOf(file), file.name);
  } catch (error) {
    $("#result").hidden = true;
    showProblem(error);
  }
}

const drop = $("#drop");
$("#file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (file) judgeFile(() => file);
});
// A file dropped beside the frame must not replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
addEventListener("dragover", () => drop.classList.add("over"));
addEventListener("dragleave", (event) => event.relatedTarget === null && drop.classList.remove("over"));
addEventListener("drop", (event) => {
  drop.classList.remove("over");
  judgeFile(() => dropped(event.dataTransfer));
});

/** Shows a built-in piece with its answer; returns whether the model names its composer. */
async function showPiece(index) {
  const piece = PIECES[index];
  const button = document.querySelectorAll("#pieces button")[index];
  unmarkPieces();
  button.setAttribute("aria-current", "true");
  const notes = piece.make().sort((a, b) => a.onset - b.onset);
  await judge(writeMidi(notes), piece.title, null, `#piece=${index + 1}`);
  const isShown = button.hasAttribute("aria-current") && !$("#result").hidden;
  if (isShown) compare(piece, shown.answer);
  $("#result").scrollIntoView({ block: "nearest" });
  return isShown && $("#truth").classList.contains("right");
}

$("#pieces").append(
  ...PIECES.map((piece, index) =>
    make("li", {}, make("button", { type: "button", onclick: () => showPiece(index) }, make("span", {}, make("strong", {}, piece.title), make("span", {}, piece.by)))),
  ),
);

setUpGame({
  player,
  hide: () => {
    asking?.abort();
    for (const place of ["#problem", "#result"]) $(place).hidden = true;
    unmarkPieces();
  },
  show: showPiece,
});

const stopListening = setUpMicrophone({
  hear: async (bytes, signal) => (await readThere(bytes, signal))[0],
  onNotes: (notes, duration) => {
    if (!duration) {
      asking?.abort();
      player.stop();
      for (const place of ["#problem", "#result", "#why", "#transcribed"]) $(place).hidden = true;
    }
    if (!notes.length) return;
    const isFirst = $("#result").hidden;
    showNotes({ notes, duration }, HEARD);
    if (isFirst) $("#result").scrollIntoView();
  },
  onRecorded: (bytes) => judge(bytes, HEARD),
  onProblem: (problem) => {
    $("#result").hidden = true;
    showProblem(problem);
  },
});

setUpKeys(player, (notes) => {
  if (notes.length) judge(writeMidi(notes), "What you played");
  else say("Nothing was played.");
});

const ready = await graph;
const midi = ready.filter(({ reads }) => reads === "midi");
if (midi.length) {
  node ??= midi[0];
  describeNode();
  $("#node").append(...midi.map(({ name, title }) => make("option", { value: name }, title)));
  $("#node-choice").hidden = midi.length < 2;
  $("#node").addEventListener("change", async (event) => {
    node = midi.find(({ name }) => name === event.target.value);
    describeNode();
    if (last) await judge(...last);
  });
}
/** Shows what the address of the page names: a shared answer, or a built-in piece. */
function openAddress() {
  const [, kind, value] = /^#(answer|piece)=([\w-]+)$/.exec(location.hash) ?? [];
  if (kind === "answer") showShared(value).catch(showProblem);
  if (kind === "piece") document.querySelectorAll("#pieces button")[Number(value) - 1]?.click();
}
openAddress();
addEventListener("hashchange", openAddress);
const setUps = { table: setUpTables, image: setUpDrawing, text: setUpSentence };
for (const [reads, setUp] of Object.entries(setUps)) {
  const able = ready.filter((one) => one.reads === reads);
  if (!able.length) continue;
  for (const element of document.querySelectorAll(`[data-needs=${reads}]`)) element.hidden = false;
  setUp(able);
}
