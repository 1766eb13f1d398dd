"""The feature vector of a piece: the blocks of every theme, concatenated."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.features.chords import group_onsets, harmony_blocks
from tunesmith.midi.features.histograms import (
    EPSILON,
    N_VALUES,
    PITCH_CLASS_OF,
    Block,
    normalised,
    weighted,
)
from tunesmith.midi.features.melody import melody_blocks, outer_voice_blocks
from tunesmith.midi.features.pitch import estimate_key, pitch_blocks
from tunesmith.midi.features.rhythm import rhythm_blocks
from tunesmith.midi.features.texture import dynamics_blocks, texture_blocks

__all__ = ["BLOCK_SIZES", "FEATURE_NAMES", "feature_blocks", "feature_rows", "musical_features"]

BLOCK_SIZES: dict[str, int] = {
    "pitch_class": 12,
    "degree_by_duration": 12,
    "degree_by_count": 12,
    "fifths_distance": 7,
    "pitch_summary": 7,
    "register": 13,
    "key": 9,
    "top_degree": 12,
    "top_interval": 27,
    "top_bigram": 49,
    "top_shape": 9,
    "bottom_degree": 12,
    "bottom_interval": 27,
    "bottom_bigram": 49,
    "bottom_shape": 9,
    "outer_interval": 12,
    "outer_span": 9,
    "outer_motion": 8,
    "chord_type": 20,
    "chord_classes": 8,
    "major_chord_degree": 12,
    "minor_chord_degree": 12,
    "root_motion": 12,
    "harmony_summary": 3,
    "chord_interval": 17,
    "chord_size": 8,
    "polyphony": 10,
    "texture_summary": 6,
    "gap_quarters": 14,
    "duration_quarters": 14,
    "gap_seconds": 13,
    "duration_seconds": 13,
    "gap_ratio": 11,
    "place_in_quarter": 12,
    "rhythm_summary": 19,
    "velocity_summary": 7,
    "dynamics_summary": 3,
}
"""Number of features of each block, in the order of the vector."""

FEATURE_NAMES: tuple[str, ...] = tuple(
    f"{name}_{i}" for name, n in BLOCK_SIZES.items() for i in range(n)
)
"""Name of each feature: its block and its index in the block."""


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
    pitched = notes[~notes["is_drum"]] if notes["is_drum"].any() else notes
    if pitched.size == 0:
        return np.zeros(len(FEATURE_NAMES), dtype=np.float32)
    return np.concatenate([values for _, values in feature_blocks(pitched)]).astype(np.float32)


def feature_rows(pieces: Iterable[NDArray[np.void]]) -> NDArray[np.float32]:
    """Return the vectors of several pieces, ``float32 [pieces, features]``."""
    rows = [musical_features(notes) for notes in pieces]
    return np.stack(rows) if rows else np.zeros((0, len(FEATURE_NAMES)), dtype=np.float32)


def feature_blocks(notes: NDArray[np.void]) -> Iterator[Block]:
    """Yield the named blocks of the vector; each has the length given in `BLOCK_SIZES`."""
    # The columns of a structured array are strided and unaligned: copies are faster to work on.
    onset_s, offset_s = notes["onset_s"].copy(), notes["offset_s"].copy()
    onset_q = notes["onset_quarters"].astype(np.float64)
    duration_q = notes["duration_quarters"].astype(np.float64)
    pitch = notes["pitch"].astype(np.int64)
    velocity = notes["velocity"].astype(np.int64)
    if np.any((pitch | velocity) & ~(N_VALUES - 1)):
        # The compiled loops use them as indices without bounds checks.
        msg = "A pitch or a velocity lies outside 0-127. Remove such notes."
        raise ValueError(msg)
    duration_s = np.maximum(offset_s - onset_s, 0.0)
    group, starts, (top, bottom, loudest) = group_onsets(onset_s, pitch, velocity)
    group_s, group_q = onset_s.take(starts), onset_q.take(starts)

    by_duration = normalised(weighted(PITCH_CLASS_OF.take(pitch), duration_s + EPSILON, 12))
    tonic, is_minor, correlations = estimate_key(by_duration)
    pitches = np.bincount(pitch, minlength=N_VALUES)

    yield from pitch_blocks(
        pitch,
        duration_s,
        pitches,
        by_duration,
        tonic=tonic,
        is_minor=is_minor,
        correlations=correlations,
    )
    yield from melody_blocks("top", top, tonic)
    yield from melody_blocks("bottom", bottom, tonic)
    yield from outer_voice_blocks(top, bottom)
    yield from harmony_blocks(pitch, offset_s, group, group_s, tonic=tonic)
    yield from texture_blocks(pitch, onset_s, offset_s, starts)
    yield from rhythm_blocks(group_s, group_q, onset_q, duration_s, duration_q, n_notes=pitch.size)
    yield from dynamics_blocks(velocity, loudest, pitch)
