// Draws the cards of the models that answer.

import { $, ask, make, percent } from "./dom.js";

const METRICS = { accuracy: "Accuracy", balanced_accuracy: "Balanced accuracy", macro_f1: "Macro F1" };
const day = (text) => (text ? new Date(text).toLocaleDateString(undefined, { dateStyle: "long" }) : "");

const table = (head, rows) =>
  make("table", {},
    make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))))),
  );

/** A share with its 95 % interval in words. */
const withInterval = ({ value, low, high }) => `${percent(value)} (${percent(low)} to ${percent(high)})`;

function card(model) {
  const [unit = model.unit] = Object.keys(model.metrics ?? {}).filter((level) => level !== "chunk");
  const measured = model.metrics?.[unit] ?? {};
  const tested = model.split?.parts?.test;
  const rows = Object.entries(METRICS).filter(([key]) => measured[key]).map(([key, name]) => [name, withInterval(measured[key])]);
  const classes = (model.per_class ?? []).map((row) => [row.class, percent(row.recall), percent(row.precision), row.support.toLocaleString()]);
  const limits = model.limits ?? [];
  const open = model.detector ? "It can answer “none of these”." : `It names one of its classes for any ${unit}.`;
  return make("section", { id: model.name },
    make("h2", { class: "as-written" }, model.title ?? model.name),
    make("p", {}, `Version ${model.version}${model.created ? `, ${day(model.created)}` : ""}. ${model.labels.length} classes: ${model.labels.join(", ")}. ${open}`),
    ...(model.intended_use ? [make("p", {}, model.intended_use)] : []),
    ...(rows.length ? [make("h3", {}, `On ${tested ? tested.toLocaleString() : "the"} test ${unit}s, with 95 % intervals`), table(["Metric", "Value"], rows)] : []),
    ...(classes.length ? [make("details", {}, make("summary", {}, "Each class"), table(["Class", "Found", "Right when named", `Test ${unit}s`], classes))] : []),
    ...(limits.length ? [make("h3", {}, "Limits"), make("ul", {}, ...limits.map((text) => make("li", {}, text)))] : []),
    make("p", { class: "what" }, `Trained on ${model.dataset?.name ?? "an unnamed dataset"}. ${model.licence?.data ? `Licence of the data: ${model.licence.data}.` : ""}`),
  );
}

try {
  const { models } = await ask("models", { headers: { Accept: "application/json" } });
  $("#models").replaceChildren(...(models.length ? models.map(card) : [make("p", {}, "No model is served yet. One is within seconds of its promotion: tunesmith promote TASK.")]));
} catch (error) {
  $("#models").replaceChildren(make("p", {}, `The cards cannot be read. ${error.message}`));
}
$("#models").setAttribute("aria-busy", "false");
