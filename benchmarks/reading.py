"""Time to read a MIDI file and to compute its features, beside symusic's parse of it.

python benchmarks/reading.py midi-big4.zip

Of each length the file with the nearest number of notes is read; times are the smallest mean of
several rounds, in milliseconds, in one process.
"""

import timeit
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import symusic
from _midi_files import members

from tunesmith.errors import MidiError
from tunesmith.midi import read_score
from tunesmith.midi.features import musical_features


def nearest(files: list[tuple[str, bytes]], lengths: tuple[int, ...]) -> list[tuple[int, bytes]]:
    """Return number of notes and bytes of the file that is nearest to each length."""
    counted = []
    for _, data in files:
        try:
            counted.append((len(read_score(data).notes), data))
        except MidiError:
            continue
    return [min(counted, key=lambda file: abs(file[0] - length)) for length in lengths]


def milliseconds(call: Callable[[], Any], seconds: float, rounds: int = 15) -> float:
    """Return the time of a call: the smallest mean of several rounds."""
    call()
    number = max(1, round(seconds / rounds / timeit.timeit(call, number=3) * 3))
    return 1000 * min(timeit.repeat(call, number=number, repeat=rounds)) / number


@click.command()
@click.argument("corpus", type=click.Path(exists=True, path_type=Path))
@click.option("--lengths", default="100,650,1450,7000", show_default=True, help="Notes.")
@click.option("--seconds", default=1.0, show_default=True, help="Time for each measurement.")
def main(corpus: Path, lengths: str, seconds: float) -> None:
    """Print the times of files of several lengths."""
    click.echo("| notes | read_score | musical_features | together | symusic's parse |")
    click.echo("|---|---|---|---|---|")
    for n_notes, data in nearest(members(corpus), tuple(map(int, lengths.split(",")))):
        notes = read_score(data).notes
        read = milliseconds(partial(read_score, data), seconds)
        features = milliseconds(partial(musical_features, notes), seconds)
        parse = milliseconds(partial(symusic.Score.from_midi, data), seconds)
        row = (f"{value:.3f}" for value in (read, features, read + features, parse))
        click.echo(f"| {n_notes:,} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
