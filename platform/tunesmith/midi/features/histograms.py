"""Array types, and the arithmetic of histograms that every theme shares."""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "EPSILON",
    "N_VALUES",
    "PITCH_CLASS_OF",
    "Block",
    "Floats",
    "Ints",
    "bin_matrix",
    "count_summary",
    "entropy",
    "from_tonic",
    "normalised",
    "weighted",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Block = tuple[str, Floats]
"""A block of features: its name and its values."""

EPSILON = 1e-9

N_VALUES = 128
"""Number of MIDI pitches, and of velocities. Many features are read from histograms over them
instead of from the notes a second time."""

PITCH_CLASS_OF = np.arange(N_VALUES) % 12


def bin_matrix(kinds: Ints, n_kinds: int) -> Floats:
    """Return the matrix that sums the bins of a histogram by kind; [kinds, bins]."""
    matrix: Floats = (np.arange(n_kinds)[:, None] == kinds).astype(np.float64)
    return matrix


def count_summary(counts: Ints) -> Floats:
    """Mean, deviation, minimum, quartiles and maximum of integers, given the count of each."""
    until = np.cumsum(counts)
    n = int(until[-1])
    values = np.arange(counts.size)
    total, squares = int(counts.dot(values)), int(counts.dot(values * values))
    at = [share * (n - 1) // 4 for share in range(5)]
    return np.array(
        [
            total / n,
            math.sqrt(n * squares - total * total) / n,
            *until.searchsorted(at, side="right").tolist(),
        ]
    )


def from_tonic(by_class: Floats, tonic: int) -> Floats:
    """Rotate a histogram of pitch classes into one of scale degrees."""
    return np.concatenate([by_class[tonic:], by_class[:tonic]])


def weighted(values: Ints, weights: Floats, bins: int) -> Floats:
    """Histogram of integers, each counted by its weight; [bins]."""
    return np.bincount(values, weights=weights, minlength=bins).astype(np.float64, copy=False)


def normalised(counts: Floats | Ints) -> Floats:
    """Shares of the total; all zeros where the total is 0."""
    shares: Floats = counts / (np.add.reduce(counts) or 1)
    return shares


def entropy(weights: Floats) -> float:
    """Shannon entropy of a histogram, in bits."""
    positive = weights[weights > 0]
    shares = positive / np.add.reduce(weights)
    return float(-shares.dot(np.log2(shares)))
