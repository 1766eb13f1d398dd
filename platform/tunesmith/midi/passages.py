"""The passage that two pieces have in common, to lay their rolls side by side."""

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.fingerprints import CHORD_SPREAD_S, LINE_NGRAM

__all__ = ["Passage", "common_passage"]

_ENOUGH = 0.8
"""Share of the most n-grams of any window that is enough for the first one."""
_MOST_POSITIONS = 50
"""Positions of one n-gram that are compared: an ostinato has thousands."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage that two pieces have in common.

    Attributes
    ----------
    start_s, other_start_s
        Start in the first and in the second piece, in seconds.
    semitones
        How much higher the second piece has it; None where no passage agrees.
    """

    start_s: float
    other_start_s: float
    semitones: int | None


def common_passage(first: NDArray[np.void], second: NDArray[np.void]) -> Passage:
    """Return the passage in which the same melody begins in two pieces.

    The upper lines are compared by their intervals, so that key and tempo do not matter. Of the
    ways to lay one line over the other, the one counts on which most n-grams agree.

    Parameters
    ----------
    first, second
        `tunesmith.midi.NOTE_DTYPE` arrays by onset.

    Returns
    -------
    Passage
        Both starts are 0 where no passage agrees.
    """
    (grams, line, starts_s) = _upper_ngrams(first)
    (other_grams, other_line, other_starts_s) = _upper_ngrams(second)
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
        return Passage(0.0, 0.0, None)
    shift, agreeing = max(shifts.items(), key=lambda pair: (len(pair[1]), -pair[1][0]))
    place = _densest(agreeing)
    steps = Counter((other_line[np.array(agreeing) + shift] - line[agreeing]).tolist())
    semitones, _ = steps.most_common(1)[0]
    return Passage(float(starts_s[place]), float(other_starts_s[place + shift]), semitones)


def _densest(places: list[int], width: int = 60) -> int:
    """Return the first place of an ascending list that begins a window with many places."""
    ordered = np.array(places)
    within = np.searchsorted(ordered, ordered + width) - np.arange(len(ordered))
    return places[int(np.argmax(within >= _ENOUGH * within.max()))]


def _upper_ngrams(
    notes: NDArray[np.void],
) -> tuple[list[tuple[int, ...]], NDArray[np.int64], NDArray[np.float64]]:
    """Return the interval n-grams of the upper line, its pitches, and the time of each."""
    pitched = notes[~notes["is_drum"]]
    if pitched.size == 0:
        return [], np.empty(0, dtype=np.int64), np.empty(0)
    onset = pitched["onset_s"]
    begins = np.flatnonzero(np.diff(onset, prepend=-np.inf) > CHORD_SPREAD_S)
    line = np.maximum.reduceat(pitched["pitch"].astype(np.int64), begins)
    steps = np.diff(line).tolist()
    grams = [tuple(steps[i : i + LINE_NGRAM]) for i in range(len(steps) - LINE_NGRAM + 1)]
    return grams, line, onset[begins]
