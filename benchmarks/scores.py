"""Write scores of the music21 corpus in four formats; compare their notes with those of their MIDI.

python benchmarks/scores.py
python benchmarks/scores.py --only bach/bwv66.6

music21 writes MusicXML and MIDI, converter21 writes kern, MEI and ABC. Onset, length and pitch of
every note are compared. Notes of no length, which are grace notes and chord symbols, are left out
of both: music21's MIDI gives them none. Every difference has a reason, which is computed:

    one key       voices share a key, which MIDI ends with the first of them: the notes are equal
                  once ours are played on one key each
    other music   the written file holds other music than its source, most often fewer repeats:
                  its own export to MIDI has the notes that we read
"""

import tempfile
import warnings
from pathlib import Path
from typing import Any

import click
import converter21
import numpy as np
from music21 import corpus, stream
from music21.midi.translate import music21ObjectToMidiFile
from numpy.typing import NDArray

from tunesmith.midi import Score, read_score
from tunesmith.midi.container import Limits
from tunesmith.midi.converters import parse_notation
from tunesmith.midi.notation import open_notation

SCORES = (
    "bach/bwv66.6",
    "bach/bwv846",
    "beach/prayer_of_a_tired_child",
    "ciconia/quod_jactatur",
    "corelli/opus3no1/1grave",
    "cpebach/h186",
    "essenFolksong/boehme10",
    "handel/rinaldo/lascia_chio_pianga",
    "johnson_j_r/lift_every_voice",
    "josquin/laDeplorationDeLaMorteDeJohannesOckeghem",
    "leadSheet/fosterBrownHair",
    "liliuokalani/aloha_oe",
    "luca/gloria",
    "palestrina/Kyrie_79",
    "ryansMammoth/LanigansBallJig",
    "schoenberg/opus19/movement2",
    "schumann_clara/polonaise_op1n1",
    "schumann_robert/dichterliebe_no2",
    "trecento/Fava_Dicant_nunc_iudei",
    "verdi/laDonnaEMobile",
)
FORMATS = {"musicxml": "MusicXML", "humdrum": "kern", "mei": "MEI", "abc": "ABC"}
TOLERANCE_QUARTERS = 0.006
"""MIDI has 10,080 ticks a quarter; kern and ABC write some lengths as fractions nearby."""
GRACE_QUARTERS = 0.125

Notes = NDArray[np.float64]
"""Part, pitch, onset and end of each note, in quarters; [notes, 4]."""


def exported(music: Any) -> Notes:
    """Return the notes of music21's MIDI of a score."""
    for element in list(music.recurse().notes):
        if not element.quarterLength:
            element.activeSite.remove(element)
    return notes_of(read_score(music21ObjectToMidiFile(music).writestr()))


def notes_of(score: Score) -> Notes:
    """Return the notes of a score, without those that were grace notes."""
    notes = score.notes
    if any("grace" in warning for warning in score.warnings):
        notes = notes[notes["duration_quarters"] != GRACE_QUARTERS]
    onset = notes["onset_quarters"].astype(float)
    columns = (notes["instrument"], notes["pitch"], onset, onset + notes["duration_quarters"])
    return np.stack(columns, axis=1).astype(float)


def on_one_key(notes: Notes) -> Notes:
    """Return notes as MIDI plays them: the end of one ends all that its part holds on its key."""
    played = notes.copy()
    for part, pitch in np.unique(notes[:, :2], axis=0):
        of_key = (notes[:, 0] == part) & (notes[:, 1] == pitch)
        ends = np.sort(notes[of_key, 3])
        after = np.searchsorted(ends, notes[of_key, 2] + TOLERANCE_QUARTERS, side="right")
        played[of_key, 3] = ends[after]
    return played


def n_unmatched(ours: Notes, theirs: Notes) -> int:
    """Return the number of notes of either that the other lacks."""
    number = 0
    for pitch in np.union1d(ours[:, 1], theirs[:, 1]):
        left = theirs[theirs[:, 1] == pitch, 2:]
        for note in ours[ours[:, 1] == pitch, 2:]:
            distances = np.abs(left - note).max(axis=1)
            nearest = distances.argmin() if len(left) else -1
            if nearest >= 0 and distances[nearest] < TOLERANCE_QUARTERS:
                left = np.delete(left, nearest, axis=0)
            else:
                number += 1
        number += len(left)
    return number


def compare(data: bytes, theirs: Notes) -> str:
    """Return ``same``, or the reason why a file gives other notes than the MIDI of its source."""
    ours = notes_of(read_score(data))
    number = n_unmatched(ours, theirs)
    if not number:
        return "same"
    ours, theirs = on_one_key(ours), on_one_key(theirs)
    if not n_unmatched(ours, theirs):
        return f"one key ({number})"
    music, _ = parse_notation(open_notation(data, Limits()))
    if not n_unmatched(ours, on_one_key(exported(music))):
        return f"other music ({number})"
    return f"unexplained ({number})"


def results(name: str, folder: Path) -> dict[str, str]:
    """Write a score in each format; return the result of each comparison."""
    parsed = corpus.parse(name)
    music = next(iter(parsed.scores)) if isinstance(parsed, stream.Opus) else parsed
    paths = {}
    written = {}
    for kind in FORMATS:
        try:
            paths[kind] = Path(music.write(kind, folder / f"{kind}.{kind}"))
        except Exception as error:  # noqa: BLE001 - of another project's writer
            written[kind] = f"not written ({type(error).__name__})"
    theirs = exported(music)
    for kind, path in paths.items():
        written[kind] = compare(path.read_bytes(), theirs)
    return {kind: written[kind] for kind in FORMATS} | {"notes": f"{len(theirs):,}"}


@click.command()
@click.option("--only", multiple=True, help="Name of a score in music21's corpus.")
def main(only: tuple[str, ...]) -> None:
    """Compare all scores in all formats; end with 1 if a difference has no reason."""
    warnings.simplefilter("ignore")
    converter21.register()  # its writers
    click.echo(f"| score | notes | {' | '.join(FORMATS.values())} |")
    click.echo(f"|---|---|{'---|' * len(FORMATS)}")
    unexplained = 0
    for name in only or SCORES:
        with tempfile.TemporaryDirectory() as folder:
            row = results(name, Path(folder))
        click.echo(f"| {name} | {row['notes']} | {' | '.join(row[kind] for kind in FORMATS)} |")
        unexplained += sum(result.startswith("unexplained") for result in row.values())
    raise SystemExit(bool(unexplained))


if __name__ == "__main__":
    main()
