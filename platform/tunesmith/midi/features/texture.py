"""Texture and dynamics: how many notes sound together, and how loud they are."""

import math
from collections.abc import Iterator

import numpy as np

from tunesmith.midi.compiled import compiled
from tunesmith.midi.features.histograms import (
    N_VALUES,
    Block,
    Floats,
    Ints,
    count_summary,
    normalised,
)

__all__ = ["dynamics_blocks", "texture_blocks"]

N_LEVELS = 10
"""Levels of polyphony: silence, one note, ..., nine or more."""


def texture_blocks(pitch: Ints, onset_s: Floats, offset_s: Floats, starts: Ints) -> Iterator[Block]:
    """Numbers of notes that begin and sound together, and the spread of their pitches."""
    sizes, summary = _spread(pitch, starts)
    yield "chord_size", normalised(sizes)
    yield "polyphony", normalised(_time_by_level(np.sort(onset_s), np.sort(offset_s)))
    yield "texture_summary", summary


@compiled
def _spread(pitch: Ints, starts: Ints) -> tuple[Floats, Floats]:
    """Count chord sizes, and measure the variation of sizes, centres and pitches around them."""
    n, n_groups = pitch.size, starts.size
    sizes, summary = np.zeros(8), np.zeros(6)
    squares_size, total_centre, squares_centre, n_same, moved, inside = 0, 0.0, 0.0, 0, 0.0, 0.0
    size_before, centre_before = 0, 0.0
    first_centre = 0.0
    for g in range(n_groups):
        end = starts[g + 1] if g + 1 < n_groups else n
        size, total, squares = end - starts[g], 0, 0
        for i in range(starts[g], end):
            total += pitch[i]
            squares += pitch[i] * pitch[i]
        centre = total / size
        sizes[min(size, 8) - 1] += 1
        squares_size += size * size
        inside += (size * squares - total * total) / size
        if g == 0:
            first_centre = centre
        else:
            n_same += size == size_before
            moved += abs(centre - centre_before)
        # Relative to the first one, so that the difference of squares stays precise.
        total_centre += centre - first_centre
        squares_centre += (centre - first_centre) ** 2
        size_before, centre_before = size, centre
    summary[0] = n / n_groups
    summary[1] = math.sqrt(n_groups * squares_size - n * n) / n_groups
    summary[2] = n_same / max(1, n_groups - 1)
    spread = squares_centre / n_groups - (total_centre / n_groups) ** 2
    summary[3] = math.sqrt(max(0.0, spread))
    summary[4] = moved / max(1, n_groups - 1)
    summary[5] = math.sqrt(inside / n)
    return sizes, summary


@compiled
def _time_by_level(onsets_s: Floats, offsets_s: Floats) -> Floats:
    """Time spent at each level of polyphony, the last one open-ended; both inputs sorted."""
    time = np.zeros(N_LEVELS)
    n, on, off, level = onsets_s.size, 0, 0, 0
    now = onsets_s[0]
    while off < n:
        begins = on < n and onsets_s[on] < offsets_s[off]
        then = onsets_s[on] if begins else offsets_s[off]
        time[min(max(level, 0), N_LEVELS - 1)] += max(then - now, 0.0)
        now = then
        if begins:
            level += 1
            on += 1
        else:
            level -= 1
            off += 1
    return time


def dynamics_blocks(velocity: Ints, loudest: Ints, pitch: Ints) -> Iterator[Block]:
    """Loudness, its variation, and its correlation with pitch."""
    counts, summary = _loudness(velocity, loudest, pitch)
    yield "velocity_summary", count_summary(counts)
    yield "dynamics_summary", summary


@compiled
def _loudness(velocity: Ints, loudest: Ints, pitch: Ints) -> tuple[Ints, Floats]:
    """Count velocities, and measure change from onset to onset and covariance with pitch."""
    counts, summary = np.zeros(N_VALUES, np.int64), np.zeros(3)
    # Integers: the differences are exact.
    n, total, squares, total_pitch, squares_pitch, product = velocity.size, 0, 0, 0, 0, 0
    for i in range(n):
        counts[velocity[i]] += 1
        total += velocity[i]
        squares += velocity[i] * velocity[i]
        total_pitch += pitch[i]
        squares_pitch += pitch[i] * pitch[i]
        product += velocity[i] * pitch[i]
    for g in range(1, loudest.size):
        change = abs(loudest[g] - loudest[g - 1])
        summary[0] += change
        summary[1] += change != 0
    summary[0] /= max(1, loudest.size - 1)
    summary[1] /= max(1, loudest.size - 1)
    std = math.sqrt(n * squares - total * total) / n
    std_pitch = math.sqrt(n * squares_pitch - total_pitch * total_pitch) / n
    summary[2] = (n * product - total * total_pitch) / (n * n) / (std * std_pitch + 1.0)
    return counts, summary
