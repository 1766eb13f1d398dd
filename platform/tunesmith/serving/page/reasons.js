// Why a model says what it says: in a sentence, as bars, and where in the music the part is.

import { make, percent } from "./dom.js";

const LEAST_EFFECT = 0.01; // log-odds
export const CHORD_SPREAD_S = 0.035; // notes begin together that begin within this time, as for the models
const octave = /^Notes from C(-?\d+) to B/;

/** The highest and the lowest of the notes that begin together. */
function outerVoices(notes) {
  const [top, bottom] = [new Set(), new Set()];
  let group = [];
  const close = () => {
    const pitches = group.map(({ pitch }) => pitch);
    const [high, low] = [Math.max(...pitches), Math.min(...pitches)];
    for (const note of group) {
      if (note.pitch === high) top.add(note);
      if (note.pitch === low) bottom.add(note);
    }
  };
  for (const note of notes.filter(({ drum }) => !drum)) {
    if (group.length && note.onset - group.at(-1).onset > CHORD_SPREAD_S) {
      close();
      group = [];
    }
    group.push(note);
  }
  if (group.length) close();
  return { top, bottom };
}

/** The notes that a part of a model's input was made of; null where it was made of all of them. */
export function placeOf(part, notes) {
  const [, number] = octave.exec(part) ?? [];
  if (number !== undefined) {
    const low = 12 * (Number(number) + 1);
    const inside = notes.filter(({ drum, pitch }) => !drum && pitch >= low && pitch < low + 12);
    return { notes: new Set(inside), band: [low, low + 11] };
  }
  if (!VOICES[part]) return null;
  return { notes: VOICES[part](outerVoices(notes)) };
}

const VOICES = {
  "Steps and leaps of the melody": ({ top }) => top,
  "Steps and leaps of the bass": ({ bottom }) => bottom,
  "Melody against bass": ({ top, bottom }) => new Set([...top, ...bottom]),
};

/** The strongest reasons for and against a class, in sentences with the probability before and after. */
export function sentence(label, { probability, reasons }) {
  const told = reasons.filter(({ effect }) => Math.abs(effect) >= LEAST_EFFECT);
  const change = ({ probability_without: without }) => {
    const [before, after] = [percent(probability), percent(without)];
    return before === after ? `with that part masked the answer stays at ${before}` : `with that part masked, ${before} → ${after}`;
  };
  const most = told.find(({ effect }) => effect > 0);
  const against = told.find(({ effect }) => effect < 0);
  return [
    most ? `The strongest reason for ${label} is “${most.part}”: ${change(most)}.` : "",
    against ? `The strongest reason against it is “${against.part}”: ${change(against)}.` : "",
  ].filter(Boolean).join(" ");
}

/**
 * Draws what spoke for an answer, to the right, and what against it, to the left.
 * @param why the server's answer
 * @param colour of the answered class
 * @param place makes the name of a part, such as a button that shows where it is
 */
export function drawReasons(list, { probability, reasons }, { most = 6, colour = "var(--c1)", place = (part) => part } = {}) {
  const told = reasons.filter(({ effect }) => Math.abs(effect) >= LEAST_EFFECT).slice(0, most);
  const reach = Math.max(...told.map(({ effect }) => Math.abs(effect)), 0.5);
  list.replaceChildren(
    ...told.map(({ part, effect, probability_without: without }) => {
      const fill = make("span", { class: effect < 0 ? "fill against" : "fill" });
      fill.style.width = `${(Math.abs(effect) / reach) * 50}%`;
      if (effect >= 0) fill.style.background = colour;
      return make("li", {},
        make("span", { class: "name" }, place(part)),
        make("span", { class: "track", "aria-hidden": "true" }, fill),
        make("span", { class: "value" },
          make("span", { class: "unseen" }, effect < 0 ? " speaks against it; without it " : " speaks for it; without it "),
          percent(probability), make("span", { "aria-hidden": "true" }, " → "), make("span", { class: "unseen" }, " becomes "), percent(without),
        ),
      );
    }),
  );
  return told.length > 0;
}

/**
 * Makes the names of parts on a page with a roll: those that are somewhere light up their notes there.
 * @param stage draws the notes
 * @param onLit called with the button that was pressed and its part, or twice with null
 */
export function placesOn(stage, onLit) {
  const buttons = new Set();
  return (part) => {
    const place = placeOf(part, stage.notes);
    if (!place?.notes.size) return part;
    const toggle = () => {
      const isLit = button.getAttribute("aria-pressed") === "false";
      for (const each of buttons) each.setAttribute("aria-pressed", String(isLit && each === button));
      stage.light(isLit ? place : null);
      onLit(isLit ? part : null, place.notes.size);
    };
    const button = make("button", { type: "button", class: "place", "aria-pressed": "false", onclick: toggle }, part);
    buttons.add(button);
    return button;
  };
}
