"""Rhythm: durations of notes, gaps between onsets, position in the beat, regularity."""

import math

import numpy as np

from tunesmith.midi.compiled import compiled
from tunesmith.midi.features.histograms import EPSILON, Floats, Ints

__all__ = ["RHYTHM_BLOCKS", "rhythm_features"]

_LENGTH_EDGES_QUARTERS = np.array(
    [0.09, 0.14, 0.2, 0.29, 0.35, 0.43, 0.58, 0.7, 0.85, 1.2, 1.7, 2.5, 3.5]
)
"""Boundaries between 32nd, sextuplet, 16th, triplet, dotted 16th, ... and whole notes."""

_LENGTH_EDGES_S = np.geomspace(0.04, 4.0, 12)
N_LENGTHS, N_LENGTHS_S = _LENGTH_EDGES_QUARTERS.size + 1, _LENGTH_EDGES_S.size + 1
EVEN_RATIO = 0.1
"""Two gaps are even when the base-2 logarithm of their ratio is smaller than this."""


RHYTHM_BLOCKS = {
    "gap_quarters": N_LENGTHS,
    "duration_quarters": N_LENGTHS,
    "gap_seconds": N_LENGTHS_S,
    "duration_seconds": N_LENGTHS_S,
    "gap_ratio": 11,
    "place_in_quarter": 12,
    "rhythm_summary": 19,
}
_DURATION, _GAP_S, _DURATION_S, _RATIO, _PLACE, _SUMMARY = 14, 28, 41, 54, 65, 77


@compiled
def rhythm_features(  # noqa: PLR0917 - arguments that pass fast
    group_s: Floats,
    group_q: Floats,
    onset_q: Floats,
    duration_s: Floats,
    duration_q: Floats,
    out: Floats,
) -> None:
    """Count durations and gaps in quarter notes and in seconds, and places in the quarter note.

    The summary has their means and deviations, and how regular the gaps are.
    """
    n, n_gaps, n_notes = group_s.size, group_s.size - 1, onset_q.size
    mean_s, mean_q, duration_std = _durations(onset_q, duration_s, duration_q, out)
    gap_s, gap_q, gap_std, gap_std_q = 0.0, 0.0, 0.0, 0.0
    regular = np.zeros(4, np.int64)
    if n_gaps:
        gap_s, gap_q, gap_std, gap_std_q = _gaps(group_s, group_q, out, regular)
    span_s, span_q = group_s[-1] - group_s[0], group_q[-1] - group_q[0]
    n_kinds = 0
    for kind in range(N_LENGTHS):
        n_kinds += out[kind] > 0.02 * n
    summary = out[_SUMMARY:]
    summary[0] = math.log(gap_s + 0.01)
    summary[1] = math.log(gap_q + 0.01)
    summary[2] = math.log(mean_s + 0.01)
    summary[3] = math.log(mean_q + 0.01)
    summary[4] = gap_std
    summary[5] = gap_std_q
    summary[6] = duration_std
    summary[7] = math.log(mean_q / (gap_q + EPSILON) + 0.01)  # articulation
    summary[8] = regular[0] / max(1, n_gaps - 1)
    summary[9] = regular[1] / max(1, n_gaps - 1)
    summary[10] = regular[2] / max(1, n_gaps - 2)
    summary[11] = regular[3] / max(1, n_gaps - 4)
    summary[12] = math.log(n / (span_s + 1.0))
    summary[13] = math.log(n_notes / (span_s + 1.0))
    summary[14] = math.log(n / (span_q + 1.0))
    summary[15] = math.log((span_q + 0.1) / (span_s + 0.1))
    summary[16] = n_kinds
    summary[17] = out[_PLACE] / n_notes
    summary[18] = out[_PLACE + 4] / n_notes + out[_PLACE + 8] / n_notes


@compiled
def _durations(
    onset_q: Floats, duration_s: Floats, duration_q: Floats, out: Floats
) -> tuple[float, float, float]:
    """Count notes by duration and place; return the mean durations and the logarithm's deviation.

    The means are in seconds and in quarters.
    """
    n = duration_s.size
    sum_s, sum_q = 0.0, 0.0
    logs = np.empty(n)
    for i in range(n):
        kind, kind_s = 0, 0
        while kind < N_LENGTHS - 1 and _LENGTH_EDGES_QUARTERS[kind] < duration_q[i]:
            kind += 1
        while kind_s < N_LENGTHS_S - 1 and _LENGTH_EDGES_S[kind_s] < duration_s[i]:
            kind_s += 1
        out[_DURATION + kind] += 1
        out[_DURATION_S + kind_s] += 1
        out[_PLACE + int(np.rint(onset_q[i] * 12)) % 12] += 1
        sum_s += duration_s[i]
        sum_q += duration_q[i]
        logs[i] = math.log(duration_s[i] + 0.01)
    return sum_s / n, sum_q / n, float(np.std(logs))


@compiled
def _gaps(
    group_s: Floats, group_q: Floats, out: Floats, regular: Ints
) -> tuple[float, float, float, float]:
    """Count gaps between onsets by length and by ratio to the previous gap.

    Returns the means in seconds and in quarters, and the deviations of the logarithms; writes the
    numbers of even ratios and of lengths that recur after one, two and four gaps.
    """
    n = group_s.size - 1
    kind_of = np.empty(n, np.int64)
    logs_s, logs_q = np.empty(n), np.empty(n)
    sum_s, sum_q = 0.0, 0.0
    for i in range(n):
        gap_s, gap_q = group_s[i + 1] - group_s[i], group_q[i + 1] - group_q[i]
        kind, kind_s = 0, 0
        while kind < N_LENGTHS - 1 and _LENGTH_EDGES_QUARTERS[kind] < gap_q:
            kind += 1
        while kind_s < N_LENGTHS_S - 1 and _LENGTH_EDGES_S[kind_s] < gap_s:
            kind_s += 1
        out[kind] += 1
        out[_GAP_S + kind_s] += 1
        kind_of[i] = kind
        sum_s += gap_s
        sum_q += gap_q
        logs_s[i], logs_q[i] = math.log(gap_s + 0.01), math.log(max(gap_q, 0.0) + 0.01)
        if i > 0:
            ratio = (logs_s[i] - logs_s[i - 1]) * (1 / math.log(2.0))  # in powers of 2
            out[_RATIO + 5 + min(max(int(np.rint(ratio * 2)), -5), 5)] += 1
            regular[0] += abs(ratio) < EVEN_RATIO
            regular[1] += kind == kind_of[i - 1]
        regular[2] += i > 1 and kind == kind_of[i - 2]
        regular[3] += i > 3 and kind == kind_of[i - 4]
    return sum_s / n, sum_q / n, float(np.std(logs_s)), float(np.std(logs_q))
