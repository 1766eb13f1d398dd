"""Rhythm: durations of notes, gaps between onsets, position in the beat, regularity."""

import math
from collections.abc import Iterator

import numpy as np

from tunesmith.midi.compiled import compiled
from tunesmith.midi.features.histograms import EPSILON, Block, Floats, normalised

__all__ = ["rhythm_blocks"]

_LENGTH_EDGES_QUARTERS = np.array(
    [0.09, 0.14, 0.2, 0.29, 0.35, 0.43, 0.58, 0.7, 0.85, 1.2, 1.7, 2.5, 3.5]
)
"""Boundaries between 32nd, sextuplet, 16th, triplet, dotted 16th, ... and whole notes."""

_LENGTH_EDGES_S = np.geomspace(0.04, 4.0, 12)
N_LENGTHS, N_LENGTHS_S = _LENGTH_EDGES_QUARTERS.size + 1, _LENGTH_EDGES_S.size + 1
EVEN_RATIO = 0.1
"""Two gaps are even when the base-2 logarithm of their ratio is smaller than this."""


def rhythm_blocks(
    group_s: Floats,
    group_q: Floats,
    onset_q: Floats,
    duration_s: Floats,
    duration_q: Floats,
    *,
    n_notes: int,
) -> Iterator[Block]:
    """Durations and gaps in quarter notes and in seconds, position in the beat, regularity."""
    duration_kinds, duration_kinds_s, places, by_note = _durations(onset_q, duration_s, duration_q)
    gap_kinds, gap_kinds_s, ratios, by_gap = _gaps(group_s, group_q)
    place = normalised(places)
    yield "gap_quarters", normalised(gap_kinds)
    yield "duration_quarters", normalised(duration_kinds)
    yield "gap_seconds", normalised(gap_kinds_s)
    yield "duration_seconds", normalised(duration_kinds_s)
    yield "gap_ratio", normalised(ratios)
    yield "place_in_quarter", place
    gap_s, gap_q, gap_std, gap_std_q, even, *repeats = by_gap.tolist()
    mean_s, mean_q, duration_std = by_note.tolist()
    span_s = float(group_s[-1] - group_s[0])
    span_q = float(group_q[-1] - group_q[0])
    n = group_s.size
    yield (
        "rhythm_summary",
        np.array(
            [
                math.log(gap_s + 0.01),
                math.log(gap_q + 0.01),
                math.log(mean_s + 0.01),
                math.log(mean_q + 0.01),
                gap_std,
                gap_std_q,
                duration_std,
                math.log(mean_q / (gap_q + EPSILON) + 0.01),  # articulation
                even,
                *repeats,
                math.log(n / (span_s + 1.0)),
                math.log(n_notes / (span_s + 1.0)),
                math.log(n / (span_q + 1.0)),
                math.log((span_q + 0.1) / (span_s + 0.1)),
                np.count_nonzero(gap_kinds > 0.02 * n),
                place[0],
                place[4] + place[8],
            ]
        ),
    )


@compiled
def _durations(
    onset_q: Floats, duration_s: Floats, duration_q: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Count notes by duration and by position in the quarter note; average the durations.

    The summary is the mean in seconds, the mean in quarters, and the deviation of the logarithm.
    """
    kinds, kinds_s = np.zeros(N_LENGTHS), np.zeros(N_LENGTHS_S)
    places, summary = np.zeros(12), np.zeros(3)
    logs = np.empty(duration_s.size)
    for i in range(duration_s.size):
        kind, kind_s = 0, 0
        while kind < N_LENGTHS - 1 and _LENGTH_EDGES_QUARTERS[kind] < duration_q[i]:
            kind += 1
        while kind_s < N_LENGTHS_S - 1 and _LENGTH_EDGES_S[kind_s] < duration_s[i]:
            kind_s += 1
        kinds[kind] += 1
        kinds_s[kind_s] += 1
        places[int(np.rint(onset_q[i] * 12)) % 12] += 1
        summary[0] += duration_s[i]
        summary[1] += duration_q[i]
        logs[i] = math.log(duration_s[i] + 0.01)
    summary /= duration_s.size
    summary[2] = np.std(logs)
    return kinds, kinds_s, places, summary


@compiled
def _gaps(group_s: Floats, group_q: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Count gaps between onsets by length and by ratio to the previous gap.

    The summary is the mean in seconds and in quarters, the deviations of the logarithms, and the
    shares of even ratios and of lengths that recur after one, two and four gaps.
    """
    kinds, kinds_s, ratios = np.zeros(N_LENGTHS), np.zeros(N_LENGTHS_S), np.zeros(11)
    summary = np.zeros(8)
    n = group_s.size - 1
    if n == 0:
        return kinds, kinds_s, ratios, summary
    kind_of = np.empty(n, np.int64)
    logs_s, logs_q = np.empty(n), np.empty(n)
    for i in range(n):
        gap_s, gap_q = group_s[i + 1] - group_s[i], group_q[i + 1] - group_q[i]
        kind, kind_s = 0, 0
        while kind < N_LENGTHS - 1 and _LENGTH_EDGES_QUARTERS[kind] < gap_q:
            kind += 1
        while kind_s < N_LENGTHS_S - 1 and _LENGTH_EDGES_S[kind_s] < gap_s:
            kind_s += 1
        kinds[kind] += 1
        kinds_s[kind_s] += 1
        kind_of[i] = kind
        summary[0] += gap_s
        summary[1] += gap_q
        logs_s[i], logs_q[i] = math.log(gap_s + 0.01), math.log(max(gap_q, 0.0) + 0.01)
        if i > 0:
            ratio = (logs_s[i] - logs_s[i - 1]) * (1 / math.log(2.0))  # in powers of 2
            ratios[min(max(int(np.rint(ratio * 2)), -5), 5) + 5] += 1
            summary[4] += abs(ratio) < EVEN_RATIO
            summary[5] += kind == kind_of[i - 1]
        summary[6] += i > 1 and kind == kind_of[i - 2]
        summary[7] += i > 3 and kind == kind_of[i - 4]
    summary[0] /= n
    summary[1] /= n
    summary[2], summary[3] = np.std(logs_s), np.std(logs_q)
    summary[4] /= max(1, n - 1)
    summary[5] /= max(1, n - 1)
    summary[6] /= max(1, n - 2)
    summary[7] /= max(1, n - 4)
    return kinds, kinds_s, ratios, summary
