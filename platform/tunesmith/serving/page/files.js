// Files that people choose or drop: checked before they are sent, and read by the server.

import { $, ask, make, percent, Problem } from "./dom.js";
import { clock } from "./stage.js";

// Problems whose detail says what to do with the very file.
const WITH_A_WAY = new Set(["not-midi", "no-notes", "no-music", "unreadable-midi", "unreadable-recording"]);
const MEGABYTE = 1_048_576;
let limits = null;

/** Shows a problem, with a button to choose another file. */
export function showProblem(error) {
  const body = error instanceof Problem ? error.body : { title: "Something went wrong on this page", detail: error.message };
  const advice = WITH_A_WAY.has(body.type?.split("/").at(-1)) ? "" : body.advice;
  $("#problem").replaceChildren(
    make("strong", {}, body.title),
    make("p", {}, [body.detail, advice].filter(Boolean).join(" ")),
    make("button", { type: "button", class: "quiet", onclick: () => $("#file").click() }, "Choose another file"),
  );
  $("#problem").hidden = false;
  $("#problem").scrollIntoView({ block: "nearest" });
  $("#status").textContent = "";
}

/** The bytes of a file, unless it is empty or larger than anything that the server reads. */
export async function bytesOf(file) {
  if (!file.size) throw new Problem({ title: "The file is empty", detail: `${file.name} has 0 bytes.`, advice: "Download or export it again." });
  if (file.size > MEGABYTE) {
    limits ??= ask("v1/limits");
    const { body_bytes: file_bytes, recording_bytes } = await limits;
    const most = Math.max(file_bytes, recording_bytes);
    if (file.size > most) {
      throw new Problem({
        title: "The file is too large",
        detail: `${file.name} has ${Math.ceil(file.size / MEGABYTE).toLocaleString()} MB; at most ${Math.floor(most / MEGABYTE).toLocaleString()} MB are read.`,
        advice: "Save the recording as MP3, or a part of it: a minute of music is enough.",
      });
    }
  }
  return new Uint8Array(await file.arrayBuffer());
}

/** The one file that was dropped. */
export function dropped(transfer) {
  const folder = [...transfer.items].some((item) => item.webkitGetAsEntry?.()?.isDirectory);
  const refuse = (title, detail, advice) => {
    throw new Problem({ title, detail, advice });
  };
  if (folder) refuse("This is a folder", "The page reads one file at a time.", "Drop one of the files inside.");
  if (transfer.files.length > 1) refuse("These are several files", "The page reads one file at a time.", "Drop one of them.");
  if (!transfer.files.length) refuse("This is no file", "A link or a text was dropped.", "Save the music on this device first, then drop its file.");
  return transfer.files[0];
}

/** The notes and tracks of any file of music as the server reads it, and how sure a transcription is. */
export async function readThere(bytes, signal) {
  const headers = { "Content-Type": "application/octet-stream" };
  const answer = await ask("v1/notes", { method: "POST", headers, body: bytes, signal });
  const tracks = answer.instruments.map(({ name, program, is_drum: drum }) => ({ name, program, drum }));
  const notes = answer.played.map(([onset, offset, pitch, velocity, drum, track]) => {
    const { program } = tracks[track];
    return { onset, offset, end: offset, pitch, velocity, drum, program, track };
  });
  return [{ notes, tracks, duration: answer.duration_s }, answer.transcription];
}

/** Says that the notes were heard in a recording, and how sure they are. */
export function describeHearing(heard) {
  $("#transcribed").hidden = !heard;
  $("#transcribed").textContent = heard
    ? `The notes were transcribed from the first ${clock(heard.heard_s)} of the recording; on average the transcription is ${percent(heard.certainty)} sure of a note. Loudness and pedal are not heard.`
    : "";
}
