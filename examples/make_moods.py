"""Write 60 short MIDI files, calm and restless ones, and a table of their moods.

    python examples/make_moods.py examples/moods

A stand-in for MIDI files of your own: the calm ones are slow and low, the restless ones fast and
wide. Six pieces at a time are a set.
"""

import csv
import random
import sys
from pathlib import Path

import pretty_midi

N_PIECES, SET_SIZE, N_NOTES = 60, 6, 80


def make_piece(mood: str, seed: int) -> pretty_midi.PrettyMIDI:
    """Return a piece of one instrument."""
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    calm = mood == "calm"
    piano = pretty_midi.Instrument(program=0)
    onset_s, pitch = 0.0, 60
    for _ in range(N_NOTES):
        leap = rng.randint(-3, 3) if calm else rng.randint(-12, 12)
        pitch = min(max(pitch + leap, 40), 64 if calm else 90)
        length_s = rng.choice([0.5, 1.0, 1.5] if calm else [0.1, 0.15, 0.25])
        note = pretty_midi.Note(rng.randint(40, 100), pitch, onset_s, onset_s + length_s)
        piano.notes.append(note)
        onset_s += length_s
    piece = pretty_midi.PrettyMIDI()
    piece.instruments.append(piano)
    return piece


def main(folder: Path) -> None:
    """Write the files and the table."""
    (folder / "midi").mkdir(parents=True, exist_ok=True)
    with (folder / "moods.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "mood", "set"])
        for number in range(N_PIECES):
            mood = ("calm", "restless")[number % 2]
            name = f"piece-{number:02d}.mid"
            make_piece(mood, number).write(str(folder / "midi" / name))
            table.writerow([name, mood, number // SET_SIZE])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
