"""Order of hashes: sorting of numbers whose leading bits are evenly distributed.

Counted out by their leading bits, such numbers are nearly in order at once, and what is left are
short ways to the right place. That takes a fifth of the time of a sort that compares.
"""

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled

__all__ = ["distinct_entries", "ordered_entries", "ordered_hashes"]

Hashes = NDArray[np.uint64]
_PER_PLACE = 4
"""Numbers that have the same leading bits, on average."""


@compiled
def ordered_hashes(hashes: Hashes) -> Hashes:
    """Return hashes in order.

    Parameters
    ----------
    hashes
        Numbers ``[n]``. Others than hashes are sorted as well, but slowly.
    """
    return ordered_entries(hashes, np.zeros(hashes.size, np.uint32))[0]


@compiled
def ordered_entries(
    entries: Hashes, owners: NDArray[np.uint32]
) -> tuple[Hashes, NDArray[np.uint32]]:
    """Return entries in order, each with its owner; equal ones in the order they came in.

    Parameters
    ----------
    entries
        Numbers ``[n]`` that begin with a hash.
    owners
        Number of the piece of each, ``[n]``.
    """
    bits = _leading_bits(entries.size, _PER_PLACE)
    until = _begins(entries, bits)
    shift = np.uint64(64 - bits)
    out, out_owners = np.empty_like(entries), np.empty_like(owners)
    for i in range(entries.size):
        part = np.int64(entries[i] >> shift)
        out[until[part]], out_owners[until[part]] = entries[i], owners[i]
        until[part] += 1
    for i in range(1, out.size):
        value, owner, at = out[i], out_owners[i], i
        while at > 0 and out[at - 1] > value:
            out[at], out_owners[at] = out[at - 1], out_owners[at - 1]
            at -= 1
        out[at], out_owners[at] = value, owner
    return out, out_owners


@compiled
def distinct_entries(entries: Hashes, place_bits: int) -> Hashes:
    """Return in order, for each hash, its entry with the first place.

    A piece may have one hash a thousand times: they are told apart before they are sorted, in a
    table with a slot for each leading bits and room behind it.

    Parameters
    ----------
    entries
        Numbers ``[n]``: a hash, and below it a place.
    place_bits
        Bits of the place.
    """
    n = entries.size
    bits = _leading_bits(n, 1)
    shift, below = np.uint64(64 - bits), np.uint64(place_bits)
    # 0 is an empty slot; an entry that is 0, one in 2**64, has its place moved on by one.
    slots = np.zeros((1 << bits) + n, np.uint64)
    for i in range(n):
        entry = max(entries[i], np.uint64(1))
        slot = np.int64(entry >> shift)
        while slots[slot] != 0 and (slots[slot] ^ entry) >> below != 0:
            slot += 1
        if slots[slot] == 0 or entry < slots[slot]:
            slots[slot] = entry
    out, size = np.empty(n, np.uint64), 0
    for entry in slots:
        at = size
        if entry == 0:
            continue
        while at > 0 and out[at - 1] > entry:
            out[at] = out[at - 1]
            at -= 1
        out[at] = entry
        size += 1
    return out[:size].copy()


@compiled
def _leading_bits(n: int, per_place: int) -> int:
    """Return the leading bits that as many of `n` numbers have in common, on average."""
    bits = 1
    while per_place << bits < n:
        bits += 1
    return bits


@compiled
def _begins(hashes: Hashes, bits: int) -> NDArray[np.int64]:
    """Return where the hashes of each leading bits begin in order."""
    shift = np.uint64(64 - bits)
    begins = np.zeros((1 << bits) + 1, np.int64)
    for i in range(hashes.size):
        begins[np.int64(hashes[i] >> shift) + 1] += 1
    for part in range(1 << bits):
        begins[part + 1] += begins[part]
    return begins
