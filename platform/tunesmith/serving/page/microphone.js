// The microphone: its notes appear while it listens, and the whole is judged when it ends.

import { $, Problem } from "./dom.js";

const LONGEST_S = 30;
const SHORTEST_S = 1;
const RATE = 22_050; // the rate at which recordings are transcribed
// Notes are asked for block by block, with some sound before and after so that none is cut.
const BLOCK_S = 3;
const AROUND_S = 1;
const FAULTS = {
  NotAllowedError: ["The microphone is not allowed", "Allow it for this page in the browser, beside the address, and try again."],
  NotFoundError: ["No microphone was found", "Connect one, or choose a recording."],
  NotReadableError: ["The microphone is in use", "Close the program that uses it and try again."],
};

/**
 * @param hear returns the notes of a recording, as `{ notes }`
 * @param onNotes called with the notes heard so far and the seconds recorded
 * @param onRecorded called with the whole as a WAV file
 * @param onProblem called with what went wrong
 * @returns a function that ends the listening without an answer
 */
export function setUpMicrophone({ hear, onNotes, onRecorded, onProblem }) {
  const button = $("#listen");
  const text = $("#listen-text");
  const idle = text.textContent;
  let session = null;

  const show = () => {
    const { seconds, loudest } = session.recording;
    $("#listen-state").textContent = `Listening: ${Math.floor(seconds)} s of at most ${LONGEST_S}.`;
    $("#level").style.width = `${Math.min(100, 100 * Math.sqrt(loudest))}%`;
  };
  const close = () => {
    const ended = session;
    session = null;
    clearInterval(ended.timer);
    ended.asking.abort();
    ended.close();
    text.textContent = idle;
    button.setAttribute("aria-pressed", "false");
    $("#level").style.width = "0";
    $("#listen-state").textContent = "";
    return ended.recording;
  };
  const finish = () => {
    const recording = close();
    if (recording.seconds < SHORTEST_S) onProblem(new Problem({ title: "Nothing was recorded", detail: "Listen for some seconds." }));
    else onRecorded(wav(recording.between(0, recording.seconds), recording.rate));
  };
  /** Asks for the notes of the next block once its sound is there. */
  const follow = async () => {
    const { recording, asking } = session;
    const from = session.heard_s;
    if (session.waiting || recording.seconds < from + BLOCK_S + AROUND_S) return;
    session.waiting = true;
    const start = Math.max(0, from - AROUND_S);
    try {
      const samples = recording.between(start, from + BLOCK_S + AROUND_S);
      const { notes } = await hear(wav(samples, recording.rate), asking.signal);
      const own = notes.map((note) => ({ ...note, onset: note.onset + start, offset: note.offset + start, end: note.end + start }));
      session?.notes.push(...own.filter(({ onset }) => onset >= from && onset < from + BLOCK_S));
    } catch {
      // Silence has no notes; whatever else is wrong the answer for the whole will tell.
    }
    if (session?.recording !== recording) return;
    session.waiting = false;
    session.heard_s = from + BLOCK_S;
    onNotes(session.notes, recording.seconds);
  };
  const begin = async () => {
    const { recording, close: end } = await record();
    session = { recording, close: end, notes: [], heard_s: 0, waiting: false, asking: new AbortController() };
    text.textContent = "Stop and answer";
    button.setAttribute("aria-pressed", "true");
    session.timer = setInterval(() => {
      show();
      if (recording.seconds >= LONGEST_S) finish();
      else follow();
    }, 200);
    onNotes([], 0);
  };

  button.addEventListener("click", async () => {
    if (session) return finish();
    button.disabled = true;
    try {
      await begin();
    } catch (error) {
      const [title, advice] = FAULTS[error.name] ?? ["The microphone does not work", error.message];
      onProblem(error instanceof Problem ? error : new Problem({ title, detail: "", advice }));
    }
    button.disabled = false;
  });
  return () => session && close();
}

/** Opens the microphone. */
async function record() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Problem({
      title: "The browser does not give this page the microphone",
      detail: "It does so on https:// addresses and on the server's own machine (localhost).",
      advice: "Open the page there, or choose a recording.",
    });
  }
  // What makes speech clear takes notes away.
  const asked = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: asked });
  let context = new AudioContext({ sampleRate: RATE });
  let source;
  try {
    source = context.createMediaStreamSource(stream);
  } catch {
    context.close(); // Firefox wants the rate of the microphone
    context = new AudioContext();
    source = context.createMediaStreamSource(stream);
  }
  await context.audioWorklet.addModule(new URL("listener.js", import.meta.url));
  const node = new AudioWorkletNode(context, "listener", { numberOfOutputs: 0 });
  const recording = new Recording(context.sampleRate);
  node.port.onmessage = ({ data }) => recording.add(data);
  source.connect(node);
  const close = () => {
    for (const track of stream.getTracks()) track.stop();
    context.close();
  };
  return { recording, close };
}

/** Sound as it comes in. */
class Recording {
  constructor(rate) {
    this.rate = rate;
    this.samples = new Float32Array(Math.ceil((LONGEST_S + 1) * rate));
    this.count = 0;
    this.loudest = 0;
  }

  add(samples) {
    const fitting = samples.subarray(0, this.samples.length - this.count);
    this.samples.set(fitting, this.count);
    this.count += fitting.length;
    const peak = fitting.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    this.loudest = Math.max(peak, this.loudest * 0.95);
  }

  get seconds() {
    return this.count / this.rate;
  }

  between(start, end) {
    return this.samples.subarray(Math.round(start * this.rate), Math.min(Math.round(end * this.rate), this.count));
  }
}

/** Writes samples from -1 to 1 as a WAV file of one channel, 16 bits. */
function wav(samples, rate) {
  const bytes = new Uint8Array(44 + 2 * samples.length);
  const view = new DataView(bytes.buffer);
  const text = (place, letters) => bytes.set([...letters].map((letter) => letter.charCodeAt(0)), place);
  text(0, "RIFF");
  view.setUint32(4, bytes.length - 8, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, index) => view.setInt16(44 + 2 * index, Math.round(32_767 * Math.max(-1, Math.min(1, value))), true));
  return bytes;
}
