"""Array types, and the arithmetic of histograms that every theme shares."""

import math

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled

__all__ = ["EPSILON", "N_VALUES", "PITCH_CLASS_OF", "Floats", "Ints", "count_summary", "finish"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EPSILON = 1e-9

N_VALUES = 128
"""Number of MIDI pitches, and of velocities. Many features are read from histograms over them
instead of from the notes a second time."""

PITCH_CLASS_OF = np.arange(N_VALUES) % 12


@compiled
def count_summary(counts: Ints, out: Floats) -> None:
    """Write mean, deviation, minimum, quartiles and maximum of integers, given their counts."""
    n, total, squares = 0, 0, 0
    for value in range(counts.size):
        n += counts[value]
        total += counts[value] * value
        squares += counts[value] * value * value
    out[0] = total / n
    out[1] = math.sqrt(n * squares - total * total) / n
    until, share = 0, 0
    for value in range(counts.size):
        until += counts[value]
        while share <= 4 and until > share * (n - 1) // 4:
            out[2 + share] = value
            share += 1


@compiled
def finish(blocks: Floats, starts: Ints, vector: NDArray[np.float32]) -> None:
    """Turn counts into shares of the total of their block, and copy all blocks.

    `starts` has the first and the last index, exclusive, of each block of counts; [2, blocks].
    A block without counts stays zero.
    """
    for block in range(starts.shape[1]):
        total = 0.0
        for i in range(starts[0, block], starts[1, block]):
            total += blocks[i]
        if total != 0:
            for i in range(starts[0, block], starts[1, block]):
                blocks[i] /= total
    for i in range(blocks.size):
        vector[i] = blocks[i]
