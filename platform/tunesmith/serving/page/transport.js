// Playing a piece: the buttons and the slider below the stage, its cursor, and the full screen.

import { $, make, percent, ranked } from "./dom.js";
import { clock } from "./stage.js";

/**
 * @param player plays the notes
 * @param stage draws them
 * @returns a function that shows a position everywhere: cursor, clock, slider, and whom it sounds like there
 */
export function setUpTransport(player, stage) {
  const seek = $("#seek");

  function move(position) {
    stage.moveTo(position);
    seek.max = String(player.duration);
    seek.value = String(position);
    $("#clock").textContent = `${clock(position)} / ${clock(player.duration)}`;
    const segment = stage.segmentAt(position);
    const shares = ranked(segment?.probabilities ?? {}).slice(0, 2).filter(([, share]) => share >= 0.05);
    const words = shares.map(([label, share]) => `${label} ${percent(share)}`).join(", ");
    $("#here").replaceChildren(...(words ? ["Here: ", make("b", {}, words)] : []));
    seek.setAttribute("aria-valuetext", `${clock(position)}${words ? `, ${words}` : ""}`);
  }

  function frame() {
    if (!player.playing) return;
    move(player.position);
    requestAnimationFrame(frame);
  }

  player.addEventListener("change", () => {
    $("#play").setAttribute("aria-pressed", String(player.playing));
    $("#play-text").textContent = player.playing ? "Pause" : "Play";
    if (player.playing) requestAnimationFrame(frame);
  });
  player.addEventListener("end", () => move(player.duration));
  $("#play").addEventListener("click", () => (player.playing ? player.stop() : player.play()));
  $("#volume").addEventListener("input", (event) => {
    player.volume = Number(event.target.value);
  });
  $("#follow").addEventListener("change", (event) => stage.setFollow(event.target.checked));

  /** Where the pointer is in the piece; the slider spans the window that is shown. */
  const pointed = (event) => {
    const box = seek.getBoundingClientRect();
    const [start, end] = stage.window();
    return start + ((event.clientX - box.left) / box.width) * (end - start);
  };
  const goTo = (position) => {
    player.seek(position);
    move(player.position);
  };
  seek.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    seek.focus({ focusVisible: false, preventScroll: true });
    seek.setPointerCapture(event.pointerId);
    goTo(pointed(event));
  });
  seek.addEventListener("pointermove", (event) => event.buttons && goTo(pointed(event)));
  seek.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -15, PageUp: 15 }[event.key];
    if (event.key === " ") $("#play").click();
    else if (event.key === "Home") goTo(0);
    else if (event.key === "End") goTo(player.duration);
    else if (step) goTo(player.position + step);
    else return;
    event.preventDefault();
  });
  setUpFullScreen();
  return move;
}

/** The stage with its buttons over the whole screen, by a button or the letter F inside it. */
function setUpFullScreen() {
  const [viewer, button] = [$("#viewer"), $("#full-screen")];
  // Browsers of some phones have none for a part of a page.
  button.hidden = !document.fullscreenEnabled;
  const toggle = () => {
    const done = document.fullscreenElement ? document.exitFullscreen() : viewer.requestFullscreen();
    done.catch(() => {
      $("#status").textContent = "The browser does not allow the full screen here.";
    });
  };
  button.addEventListener("click", toggle);
  viewer.addEventListener("keydown", (event) => {
    if (button.hidden || event.key.toLowerCase() !== "f" || event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation(); // else the keys on the screen sound an F as well
    event.preventDefault();
    if (!event.repeat) toggle();
  });
  document.addEventListener("fullscreenchange", () => {
    button.textContent = document.fullscreenElement ? "Leave full screen" : "Full screen";
  });
}
