"""Melody: the top line, the bottom line, and their motion against each other."""

import math
from collections.abc import Iterator

import numpy as np

from tunesmith.midi.compiled import compiled
from tunesmith.midi.features.histograms import (
    N_VALUES,
    Block,
    Floats,
    Ints,
    from_tonic,
    normalised,
)

__all__ = ["melody_blocks", "outer_voice_blocks"]

N_STEPS = 7
"""Kinds of melodic steps: leap, third and step down, repetition, step, third and leap up."""

WIDEST_INTERVAL = 13
"""Semitones; wider intervals count as this one."""

# Kind of each step in semitones, from -127 to 127.
_STEP_KIND_OF = np.searchsorted(
    [-4.5, -2.5, -0.5, 0.5, 2.5, 4.5], np.arange(1 - N_VALUES, N_VALUES)
)


def melody_blocks(voice: str, line: Ints, tonic: int) -> Iterator[Block]:
    """Degrees, intervals, pairs of steps and shape of the top or the bottom line."""
    classes, intervals, bigrams, shape = _line(line)
    yield f"{voice}_degree", from_tonic(normalised(classes), tonic)
    yield f"{voice}_interval", normalised(intervals)
    yield f"{voice}_bigram", normalised(bigrams)
    yield f"{voice}_shape", shape


@compiled
def _line(line: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """Count pitch classes, intervals and pairs of steps of a line, and measure its shape."""
    classes, intervals = np.zeros(12), np.zeros(2 * WIDEST_INTERVAL + 1)
    bigrams, shape = np.zeros(N_STEPS * N_STEPS), np.zeros(9)
    n, n_moves, n_turns, n_back, direction, before = line.size, 0, 0, 0, 0, 0
    total, squares, total_step, squares_step = 0, 0, 0, 0
    for i in range(n):
        pitch = line[i]
        classes[pitch % 12] += 1
        total += pitch
        squares += pitch * pitch
        if i >= 4:
            far = abs(pitch - line[i - 4])
            shape[6] += far
            shape[7] += far == 0
        if i == 0:
            continue
        step = pitch - line[i - 1]
        intervals[min(max(step, -WIDEST_INTERVAL), WIDEST_INTERVAL) + WIDEST_INTERVAL] += 1
        total_step += step
        squares_step += step * step
        shape[0] += abs(step)
        shape[3] += step > 0
        if i > 1:
            kinds = _STEP_KIND_OF[before + N_VALUES - 1], _STEP_KIND_OF[step + N_VALUES - 1]
            bigrams[kinds[0] * N_STEPS + kinds[1]] += 1
            shape[4] += step == before
            n_back += pitch == line[i - 2] and step != 0
        before = step
        if step != 0:
            n_turns += direction != 0 and (step > 0) != (direction > 0)
            direction = step
            n_moves += 1
    n_steps = max(1, n - 1)
    shape[0] /= n_steps
    shape[1] = math.sqrt(n_steps * squares_step - total_step * total_step) / n_steps
    shape[2] = n_turns / max(1, n_moves - 1)
    shape[3] /= n_steps
    shape[4] /= max(1, n - 2)
    shape[5] = n_back / max(1, n - 2)
    shape[6] /= max(1, n - 4)
    shape[7] /= max(1, n - 4)
    shape[8] = math.sqrt(n * squares - total * total) / n
    return classes, intervals, bigrams, shape


def outer_voice_blocks(top: Ints, bottom: Ints) -> Iterator[Block]:
    """Interval and relative motion of the top and the bottom line."""
    classes, sixths, motion = _spans(top, bottom)
    yield "outer_interval", normalised(classes)
    yield "outer_span", normalised(sixths)
    yield "outer_motion", motion


@compiled
def _spans(top: Ints, bottom: Ints) -> tuple[Floats, Floats, Floats]:
    """Count spans by interval class (without unisons) and by size, and kinds of motion."""
    classes, sixths, motion = np.zeros(12), np.zeros(9), np.zeros(8)
    n, n_voiced = top.size, 0
    for i in range(n):
        span = top[i] - bottom[i]
        sixths[min(span // 6, 8)] += 1
        if span > 0:
            classes[span % 12] += 1
        if i == 0 or span <= 0 or top[i - 1] <= bottom[i - 1]:
            continue
        n_voiced += 1
        up, low = top[i] - top[i - 1], bottom[i] - bottom[i - 1]
        if up * low > 0 and up == low:  # parallel: of any interval, thirds, sixths, fifths
            motion[0] += 1
            kind = span % 12
            motion[4] += 3 <= kind <= 4
            motion[5] += 8 <= kind <= 9
            motion[6] += kind in (7, 0)
        elif up * low > 0:
            motion[1] += 1
        elif up * low < 0:
            motion[2] += 1
        elif up != low:
            motion[3] += 1
    motion /= max(1, n_voiced)
    motion[7] = n_voiced / max(1, n - 1)
    return classes, sixths, motion
