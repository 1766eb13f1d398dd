// Small helpers that the other modules share.

export const $ = (selector) => document.querySelector(selector);

/** Makes an element; `on…` members are listeners, the others attributes. */
export function make(tag, members = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(members)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A colour such as `var(--ink)` as a canvas understands it, in the light or the dark scheme. */
export function colourOf(colour) {
  const probe = make("span", { hidden: true });
  probe.style.color = colour;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

export const percent = (share) => {
  if (share > 0.995 && share < 1) return ">99 %";
  if (share > 0 && share < 0.005) return "<1 %";
  return `${Math.round(share * 100)} %`;
};

/** A problem body (RFC 9457) as an error. */
export class Problem extends Error {
  constructor(body) {
    super(body.detail ?? body.title);
    this.body = body;
  }
}

/** The address of a path beside the page, without a password in the page's own address: fetch refuses that. */
export function addressOf(path) {
  const address = new URL(path, document.baseURI);
  address.username = "";
  address.password = "";
  return address;
}

/** Sends a request; an error becomes a Problem. */
export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(addressOf(path), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: "The server cannot be reached", detail: "Is it still running?" });
  }
  let body;
  try {
    body = await response.json();
  } catch {
    body = { title: `The server answered ${response.status}`, detail: "without saying why." };
  }
  if (!response.ok) throw new Problem(body);
  return body;
}

export const askJson = (path, value, signal) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value), signal });

/** Classes and shares, most probable first. (Names that are numbers do not keep their order.) */
export const ranked = (probabilities) => Object.entries(probabilities).sort((a, b) => b[1] - a[1]);

/** Bars of the most probable classes. */
export function drawBars(list, probabilities, colour, most = 5) {
  list.replaceChildren(
    ...ranked(probabilities).slice(0, most).map(([name, share]) => {
      const fill = make("span", { class: "fill" });
      fill.style.width = `${Math.max(share * 100, share > 0 ? 0.8 : 0)}%`;
      fill.style.background = colour(name);
      return make("li", {}, make("span", { class: "name", title: name }, name), make("span", { class: "track" }, fill), make("span", { class: "value" }, percent(share)));
    }),
  );
}

/** Shows what several nodes say, and why others do not. */
export function drawAnswers(place, answers, titles) {
  place.replaceChildren(
    ...Object.entries(answers).map(([name, answer]) => {
      const heading = make("h3", {}, make("small", {}, titles[name] ?? name));
      if (answer.type) return make("div", {}, heading, make("p", {}, answer.detail));
      heading.append(answer[name]);
      const bars = make("ol", { class: "bars" });
      drawBars(bars, answer.probabilities, (label) => `var(${label === answer[name] ? "--c1" : "--c-others"})`);
      return make("div", { "data-node": name }, heading, bars);
    }),
  );
}

/** Names the piece of a dataset that a piece of music is, and others that have a good part of it. */
export function drawSimilar(place, { match, pieces, dataset }) {
  const titled = (tag, { path, label }) => {
    const name = path.split("/").at(-1).replace(/\.[a-z0-9]{2,8}$/i, "").replaceAll("_", " ");
    return make(tag, { title: path }, label ? `${name} (${label})` : name);
  };
  const others = pieces.filter(({ piece_id: id, strength }) => id !== match?.piece_id && strength >= LIKE);
  const listed = others.flatMap((piece, index) => [index ? ", " : "", titled("span", piece)]);
  place.replaceChildren(
    ...(match ? ["This is ", titled("b", match), ` of ${dataset}.`] : [`No piece of ${dataset} is this music.`]),
    ...(others.length ? [match ? " Like it: " : " Nearest: ", ...listed, "."] : []),
  );
  place.hidden = false;
}
// Of what makes two pieces the same music; pieces that share less have a common figure at best.
const LIKE = 0.25;

/** A spot of a colour, for a legend. */
export function swatch(colour) {
  const made = make("span", { class: "swatch" });
  made.style.background = colour;
  return made;
}

/** Offers a file to the browser's downloads. */
export function save(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
}
