"""Pitches of all notes: classes, degrees, register and estimated key."""

import math
from collections.abc import Iterator

import numpy as np

from tunesmith.midi.features.histograms import (
    EPSILON,
    N_VALUES,
    PITCH_CLASS_OF,
    Block,
    Floats,
    Ints,
    bin_matrix,
    count_summary,
    entropy,
    from_tonic,
    weighted,
)

__all__ = ["estimate_key", "pitch_blocks"]

# Krumhansl and Kessler's probe-tone profiles (1982).
_MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
_MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
_PROFILES = [(p - p.mean(), np.sqrt(((p - p.mean()) ** 2).sum())) for p in (_MAJOR, _MINOR)]
_ROTATIONS = (np.arange(12)[:, None] + np.arange(12)) % 12
_MAJOR_SCALE = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], dtype=bool)
_MINOR_SCALE = np.array([1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1], dtype=bool)

_DEGREE_TO_FIFTHS = bin_matrix(np.minimum(np.arange(12) * 7 % 12, -np.arange(12) * 7 % 12), 7)
_PITCH_TO_REGISTER = bin_matrix(np.clip(np.arange(N_VALUES) // 6 - 4, 0, 12), 13)


def estimate_key(profile: Floats) -> tuple[int, bool, Floats]:
    """Return the estimated tonic, whether it is minor, and the correlation with all 24 keys."""
    rotated = profile[_ROTATIONS]  # [tonic, degree]
    rotated -= np.add.reduce(rotated, axis=1, keepdims=True) / 12
    scale = np.sqrt((rotated**2).sum(axis=1)) + EPSILON
    scores = np.concatenate([rotated @ p / (scale * norm) for p, norm in _PROFILES])
    best = int(scores.argmax())
    return best % 12, best >= 12, scores


def pitch_blocks(
    pitch: Ints,
    duration_s: Floats,
    pitches: Ints,
    by_duration: Floats,
    *,
    tonic: int,
    is_minor: bool,
    correlations: Floats,
) -> Iterator[Block]:
    """Distributions of pitch classes, degrees and registers, and statistics of the key."""
    yield "pitch_class", by_duration
    yield "degree_by_duration", from_tonic(by_duration, tonic)
    degrees = from_tonic(np.bincount(PITCH_CLASS_OF, weights=pitches) / pitch.size, tonic)
    yield "degree_by_count", degrees
    yield "fifths_distance", _DEGREE_TO_FIFTHS @ degrees
    yield "pitch_summary", count_summary(pitches)
    yield "register", _PITCH_TO_REGISTER @ pitches / pitch.size
    second, first = np.sort(correlations)[-2:].tolist()
    scale = _MINOR_SCALE if is_minor else _MAJOR_SCALE
    yield (
        "key",
        np.array(
            [
                float(is_minor),
                first,
                first - second,
                correlations[tonic] - correlations[tonic + 12],
                np.add.reduce(degrees[~scale]),
                entropy(by_duration),
                entropy(weighted(pitch, duration_s + EPSILON, N_VALUES)),
                np.count_nonzero(degrees > 0.02) / 12.0,
                math.log1p(np.count_nonzero(pitches)),
            ]
        ),
    )
