"""Harmony: notes grouped into onsets, and the chords that sound at each of them."""

import numpy as np

from tunesmith.midi.compiled import compiled
from tunesmith.midi.features.histograms import PITCH_CLASS_OF, Floats, Ints

__all__ = ["HARMONY_BLOCKS", "group_onsets", "harmony_features"]

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

HARMONY_BLOCKS = {
    "chord_type": N_CHORDS,
    "chord_classes": 8,
    "major_chord_degree": 12,
    "minor_chord_degree": 12,
    "root_motion": 12,
    "harmony_summary": 3,
    "chord_interval": WIDEST_VERTICAL + 1,
}
_CLASSES, _MAJOR, _MINOR, _MOTION, _SUMMARY, _VERTICAL = 20, 28, 40, 52, 64, 67


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
_N_CLASSES_OF = np.array([mask.bit_count() for mask in range(4096)])


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


@compiled
def harmony_features(  # noqa: C901, PLR0917 - arguments that pass fast
    pitch: Ints, offset_s: Floats, group: Ints, group_s: Floats, tonic: int, out: Floats
) -> None:
    """Count chord types, sizes, roots, root motions and intervals within chords.

    A chord is all notes that sound at an onset; there are as many as groups.
    """
    n_groups = group_s.size
    degree_of = np.empty(12, np.int64)
    for c in range(12):
        degree_of[c] = (c - tonic) % 12
    # Notes that end before the onset of a group form a list.
    ending, following = np.full(n_groups + 1, -1, np.int64), np.empty(pitch.size, np.int64)
    for i in range(pitch.size):
        after = _first_after(offset_s[i] - CHORD_SPREAD_S, group[i], group_s)
        following[i] = ending[after]
        ending[after] = i
        if i > 0 and group[i] == group[i - 1]:
            out[_VERTICAL + min(abs(pitch[i] - pitch[i - 1]), WIDEST_VERTICAL)] += 1
    sounding = np.zeros(12, np.int64)
    mask, before, clear_before, root_before = 0, -1, -1, -1
    n_clear, n_new_clear, n_changes, begun = 0, 0, 0, 0
    for g in range(n_groups):
        while begun < pitch.size and group[begun] == g:
            c = PITCH_CLASS_OF[pitch[begun]]
            sounding[c] += 1
            mask |= 1 << c
            begun += 1
        note = ending[g]
        while note >= 0:
            c = PITCH_CLASS_OF[pitch[note]]
            sounding[c] -= 1
            if sounding[c] == 0:
                mask &= ~(1 << c)
            note = following[note]
        kind, root = _CHORD_TYPE_OF[mask], _CHORD_ROOT_OF[mask]
        out[kind] += 1
        out[_CLASSES + min(_N_CLASSES_OF[mask], 7)] += 1
        if kind in (0, 4):
            out[_MAJOR + degree_of[root]] += 1
        elif kind in (1, 5):
            out[_MINOR + degree_of[root]] += 1
        n_changes += before not in (-1, mask)
        before = mask
        if kind < N_CLEAR_CHORDS:
            n_clear += 1
            if mask != clear_before:
                n_new_clear += 1
                if root_before >= 0:
                    out[_MOTION + (root - root_before) % 12] += 1
                root_before, clear_before = root, mask
    out[_SUMMARY] = n_clear / n_groups
    out[_SUMMARY + 1] = n_new_clear / max(1, n_clear)
    out[_SUMMARY + 2] = n_changes / max(1, n_groups - 1)


@compiled
def _first_after(end_s: float, own: int, group_s: Floats) -> int:
    """Return the first group after a note's own that begins at its end, by galloping search."""
    low, high = own + 1, own + 2
    while high < group_s.size and group_s[high] < end_s:
        low, high = high, 2 * high - own
    high = min(high, group_s.size)
    while low < high:
        middle = (low + high) // 2
        if group_s[middle] < end_s:
            low = middle + 1
        else:
            high = middle
    return low
