"""Texture and dynamics: how many notes sound together, and how loud they are."""

import math

from tunesmith.midi.compiled import compiled
from tunesmith.midi.features.histograms import Floats, Ints

__all__ = ["DYNAMICS_BLOCKS", "TEXTURE_BLOCKS", "dynamics_features", "texture_features"]

N_LEVELS = 10
"""Levels of polyphony: silence, one note, ..., nine or more."""


TEXTURE_BLOCKS = {"chord_size": 8, "polyphony": N_LEVELS, "texture_summary": 6}
_POLYPHONY, _SUMMARY = 8, 18

DYNAMICS_BLOCKS = {"velocity_summary": 7, "dynamics_summary": 3}
_DYNAMICS = 7


@compiled
def texture_features(
    pitch: Ints, onsets_s: Floats, offsets_s: Floats, starts: Ints, out: Floats
) -> None:
    """Count the notes of each onset, and measure time by polyphony and the spread of pitches.

    Both times are sorted, each by itself.
    """
    _time_by_level(onsets_s, offsets_s, out[_POLYPHONY:_SUMMARY])
    summary = out[_SUMMARY:]
    n, n_groups = pitch.size, starts.size
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
        out[min(size, 8) - 1] += 1
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


@compiled
def _time_by_level(onsets_s: Floats, offsets_s: Floats, time: Floats) -> None:
    """Add up the time spent at each level of polyphony, the last one open-ended."""
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


@compiled
def dynamics_features(
    velocity: Ints, loudest: Ints, pitch: Ints, velocities: Ints, out: Floats
) -> None:
    """Measure change of loudness from onset to onset, and its correlation with pitch.

    Counts the velocities into `velocities`; their summary is left to `count_summary`.
    """
    # Integers: the differences are exact.
    n, total, squares, total_pitch, squares_pitch, product = velocity.size, 0, 0, 0, 0, 0
    for i in range(n):
        velocities[velocity[i]] += 1
        total += velocity[i]
        squares += velocity[i] * velocity[i]
        total_pitch += pitch[i]
        squares_pitch += pitch[i] * pitch[i]
        product += velocity[i] * pitch[i]
    changes, n_changes = 0, 0
    for g in range(1, loudest.size):
        change = abs(loudest[g] - loudest[g - 1])
        changes += change
        n_changes += change != 0
    std = math.sqrt(n * squares - total * total) / n
    std_pitch = math.sqrt(n * squares_pitch - total_pitch * total_pitch) / n
    out[_DYNAMICS] = changes / max(1, loudest.size - 1)
    out[_DYNAMICS + 1] = n_changes / max(1, loudest.size - 1)
    covariance = (n * product - total * total_pitch) / (n * n)
    out[_DYNAMICS + 2] = covariance / (std * std_pitch + 1.0)
