"""Comparison of two fingerprints by the order of the n-grams that they share.

Pieces of different music share n-grams too: scales, broken chords and cadences are everybody's.
But they share them in no order. Shared n-grams are therefore chained as a sequence aligner chains
its seeds (Li 2018, minimap2): in both pieces forward, every onset counted once, with a cost where
one piece moves on further than the other. The chain of the same music is long; that of different
music is short, whatever the number of n-grams that they share.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled, read_only
from tunesmith.midi.fingerprints import KEPT_BELOW, LINE_NGRAM, PLACE_BITS

__all__ = [
    "Likeness",
    "chain_length",
    "compare",
    "covered_onsets",
    "likeness",
    "needed_onsets",
    "positions",
]

_NGRAM_ONSETS = LINE_NGRAM + 1
_PLACES = np.uint64((1 << PLACE_BITS) - 1)
_GAP_COST = 1.5
"""Onsets that a gap costs for each doubling of its length."""
_LOOK_BACK = 100
"""Shared n-grams before one that may precede it in a chain."""

_LONG, _BASE, _SHORT = 0.08, 20.0, 0.35
"""Onsets in order that make two pieces the same music, given the onsets of the shorter one: the
smaller of a base with a share of a long piece, and a larger share of a short one. Among 340,000
pairs of different composers that share n-grams none reached it but arrangements and pieces under
a wrong name."""
_FEWEST, _MOST_OF_IT = 16.0, 0.8
"""Least number of onsets, or most of a piece that has fewer."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Evidence that two pieces are the same music.

    Attributes
    ----------
    shared
        Share of the smaller fingerprint that the larger one holds too.
    in_order
        Onsets of the music that both have in the same order.
    onsets
        Onsets that the smaller fingerprint covers.
    strength
        Onsets in order, relative to the number that makes two pieces the same music.
    """

    shared: float
    in_order: float
    onsets: int
    strength: float

    @property
    def is_same_music(self) -> bool:
        """True where the evidence is enough."""
        return self.strength >= 1


def compare(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> Likeness:
    """Compare two fingerprints."""
    a, b = read_only(a), read_only(b)
    shared, smaller, in_order, onsets = likeness(a, b, positions(b))
    return Likeness(
        shared / smaller if smaller else 0.0,
        float(in_order),
        int(onsets),
        float(in_order / needed_onsets(onsets)) if onsets else 0.0,
    )


@compiled
def needed_onsets(onsets: Any) -> Any:
    """Return the onsets in order that are needed, given the onsets of the shorter piece."""
    enough = min(_SHORT * onsets, _BASE + _LONG * onsets)
    return max(enough, min(_FEWEST, _MOST_OF_IT * onsets))


@compiled
def positions(entries: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Return a hash table of entries: the position of each, counted from 1, and 0 where none is.

    It has eight places for each entry, so that most hashes of other pieces meet an empty one.
    """
    slots = 8
    while slots < 8 * entries.size:
        slots *= 2
    table = np.zeros(slots, dtype=np.int32)
    for i in range(entries.size):
        slot = np.int64(entries[i] >> np.uint64(PLACE_BITS)) & (slots - 1)
        while table[slot] != 0:
            slot = (slot + 1) & (slots - 1)
        table[slot] = i + 1
    return table


@compiled
def likeness(
    a: NDArray[np.uint64], b: NDArray[np.uint64], table: NDArray[np.int32]
) -> tuple[int, int, float, int]:
    """Return the shared entries, the smaller size, the onsets in order, and those covered.

    `table` has the positions of `b`: it is compared with many other pieces. The covered onsets are
    0 where too few are in order for any number of covered ones.
    """
    if a.size == 0 or b.size == 0:
        return 0, 0, 0.0, 0
    # Both are cut where the first one ends, so that each is complete up to there.
    last = min(max(KEPT_BELOW, a[-1]), max(KEPT_BELOW, b[-1])) >> np.uint64(PLACE_BITS)
    n_a, n_b = _size_up_to(a, last), _size_up_to(b, last)
    smaller = min(n_a, n_b)
    place_a = np.empty(smaller, dtype=np.int64)
    place_b = np.empty(smaller, dtype=np.int64)
    low = np.uint64((1 << PLACE_BITS) - 1)
    shared = 0
    for i in range(n_a):
        hash_ = a[i] >> np.uint64(PLACE_BITS)
        slot = np.int64(hash_) & (table.size - 1)
        while table[slot] != 0:
            j = table[slot] - 1
            if b[j] >> np.uint64(PLACE_BITS) == hash_:
                place_a[shared], place_b[shared] = a[i] & low, b[j] & low
                shared += 1
                break
            slot = (slot + 1) & (table.size - 1)
    # An onset begins at most four n-grams, of two lines and two kinds of chord.
    least = needed_onsets(LINE_NGRAM + (smaller + 3) // 4)
    if shared * _NGRAM_ONSETS < least:
        return shared, smaller, 0.0, 0
    in_order = chain_length(place_a[:shared], place_b[:shared])
    onsets = min(covered_onsets(a[:n_a]), covered_onsets(b[:n_b])) if in_order >= least else 0
    return shared, smaller, in_order, onsets


@compiled
def chain_length(place_a: NDArray[np.int64], place_b: NDArray[np.int64]) -> float:
    """Return the onsets of the longest chain of n-grams.

    Parameters
    ----------
    place_a, place_b
        Place of each shared n-gram in the two pieces, ``[n]``.
    """
    n = place_a.size
    if n == 0:
        return 0.0
    # Two places in one number are sorted faster than by their order.
    places = np.sort((place_a << PLACE_BITS) | place_b)
    low = (1 << PLACE_BITS) - 1
    length = np.empty(n, dtype=np.float64)
    longest = 0.0
    for i in range(n):
        best = float(_NGRAM_ONSETS)
        x, y = places[i] >> PLACE_BITS, places[i] & low
        for j in range(max(0, i - _LOOK_BACK), i):
            dx, dy = x - (places[j] >> PLACE_BITS), y - (places[j] & low)
            if dy >= 0 and length[j] + min(dx, dy, _NGRAM_ONSETS) > best:
                gap = _GAP_COST * np.log2(abs(dx - dy) + 1.0)
                best = max(best, length[j] + min(dx, dy, _NGRAM_ONSETS) - gap)
        length[i] = best
        longest = max(longest, best)
    return longest


@compiled
def _size_up_to(entries: NDArray[np.uint64], last: Any) -> int:
    """Return the number of entries whose hash is at most `last`."""
    low, high = 0, entries.size
    while low < high:
        middle = (low + high) // 2
        if entries[middle] >> np.uint64(PLACE_BITS) <= last:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def covered_onsets(entries: NDArray[np.uint64]) -> int:
    """Return the onsets that lie in an n-gram of the entries."""
    begins = np.zeros(np.int64((entries & _PLACES).max()) + 1, np.bool_)
    for i in range(entries.size):
        begins[np.int64(entries[i] & _PLACES)] = True
    covered, before = 0, -_NGRAM_ONSETS
    for place in range(begins.size):
        if begins[place]:
            covered += min(place - before, _NGRAM_ONSETS)
            before = place
    return covered
