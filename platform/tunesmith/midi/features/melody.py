"""Melody: the top line, the bottom line, and their motion against each other."""

import math

import numpy as np

from tunesmith.midi.compiled import compiled
from tunesmith.midi.features.histograms import N_VALUES, PITCH_CLASS_OF, Floats, Ints

__all__ = ["LINE_BLOCKS", "OUTER_BLOCKS", "line_features", "outer_voice_features"]

N_STEPS = 7
"""Kinds of melodic steps: leap, third and step down, repetition, step, third and leap up."""

WIDEST_INTERVAL = 13
"""Semitones; wider intervals count as this one."""

LINE_BLOCKS = {
    "degree": 12,
    "interval": 2 * WIDEST_INTERVAL + 1,
    "bigram": N_STEPS * N_STEPS,
    "shape": 9,
}
_INTERVAL, _BIGRAM, _SHAPE = 12, 39, 88

OUTER_BLOCKS = {"outer_interval": 12, "outer_span": 9, "outer_motion": 8}
_SPAN, _MOTION = 12, 21

# Kind of each step in semitones, from -127 to 127.
_STEP_KIND_OF = np.searchsorted(
    [-4.5, -2.5, -0.5, 0.5, 2.5, 4.5], np.arange(1 - N_VALUES, N_VALUES)
)


@compiled
def line_features(line: Ints, tonic: int, out: Floats) -> None:
    """Count degrees, intervals and pairs of steps of a line, and measure its shape."""
    degree_of = np.empty(12, np.int64)
    for c in range(12):
        degree_of[c] = (c - tonic) % 12
    shape = out[_SHAPE:]
    n, n_moves, n_turns, n_back, direction, before = line.size, 0, 0, 0, 0, 0
    total, squares, total_step, squares_step, steps = 0, 0, 0, 0, 0
    n_up, n_repeated, far, n_far, kind_before = 0, 0, 0, 0, 0
    for i in range(n):
        pitch = line[i]
        out[degree_of[PITCH_CLASS_OF[pitch]]] += 1
        total += pitch
        squares += pitch * pitch
        if i >= 4:
            far += abs(pitch - line[i - 4])
            n_far += pitch == line[i - 4]
        if i == 0:
            continue
        step = pitch - line[i - 1]
        out[_INTERVAL + WIDEST_INTERVAL + min(max(step, -WIDEST_INTERVAL), WIDEST_INTERVAL)] += 1
        total_step += step
        squares_step += step * step
        steps += abs(step)
        n_up += step > 0
        kind = _STEP_KIND_OF[step + N_VALUES - 1]
        if i > 1:
            out[_BIGRAM + kind_before * N_STEPS + kind] += 1
            n_repeated += step == before
            n_back += pitch == line[i - 2] and step != 0
        before, kind_before = step, kind
        if step != 0:
            n_turns += direction != 0 and (step > 0) != (direction > 0)
            direction = step
            n_moves += 1
    n_steps = max(1, n - 1)
    shape[0] = steps / n_steps
    shape[1] = math.sqrt(n_steps * squares_step - total_step * total_step) / n_steps
    shape[2] = n_turns / max(1, n_moves - 1)
    shape[3] = n_up / n_steps
    shape[4] = n_repeated / max(1, n - 2)
    shape[5] = n_back / max(1, n - 2)
    shape[6] = far / max(1, n - 4)
    shape[7] = n_far / max(1, n - 4)
    shape[8] = math.sqrt(n * squares - total * total) / n


@compiled
def outer_voice_features(top: Ints, bottom: Ints, out: Floats) -> None:
    """Count spans by interval class (without unisons) and by size, and kinds of motion."""
    motion = out[_MOTION:]
    n, n_voiced = top.size, 0
    for i in range(n):
        span = top[i] - bottom[i]
        out[_SPAN + min(span // 6, 8)] += 1
        if span > 0:
            out[PITCH_CLASS_OF[span]] += 1
        if i == 0 or span <= 0 or top[i - 1] <= bottom[i - 1]:
            continue
        n_voiced += 1
        up, low = top[i] - top[i - 1], bottom[i] - bottom[i - 1]
        if up * low > 0 and up == low:  # parallel: of any interval, thirds, sixths, fifths
            motion[0] += 1
            kind = PITCH_CLASS_OF[span]
            motion[4] += 3 <= kind <= 4
            motion[5] += 8 <= kind <= 9
            motion[6] += kind in (7, 0)
        elif up * low > 0:
            motion[1] += 1
        elif up * low < 0:
            motion[2] += 1
        elif up != low:
            motion[3] += 1
    for i in range(7):
        motion[i] /= max(1, n_voiced)
    motion[7] = n_voiced / max(1, n - 1)
