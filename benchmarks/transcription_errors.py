"""Compare the errors of the transcription model with those of the simulated copies.

    python benchmarks/transcription_errors.py midi-big4.zip

Excerpts are rendered with two sound fonts, half of them with reverb and noise, encoded as MP3 and
transcribed. The same excerpts are transcribed by simulation, as models learn from them. Printed are
quantiles over the excerpts, so that the ranges of `tunesmith.midi.augmentation` can be set by them.
Files with drums or with few notes are left out. Needs fluidsynth and its sound fonts (Debian:
fluid-soundfont-gm, timgm6mb-soundfont).
"""

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from _midi_files import members
from _renderings import EXCERPT_S, ONSET_S, Rendering, excerpt, matches, mp3, render
from numpy.typing import NDArray

from tunesmith.audio import read_music
from tunesmith.errors import MidiError
from tunesmith.midi import read_score
from tunesmith.midi.augmentation import reduced, transcribed

LEAST_NOTES = 40
LAST_PIANO = 7
"""Last program of General MIDI that is a piano."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
GHOSTS = (12, -12, 19, 24)

Notes = NDArray[np.void]
Facts = dict[str, float]


def facts_of(heard: Notes, true: Notes) -> Facts:
    """Return rates of errors, as shares of the notes that were played."""
    sounds, played = matches(heard, true).T
    is_extra = np.ones(len(heard), np.bool_)
    is_extra[sounds] = False
    counts = dict.fromkeys(("again", *map(str, GHOSTS), "other"), 0)
    for note in heard[is_extra]:
        onset_s = note["onset_s"]
        sounding = (true["onset_s"] <= onset_s + ONSET_S) & (true["offset_s"] > onset_s - ONSET_S)
        intervals = set((int(note["pitch"]) - true["pitch"][sounding].astype(int)).tolist())
        kind = "again" if 0 in intervals else "other"
        for ghost in GHOSTS:
            if kind == "other" and ghost in intervals:
                kind = str(ghost)
        counts[kind] += 1
    length_s, true_s = (
        np.maximum(notes["offset_s"] - notes["onset_s"], 0.01)[places]
        for notes, places in ((heard, sounds), (true, played))
    )
    ratios = np.log(length_s / true_s) if len(sounds) else np.zeros(1)
    late_s = heard["onset_s"][sounds] - true["onset_s"][played] if len(sounds) else np.zeros(1)
    return {
        "missed": 1 - len(sounds) / len(true),
        **{name: count / len(true) for name, count in counts.items()},
        "log length, median": float(np.median(ratios)),
        "log length, spread": float(np.subtract(*np.quantile(ratios, [0.84, 0.16])) / 2),
        "onset, spread ms": float(1000 * np.std(late_s)),
    }


def excerpts(archive: Path, number: int, seed: int) -> Iterator[tuple[str, Notes, Notes, Notes]]:
    """Yield the kind of an excerpt, its notes, and those heard in a recording and simulated."""
    files = list(members(archive))
    done = 0
    for place in np.random.default_rng(seed).permutation(len(files)).tolist():
        if done == number:
            return
        rng = np.random.default_rng([seed, place])
        try:
            cut = excerpt(files[place][1], EXCERPT_S, rng)
            score = read_score(cut)
            if score.notes["is_drum"].any() or len(score.notes) < LEAST_NOTES:
                continue
            how = Rendering.by_turns(done)
            heard = read_music(mp3([render(cut, how, EXCERPT_S, rng)])).notes
        except MidiError as error:
            click.echo(f"{files[place][0]}: left out, {error}")
            continue
        done += 1
        programs = {score.instruments[n].program for n in np.unique(score.notes["instrument"])}
        kind = "piano" if max(programs) <= LAST_PIANO else "others"
        yield kind, reduced(score.notes), heard, transcribed(score.notes, rng)


@click.command()
@click.argument("archive", type=click.Path(exists=True, path_type=Path))
@click.option("--number", default=60, show_default=True, help="Excerpts.")
@click.option("--seed", default=0, show_default=True, help="Draws files, excerpts and copies.")
def main(archive: Path, number: int, seed: int) -> None:
    """Print rates of errors in recordings of the files of ARCHIVE, and in simulated ones."""
    facts: dict[tuple[str, str], list[Facts]] = {}
    for kind, true, heard, simulated in excerpts(archive, number, seed):
        facts.setdefault((kind, "recorded"), []).append(facts_of(heard, true))
        facts.setdefault((kind, "simulated"), []).append(facts_of(simulated, true))
    for (kind, way), rows in sorted(facts.items()):
        click.echo(f"{len(rows)} excerpts of {kind}, {way}; quantiles {QUANTILES}")
        for name in rows[0]:
            values = np.quantile([row[name] for row in rows], QUANTILES)
            click.echo(f"  {name:20}" + " ".join(f"{value:8.3f}" for value in values))


if __name__ == "__main__":
    main()
