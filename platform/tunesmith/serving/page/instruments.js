// The instruments of General MIDI: their names, the families that sound alike, and the kinds of drums.

const NAMES = `Acoustic grand piano|Bright acoustic piano|Electric grand piano|Honky-tonk piano|Electric piano 1|Electric piano 2|Harpsichord|Clavinet
Celesta|Glockenspiel|Music box|Vibraphone|Marimba|Xylophone|Tubular bells|Dulcimer
Drawbar organ|Percussive organ|Rock organ|Church organ|Reed organ|Accordion|Harmonica|Tango accordion
Acoustic guitar (nylon)|Acoustic guitar (steel)|Electric guitar (jazz)|Electric guitar (clean)|Electric guitar (muted)|Overdriven guitar|Distortion guitar|Guitar harmonics
Acoustic bass|Electric bass (finger)|Electric bass (pick)|Fretless bass|Slap bass 1|Slap bass 2|Synth bass 1|Synth bass 2
Violin|Viola|Cello|Contrabass|Tremolo strings|Pizzicato strings|Orchestral harp|Timpani
String ensemble 1|String ensemble 2|Synth strings 1|Synth strings 2|Choir aahs|Voice oohs|Synth choir|Orchestra hit
Trumpet|Trombone|Tuba|Muted trumpet|French horn|Brass section|Synth brass 1|Synth brass 2
Soprano sax|Alto sax|Tenor sax|Baritone sax|Oboe|English horn|Bassoon|Clarinet
Piccolo|Flute|Recorder|Pan flute|Blown bottle|Shakuhachi|Whistle|Ocarina
Lead 1 (square)|Lead 2 (sawtooth)|Lead 3 (calliope)|Lead 4 (chiff)|Lead 5 (charang)|Lead 6 (voice)|Lead 7 (fifths)|Lead 8 (bass + lead)
Pad 1 (new age)|Pad 2 (warm)|Pad 3 (polysynth)|Pad 4 (choir)|Pad 5 (bowed)|Pad 6 (metallic)|Pad 7 (halo)|Pad 8 (sweep)
FX 1 (rain)|FX 2 (soundtrack)|FX 3 (crystal)|FX 4 (atmosphere)|FX 5 (brightness)|FX 6 (goblins)|FX 7 (echoes)|FX 8 (sci-fi)
Sitar|Banjo|Shamisen|Koto|Kalimba|Bagpipe|Fiddle|Shanai
Tinkle bell|Agogo|Steel drums|Woodblock|Taiko drum|Melodic tom|Synth drum|Reverse cymbal
Guitar fret noise|Breath noise|Seashore|Bird tweet|Telephone ring|Helicopter|Applause|Gunshot`.split(/[|\n]/);

// By group of eight programs, and the programs that sound unlike their group.
const GROUPS = ["piano", "bells", "organ", "plucked", "bass", "bowed", "bowed", "brass", "reeds", "flutes", "lead", "pad", "pad", "plucked", "bells", "effects"];
const EXCEPTIONS = {
  6: "plucked", 7: "plucked", 15: "plucked", 29: "lead", 30: "lead", 45: "plucked", 46: "plucked", 47: "drum",
  52: "voices", 53: "voices", 54: "voices", 55: "brass", 85: "voices", 91: "voices", 92: "bowed",
  108: "bells", 109: "reeds", 110: "bowed", 111: "reeds", 116: "drum", 117: "drum", 118: "drum", 119: "effects",
};

export const programName = (program) => NAMES[program];
export const familyOf = (program) => EXCEPTIONS[program] ?? GROUPS[program >> 3];

/** The kinds of drums, from the highest to the lowest on the stage. */
export const DRUM_KINDS = ["percussion", "cymbal", "hat", "tom", "snare", "kick"];
export const DRUM_NAMES = { percussion: "Percussion", cymbal: "Cymbals", hat: "Hi-hat", tom: "Toms", snare: "Snare", kick: "Kick" };
const KINDS = new Map(
  Object.entries({ kick: [35, 36], snare: [37, 38, 39, 40], tom: [41, 43, 45, 47, 48, 50], hat: [42, 44, 46], cymbal: [49, 51, 52, 53, 55, 57, 59] })
    .flatMap(([kind, pitches]) => pitches.map((pitch) => [pitch, kind])),
);

/** The kind of the drum that a pitch of the percussion channel stands for. */
export const drumKind = (pitch) => KINDS.get(pitch) ?? "percussion";
