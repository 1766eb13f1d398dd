// Built-in pieces: music in the public domain, written down here note by note.

const STEPS = { C: 0, D: 2, E: 4, F: 5, G: 7, A: 9, B: 11 };

/** "F#4" or "Bb2" as a MIDI pitch. */
export function pitchOf(name) {
  const [, letter, sign, octave] = /^([A-G])(#|b)?(-?\d)$/.exec(name);
  return STEPS[letter] + (sign === "#") - (sign === "b") + 12 * (Number(octave) + 1);
}

/** A line of "name:length" or "name+name:length", lengths in sixteenths; "r" rests. */
function line(text, sixteenth, velocity, start = 0) {
  const notes = [];
  let at = start;
  for (const word of text.trim().split(/\s+/)) {
    const [names, length = "1"] = word.split(":");
    const lasts = Number(length) * sixteenth;
    if (names !== "r") {
      for (const name of names.split("+")) {
        notes.push({ onset: at, offset: at + lasts * 0.97, pitch: pitchOf(name), velocity });
      }
    }
    at += lasts;
  }
  return notes;
}

function bachPrelude() {
  const bars = `C4 E4 G4 C5 E5|C4 D4 A4 D5 F5|B3 D4 G4 D5 F5|C4 E4 G4 C5 E5|C4 E4 A4 E5 A5|C4 D4 F#4 A4 D5|B3 D4 G4 D5 G5|
B3 C4 E4 G4 C5|A3 C4 E4 G4 C5|D3 A3 D4 F#4 C5|G3 B3 D4 G4 B4|G3 Bb3 E4 G4 C#5|F3 A3 D4 A4 D5|F3 Ab3 D4 F4 B4|
E3 G3 C4 G4 C5|E3 F3 A3 C4 F4|D3 F3 A3 C4 F4|G2 D3 G3 B3 F4|C3 E3 G3 C4 E4|C3 G3 Bb3 C4 E4|F2 F3 A3 C4 E4|
F#2 C3 A3 C4 Eb4|Ab2 F3 B3 C4 D4|G2 F3 G3 B3 D4|G2 E3 G3 C4 E4|G2 D3 G3 C4 F4|G2 D3 G3 B3 F4|G2 Eb3 A3 C4 F#4|
G2 E3 G3 C4 G4|G2 D3 G3 C4 F4|G2 D3 G3 B3 F4|C2 C3 G3 Bb3 E4`.split("|").map((bar) => bar.trim().split(" "));
  const sixteenth = 60 / 66 / 4;
  const notes = [];
  bars.forEach(([bass, tenor, ...upper], index) => {
    for (const half of [0, 8]) {
      const start = (index * 16 + half) * sixteenth;
      notes.push({ onset: start, offset: start + 7.9 * sixteenth, pitch: pitchOf(bass), velocity: 66 });
      notes.push({ onset: start + sixteenth, offset: start + 7.9 * sixteenth, pitch: pitchOf(tenor), velocity: 58 });
      [...upper, ...upper].forEach((name, step) => {
        const onset = start + (2 + step) * sixteenth;
        notes.push({ onset, offset: onset + 0.97 * sixteenth, pitch: pitchOf(name), velocity: 62 });
      });
    }
  });
  const close = bars.length * 16 * sixteenth;
  const slow = sixteenth * 1.12;
  notes.push(...line("C2:16 C2:16", slow, 62, close), ...line("r:1 C3:15 r:1 B2:15", slow, 56, close));
  notes.push(...line("r:2 F3 A3 C4 F4 C4 A3 C4 A3 F3 A3 F3 D3 F3 D3", slow, 58, close));
  notes.push(...line("r:2 G4 B4 D5 F5 D5 B4 D5 B4 G4 B4 D4 F4 E4 D4", slow, 58, close + 16 * slow));
  notes.push(...line("C2+C3+E4+G4+C5:20", slow, 60, close + 32 * slow));
  return notes;
}

function furElise() {
  const sixteenth = 60 / 72 / 2 / 2;
  const theme = "E5 D#5 E5 B4 D5 C5";
  const first = `E5 D#5 ${theme} A4:2 r C4 E4 A4 B4:2 r E4 G#4 B4 C5:2 r E4 E5 D#5 ${theme} A4:2 r C4 E4 A4 B4:2 r E4 C5 B4 A4:4`;
  const leftFirst = "r:2 r:6 A2 E3 A3 r:3 E2 E3 G#3 r:3 A2 E3 A3 r:3 r:6 A2 E3 A3 r:3 E2 E3 G#3 r:3 A2 E3 A3 r:1";
  const again = `E5 D#5 ${theme} A4:2 r C4 E4 A4 B4:2 r E4 G#4 B4 C5:2 r E4 E5 D#5 ${theme} A4:2 r C4 E4 A4 B4:2 r E4 C5 B4 A4:2 r`;
  const leftAgain = "r:2 r:6 A2 E3 A3 r:3 E2 E3 G#3 r:3 A2 E3 A3 r:3 r:6 A2 E3 A3 r:3 E2 E3 G#3 r:3 A2 E3 A3";
  const middle = "B4 C5 D5 E5:3 G4 F5 E5 D5:3 F4 E5 D5 C5:3 E4 D5 C5 B4:2 r E4 E5 r r E5 E6 r r D#5 E5 r r D#5 E5 D#5";
  const leftMiddle = "r:3 C3 G3 C4 r:3 G2 G3 B3 r:3 A2 E3 A3 r:3 E2 E3 E4 r:1 r:14";
  const last = `${theme} A4:2 r C4 E4 A4 B4:2 r E4 G#4 B4 C5:2 r E4 E5 D#5 ${theme} A4:2 r C4 E4 A4 B4:2 r E4 C5 B4 A4:6`;
  const leftLast = "r:6 A2 E3 A3 r:3 E2 E3 G#3 r:3 A2 E3 A3 r:3 r:6 A2 E3 A3 r:3 E2 E3 G#3 r:3 A2 E3 A3:4";
  const lengths = (text) => text.trim().split(/\s+/).reduce((sum, word) => sum + Number(word.split(":")[1] ?? 1), 0);
  const notes = [];
  let at = 0;
  for (const [right, left] of [[first, leftFirst], [again, leftAgain], [middle, leftMiddle], [last, leftLast]]) {
    notes.push(...line(right, sixteenth, 68, at), ...line(left, sixteenth, 50, at));
    at += lengths(right) * sixteenth;
  }
  return notes;
}

function mozartVariations() {
  const sixteenth = 60 / 108 / 4;
  const theme = `C5:4 C5:4 G5:4 G5:4 A5:4 A5:4 G5:8 F5:4 F5:4 E5:4 E5:4 D5:4 D5:4 C5:8`;
  const leftTheme = "C3:4 C4:4 E4:4 C4:4 F4:4 C4:4 E4:4 C4:4 D4:4 B3:4 C4:4 A3:4 F3:4 G3:4 C3:8";
  const bridge = "G5:4 G5:4 F5:4 F5:4 E5:4 E5:4 D5:8 G5:4 G5:4 F5:4 F5:4 E5:4 E5:4 D5:8";
  const leftBridge = "E4:4 C4:4 D4:4 B3:4 C4:4 A3:4 B3:4 G3:4 E4:4 C4:4 D4:4 B3:4 C4:4 A3:4 B3:4 G3:4";
  const runs = `D5 C5 B4 C5 B4 C5 B4 C5 A5 G5 F#5 G5 F#5 G5 F#5 G5 G#5 A5 C6 B5 D6 C6 B5 A5 A5 G5 E6 D6 C6 B5 A5 G5
G5 F5 D6 C6 B5 A5 G5 F5 F5 E5 C6 B5 A5 G5 F5 E5 E5 D5 A5 G5 F5 E5 D5 C5 C5:8`;
  const parts = [[theme, leftTheme], [bridge, leftBridge], [theme, leftTheme], [runs, leftTheme], [runs, leftTheme]];
  return parts.flatMap(([right, left], index) => {
    const at = index * 64 * sixteenth;
    return [...line(right, sixteenth, 74, at), ...line(left, sixteenth, 58, at)];
  });
}

function chopinMarch() {
  const sixteenth = 60 / 54 / 4;
  const step = "Bb1+F2+Db3:4 Bb1+Gb2+Bb2:4 ".repeat(2);
  const tune = "Bb3+Db4:4 Bb3+Db4:3 Bb3+Db4:1 Bb3+Db4:8 Bb3+Db4:4 Bb3+Db4:3 Bb3+Db4:1 Bb3+Db4:8";
  const answer = "Db4+F4:6 C4+Eb4:2 C4+Eb4:6 Bb3+Db4:2 Bb3+Db4:6 A3+C4:2 Bb3+Db4:8";
  const notes = line(step, sixteenth, 50, 0);
  let at = 16;
  for (let turn = 0; turn < 3; turn++) {
    for (const text of [tune, answer]) {
      notes.push(...line(text, sixteenth, 62 + 8 * turn, at * sixteenth));
      notes.push(...line(step + step, sixteenth, 50 + 6 * turn, at * sixteenth));
      at += 32;
    }
  }
  return notes;
}

export const PIECES = [
  { title: "Prelude in C major, BWV 846", by: "Johann Sebastian Bach, 1722", surname: "Bach", make: bachPrelude },
  { title: "Für Elise, the opening", by: "Ludwig van Beethoven, 1810", surname: "Beethoven", make: furElise },
  { title: "“Ah ! vous dirai-je, maman”, theme and runs", by: "Wolfgang Amadeus Mozart, 1782", surname: "Mozart", make: mozartVariations },
  { title: "Funeral March, the opening", by: "Frédéric Chopin, 1837", surname: "Chopin", make: chopinMarch },
];
