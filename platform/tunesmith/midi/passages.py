"""The passage that two pieces have in common, to lay their rolls side by side."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.fingerprints import CHORD_SPREAD_S, LINE_NGRAM

__all__ = ["common_passage"]

_ENOUGH = 0.8
"""Share of the most n-grams of any window that is enough for the first one."""
_MOST_POSITIONS = 50
"""Positions of one n-gram that are compared: an ostinato has thousands."""


def common_passage(first: NDArray[np.void], second: NDArray[np.void]) -> tuple[float, float]:
    """Return the times at which the same melody begins in two pieces, in seconds.

    The upper lines are compared by their intervals, so that key and tempo do not matter. Of the
    ways to lay one line over the other, the one counts on which most n-grams agree.

    Parameters
    ----------
    first, second
        `tunesmith.midi.NOTE_DTYPE` arrays by onset.

    Returns
    -------
    tuple of float
        Start in the first and in the second piece; both 0 where no passage agrees.
    """
    (grams, starts_s), (other_grams, other_starts_s) = _upper_ngrams(first), _upper_ngrams(second)
    places: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, gram in enumerate(other_grams):
        places[gram].append(place)
    shifts: defaultdict[int, list[int]] = defaultdict(list)
    for place, gram in enumerate(grams):
        # Repeated notes and trills fit anywhere.
        if len(set(gram)) > 1:
            for other in places[gram][:_MOST_POSITIONS]:
                shifts[other - place].append(place)
    if not shifts:
        return 0.0, 0.0
    shift, agreeing = max(shifts.items(), key=lambda pair: (len(pair[1]), -pair[1][0]))
    place = _densest(agreeing)
    return float(starts_s[place]), float(other_starts_s[place + shift])


def _densest(places: list[int], width: int = 60) -> int:
    """Return the first place of an ascending list that begins a window with many places."""
    ordered = np.array(places)
    within = np.searchsorted(ordered, ordered + width) - np.arange(len(ordered))
    return places[int(np.argmax(within >= _ENOUGH * within.max()))]


def _upper_ngrams(
    notes: NDArray[np.void],
) -> tuple[list[tuple[int, ...]], NDArray[np.float64]]:
    """Return the interval n-grams of the upper line, and the time of each one's first note."""
    pitched = notes[~notes["is_drum"]]
    if pitched.size == 0:
        return [], np.empty(0)
    onset = pitched["onset_s"]
    begins = np.flatnonzero(np.diff(onset, prepend=-np.inf) > CHORD_SPREAD_S)
    line = np.maximum.reduceat(pitched["pitch"].astype(np.int64), begins)
    steps = np.diff(line).tolist()
    grams = [tuple(steps[i : i + LINE_NGRAM]) for i in range(len(steps) - LINE_NGRAM + 1)]
    return grams, onset[begins]
