"""The feature vector of a piece: the blocks of every theme, concatenated."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled
from tunesmith.midi.features.chords import HARMONY_BLOCKS, group_onsets, harmony_features
from tunesmith.midi.features.histograms import N_VALUES, Floats, Ints, count_summary, finish
from tunesmith.midi.features.melody import (
    LINE_BLOCKS,
    OUTER_BLOCKS,
    line_features,
    outer_voice_features,
)
from tunesmith.midi.features.pitch import PITCH_BLOCKS, pitch_features
from tunesmith.midi.features.rhythm import RHYTHM_BLOCKS, rhythm_features
from tunesmith.midi.features.texture import (
    DYNAMICS_BLOCKS,
    TEXTURE_BLOCKS,
    dynamics_features,
    texture_features,
)

__all__ = ["BLOCK_SIZES", "FEATURE_NAMES", "feature_rows", "musical_features"]

_THEMES: dict[str, dict[str, int]] = {
    "pitch": PITCH_BLOCKS,
    "top": {f"top_{name}": size for name, size in LINE_BLOCKS.items()},
    "bottom": {f"bottom_{name}": size for name, size in LINE_BLOCKS.items()},
    "outer": OUTER_BLOCKS,
    "harmony": HARMONY_BLOCKS,
    "texture": TEXTURE_BLOCKS,
    "rhythm": RHYTHM_BLOCKS,
    "dynamics": DYNAMICS_BLOCKS,
}

BLOCK_SIZES: dict[str, int] = {
    name: size for blocks in _THEMES.values() for name, size in blocks.items()
}
"""Number of features of each block, in the order of the vector."""

FEATURE_NAMES: tuple[str, ...] = tuple(
    f"{name}_{i}" for name, n in BLOCK_SIZES.items() for i in range(n)
)
"""Name of each feature: its block and its index in the block."""

_NO_COUNTS = {*PITCH_BLOCKS, *DYNAMICS_BLOCKS, "outer_motion"}
"""Blocks that hold other values than counts, beside the summaries and shapes."""


def is_counts(name: str) -> bool:
    """Return whether the values of a block are counts, which become shares of their total."""
    return name not in _NO_COUNTS and not name.endswith(("_summary", "_shape"))


def _bounds() -> tuple[dict[str, slice], Ints]:
    """Return the part of the vector of each theme, and first and last index of counts."""
    slices = {}
    counts = []
    at = 0
    for theme, blocks in _THEMES.items():
        slices[theme] = slice(at, at + sum(blocks.values()))
        for name, size in blocks.items():
            if is_counts(name):
                counts.append((at, at + size))
            at += size
    return slices, np.array(counts).T.copy()


_SLICES, _COUNTS = _bounds()
_SUMMARIES = [
    slice(FEATURE_NAMES.index(f"{name}_0"), FEATURE_NAMES.index(f"{name}_0") + 7)
    for name in ("pitch_summary", "velocity_summary")
]


def musical_features(notes: NDArray[np.void]) -> NDArray[np.float32]:
    """Summarise notes as one vector, in the order of `FEATURE_NAMES`.

    Parameters
    ----------
    notes
        `NOTE_DTYPE` [notes] in order of onset, a whole piece or any slice. Drums are ignored.

    Returns
    -------
    NDArray[np.float32]
        Vector [features], finite; all zeros where no pitched note sounds.

    Raises
    ------
    ValueError
        If a pitch or a velocity lies outside 0-127.
    """
    vector = np.zeros(len(FEATURE_NAMES), dtype=np.float32)
    # Compiled for one layout of arrays; others are copied.
    notes = np.require(notes, requirements=("C", "W"))
    times, values, in_order = _columns(notes)
    onset_s, offset_s, duration_s, onset_q, duration_q = times
    pitch, velocity = values
    if pitch.size == 0:
        return vector
    if in_order < 0:
        msg = "A pitch or a velocity lies outside 0-127. Remove such notes."
        raise ValueError(msg)
    group, starts, (top, bottom, loudest) = group_onsets(onset_s, pitch, velocity)
    group_s, group_q = onset_s.take(starts), onset_q.take(starts)
    counts = np.zeros((2, N_VALUES), dtype=np.int64)
    pitches, velocities = counts
    blocks = np.zeros(len(FEATURE_NAMES))
    part = {theme: blocks[place] for theme, place in _SLICES.items()}

    tonic = pitch_features(pitch, duration_s, pitches, part["pitch"])
    line_features(top, tonic, part["top"])
    line_features(bottom, tonic, part["bottom"])
    outer_voice_features(top, bottom, part["outer"])
    harmony_features(pitch, offset_s, group, group_s, tonic, part["harmony"])
    onsets_s = onset_s if in_order else np.sort(onset_s)
    # Nearly in order already, which a stable sort makes use of.
    offsets_s = np.sort(offset_s, kind="stable")
    texture_features(pitch, onsets_s, offsets_s, starts, part["texture"])
    rhythm_features(group_s, group_q, onset_q, duration_s, duration_q, part["rhythm"])
    dynamics_features(velocity, loudest, pitch, velocities, part["dynamics"])
    for each, place in zip(counts, _SUMMARIES, strict=True):
        count_summary(each, blocks[place])
    finish(blocks, _COUNTS, vector)
    return vector


@compiled
def _columns(notes: NDArray[np.void]) -> tuple[Floats, Ints, int]:
    """Return times, and pitch and velocity, of the pitched notes, and 1 if they are in order.

    The times are onset, offset and duration in seconds, onset and duration in quarters;
    [5, pitched notes]. Of a pitch or a velocity outside 0-127 the last value is -1: the compiled
    loops use them as indices without bounds checks.
    """
    n = 0
    for i in range(notes.size):
        n += not notes[i]["is_drum"]
    times, values = np.empty((5, n)), np.empty((2, n), np.int64)
    at, in_order, valid = 0, 1, True
    for i in range(notes.size):
        note = notes[i]
        if note["is_drum"]:
            continue
        times[0, at], times[1, at] = note["onset_s"], note["offset_s"]
        times[2, at] = max(note["offset_s"] - note["onset_s"], 0.0)
        times[3, at], times[4, at] = note["onset_quarters"], note["duration_quarters"]
        values[0, at], values[1, at] = note["pitch"], note["velocity"]
        valid &= (values[0, at] | values[1, at]) & ~(N_VALUES - 1) == 0
        if at and times[0, at] < times[0, at - 1]:
            in_order = 0
        at += 1
    return times, values, in_order if valid else -1


def feature_rows(pieces: Iterable[NDArray[np.void]]) -> NDArray[np.float32]:
    """Return the vectors of several pieces, ``float32 [pieces, features]``."""
    rows = [musical_features(notes) for notes in pieces]
    return np.stack(rows) if rows else np.zeros((0, len(FEATURE_NAMES)), dtype=np.float32)
