"""Fingerprints that find the same music when transposed, cut, quantised or at another tempo.

A piece is reduced to the top and the bottom line of its onsets, a line to its intervals, and the
intervals to overlapping n-grams. None of them changes with key or tempo. The n-gram hashes below a
fixed threshold are the fingerprint, so that the fingerprint of an excerpt is a subset of the
fingerprint of the piece (FracMinHash, Irber et al. 2022; plain MinHash compares pieces of equal
size and misses a piece that was cut in half).

An entry of a fingerprint is one integer: 40 bits of the hash, and below them 24 bits for its place,
the number of onsets before the n-gram's first occurrence. Sorted entries are in order of their
hashes, and two pieces can be compared by the order of the n-grams that they share
(`tunesmith.midi.matching`).
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled, read_only
from tunesmith.midi.hash_order import distinct_entries, ordered_hashes
from tunesmith.midi.score import Score

__all__ = [
    "ENTRY_FORMAT",
    "KEPT_BELOW",
    "LINE_NGRAM",
    "PLACE_BITS",
    "fingerprint",
    "fingerprint_of",
    "ngram_entries",
    "note_hash",
]

PLACE_BITS = 24
"""Low bits of an entry that hold the place; the others are the first bits of the hash."""

ENTRY_FORMAT = {"entry": f"hash:{64 - PLACE_BITS} onset:{PLACE_BITS}"}
"""Metadata of a column of entries. Columns without it hold hashes of 64 bits without places."""

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
    each = _note_hashes(read_only(score.notes))
    return hashlib.blake2b(
        ordered_hashes(each).astype("<u8", copy=False).tobytes(), digest_size=16
    ).hexdigest()


def fingerprint(notes: NDArray[np.void]) -> NDArray[np.uint64]:
    """Return a sketch of a piece that does not change with key or tempo.

    Parameters
    ----------
    notes
        `NOTE_DTYPE` [notes]; drums are ignored.

    Returns
    -------
    NDArray[np.uint64]
        Sorted entries of distinct hashes; empty for fewer than seven onsets.
    """
    return fingerprint_of(ngram_entries(notes))


def fingerprint_of(entries: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the fingerprint that is part of all entries of a piece."""
    kept = int(np.searchsorted(entries, KEPT_BELOW))
    return entries[: max(kept, SMALLEST_SKETCH)].copy()


def ngram_entries(notes: NDArray[np.void]) -> NDArray[np.uint64]:
    """Return an entry for each distinct n-gram of a piece, sorted.

    Parameters
    ----------
    notes
        `NOTE_DTYPE` [notes]; drums are ignored.

    Returns
    -------
    NDArray[np.uint64]
        All entries, of which a fingerprint keeps the first.
    """
    pitched = notes[~notes["is_drum"]] if notes["is_drum"].any() else notes
    if pitched.size == 0:
        return np.empty(0, dtype=np.uint64)
    step = np.rint(pitched["onset_quarters"] * GRID_PER_QUARTER)
    entries = _ngrams(
        pitched["pitch"].astype(np.int64), pitched["onset_s"].copy(), step.astype(np.float64)
    )
    return distinct_entries(entries, PLACE_BITS)


KEPT_BELOW = np.uint64(2**64 // KEPT_SHARE)
"""Limit of the entries that every fingerprint keeps."""
_SALT = np.uint64(257**LINE_NGRAM % 2**64)
"""Distinguishes the n-grams of the two lines."""
_PLACES = 2**PLACE_BITS - 1


@compiled
def _mix(value: Any) -> Any:
    """Mix the bits of integers (the finaliser of SplitMix64)."""
    value = value ^ (value >> np.uint64(30))
    value = value * np.uint64(0xBF58476D1CE4E5B9)
    value = value ^ (value >> np.uint64(27))
    value = value * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@compiled
def _note_hashes(notes: NDArray[np.void]) -> NDArray[np.uint64]:
    """Return a hash of each note: of times in milliseconds, pitch, velocity and drum flag."""
    each = np.empty(notes.size, dtype=np.uint64)
    for i in range(notes.size):
        note = notes[i]
        onset = np.uint64(np.rint(note["onset_s"] / TIME_RESOLUTION_S))
        offset = np.uint64(np.rint(note["offset_s"] / TIME_RESOLUTION_S))
        start = (onset << np.uint64(8)) | (np.uint64(note["pitch"]) << np.uint64(1))
        start |= np.uint64(note["is_drum"])
        end = (offset << np.uint64(8)) | np.uint64(note["velocity"])
        each[i] = _mix(start + _mix(end))
    return each


@compiled
def _ngrams(
    pitch: NDArray[np.int64], onset_s: NDArray[np.float64], step: NDArray[np.float64]
) -> NDArray[np.uint64]:
    """Return the entries of the interval n-grams of both lines, for both kinds of chord."""
    n = pitch.size
    onset = np.zeros(n, dtype=np.int64)
    for i in range(1, n):
        onset[i] = onset[i - 1] + (onset_s[i] - onset_s[i - 1] > CHORD_SPREAD_S)
    line = np.empty(n, dtype=np.int64)
    place = np.empty(n, dtype=np.int64)
    entries = np.empty(4 * n, dtype=np.uint64)
    n_entries = 0
    for chords in range(2):
        for side in range(2):
            length = 0
            for i in range(n):
                if chords == 0:
                    begins = i == 0 or onset[i] > onset[i - 1]
                else:
                    begins = i == 0 or step[i] > step[i - 1]
                if begins:
                    line[length], place[length] = pitch[i], onset[i]
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
                mixed = _mix(value + np.uint64(side + 1) * _SALT)
                # Places beyond the last that fits share it.
                low = np.uint64(min(place[i], _PLACES))
                entries[n_entries] = (mixed & ~np.uint64(_PLACES)) | low
                n_entries += 1
    return entries[:n_entries]
