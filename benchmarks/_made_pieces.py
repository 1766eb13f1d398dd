"""Many MIDI files in a zip: real ones, other music made of them, and planted copies.

Made pieces are bars of two or three pieces of one composer, in another order, each in another key,
some backwards or mirrored: other music, whose figures are those of real pieces and of each other.
"""

import json
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _midi_files import members
from duplicates import LEAST_NOTES, planted
from numpy.typing import NDArray

from tunesmith.errors import MidiError
from tunesmith.midi import NOTE_DTYPE, read_score
from tunesmith.midi.transforms import scale_tempo_notes, transpose_notes

Notes = NDArray[np.void]

KINDS = (
    "transposed", "noise", "half", "played", "mechanical", "reduced", "excerpt", "transcribed",
)  # fmt: skip
HARD = {"excerpt", "transcribed"}
"""Kinds of copies of which some have too little left: ten seconds, or three quarters wrong."""
WRONG = 0.1
TICKS = 480
MOST_BARS = 400


@dataclass
class Truth:
    """Content of the zip, by name.

    Attributes
    ----------
    real
        Real files.
    made
        Made pieces, each with the real files whose bars it has.
    copies
        Planted copies, each with the file that it copies and the kind of copy.
    """

    real: list[str] = field(default_factory=list)
    made: dict[str, list[str]] = field(default_factory=dict)
    copies: dict[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Truth":
        """Read what `write_zip` wrote."""
        return cls(**json.loads(path.read_text()))


class _Bars(NamedTuple):
    """Notes of a piece, and the first note of each bar, with the end of the last."""

    notes: Notes
    place: NDArray[np.float64]
    starts: NDArray[np.int64]


def write_zip(
    target: Path, corpora: Sequence[Path], n_files: int, n_copies: int, *, seed: int
) -> Truth:
    """Write a zip of MIDI files, and beside it, as JSON, what is in it.

    Parameters
    ----------
    target
        The zip.
    corpora
        Zips of real MIDI files. Half of the files at most are real ones.
    n_files, n_copies
        Files in all, and copies among them.
    seed
        Makes the pieces; the same seed makes the same ones.
    """
    dice = np.random.default_rng(seed)
    every = _real_files(corpora)
    real = [every[number] for number in dice.permutation(len(every))[: n_files // 2].tolist()]
    readable = _readable(real)
    truth = Truth(real=[name for name, _ in real])
    n_made = n_files - len(real) - n_copies
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in real:
            archive.writestr(name, data)
        plants = [(name, readable[name]) for name in dice.permutation(list(readable)).tolist()]
        plants = plants[: n_copies - n_copies // 2]
        copied = set(dice.permutation(n_made)[: n_copies - len(plants)].tolist())
        for number, (composer, of, notes) in enumerate(_made(readable, n_made, dice)):
            name = f"{composer}/made {number:07d}.mid"
            archive.writestr(name, midi_file(notes))
            truth.made[name] = of
            if number in copied:
                plants.append((name, notes))
        for number, (name, notes) in enumerate(plants):
            kind = KINDS[number % len(KINDS)]
            own = f"{name.split('/', maxsplit=1)[0]}/copy {number:07d}.mid"
            archive.writestr(own, midi_file(_copy(notes, kind, [seed, number])))
            truth.copies[own] = (name, kind)
    target.with_suffix(".json").write_text(json.dumps(asdict(truth)))
    return truth


def write_more(
    target: Path, corpora: Sequence[Path], truth: Truth, n_files: int, *, seed: int
) -> Truth:
    """Write a zip of further pieces that are made of the real files of another one."""
    wanted = set(truth.real)
    readable = _readable([file for file in _real_files(corpora) if file[0] in wanted])
    more = Truth()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        made = _made(readable, n_files, np.random.default_rng([seed, 1]))
        for number, (composer, of, notes) in enumerate(made):
            name = f"{composer}/more {number:07d}.mid"
            archive.writestr(name, midi_file(notes))
            more.made[name] = of
    return more


def midi_file(notes: Notes) -> bytes:
    """Return a MIDI file of one track, in the mean tempo of the notes."""
    on = np.rint(notes["onset_quarters"].astype(np.float64) * TICKS).astype(np.int64)
    length = np.rint(notes["duration_quarters"].astype(np.float64) * TICKS).astype(np.int64)
    ticks = np.concatenate([on + np.maximum(length, 1), on])
    order = np.lexsort((np.arange(ticks.size), ticks))  # ends before beginnings
    delta = np.diff(ticks[order], prepend=0)
    rows = np.zeros((ticks.size, 7), dtype=np.uint8)
    for place, shift in enumerate((21, 14, 7, 0)):
        rows[:, place] = (delta >> shift) & 0x7F
    begins = np.ones(rows.shape, dtype=bool)
    for place, shift in enumerate((21, 14, 7)):
        begins[:, place] = delta >> shift > 0
        rows[:, place] |= 0x80
    rows[:, 4] = 0x90
    rows[:, 5] = np.tile(notes["pitch"], 2)[order]
    rows[:, 6] = np.concatenate([np.zeros_like(on), notes["velocity"]])[order]
    quarters, seconds = (float(np.ptp(notes[f"onset_{unit}"])) for unit in ("quarters", "s"))
    tempo = int(1e6 * seconds / quarters) if quarters > 0 < seconds else 500_000
    head = b"\0\xff\x51\x03" + min(max(tempo, 60_000), 4_000_000).to_bytes(3, "big")
    track = head + rows[begins].tobytes() + b"\0\xff\x2f\0"
    return b"MThd\0\0\0\x06\0\0\0\x01%bMTrk%b%b" % (
        TICKS.to_bytes(2, "big"), len(track).to_bytes(4, "big"), track,
    )  # fmt: skip


def _real_files(corpora: Sequence[Path]) -> list[tuple[str, bytes]]:
    """Return all files, in a folder for each composer."""
    files: dict[str, bytes] = {}
    for corpus in corpora:
        for number, (name, data) in enumerate(members(corpus)):
            inside = name.removeprefix(f"{corpus.stem}/")
            composer = inside.split("/", maxsplit=1)[0] if "/" in inside else inside.split("-")[0]
            files[f"{composer.title()}/{corpus.stem} {number:05d}.mid"] = data
    return list(files.items())


def _readable(files: Sequence[tuple[str, bytes]]) -> dict[str, Notes]:
    """Return the notes of the files that have some, by name."""
    return {name: notes for name, data in files if (notes := _notes(data)) is not None}


def _notes(data: bytes) -> Notes | None:
    """Return the pitched notes of a file, None where they are few or cannot be read."""
    try:
        notes = read_score(data).notes
    except (MidiError, ValueError, LookupError):
        return None
    pitched = notes[~notes["is_drum"]]
    return pitched if pitched.size >= LEAST_NOTES else None


def _copy(notes: Notes, kind: str, seed: list[int]) -> Notes:
    """Return a copy of a piece in another key."""
    if kind not in {"transposed", "noise"}:
        return planted(notes, kind, seed)
    dice = np.random.default_rng(seed)
    copy = scale_tempo_notes(notes, float(dice.uniform(0.7, 1.4)))
    if kind == "noise":
        is_wrong = dice.random(copy.size) < WRONG
        steps = dice.integers(1, 7, copy.size) * dice.choice([-1, 1], copy.size)
        copy["pitch"] = np.clip(copy["pitch"] + is_wrong * steps, 0, 127)
    return transpose_notes(copy, int(dice.integers(-5, 7)))


def _made(
    readable: dict[str, Notes], n_pieces: int, dice: np.random.Generator
) -> Iterator[tuple[str, list[str], Notes]]:
    """Yield composer, sources and notes of made pieces."""
    of_composer = defaultdict(list)
    for name in readable:
        of_composer[name.split("/", maxsplit=1)[0]].append(name)
    names = list(readable)
    cut: dict[tuple[str, int], _Bars] = {}
    for _ in range(n_pieces):
        first = names[int(dice.integers(len(names)))]
        composer = first.split("/", maxsplit=1)[0]
        others = dice.choice(of_composer[composer], int(dice.integers(1, 3))).tolist()
        sources = list(dict.fromkeys([first, *others]))
        quarters = int(dice.integers(2, 5))
        bars = []
        for name in sources:
            key = (name, quarters)
            if key not in cut:
                cut[key] = _bars(readable[name], quarters)
            bars.append(cut[key])
        yield composer, sources, _arranged(bars, quarters, dice)


def _bars(notes: Notes, quarters: int) -> _Bars:
    onset = notes["onset_quarters"].astype(np.float64)
    bar = np.floor(onset / quarters).astype(np.int64)
    starts = np.flatnonzero(np.diff(bar, prepend=-1, append=bar[-1] + 1))
    return _Bars(notes, onset - bar * quarters, starts)


def _arranged(pieces: Sequence[_Bars], quarters: int, dice: np.random.Generator) -> Notes:
    """Return as many bars as the first piece has, of all pieces, in a random order."""
    sizes = [piece.starts.size - 1 for piece in pieces]
    every = np.concatenate([np.full(size, number) for number, size in enumerate(sizes)])
    n_bars = min(sizes[0], MOST_BARS)
    drawn = dice.permutation(every.size)[:n_bars]
    first = np.cumsum(sizes) - sizes
    copies = []
    for number, piece in enumerate(pieces):
        at = np.flatnonzero(every[drawn] == number)
        bar = drawn[at] - first[number]
        length = piece.starts[bar + 1] - piece.starts[bar]
        rows = np.repeat(piece.starts[bar] - (np.cumsum(length) - length), length)
        rows += np.arange(rows.size)
        copy = piece.notes[rows]
        place = piece.place[rows]
        pitch = copy["pitch"] + np.repeat(dice.integers(-5, 7, at.size), length)
        manner = dice.integers(4)
        if manner == 1:
            pitch = 127 - pitch
        elif manner == 2:
            place = np.maximum(quarters - place - copy["duration_quarters"], 0.0)
        copy["onset_quarters"] = place + np.repeat(at * quarters, length)
        copy["pitch"] = np.clip(pitch, 0, 127)
        copies.append(copy)
    notes = np.concatenate(copies).astype(NOTE_DTYPE)
    pace = float(np.exp(dice.normal(np.log(0.5), 0.3)))
    notes["onset_s"] = notes["onset_quarters"] * pace
    notes["offset_s"] = notes["onset_s"] + notes["duration_quarters"] * pace
    ordered: Notes = notes[np.lexsort((notes["pitch"], notes["onset_s"]))]
    return ordered


def tell(truth: Truth) -> dict[str, Any]:
    """Return the number of files of each kind."""
    return {name: len(getattr(truth, name)) for name in ("real", "made", "copies")}
