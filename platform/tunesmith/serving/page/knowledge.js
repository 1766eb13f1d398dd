// What the page says of a model by itself: whom it knows, and whether it was right.

import { knowClasses } from "./colours.js";
import { $, ask, percent } from "./dom.js";

const MOST_NAMED = 8;
const cards = ask("v1/models");
/** Resolves when the classes of the server's models have their colours; without the cards those of an answer do. */
export const coloured = cards.then(({ models }) => knowClasses(models)).catch(() => {}); // told where they are needed

/** Says whom a model knows and how often it was right, before it is asked. */
export async function describeKnowledge(node) {
  const { models } = await cards;
  const card = models.find(({ name }) => name === node.name);
  $("#knows").hidden = !card;
  if (!card) return;
  const { labels, metrics = {}, split } = card;
  const names = labels.length > MOST_NAMED ? `${labels.length} classes, such as ${labels.slice(0, 3).join(", ")}` : listed(labels);
  const [unit] = Object.keys(metrics).filter((level) => level !== "chunk");
  const accuracy = metrics[unit]?.accuracy?.value;
  const tested = split?.parts?.test;
  $("#knows").textContent = [
    `It knows ${names}.`,
    accuracy !== undefined ? `It was right about ${percent(accuracy)} of ${tested ? `${tested.toLocaleString()} ` : ""}${unit}s of its own collection that it had not learned from; it may be right less often about yours.` : "",
    card.detector ? "It can answer “none of these”." : "It names one of them for anything.",
  ].filter(Boolean).join(" ");
}

const listed = (names) => (names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names.join(""));

/** Says whether the answer about a built-in piece is right, where the model knows its composer. */
export function compare({ surname, by }, answer) {
  const label = Object.keys(answer.probabilities).find((one) => one.split(" ").at(-1) === surname);
  const verdict = $("#verdict").textContent;
  const result = verdict === label ? "Right" : verdict in answer.probabilities ? "Wrong" : "Undecided";
  $("#truth").hidden = !label;
  $("#truth").className = `truth ${result.toLowerCase()}`;
  $("#truth").textContent = `${result}: it is by ${by.split(",")[0]}.`;
}
