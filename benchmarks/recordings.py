"""Compare answers to recordings with answers to the notes that were played in them.

    python benchmarks/recordings.py midi-performed.zip --store FOLDER

Excerpts of performances are rendered with two sound fonts, half of them with reverb and noise, and
encoded as MP3 at 64 kbit/s. The champion of `composer` answers for each recording and for the true
notes of the same excerpt; the notes that are heard are compared with those played. The first folder
of a member's path is the composer; composers that the model does not know are left out. Needs
fluidsynth and its sound fonts (Debian: fluid-soundfont-gm, timgm6mb-soundfont).
"""

import io
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import click
import numpy as np
from _midi_files import members
from _renderings import EXCERPT_S, RATE, Rendering, Samples, excerpt, matches, mp3, render
from numpy.typing import NDArray

from tunesmith import load_model
from tunesmith.audio import read_music
from tunesmith.errors import MidiError
from tunesmith.inference import Model, Prediction
from tunesmith.inference.pieces import Piece

MOST_PER_COMPOSER = 25
LONG_S = 30 * 60
COLUMNS = (
    "recordings", "n", "accuracy on the true notes", "on the recording",
    "right on the recording alone : on the notes alone", "note F1", "precision", "recall",
    "median onset error",
)  # fmt: skip
# The largest size of this program alone: `ru_maxrss` begins with that of the one that starts it.
_MEMORY = """
import sys
from pathlib import Path
from tunesmith import load_model
from tunesmith.audio import read_music
score = read_music(Path(sys.argv[1]).read_bytes())
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) / 1000, score.transcription.heard_s)
"""

Notes = NDArray[np.void]


@dataclass(frozen=True)
class Sample:
    """An excerpt, and a recording of it."""

    name: str
    composer: str
    midi: bytes
    mp3: bytes
    how: Rendering


@dataclass
class Tally:
    """Results of the recordings made in one way.

    Attributes
    ----------
    items, right, right_true
        Recordings; those answered rightly; those whose true notes are.
    only, only_true
        Right on the recording alone, and on the true notes alone.
    n_true, n_heard, n_matched
        Notes played, heard, and heard rightly.
    errors_s
        Distance of each matched onset from the one played.
    """

    items: int = 0
    right: int = 0
    right_true: int = 0
    only: int = 0
    only_true: int = 0
    n_true: int = 0
    n_heard: int = 0
    n_matched: int = 0
    errors_s: list[float] = field(default_factory=list)

    def add(self, heard: Notes | None, true: Notes, answers: tuple[bool, bool]) -> None:
        """Count one recording; None for one in which no music is heard."""
        is_right, is_right_true = answers
        self.items += 1
        self.right += is_right
        self.right_true += is_right_true
        self.only += is_right and not is_right_true
        self.only_true += is_right_true and not is_right
        self.n_true += len(true)
        if heard is not None:
            sounds, played = matches(heard, true).T
            errors_s = np.abs(heard["onset_s"][sounds] - true["onset_s"][played])
            self.n_heard += len(heard)
            self.n_matched += len(errors_s)
            self.errors_s += errors_s.tolist()

    def row(self, name: str) -> str:
        """Return a line of the table."""
        precision = self.n_matched / max(self.n_heard, 1)
        recall = self.n_matched / max(self.n_true, 1)
        f1 = 2 * self.n_matched / max(self.n_heard + self.n_true, 1)
        cells = [
            f"{name:28}", f"{self.items}", f"{self.right_true / self.items:.3f}",
            f"{self.right / self.items:.3f}", f"{self.only} : {self.only_true}",
            f"{f1:.3f}", f"{precision:.3f}", f"{recall:.3f}",
            f"{1000 * float(np.median(self.errors_s or [np.nan])):.0f} ms",
        ]  # fmt: skip
        return "| " + " | ".join(cells) + " |"


def samples(
    archive: Path, composers: tuple[str, ...], per_composer: int, seed: int
) -> Iterator[Sample]:
    """Yield as many excerpts of each composer, of different performances as far as there are."""
    files = [(name, midi) for name, midi in members(archive) if name.split("/")[0] in composers]
    for index, composer in enumerate(composers):
        own = [file for file in files if file[0].split("/")[0] == composer]
        order = np.random.default_rng([seed, len(own)]).permutation(len(own))
        for place in range(per_composer if own else 0):
            name, midi = own[order[place % len(own)]]
            number = MOST_PER_COMPOSER * index + place  # fewer excerpts are the first of more
            rng = np.random.default_rng([seed, number])
            how = Rendering.by_turns(number)
            cut = excerpt(midi, EXCERPT_S, rng)
            yield Sample(name, composer, cut, mp3([render(cut, how, EXCERPT_S, rng)]), how)


def answer_of(model: Model, piece: Piece) -> str:
    """Return the most probable class of a piece."""
    prepared = model.prepare([piece])
    (answer,) = model.answers(prepared, model.run(prepared.inputs))
    if not isinstance(answer, Prediction):
        raise answer
    return model.classes[int(np.argmax(answer.probabilities))]


def sounds_of(recordings: list[bytes], seconds: float) -> Iterator[Samples]:
    """Yield the sound of recordings one after the other, again and again, for some seconds."""
    left = int(seconds * RATE)
    while left > 0:
        for recording in recordings:
            with av.open(io.BytesIO(recording), "r") as container:
                for frame in container.decode(audio=0):
                    block = frame.to_ndarray()[0, :left].astype(np.float32)
                    left -= block.size
                    if block.size:
                        yield block


def memory_of(recording: bytes) -> tuple[float, float]:
    """Return the largest resident megabytes of a process that transcribes, and seconds heard."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "long.mp3")
        file.write_bytes(recording)
        command = [sys.executable, "-c", _MEMORY, str(file)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    megabytes, seconds = output.split()
    return float(megabytes), float(seconds)


@click.command()
@click.argument("archive", type=click.Path(exists=True, path_type=Path))
@click.option("--store", help="Store with a champion of composer  [~/.tunesmith/store]")
@click.option(
    "--per-composer",
    type=click.IntRange(1, MOST_PER_COMPOSER),
    default=MOST_PER_COMPOSER,
    show_default=True,
    help="Excerpts of each composer.",
)
@click.option("--seed", default=0, show_default=True, help="Draws performances and excerpts.")
@click.option("--memory/--no-memory", default=True, show_default=True, help="Measure 30 minutes.")
def main(archive: Path, store: str | None, per_composer: int, seed: int, memory: bool) -> None:
    """Print accuracies, note F1 and speed on recordings of the performances of ARCHIVE."""
    bundle = load_model("composer", store=store).bundle
    model = bundle.model()
    tallies: dict[str, Tally] = {}
    performances: Counter[str] = Counter()
    recordings: list[bytes] = []
    heard_s = spent_s = 0.0
    for sample in samples(archive, model.classes, per_composer, seed):
        played = Piece(read_music(sample.midi))
        begun = time.process_time()
        try:
            heard = Piece(read_music(sample.mp3))
        except MidiError as error:
            click.echo(f"{sample.name}: {error}")
            heard = None
        spent_s += time.process_time() - begun
        heard_s += EXCERPT_S
        truth = answer_of(model, played) == sample.composer
        answer = heard is not None and answer_of(model, heard) == sample.composer
        if answer != truth:
            click.echo(f"{sample.name}: right on the {'recording' if answer else 'notes'} alone")
        place = "room and noise" if sample.how.in_room else "dry"
        for name in ("all", sample.how.font.stem, place, sample.composer):
            tally = tallies.setdefault(name, Tally())
            notes = None if heard is None else heard.score.notes
            tally.add(notes, played.score.notes, (answer, truth))
        performances[sample.name] += 1
        recordings.append(sample.mp3)
    click.echo(
        f"{len(recordings)} excerpts of {len(performances)} performances, version {bundle.version}"
    )
    click.echo(f"| {' | '.join(COLUMNS)} |")
    click.echo("|---" * len(COLUMNS) + "|")
    for name, tally in sorted(tallies.items(), key=lambda entry: -entry[1].items):
        click.echo(tally.row(name))
    click.echo(f"{heard_s / spent_s:.1f} times real time of one core")
    if memory:
        megabytes, long_s = memory_of(mp3(sounds_of(recordings, LONG_S)))
        click.echo(f"{megabytes:.0f} MB for an MP3 of {long_s / 60:.0f} minutes")


if __name__ == "__main__":
    main()
