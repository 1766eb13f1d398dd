// The tracks of a piece: a legend of instruments in their colours, each of which can be muted.

import { colourOfTrack } from "./colours.js";
import { $, make, swatch } from "./dom.js";
import { programName } from "./instruments.js";

const MOST_TRACKS = 16;

/**
 * The names of the tracks that have notes, in the order of the file, different where they can be. Each
 * note gets the number of its track; of very many, those with the fewest notes are one.
 */
export function tracksOf(notes, tracks) {
  const counts = new Map();
  for (const { track } of notes) counts.set(track, (counts.get(track) ?? 0) + 1);
  let kept = [...counts.keys()].sort((a, b) => a - b);
  const rest = kept.length > MOST_TRACKS ? [...kept].sort((a, b) => counts.get(b) - counts.get(a)).slice(MOST_TRACKS - 1) : [];
  kept = kept.filter((track) => !rest.includes(track));
  const places = new Map(kept.map((track, place) => [track, place]));
  for (const track of rest) places.set(track, kept.length);
  for (const note of notes) note.track = places.get(note.track);
  const found = kept.map((track) => tracks[track] ?? { program: 0, drum: false, name: "" });
  const named = found.map(({ program, drum, name }) => ({ name: drum ? "Drums" : programName(program), own: name }));
  const told = named.map(({ name, own }) => {
    const alike = named.filter((other) => other.name === name);
    const isTold = alike.length > 1 && own && alike.filter((other) => other.own === own).length === 1;
    return isTold ? `${name}: ${own}` : name;
  });
  const numbered = told.map((name, place) => {
    const alike = told.filter((other) => other === name).length;
    return alike > 1 ? `${name} ${told.slice(0, place + 1).filter((other) => other === name).length}` : name;
  });
  return rest.length ? [...numbered, `${rest.length} other tracks`] : numbered;
}

/**
 * @param player plays the notes
 * @param stage draws them
 * @returns a function that shows the tracks of a piece, and nothing where it is one piano; it returns how many there are
 */
export function setUpTracks(player, stage) {
  return ({ notes, tracks = [] }) => {
    const names = tracksOf(notes, tracks);
    const isPiano = names.length === 1 && names[0] === programName(0);
    $("#tracks").hidden = !names.length || isPiano;
    $("#roll").setAttribute("aria-label", names.length && !isPiano ? `Piano roll of the piece: ${names.join(", ")}` : "Piano roll of the piece");
    $("#track-list").replaceChildren(...names.map((name, track) => make("li", {}, muteButton(name, track, names.length))));
    return names.length;
  };

  function muteButton(name, track, many) {
    const state = make("span", { class: "track-state", "aria-hidden": "true" });
    const button = make("button", { type: "button", class: "track-button", "aria-pressed": "false", "aria-label": `Mute ${name}` },
      swatch(many > 1 ? colourOfTrack(track) : "var(--note)"), make("span", { class: "track-name" }, name), state);
    button.addEventListener("click", () => {
      const isMuted = button.getAttribute("aria-pressed") === "false";
      button.setAttribute("aria-pressed", String(isMuted));
      state.textContent = isMuted ? "muted" : "";
      player.mute(track, isMuted);
      stage.mute(track, isMuted);
    });
    return button;
  }
}
