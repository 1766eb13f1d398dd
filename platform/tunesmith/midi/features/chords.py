"""Harmony: notes grouped into onsets, and the chords that sound at each of them."""

from collections.abc import Iterator

import numpy as np

from tunesmith.midi.compiled import compiled
from tunesmith.midi.features.histograms import Block, Floats, Ints, from_tonic, normalised

__all__ = ["group_onsets", "harmony_blocks"]

CHORD_SPREAD_S = 0.035
"""Onsets at most this far apart belong to one chord."""

_CHORD_TYPES: dict[str, tuple[int, ...]] = {
    "major": (0, 4, 7),
    "minor": (0, 3, 7),
    "diminished": (0, 3, 6),
    "augmented": (0, 4, 8),
    "dominant7": (0, 4, 7, 10),
    "minor7": (0, 3, 7, 10),
    "major7": (0, 4, 7, 11),
    "half_diminished7": (0, 3, 6, 10),
    "diminished7": (0, 3, 6, 9),
    "dominant7_no5": (0, 4, 10),
    "suspended4": (0, 5, 7),
    "third": (0, 4),
    "minor_third": (0, 3),
    "fifth": (0, 7),
    "tritone": (0, 6),
    "second": (0, 2),
    "minor_second": (0, 1),
    "unison": (0,),
}
_CHORD_NAMES = (*_CHORD_TYPES, "other", "silence")
N_CHORDS = len(_CHORD_NAMES)
N_CLEAR_CHORDS = 10
"""The first ten chord types have an unambiguous root."""

WIDEST_VERTICAL = 16
"""Semitones between neighbouring notes of a chord; wider intervals count as this one."""


def _chord_tables() -> tuple[Ints, Ints]:
    """Return type and root of every set of pitch classes, indexed by its 12-bit mask."""
    types = np.full(4096, _CHORD_NAMES.index("other"), dtype=np.int64)
    roots = np.zeros(4096, dtype=np.int64)
    types[0] = _CHORD_NAMES.index("silence")
    for number, name in reversed(list(enumerate(_CHORD_TYPES))):
        for root in range(12):
            mask = sum(1 << ((root + step) % 12) for step in _CHORD_TYPES[name])
            types[mask], roots[mask] = number, root
    return types, roots


_CHORD_TYPE_OF, _CHORD_ROOT_OF = _chord_tables()


@compiled
def group_onsets(onset_s: Floats, pitch: Ints, velocity: Ints) -> tuple[Ints, Ints, Ints]:
    """Group notes that begin together.

    Returns the group of each note, the first note of each group, and the highest pitch, lowest
    pitch and largest velocity of each group, [3, groups].
    """
    n, g = pitch.size, 0
    group, starts, extremes = (
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty((3, n), np.int64),
    )
    for i in range(n):
        if i == 0 or onset_s[i] - onset_s[i - 1] > CHORD_SPREAD_S:
            starts[g] = i
            extremes[0, g], extremes[1, g], extremes[2, g] = pitch[i], pitch[i], velocity[i]
            g += 1
        group[i] = g - 1
        extremes[0, g - 1] = max(extremes[0, g - 1], pitch[i])
        extremes[1, g - 1] = min(extremes[1, g - 1], pitch[i])
        extremes[2, g - 1] = max(extremes[2, g - 1], velocity[i])
    return group, starts[:g].copy(), extremes[:, :g].copy()


def harmony_blocks(
    pitch: Ints,
    offset_s: Floats,
    group: Ints,
    group_s: Floats,
    *,
    tonic: int,
) -> Iterator[Block]:
    """Chord types, roots and root motions of all notes that sound at each onset."""
    types, sizes, roots, motion, vertical, summary = _chords(
        pitch, group, _first_after(offset_s, group, group_s), group_s.size
    )
    yield "chord_type", normalised(types)
    yield "chord_classes", normalised(sizes)
    yield "major_chord_degree", from_tonic(normalised(roots[0] + roots[4]), tonic)
    yield "minor_chord_degree", from_tonic(normalised(roots[1] + roots[5]), tonic)
    yield "root_motion", normalised(motion)
    yield "harmony_summary", summary
    yield "chord_interval", normalised(vertical)


@compiled
def _first_after(offset_s: Floats, group: Ints, group_s: Floats) -> Ints:
    """Return the first group at which each note has ended, by galloping and binary search."""
    after = np.empty_like(group)
    for i in range(group.size):
        end_s = offset_s[i] - CHORD_SPREAD_S
        low, high = group[i] + 1, group[i] + 2
        while high < group_s.size and group_s[high] < end_s:
            low, high = high, 2 * high - group[i]
        high = min(high, group_s.size)
        while low < high:
            middle = (low + high) // 2
            if group_s[middle] < end_s:
                low = middle + 1
            else:
                high = middle
        after[i] = low
    return after


@compiled
def _chords(
    pitch: Ints, group: Ints, after: Ints, n_groups: int
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """Count chord types, sizes, roots by type, root motions and intervals within chords."""
    types, sizes, roots = np.zeros(N_CHORDS), np.zeros(8), np.zeros((N_CHORDS, 12))
    motion, vertical, summary = np.zeros(12), np.zeros(WIDEST_VERTICAL + 1), np.zeros(3)
    # For each onset and pitch class: notes that begin minus notes that end.
    change = np.zeros((n_groups + 1, 12), np.int32)
    for i in range(pitch.size):
        change[group[i], pitch[i] % 12] += 1
        change[after[i], pitch[i] % 12] -= 1
        if i > 0 and group[i] == group[i - 1]:
            vertical[min(abs(pitch[i] - pitch[i - 1]), WIDEST_VERTICAL)] += 1
    sounding = np.zeros(12, np.int32)
    before, clear_before, root_before, n_clear = -1, -1, -1, 0
    for g in range(n_groups):
        mask, size = 0, 0
        for c in range(12):
            sounding[c] += change[g, c]
            if sounding[c] > 0:
                mask |= 1 << c
                size += 1
        kind, root = _CHORD_TYPE_OF[mask], _CHORD_ROOT_OF[mask]
        types[kind] += 1
        sizes[min(size, 7)] += 1
        roots[kind, root] += 1
        summary[2] += before not in (-1, mask)
        before = mask
        if kind < N_CLEAR_CHORDS:
            n_clear += 1
            if mask != clear_before:
                summary[1] += 1
                if root_before >= 0:
                    motion[(root - root_before) % 12] += 1
                root_before, clear_before = root, mask
    summary[0] = n_clear / n_groups
    summary[1] /= max(1, n_clear)
    summary[2] /= max(1, n_groups - 1)
    return types, sizes, roots, motion, vertical, summary
