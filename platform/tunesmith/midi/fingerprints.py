"""Fingerprints that find the same music when transposed, cut, quantised or at another tempo.

A piece is reduced to the top and the bottom line of its onsets, a line to its intervals, and the
intervals to overlapping n-grams. None of them changes with key or tempo. The n-gram hashes below a
fixed threshold are the fingerprint, so that the fingerprint of an excerpt is a subset of the
fingerprint of the piece (FracMinHash, Irber et al. 2022; plain MinHash compares pieces of equal
size and misses a piece that was cut in half). Clustering uses an inverted index from hash to
pieces, so its cost grows with the number of shared hashes and not with the number of pairs.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled
from tunesmith.midi.score import Score

__all__ = [
    "DuplicateRule",
    "duplicate_clusters",
    "fingerprint",
    "note_hash",
    "same_music",
    "shared_share",
]

CHORD_SPREAD_S = 0.035
"""Onsets at most this far apart belong to one chord; allows for 10 ms of jitter either way."""

GRID_PER_QUARTER = 4
"""Notes nearest to the same 16th also form a chord, so that a piece and its quantised copy have the
same chords."""

LINE_NGRAM = 6
"""Intervals per n-gram: 5 would merge different works, 8 would miss quantised copies."""

KEPT_SHARE = 4
"""One n-gram in this many is kept, ..."""

SMALLEST_SKETCH = 96
"""... but at least this many, so that short pieces can be compared."""

MOST_OF_IT = 0.8
"""Share of a small fingerprint that must be shared."""

TIME_RESOLUTION_S = 1e-3


def note_hash(score: Score) -> str:
    """Return a digest of the notes; equal for files with the same notes.

    It covers onsets and offsets in milliseconds, pitches, velocities and drum flags. The order of
    tracks, programs, names and the resolution of the file have no effect.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    notes = score.notes
    onset = np.rint(notes["onset_s"] / TIME_RESOLUTION_S).astype(np.uint64)
    offset = np.rint(notes["offset_s"] / TIME_RESOLUTION_S).astype(np.uint64)
    pitch, velocity = notes["pitch"].astype(np.uint64), notes["velocity"].astype(np.uint64)
    start = (onset << np.uint64(8)) | (pitch << np.uint64(1)) | notes["is_drum"]
    each = _mix(start + _mix((offset << np.uint64(8)) | velocity))
    return hashlib.blake2b(np.sort(each).astype("<u8").tobytes(), digest_size=16).hexdigest()


def fingerprint(notes: NDArray[np.void]) -> NDArray[np.uint64]:
    """Return a sketch of a piece that does not change with key or tempo.

    Parameters
    ----------
    notes
        `NOTE_DTYPE` [notes]; drums are ignored.

    Returns
    -------
    NDArray[np.uint64]
        Sorted distinct hashes; empty for fewer than seven onsets.
    """
    pitched = notes[~notes["is_drum"]] if notes["is_drum"].any() else notes
    if pitched.size == 0:
        return np.empty(0, dtype=np.uint64)
    step = np.rint(pitched["onset_quarters"] * GRID_PER_QUARTER)
    hashes = _ngram_hashes(
        pitched["pitch"].astype(np.int64), pitched["onset_s"].copy(), step.astype(np.float64)
    )
    kept = _distinct(hashes[hashes < _KEPT_BELOW])
    return kept if kept.size >= SMALLEST_SKETCH else _distinct(hashes)[:SMALLEST_SKETCH]


_KEPT_BELOW = np.uint64(2**64 // KEPT_SHARE)
_SALT = np.uint64(257**LINE_NGRAM % 2**64)
"""Distinguishes the n-grams of the two lines."""


def _distinct(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the sorted unique hashes; several times faster than `np.unique` on small arrays."""
    ordered = np.sort(hashes)
    first = np.ones(ordered.size, dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


@compiled
def _mix(value: Any) -> Any:
    """Mix the bits of integers (the finaliser of SplitMix64)."""
    value = value ^ (value >> np.uint64(30))
    value = value * np.uint64(0xBF58476D1CE4E5B9)
    value = value ^ (value >> np.uint64(27))
    value = value * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@compiled
def _ngram_hashes(
    pitch: NDArray[np.int64], onset_s: NDArray[np.float64], step: NDArray[np.float64]
) -> NDArray[np.uint64]:
    """Hash the interval n-grams of the top and the bottom line, for both kinds of chord."""
    n = pitch.size
    line = np.empty(n, dtype=np.int64)
    hashes = np.empty(4 * n, dtype=np.uint64)
    n_hashes = 0
    for chords in range(2):
        for side in range(2):
            length = 0
            for i in range(n):
                if chords == 0:
                    begins = i == 0 or onset_s[i] - onset_s[i - 1] > CHORD_SPREAD_S
                else:
                    begins = i == 0 or step[i] > step[i - 1]
                if begins:
                    line[length] = pitch[i]
                    length += 1
                elif side == 0:
                    line[length - 1] = max(line[length - 1], pitch[i])
                else:
                    line[length - 1] = min(line[length - 1], pitch[i])
            for i in range(length - LINE_NGRAM):
                # Six digits of base 257 fit 64 bits, so distinct n-grams have distinct values.
                value = np.uint64(0)
                for k in range(i, i + LINE_NGRAM):
                    value = value * np.uint64(257) + np.uint64(line[k + 1] - line[k] + 128)
                hashes[n_hashes] = _mix(value + np.uint64(side + 1) * _SALT)
                n_hashes += 1
    return hashes[:n_hashes]


@dataclass(frozen=True, slots=True)
class DuplicateRule:
    """Conditions under which two fingerprints count as the same music.

    Attributes
    ----------
    min_shared
        Number of hashes that must be shared, or most of a smaller fingerprint.
    min_containment
        Share of the smaller fingerprint that must be in the larger one.
    max_pieces_per_hash
        A hash in more pieces than this pairs only neighbours, so that the cost stays linear; this
        still connects all copies of one piece.
    """

    min_shared: int = 10
    min_containment: float = 0.15
    max_pieces_per_hash: int = 24

    def shared_needed(self, smaller: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the number of hashes to share, given the size of the smaller fingerprint."""
        few = np.minimum(float(self.min_shared), MOST_OF_IT * smaller)
        return np.asarray(np.maximum(self.min_containment * smaller, few))


def duplicate_clusters(
    fingerprints: Sequence[NDArray[np.uint64]],
    rule: DuplicateRule | None = None,
    *,
    copies: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Cluster the pieces that are the same music.

    Parameters
    ----------
    fingerprints
        One `fingerprint` per piece; an empty one forms its own cluster.
    rule
        Conditions for two pieces to count as the same.
    copies
        Number of pieces that each fingerprint represents, 1 by default; used for the number of
        pieces per hash.

    Returns
    -------
    NDArray[np.int64]
        Cluster of each piece, numbered from 0 in order of first appearance.
    """
    rule = rule or DuplicateRule()
    if copies is None:
        copies = np.ones(len(fingerprints), dtype=np.int64)
    left, right = _candidates(fingerprints, rule, copies)
    parent = list(range(len(fingerprints)))
    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        root_a, root_b = _root(parent, a), _root(parent, b)
        if root_a != root_b and same_music(fingerprints[a], fingerprints[b], rule):
            parent[max(root_a, root_b)] = min(root_a, root_b)
    roots = np.array([_root(parent, i) for i in range(len(parent))], dtype=np.int64)
    _, labels = np.unique(roots, return_inverse=True)
    return labels.astype(np.int64)


def _candidates(
    fingerprints: Sequence[NDArray[np.uint64]], rule: DuplicateRule, copies: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs that may share enough hashes, in ascending order."""
    n = len(fingerprints)
    empty = np.empty(0, dtype=np.int64)
    sizes = np.array([f.size for f in fingerprints], dtype=np.int64)
    if not sizes.any():
        return empty, empty
    hashes = np.concatenate(fingerprints)
    owners = np.repeat(np.arange(n, dtype=np.int64), sizes)
    order = np.argsort(hashes, kind="stable")
    hashes, owners = hashes[order], owners[order]
    starts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
    counts = np.diff(np.append(starts, hashes.size))
    n_pieces = np.add.reduceat(copies[owners], starts)
    reach = np.repeat(np.where(n_pieces <= rule.max_pieces_per_hash, counts - 1, 1), counts)
    # Number of later pieces with the same hash to pair with this one.
    reach = np.minimum(reach, np.repeat(starts + counts, counts) - np.arange(1, hashes.size + 1))
    keys = []
    for step in range(1, rule.max_pieces_per_hash):
        first = np.flatnonzero(reach >= step)
        if first.size == 0:
            break
        keys.append(owners[first] * n + owners[first + step])
    if not keys:
        return empty, empty
    pairs, shared = np.unique(np.concatenate(keys), return_counts=True)
    left, right = np.divmod(pairs, n)
    smaller = np.minimum(sizes[left], sizes[right])
    enough = shared >= np.minimum(rule.min_shared, MOST_OF_IT * smaller)
    return left[enough], right[enough]


def _root(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


def same_music(
    a: NDArray[np.uint64], b: NDArray[np.uint64], rule: DuplicateRule | None = None
) -> bool:
    """Return whether two fingerprints share enough hashes to be the same music."""
    shared, smaller = _overlap(a, b)
    return bool(shared >= (rule or DuplicateRule()).shared_needed(np.array(smaller)))


def shared_share(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> float:
    """Return the share of the smaller fingerprint that the larger one holds too."""
    shared, smaller = _overlap(a, b)
    return shared / smaller if smaller else 0.0


def _overlap(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> tuple[int, int]:
    """Return the shared hashes of two fingerprints, cut alike, and the size of the smaller one."""
    limit = min(_threshold(a), _threshold(b))
    a, b = a[: np.searchsorted(a, limit, "right")], b[: np.searchsorted(b, limit, "right")]
    return np.intersect1d(a, b, assume_unique=True).size, min(a.size, b.size)


def _threshold(sketch: NDArray[np.uint64]) -> np.uint64:
    """Return the largest hash up to which the sketch is complete."""
    return max(_KEPT_BELOW, sketch[-1]) if sketch.size else _KEPT_BELOW
