"""The search for duplicates in steps that see a part of the pieces each.

`tunesmith.midi.duplicates.duplicate_links` holds all fingerprints and their index. Here pieces are
divided into groups and the index into parts by its hashes, and no step holds more than a few of
them::

    group   fingerprints ──index_parts──▶ its postings, in parts
    part    postings of all groups ──common_hashes──▶ hashes of many pieces
    group   its postings, all common hashes ──leading──▶ its postings of common hashes that lead on
    part    postings, leading ones ──pairs_in_bins──▶ pairs of pieces, in bins of the later piece
    group   pairs of its bins ──candidates──▶ pairs that share enough ──compared──▶ links

The links are exactly those of `duplicate_links`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled, read_only
from tunesmith.midi.duplicates import (
    CERTAIN,
    COMMON,
    LEAST_SHARED,
    RARE,
    Sketches,
    as_links,
    indexed,
    is_link,
)
from tunesmith.midi.fingerprints import PLACE_BITS
from tunesmith.midi.matching import positions

__all__ = [
    "candidates",
    "common_hashes",
    "compared",
    "enough_shared",
    "index_parts",
    "leading",
    "numbered",
    "pairs_in_bins",
    "split_pairs",
]

Hashes = tuple[NDArray[np.uint64], NDArray[np.int64]]
"""Sorted hashes, and the number of pieces that have each."""

_BITS = np.uint64(PLACE_BITS)
_LOW = np.uint64((1 << PLACE_BITS) - 1)
_PAIRS_AT_ONCE = 8_000_000
"""Pairs of pieces that are held at once; 64 MB."""


def index_parts(sketches: Sketches, n_parts: int, first: int = 0) -> list[NDArray[np.uint64]]:
    """Return the postings of a group of pieces, in parts of the index.

    Parameters
    ----------
    sketches
        One fingerprint per piece.
    n_parts
        Number of parts. The parts of an entry are the same for all groups.
    first
        Number of the first piece.

    Returns
    -------
    list of NDArray[np.uint64]
        Hashes, each with its piece in the low bits, for each part.
    """
    _, postings = indexed(sketches)
    postings += np.uint64(first)
    part = ((postings >> _BITS) % np.uint64(n_parts)).astype(np.int64)
    order = np.argsort(part, kind="stable")
    bounds = np.cumsum(np.bincount(part, minlength=n_parts))[:-1]
    return np.split(postings[order], bounds)


def enough_shared(sizes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the indexed entries that a piece must share with another one to be compared.

    Parameters
    ----------
    sizes
        Number of entries of each fingerprint.
    """
    return np.minimum(sizes, LEAST_SHARED).astype(np.uint8)


def numbered(postings: NDArray[np.uint64], numbers: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Return postings with other numbers of their pieces, sorted.

    Parameters
    ----------
    postings
        Hashes with pieces in the low bits.
    numbers
        New number of each piece; those with a negative one are left out.
    """
    pieces = numbers[(postings & _LOW).astype(np.int64)]
    kept = pieces >= 0
    renumbered: NDArray[np.uint64] = postings[kept] & ~_LOW
    renumbered |= pieces[kept].astype(np.uint64)
    renumbered.sort()
    return renumbered


def common_hashes(postings: NDArray[np.uint64]) -> Hashes:
    """Return the hashes of more than `RARE` pieces, and the number of their pieces.

    Parameters
    ----------
    postings
        All postings of a part of the index, sorted.
    """
    hashes = postings >> _BITS
    first = _run_starts(hashes)
    counts = np.diff(first, append=hashes.size)
    return hashes[first[counts > RARE]], counts[counts > RARE]


def leading(
    postings: Sequence[NDArray[np.uint64]], common: Sequence[Hashes]
) -> list[NDArray[np.uint64]]:
    """Return the postings of common hashes that lead from their piece to other ones.

    Those of rare hashes all do. Of the others only those among a piece's rarest do.

    Parameters
    ----------
    postings
        For each part of the index, all postings of a group of pieces.
    common
        For each part of the index, its common hashes.

    Returns
    -------
    list of NDArray[np.uint64]
        For each part of the index, the sorted postings.
    """
    n_parts = len(postings)
    counts = [_counts_of(own >> _BITS, *of) for own, of in zip(postings, common, strict=True)]
    n_pieces = 1 + max((int((own & _LOW).max()) for own in postings if own.size), default=0)
    n_rare = np.zeros(n_pieces, dtype=np.int64)
    for own, count in zip(postings, counts, strict=True):
        pieces = (own[count == 0] & _LOW).astype(np.int64)
        n_rare += np.bincount(pieces, minlength=n_pieces)
    chosen = [
        (count > 0) & (n_rare[(own & _LOW).astype(np.int64)] < CERTAIN)
        for own, count in zip(postings, counts, strict=True)
    ]
    every = np.concatenate([own[mask] for own, mask in zip(postings, chosen, strict=True)])
    count = np.concatenate([count[mask] for count, mask in zip(counts, chosen, strict=True)])
    part = np.repeat(np.arange(n_parts), [np.count_nonzero(mask) for mask in chosen])
    piece = (every & _LOW).astype(np.int64)
    order = np.lexsort((every >> _BITS, count, piece))
    first = _run_starts(piece[order])
    rank = np.arange(order.size) - np.repeat(first, np.diff(first, append=order.size))
    kept = order[rank < CERTAIN - n_rare[piece[order]]]
    return [np.sort(every[kept[part[kept] == number]]) for number in range(n_parts)]


def pairs_in_bins(
    postings: NDArray[np.uint64],
    leading_on: NDArray[np.uint64],
    bins: NDArray[np.int32],
    n_bins: int,
) -> Iterator[list[NDArray[np.uint64]]]:
    """Yield the pairs of pieces that share an entry of a part of the index, in bins.

    Parameters
    ----------
    postings
        All postings of the part, sorted.
    leading_on
        Those of common hashes that lead to other pieces, sorted.
    bins
        Bin of each piece.
    n_bins
        Number of bins.

    Yields
    ------
    list of NDArray[np.uint64]
        For each bin, the pairs whose later piece is in it: the later piece, and the earlier one in
        the low bits. A pair comes once for each entry that it shares.
    """
    begins = _begins(postings, leading_on)
    ends = np.cumsum(np.arange(begins.size) - begins)
    start, done = 0, 0
    while start < begins.size and done < ends[-1]:
        stop = int(np.searchsorted(ends, done + _PAIRS_AT_ONCE, side="right"))
        stop = max(stop, start + 1)
        pairs, bounds = _binned(postings, begins, (start, stop), bins, n_bins)
        yield np.split(pairs, bounds[1:-1])
        start, done = stop, int(ends[stop - 1])


def candidates(pairs: NDArray[np.uint64], enough: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the distinct pairs that share enough entries to be compared, sorted.

    Parameters
    ----------
    pairs
        All pairs of a bin, from all parts of the index; they are sorted in place.
    enough
        `enough_shared` of each piece.
    """
    pairs.sort()
    first = _run_starts(pairs)
    counts = np.diff(first, append=pairs.size)
    distinct = pairs[first]
    later, earlier = split_pairs(distinct)
    chosen: NDArray[np.uint64] = distinct[counts >= np.minimum(enough[later], enough[earlier])]
    return chosen


def split_pairs(pairs: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the later and the earlier piece of each pair."""
    return (pairs >> _BITS).astype(np.int64), (pairs & _LOW).astype(np.int64)


def compared(
    pairs: NDArray[np.uint64],
    later: Sketches,
    later_rows: NDArray[np.int64],
    earlier: Sketches,
    earlier_rows: NDArray[np.int64],
) -> NDArray[np.void]:
    """Compare pairs of pieces, and return the links of those that are the same music.

    Parameters
    ----------
    pairs
        The pairs, sorted.
    later, earlier
        Fingerprints that the later and the earlier pieces are among.
    later_rows, earlier_rows
        Row of each pair's pieces in these.

    Returns
    -------
    NDArray[np.void]
        `tunesmith.midi.duplicates.LINK_DTYPE` [links], in order of the pairs.
    """
    # One kind of array, whether it may be written to or not, is compiled for once.
    later, earlier = (of._replace(entries=read_only(of.entries)) for of in (later, earlier))
    evidence = _evidence(later, later_rows, earlier, earlier_rows)
    chosen = evidence[:, 3] >= 1
    second, first = split_pairs(pairs[chosen])
    return as_links(np.column_stack([first, second]), evidence[chosen])


def _run_starts(ordered: NDArray[Any]) -> NDArray[np.int64]:
    """Return where a value begins that is not the one before."""
    begins = np.ones(ordered.size, dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    return np.flatnonzero(begins)


def _counts_of(
    wanted: NDArray[np.uint64], hashes: NDArray[np.uint64], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the number of pieces of each wanted hash, 0 for rare ones."""
    if not hashes.size:
        return np.zeros(wanted.size, dtype=np.int64)
    at = np.minimum(np.searchsorted(hashes, wanted), hashes.size - 1)
    return np.where(hashes[at] == wanted, counts[at], 0)


@compiled
def _begins(postings: NDArray[np.uint64], leading_on: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return for each posting the first one of an earlier piece that it leads to.

    It leads to all from there to itself: to none where its own position is returned.
    """
    bits = np.uint64(PLACE_BITS)
    n = postings.size
    begins = np.empty(n, dtype=np.int64)
    start, at = 0, 0
    while start < n:
        stop = start + 1
        while stop < n and postings[stop] >> bits == postings[start] >> bits:
            stop += 1
        for k in range(start, stop):
            begins[k] = start
            if stop - start > RARE:
                while at < leading_on.size and leading_on[at] < postings[k]:
                    at += 1
                if at == leading_on.size or leading_on[at] != postings[k]:
                    begins[k] = k
                elif stop - start > COMMON:
                    begins[k] = max(start, k - 1)
        start = stop
    return begins


@compiled
def _binned(
    postings: NDArray[np.uint64],
    begins: NDArray[np.int64],
    between: tuple[int, int],
    bins: NDArray[np.int32],
    n_bins: int,
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the pairs of the postings between two positions by bin, and the bounds of bins."""
    start, stop = between
    low = np.uint64((1 << PLACE_BITS) - 1)
    bounds = np.zeros(n_bins + 1, dtype=np.int64)
    for k in range(start, stop):
        bounds[bins[np.int64(postings[k] & low)] + 1] += k - begins[k]
    for number in range(n_bins):
        bounds[number + 1] += bounds[number]
    filled = bounds[:-1].copy()
    pairs = np.empty(bounds[n_bins], dtype=np.uint64)
    for k in range(start, stop):
        piece = postings[k] & low
        number = bins[np.int64(piece)]
        for j in range(begins[k], k):
            pairs[filled[number]] = (piece << np.uint64(PLACE_BITS)) | (postings[j] & low)
            filled[number] += 1
    return pairs, bounds


@compiled
def _evidence(
    later: Sketches,
    later_rows: NDArray[np.int64],
    earlier: Sketches,
    earlier_rows: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the evidence of each pair; 0 where it is no link."""
    evidence = np.zeros((later_rows.size, 4), dtype=np.float64)
    row = -1
    own = later.entries[:0]
    table = positions(own)
    for k in range(later_rows.size):
        if later_rows[k] != row:
            row = later_rows[k]
            own = later.entries[later.starts[row] : later.starts[row] + later.sizes[row]]
            table = positions(own)
        start = earlier.starts[earlier_rows[k]]
        other = earlier.entries[start : start + earlier.sizes[earlier_rows[k]]]
        is_link(other, own, table, evidence[k])
    return evidence
