// One colour for each class, the same wherever it appears: bars, ribbon, notes, reasons, pictures.
// Tracks have colours of their own: on light ground darker, on dark ground deeper than any class.

const CHOSEN = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7"];
const TRACKS = 8; // --t1 to --t8
const GOLDEN_ANGLE = 137.508; // neighbours in the list are far apart in hue
export const OTHERS = "var(--c-others)";
const places = new Map();

/** Gives classes that have no colour the next ones. */
export function meetClasses(labels) {
  for (const label of [...labels].sort()) if (!places.has(label)) places.set(label, places.size);
}

/** Gives the classes of the models of music their colours; a class of several models has one. */
export function knowClasses(models) {
  const ofMusic = models.filter(({ preparation }) => preparation?.kind === "midi");
  ofMusic.sort((a, b) => a.labels.length - b.labels.length || (a.name < b.name ? -1 : 1));
  for (const { labels } of ofMusic) meetClasses(labels);
}

/** The colour of a class, for a style sheet. */
export function colourOfClass(label) {
  const place = places.get(label);
  if (place === undefined) return OTHERS;
  if (place < CHOSEN.length) return `var(${CHOSEN[place]})`;
  const hue = ((place * GOLDEN_ANGLE) % 360).toFixed(1);
  return `light-dark(oklch(0.58 0.13 ${hue}), oklch(0.79 0.11 ${hue}))`;
}

/** The colour of the nth track of a piece, for a style sheet. */
export const colourOfTrack = (place) => `var(--t${(place % TRACKS) + 1})`;
