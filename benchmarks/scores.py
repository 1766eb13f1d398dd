"""Read scores of the music21 corpus and compare the notes with music21's own MIDI export of them.

python benchmarks/scores.py
python benchmarks/scores.py --folder FOLDER   # scores of your own, such as MEI

Onset, length and pitch of every note, in quarter notes and in seconds, are compared. Grace notes
and chord symbols, which the export gives no length, are left out on both sides.
"""

import time
from collections import Counter
from pathlib import Path

import click
import music21
import numpy as np
from music21 import converter, stream
from music21.exceptions21 import Music21Exception
from music21.midi.translate import music21ObjectToMidiFile

from tunesmith.midi import Score, read_score
from tunesmith.midi.notation import NOTATION_SUFFIXES, open_notation
from tunesmith.midi.reading import Limits

MOST_BYTES = 60_000
"""Larger scores take the export minutes."""
FORMATS = {"MusicXML": (".mxl", ".xml", ".musicxml"), "kern": (".krn",), "ABC": (".abc",)}


def exported(data: bytes) -> Score:
    """Return a score through music21's own export to MIDI."""
    notation = open_notation(data, Limits())
    parsed = converter.parseData(notation.text, format=notation.format)
    music = parsed.scores[0] if isinstance(parsed, stream.Opus) else parsed
    for element in list(music.recurse().notes):
        if not element.quarterLength:
            element.activeSite.remove(element)
    return read_score(music21ObjectToMidiFile(music).writestr())


def notes_of(score: Score) -> Counter[tuple[float, ...]]:
    """Return the notes, without grace notes of ours, with times to a millisecond."""
    notes = score.notes
    if any("grace" in warning for warning in score.warnings):
        notes = notes[notes["duration_quarters"] != 0.125]
    columns = (
        notes["onset_quarters"],
        notes["duration_quarters"],
        notes["onset_s"],
        notes["offset_s"] - notes["onset_s"],
        notes["pitch"],
    )
    return Counter(zip(*(np.round(column, 3).tolist() for column in columns), strict=True))


def compare(path: Path) -> str:
    """Return ``same``, or how two readings differ."""
    data = path.read_bytes()
    began = time.monotonic()
    ours = notes_of(read_score(data))
    between = time.monotonic()
    try:
        theirs = notes_of(exported(data))
    except Music21Exception as error:
        return f"music21 cannot export it: {error}"
    took = f"{between - began:.1f} s, export {time.monotonic() - between:.1f} s"
    if ours == theirs:
        return f"same ({ours.total():,} notes; {took})"
    return f"{(ours - theirs).total()} of {ours.total()} differ ({took})"


def chosen(root: Path, suffixes: tuple[str, ...], number: int) -> list[Path]:
    """Return scores spread evenly over a folder."""
    paths = [
        path
        for path in sorted(root.rglob("*"))
        if path.suffix in suffixes and 500 < path.stat().st_size < MOST_BYTES
    ]
    step = max(1.0, len(paths) / number)
    return list(dict.fromkeys(paths[int(i * step)] for i in range(min(number, len(paths)))))


@click.command()
@click.option("--number", default=20, show_default=True, help="Scores of each format.")
@click.option("--folder", type=click.Path(path_type=Path), help="Scores instead of the corpus.")
def main(number: int, folder: Path | None) -> None:
    """Compare scores with music21's export of them to MIDI."""
    root = folder or Path(music21.__file__).parent / "corpus"
    formats = {"folder": NOTATION_SUFFIXES} if folder else FORMATS
    for name, suffixes in formats.items():
        results = []
        for path in chosen(root, suffixes, number):
            results.append(compare(path))
            click.echo(f"{path.relative_to(root)}: {results[-1]}")
        same = sum(result.startswith("same") for result in results)
        click.echo(f"{name}: {same} of {len(results)} the same")


if __name__ == "__main__":
    main()
