"""N-grams of melody, bass, chords and rhythm, counted.

An n-gram is a few steps of the upper line or of the bass, a chord over its bass, or the ratios of a
few gaps between onsets; one kind is the register of a chord. Tempo and loudness do not change
them, and key changes none but those of register, so that a model of n-grams hears the same in a
score and in a performance of it (n-grams of intervals after Downie, Evaluating a
Simple Approach to Music Information Retrieval, 1999; chords as a figured bass has them). They are
hashed into a fixed number of slots (Weinberger et al., Feature Hashing, ICML 2009).
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled
from tunesmith.midi.features.chords import group_onsets

__all__ = ["NGRAM_SLOTS", "ngram_counts", "ngram_rows"]

NGRAM_SLOTS = 16_384
"""Slots of a piece. Four times as many changed the accuracy by no more than noise."""

_MOST = 255
_MOST_STEP = 14
_MOST_NOTES = 5
_MOST_PACE = 4
_LEAST_GAP_S = 0.01
_LAST_SLOT = np.uint64(NGRAM_SLOTS - 1)
# Those of the FNV-1a hash and of the finish of SplitMix64.
_PRIME = np.uint64(1_099_511_628_211)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_HALF = np.uint64(29)
_OFFSET = 4096
_SEED = 14_695_981_039_346_656_037


def ngram_counts(notes: NDArray[np.void]) -> NDArray[np.uint8]:
    """Return how often n-grams of each slot occur in notes.

    Notes that begin within `tunesmith.midi.features.chords.CHORD_SPREAD_S` of the one before are a
    chord. Its highest note is in the upper line, its lowest in the bass.

    Parameters
    ----------
    notes
        `tunesmith.midi.NOTE_DTYPE` ``[notes]`` by onset; drums are left out.

    Returns
    -------
    NDArray[np.uint8]
        ``[NGRAM_SLOTS]``; 255 stands for that many and more. All are 0 where there are fewer than
        two chords.
    """
    pitched = notes[~notes["is_drum"]]
    counts = np.zeros(NGRAM_SLOTS, dtype=np.uint8)
    onset_s, pitch = pitched["onset_s"].astype(np.float64), pitched["pitch"].astype(np.int64)
    chord, starts, extremes = group_onsets(onset_s, pitch, pitched["velocity"].astype(np.int64))
    if len(starts) > 1:
        chords = _chords(pitch, chord, extremes)
        _count(counts, chords, _steps(chords, onset_s[starts]))
    return counts


def ngram_rows(pieces: Iterable[NDArray[np.void]]) -> NDArray[np.uint8]:
    """Return the counts of several pieces, ``uint8 [pieces, NGRAM_SLOTS]``."""
    rows = [ngram_counts(notes) for notes in pieces]
    return np.stack(rows) if rows else np.zeros((0, NGRAM_SLOTS), dtype=np.uint8)


@compiled
def _chords(
    pitch: NDArray[np.int64], chord: NDArray[np.int64], extremes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the chords of notes, ``int64 [chords, 4]``.

    Of each the highest and the lowest pitch, the pitch classes over the lowest as bits, and the
    number of notes.
    """
    chords = np.zeros((extremes.shape[1], 4), np.int64)
    chords[:, 0], chords[:, 1] = extremes[0], extremes[1]
    for i in range(pitch.size):
        own = chords[chord[i]]
        own[2] |= 1 << ((pitch[i] - own[1]) % 12)
        own[3] = min(own[3] + 1, _MOST_NOTES)
    return chords


@compiled
def _steps(chords: NDArray[np.int64], start_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return what changes from each chord to the next, ``int64 [chords - 1, 3]``.

    The steps of the upper line and of the bass in semitones, and how much longer the gap is than
    the one before it, in halves of a doubling; 0 for the first.
    """
    steps = np.zeros((len(chords) - 1, 3), np.int64)
    before_s = 0.0
    for k in range(len(steps)):
        for line in range(2):
            step = chords[k + 1, line] - chords[k, line]
            steps[k, line] = max(-_MOST_STEP, min(_MOST_STEP, step))
        gap_s = max(start_s[k + 1] - start_s[k], _LEAST_GAP_S)
        if k:
            halves = int(np.rint(2.0 * np.log2(gap_s / before_s)))
            steps[k, 2] = max(-_MOST_PACE, min(_MOST_PACE, halves))
        before_s = gap_s
    return steps


@compiled
def _add(counts: NDArray[np.uint8], ngram: tuple[int, int, int, int, int]) -> None:
    """Count an n-gram: its kind, and at most four small whole numbers."""
    key = np.uint64(_SEED)
    for value in ngram:
        key = (key ^ np.uint64(value + _OFFSET)) * _PRIME
        key ^= key >> _HALF
    key *= _MIX
    slot = (key ^ (key >> _HALF)) & _LAST_SLOT
    if counts[slot] < _MOST:
        counts[slot] += 1


@compiled
def _count(counts: NDArray[np.uint8], chords: NDArray[np.int64], steps: NDArray[np.int64]) -> None:
    """Count the n-grams that end with each chord and with each step."""
    for top, low, classes, size in chords:
        _add(counts, (1, classes, 0, 0, 0))
        _add(counts, (2, top, top - low, size, 0))
    upper, bass, pace = steps[:, 0], steps[:, 1], steps[:, 2]
    for k in range(len(steps)):
        before, after = chords[k, 2], chords[k + 1, 2]
        _add(counts, (3, before, after, 0, 0))
        _add(counts, (4, before, bass[k], after, 0))
        _add(counts, (5, upper[k], bass[k], 0, 0))
        if k >= 1:
            _add(counts, (6, upper[k - 1], upper[k], 0, 0))
            _add(counts, (7, bass[k - 1], bass[k], 0, 0))
            _add(counts, (8, upper[k - 1], upper[k], pace[k], 0))
            _add(counts, (9, upper[k - 1], bass[k - 1], upper[k], bass[k]))
        if k >= 2:
            _add(counts, (10, upper[k - 2], upper[k - 1], upper[k], 0))
            _add(counts, (11, bass[k - 2], bass[k - 1], bass[k], 0))
        if k >= 3:
            _add(counts, (12, upper[k - 3], upper[k - 2], upper[k - 1], upper[k]))
            _add(counts, (13, pace[k - 2], pace[k - 1], pace[k], 0))
