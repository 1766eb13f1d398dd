// A game: hear fifteen seconds of a piece, guess its composer, then see what the model says.

import { $, make } from "./dom.js";
import { PIECES } from "./pieces.js";

const HEARD_S = 15;
const MOST_STEPS = 4; // semitones that a piece may be moved by: its key gives nothing away
const composer = ({ by }) => by.split(",")[0];

/** Fifteen seconds from anywhere in a piece, in another key. */
export function excerpt(notes, place, steps) {
  const last = Math.max(...notes.map(({ onset }) => onset));
  const begin = place * Math.max(last - HEARD_S, 0);
  return notes
    .filter(({ onset }) => onset >= begin && onset < begin + HEARD_S)
    .map((note) => ({ ...note, pitch: note.pitch + steps, onset: note.onset - begin, offset: note.offset - begin }));
}

/**
 * @param player plays the excerpt
 * @param hide takes everything from the page that names a piece
 * @param show shows a built-in piece with its answer, and returns whether the model was right about it
 */
export function setUpGame({ player, hide, show }) {
  const score = { rounds: 0, mine: 0, models: 0 };
  let hidden = null; // the piece that is to be guessed

  function round() {
    const others = PIECES.filter((piece) => piece !== hidden);
    hidden = others[Math.floor(Math.random() * others.length)];
    hide();
    const notes = hidden.make().sort((a, b) => a.onset - b.onset);
    const steps = Math.round((2 * Math.random() - 1) * MOST_STEPS);
    player.load(excerpt(notes, Math.random(), steps), HEARD_S);
    player.play();
    $("#game-state").textContent = "Who wrote this?";
    $("#guesses").replaceChildren(
      ...PIECES.map(composer).map((name) => make("button", { type: "button", class: "quiet", onclick: () => guess(name) }, name)),
      make("button", { type: "button", class: "quiet", onclick: () => { player.seek(0); player.play(); } }, "Hear it again"),
    );
    $("#guesses button").focus();
  }

  async function guess(name) {
    const piece = hidden;
    const isRight = name === composer(piece);
    const outcome = `${isRight ? "Right" : `Not ${name}`}: ${piece.title} by ${composer(piece)}.`;
    $("#game-state").textContent = `${outcome} Asking the model…`;
    $("#guesses").replaceChildren();
    const isModelRight = await show(PIECES.indexOf(piece));
    score.rounds += 1;
    score.mine += isRight;
    score.models += isModelRight;
    $("#game-state").textContent = [
      outcome,
      `The model ${isModelRight ? "names the composer" : "does not name the composer"}: see its answer below.`,
      `You: ${score.mine} of ${score.rounds}, the model: ${score.models} of ${score.rounds}.`,
    ].join(" ");
    const next = make("button", { type: "button", onclick: round }, "Next piece");
    $("#guesses").replaceChildren(next);
    // The guess that had the focus is gone: who plays by keyboard goes on here.
    if (document.activeElement === document.body) next.focus({ preventScroll: true });
  }

  $("#open-game").addEventListener("click", () => {
    const isOpen = $("#game").hidden;
    $("#game").hidden = !isOpen;
    $("#open-game").setAttribute("aria-expanded", String(isOpen));
    if (isOpen) round();
    else player.stop();
  });
}
