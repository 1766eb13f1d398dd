"""Pieces that are the same music, among many: links with their evidence, and clusters of them.

An index holds an eighth of each fingerprint. Pieces that share entries of it are compared whole,
by the order of the n-grams that they share (`tunesmith.midi.matching`), and linked where that is
enough. A link joins two clusters only if its evidence is the stronger the more pairs of pieces the
clusters have: one weak link does not join large clusters, so that false links cannot chain.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled, read_only
from tunesmith.midi.fingerprints import PLACE_BITS
from tunesmith.midi.matching import likeness, needed_onsets, positions

__all__ = [
    "CERTAIN",
    "COMMON",
    "LEAST_SHARED",
    "LINK_DTYPE",
    "MOST_PIECES",
    "RARE",
    "Sketches",
    "as_links",
    "clusters_by_links",
    "duplicate_clusters",
    "duplicate_links",
    "indexed",
    "is_link",
]

LINK_DTYPE = np.dtype(
    [
        ("first", np.int64),
        ("second", np.int64),
        ("shared", np.float32),
        ("in_order", np.float32),
        ("onsets", np.int32),
        ("strength", np.float32),
    ]
)
"""A link of two pieces, `first` before `second`, with the fields of `matching.Likeness`."""

INDEX_SHARE = 8
"""One entry in this many is indexed, ..."""
SMALLEST_INDEXED = 24
"""... but at least this many of a piece."""

MOST_PIECES = 2**PLACE_BITS
"""Pieces that can be numbered in the low bits of an entry."""
_BELOW = np.uint64(2**64 // INDEX_SHARE)
LEAST_SHARED = 2
"""Indexed entries that two pieces share if they are compared."""
RARE = 64
"""Entries of at most this many pieces lead to all of them; of the others ..."""
CERTAIN = 16
"""... only those that are among a piece's rarest, this many, ..."""
COMMON = 2_000
"""... and those of more pieces than this lead to the one before, which connects equal pieces."""
_PIECES_AT_ONCE = 512
"""Pieces whose links one thread looks for at a time."""
_PER_DOUBLING = 0.1
"""Strength that a link needs above 1 for each doubling of the pairs that it would join, ..."""
_STRONG = 2.0
"""... up to this one, which no different music has."""


class Sketches(NamedTuple):
    """Fingerprints of many pieces in one array.

    Attributes
    ----------
    entries
        Entries of all pieces; not written to.
    starts, sizes
        First entry and number of entries of each piece, ``int [pieces]``.
    """

    entries: NDArray[np.uint64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, fingerprints: Sequence[NDArray[np.uint64]]) -> "Sketches":
        """Put fingerprints into one array."""
        sizes = np.array([sketch.size for sketch in fingerprints], dtype=np.int64)
        entries = np.concatenate([np.empty(0, dtype=np.uint64), *fingerprints])
        return cls(entries, np.cumsum(sizes) - sizes, sizes)


class _Index(NamedTuple):
    """Fingerprints, and from each indexed hash to its pieces.

    Attributes
    ----------
    entries, starts, sizes
        As of `Sketches`.
    n_indexed
        Number of entries of each fingerprint that are indexed, the first ones, ``[pieces]``.
    postings
        The indexed hashes, each with its piece in place of the onset, sorted.
    """

    entries: NDArray[np.uint64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    n_indexed: NDArray[np.int64]
    postings: NDArray[np.uint64]


def duplicate_clusters(fingerprints: Sequence[NDArray[np.uint64]]) -> NDArray[np.int64]:
    """Cluster the pieces that are the same music.

    Parameters
    ----------
    fingerprints
        One `fingerprint` per piece; an empty one forms its own cluster.

    Returns
    -------
    NDArray[np.int64]
        Cluster of each piece, numbered from 0 in order of first appearance.
    """
    return clusters_by_links(duplicate_links(Sketches.of(fingerprints)), len(fingerprints))


def duplicate_links(sketches: Sketches) -> NDArray[np.void]:
    """Return the pairs of pieces that are the same music.

    Of a cluster of many pieces not all pairs are compared.

    Parameters
    ----------
    sketches
        One fingerprint per piece.

    Returns
    -------
    NDArray[np.void]
        `LINK_DTYPE` [links], by `first` and `second`.
    """
    n = len(sketches.sizes)
    if n > MOST_PIECES:
        msg = f"{n:,} pieces cannot be compared at once: the most is {MOST_PIECES:,}."
        raise ValueError(msg)
    index = _index_of(sketches)
    blocks = [np.empty(0, dtype=LINK_DTYPE)]

    def links_from(start: int) -> NDArray[np.void]:
        pairs, evidence = _links_of(index, start, min(start + _PIECES_AT_ONCE, n))
        return as_links(pairs, evidence)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # the loops hold no interpreter lock
        blocks += pool.map(links_from, range(0, n, _PIECES_AT_ONCE))
    links = np.concatenate(blocks)
    ordered: NDArray[np.void] = links[np.lexsort((links["second"], links["first"]))]
    return ordered


def as_links(pairs: NDArray[np.int64], evidence: NDArray[np.float64]) -> NDArray[np.void]:
    """Return links of pairs of pieces, ``[links, 2]``, and their evidence, ``[links, 4]``."""
    links = np.zeros(len(pairs), dtype=LINK_DTYPE)
    links["first"], links["second"] = pairs[:, 0], pairs[:, 1]
    for number, name in enumerate(("shared", "in_order", "onsets", "strength")):
        links[name] = evidence[:, number]
    return links


def clusters_by_links(
    links: NDArray[np.void], n_pieces: int, same: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Cluster pieces by their links, the strongest first.

    Parameters
    ----------
    links
        `LINK_DTYPE` [links].
    n_pieces
        Number of pieces.
    same
        Pieces with the same number are one cluster from the start, such as those with the same
        notes, ``int [pieces]``.

    Returns
    -------
    NDArray[np.int64]
        Cluster of each piece, numbered from 0 in order of first appearance.
    """
    if same is None:
        same = np.arange(n_pieces)
    _, first, numbers = np.unique(same, return_index=True, return_inverse=True)
    parent = first[numbers].astype(np.int64)
    order = np.lexsort((links["second"], links["first"], -links["strength"].astype(np.float64)))
    ordered = links[order]
    roots = _joined(
        parent, ordered["first"].copy(), ordered["second"].copy(),
        ordered["strength"].astype(np.float64),
    )  # fmt: skip
    _, first, numbers = np.unique(roots, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    clusters: NDArray[np.int64] = rank[numbers]
    return clusters


def indexed(sketches: Sketches) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return the part of fingerprints that leads to them.

    Parameters
    ----------
    sketches
        One fingerprint per piece.

    Returns
    -------
    tuple of NDArray[np.int64] and NDArray[np.uint64]
        Number of entries of each fingerprint that are indexed, the first ones, ``[pieces]``; and
        the postings: their hashes, each with its piece in place of the onset, in order of pieces.
    """
    entries = sketches.entries
    pairs = list(zip(sketches.starts.tolist(), sketches.sizes.tolist(), strict=True))
    below = [np.searchsorted(entries[start : start + size], _BELOW) for start, size in pairs]
    n_indexed = np.minimum(np.maximum(below, SMALLEST_INDEXED), sketches.sizes).astype(np.int64)
    postings = np.empty(n_indexed.sum(), dtype=np.uint64)
    end = 0
    for piece, ((start, _), count) in enumerate(zip(pairs, n_indexed.tolist(), strict=True)):
        hashes = entries[start : start + count] >> np.uint64(PLACE_BITS)
        postings[end : end + count] = (hashes << np.uint64(PLACE_BITS)) | np.uint64(piece)
        end += count
    return n_indexed, postings


def _index_of(sketches: Sketches) -> _Index:
    # One kind of array, whether it may be written to or not, is compiled for once.
    n_indexed, postings = indexed(sketches)
    postings.sort()
    entries = read_only(sketches.entries)
    return _Index(entries, sketches.starts, sketches.sizes, n_indexed, postings)


@compiled
def _links_of(
    index: _Index, start: int, stop: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the links of the pieces from `start` to `stop` with earlier ones, and evidence."""
    entries, starts, sizes = index.entries, index.starts, index.sizes
    n_links = 0
    pairs, evidence = np.empty((1024, 2), np.int64), np.empty((1024, 4), np.float64)
    n_shared = np.zeros(stop, dtype=np.int32)
    others = np.empty(stop, dtype=np.int64)
    for piece in range(start, stop):
        own = entries[starts[piece] : starts[piece] + sizes[piece]]
        n_indexed = index.n_indexed[piece]
        n_others = _count_shared(own[:n_indexed], piece, index.postings, n_shared, others)
        table = positions(own)
        for k in range(n_others):
            other = others[k]
            least = min(LEAST_SHARED, n_indexed, index.n_indexed[other])
            is_candidate = n_shared[other] >= least
            n_shared[other] = 0
            if not is_candidate:
                continue
            if n_links == len(pairs):
                pairs, evidence = _doubled(pairs), _doubled(evidence)
            theirs = entries[starts[other] : starts[other] + sizes[other]]
            if is_link(theirs, own, table, evidence[n_links]):
                pairs[n_links, 0], pairs[n_links, 1] = other, piece
                n_links += 1
    return pairs[:n_links], evidence[:n_links]


@compiled
def is_link(
    first: NDArray[np.uint64],
    second: NDArray[np.uint64],
    table: NDArray[np.int32],
    evidence: NDArray[np.float64],
) -> bool:
    """Compare two fingerprints; write the evidence, four numbers, where they are the same music.

    Parameters
    ----------
    first, second
        The fingerprints.
    table
        `tunesmith.midi.matching.positions` of the second.
    evidence
        Gets the fields of `LINK_DTYPE` behind the pieces, ``[4]``; left as it is without a link.
    """
    shared, smaller, in_order, onsets = likeness(first, second, table)
    if onsets == 0 or in_order < needed_onsets(onsets):
        return False
    evidence[0], evidence[1] = shared / smaller, in_order
    evidence[2] = onsets
    evidence[3] = in_order / needed_onsets(onsets)
    return True


@compiled
def _doubled(rows: NDArray[Any]) -> NDArray[Any]:
    """Return a table with the rows of another and as many more."""
    more = np.empty((2 * len(rows), rows.shape[1]), rows.dtype)
    # A loop: assignment to a slice takes seconds to compile.
    for row in range(len(rows)):
        for column in range(rows.shape[1]):
            more[row, column] = rows[row, column]
    return more


@compiled
def _count_shared(
    entries: NDArray[np.uint64],
    piece: int,
    postings: NDArray[np.uint64],
    n_shared: NDArray[np.int32],
    others: NDArray[np.int64],
) -> int:
    """Count for each earlier piece the indexed entries that it shares; return how many do."""
    n = entries.size
    low = np.uint64((1 << PLACE_BITS) - 1)
    begin = np.empty(n, dtype=np.int64)
    rarest = np.empty(n, dtype=np.int64)
    for i in range(n):
        hash_ = entries[i] >> np.uint64(PLACE_BITS)
        begin[i] = _first_at_least(postings, hash_ << np.uint64(PLACE_BITS))
        end = _first_at_least(postings, (hash_ << np.uint64(PLACE_BITS)) | low)
        rarest[i] = ((end - begin[i]) << PLACE_BITS) | i
    rarest = np.sort(rarest)
    n_others = 0
    for rank in range(n):
        count = rarest[rank] >> PLACE_BITS
        if count > RARE and rank >= CERTAIN:
            break
        first = begin[rarest[rank] & ((1 << PLACE_BITS) - 1)]
        last = first + count
        if count > COMMON:
            last = _first_at_least(postings, (postings[first] & ~low) | np.uint64(piece))
            first = max(first, last - 1)
        for k in range(first, last):
            other = np.int64(postings[k] & low)
            if other >= piece:
                break
            if n_shared[other] == 0:
                others[n_others] = other
                n_others += 1
            n_shared[other] += 1
    return n_others


@compiled
def _first_at_least(ordered: NDArray[np.uint64], value: Any) -> int:
    """Return the position of the first number that is not smaller."""
    low, high = 0, ordered.size
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _joined(
    parent: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    strength: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return the root of each piece after the links, the strongest first, have joined them."""
    n = parent.size
    size = np.ones(n, dtype=np.int64)
    for k in range(first.size):
        a, b = _root(parent, first[k]), _root(parent, second[k])
        if a == b:
            continue
        needed = 1.0 + _PER_DOUBLING * np.log2(float(size[a]) * float(size[b]))
        if strength[k] >= min(needed, _STRONG):
            low, high = min(a, b), max(a, b)
            parent[high] = low
            size[low] += size[high]
    for i in range(n):
        parent[i] = _root(parent, i)
    return parent


@compiled
def _root(parent: NDArray[np.int64], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i
