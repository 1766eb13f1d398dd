"""Copies of a piece as others would have made the file: played, mechanical, cut, transcribed.

A classifier learns whatever tells its classes apart, and in most collections that is partly who
entered the notes: the velocities, the grid, the steady tempo. These copies keep the music and
change the making of the file, so that a model trained on them has to use the music. All of them
take and return notes, so that every family and every judgement sees the same copies.

The ranges are those of human performance and of transcription models as published:

- tempo of a phrase and its slowing at the end: Todd (1992), Friberg and Sundberg (1999);
- asynchrony of chords and the melody's lead: Goebl (2001), 20 to 30 ms, other notes 5 to 20 ms;
- articulation from staccato to overlapping legato: Repp (1995);
- errors of transcription: as measured for the model of `tunesmith.audio` on rendered recordings of
  pieces that models learn from: sounding notes heard as struck again, octaves that were not played,
  missed quiet, short and repeated notes, and lengths that follow pedal and reverberation.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import unknown
from tunesmith.midi.score import NOTE_DTYPE

__all__ = ["KINDS", "copy_of", "excerpt", "mechanical", "played", "reduced", "transcribed"]

Notes = NDArray[np.void]

RECORDED_QUARTERS_PER_S = 2.0
"""Files recorded from a player have quarter notes at a constant 120 a minute, by convention."""

CHORD_S = 0.035
"""Onsets this close were one chord."""

REPETITION_S = 0.06
"""A transcription model hears repetitions of a note faster than this as one."""

LEAST_NOTES = 20
"""An excerpt of fewer notes says too little; it is made longer."""

EXCERPT_S = (10.0, 60.0)

_TEMPO_SPREAD = 0.12  # standard deviation of the log of the tempo of a whole performance
_RUBATO = 0.10  # and of its slow changes
_RUBATO_S = 3.0  # time over which the tempo is alike
_MIN_NOTE_S = 0.03
# Errors of the transcription model of `tunesmith.audio`, as shares of the notes, from one recording
# to another: benchmarks/transcription_errors.py measures them.
_MISSED = (0.01, 0.25)
_STRUCK_AGAIN = (0.015, 0.3)
_GHOSTS = (0.06, 0.3)
_SHORT_S = 0.09
_MIN_HEARD_S = 0.06


def played(notes: Notes, rng: np.random.Generator) -> Notes:
    """Return the piece as a player might have recorded it.

    Another tempo that sways by phrases, chords that spread and whose top note leads, articulation
    drawn anew for the piece, loudness that follows pitch and phrase, quarter notes at a constant
    120 a minute.

    Parameters
    ----------
    notes
        `NOTE_DTYPE` [notes] by onset; not changed.
    rng
        Makes the copy; the same state makes the same copy.

    Returns
    -------
    NDArray[np.void]
        As many notes, by onset and pitch.
    """
    if not notes.size:
        return notes.copy()
    onset_s, offset_s = _swayed(notes, rng)
    n = notes.size
    spread_s = rng.uniform(0.005, 0.020)
    onset_s = onset_s + rng.normal(0.0, spread_s, n)
    onset_s[_is_top(notes)] -= rng.uniform(0.0, 0.03)
    articulation = np.exp(rng.normal(rng.uniform(-0.35, 0.1), rng.uniform(0.05, 0.3), n))
    length_s = np.maximum((offset_s - onset_s) * articulation, _MIN_NOTE_S)
    copy = _with_times(notes, onset_s, length_s)
    copy["velocity"] = _dynamics(notes, onset_s, rng)
    return _recorded(copy)


def mechanical(notes: Notes, rng: np.random.Generator) -> Notes:
    """Return the piece as entered note by note: one loudness, one tempo, on the grid.

    Onsets and lengths are those in quarter notes, rounded to a 48th of one, at the mean tempo of
    the piece within a tenth.

    Parameters
    ----------
    notes
        `NOTE_DTYPE` [notes] by onset; not changed.
    rng
        Makes the copy; the same state makes the same copy.

    Returns
    -------
    NDArray[np.void]
        As many notes, by onset and pitch.
    """
    if not notes.size:
        return notes.copy()
    steps = 48.0
    onset_q = np.rint(notes["onset_quarters"].astype(np.float64) * steps) / steps
    length_q = np.rint(notes["duration_quarters"].astype(np.float64) * steps) / steps
    length_q = np.maximum(length_q, 1 / steps)
    span_q = onset_q[-1] - onset_q[0]
    span_s = float(notes["onset_s"][-1] - notes["onset_s"][0])
    tempo = span_s / span_q if span_q > 0 and span_s > 0 else 0.5
    seconds_per_quarter = tempo * np.exp(rng.uniform(-0.1, 0.1))
    copy = _with_times(notes, onset_q * seconds_per_quarter, length_q * seconds_per_quarter)
    copy["onset_quarters"], copy["duration_quarters"] = onset_q, length_q
    copy["velocity"] = rng.choice([64, 80, 90, 96, 100, 127])
    return _sorted(copy)


def excerpt(
    notes: Notes, rng: np.random.Generator, seconds: tuple[float, float] = EXCERPT_S
) -> Notes:
    """Return a stretch of the piece, its length drawn evenly on a logarithmic scale.

    Parameters
    ----------
    notes
        `NOTE_DTYPE` [notes] by onset; not changed.
    rng
        Chooses the stretch.
    seconds
        Shortest and longest stretch; a shorter piece stays whole.

    Returns
    -------
    NDArray[np.void]
        The notes that begin in it, at least `LEAST_NOTES` where the piece has them; times as in
        the piece, ends cut at the end of the stretch.
    """
    if not notes.size:
        return notes.copy()
    onset_s = notes["onset_s"]
    length_s = float(np.exp(rng.uniform(*np.log(seconds))))
    begin_s = rng.uniform(onset_s[0], max(onset_s[0], onset_s[-1] - length_s) + 1e-9)
    first = int(np.searchsorted(onset_s, begin_s))
    last = int(np.searchsorted(onset_s, begin_s + length_s))
    if last - first < LEAST_NOTES:
        first = max(0, min(first, notes.size - LEAST_NOTES))
        last = min(notes.size, first + LEAST_NOTES)
    cut = notes[first:last].copy()
    end_s = max(begin_s + length_s, float(cut["onset_s"][-1]) + _MIN_NOTE_S)
    cut["offset_s"] = np.minimum(cut["offset_s"], end_s)
    return cut


def reduced(notes: Notes) -> Notes:
    """Return the piece as a piano reduction: one instrument, no drums, unisons once.

    Parameters
    ----------
    notes
        `NOTE_DTYPE` [notes] by onset; not changed.

    Returns
    -------
    NDArray[np.void]
        Of notes of one pitch that begin within `CHORD_S` the longest and loudest is kept.
    """
    kept = notes[~notes["is_drum"]].copy()
    kept["instrument"] = 0
    return _merged(kept, CHORD_S, ("offset_s", "duration_quarters", "velocity"))


def transcribed(notes: Notes, rng: np.random.Generator) -> Notes:
    """Return the piece as a transcription model hears a recording of it.

    Notes are missed, quiet and short ones and those in the overtones of others first; fast
    repetitions are merged; sounding notes are heard as struck again; octaves and twelfths that
    were not played are heard; onsets move by some 10 ms; sounds end too early or too late; loudness
    says little.

    Parameters
    ----------
    notes
        `NOTE_DTYPE` [notes] by onset; not changed. Drums are left out.
    rng
        Makes the copy; the same state makes the same copy.

    Returns
    -------
    NDArray[np.void]
        At least one note where a pitched one was given, by onset and pitch.
    """
    heard = reduced(notes)
    if not heard.size:
        return heard
    heard = _merged(heard[~_missed(heard, rng)], REPETITION_S, ("offset_s",))
    heard = np.concatenate([_struck_again(heard, rng), _ghosts(heard, rng)])
    onset_s = heard["onset_s"] + rng.normal(0.0, rng.uniform(0.005, 0.015), heard.size)
    kept = np.exp(rng.normal(rng.uniform(-0.3, 0.4), rng.uniform(0.2, 0.6), heard.size))
    length_s = np.maximum((heard["offset_s"] - heard["onset_s"]) * kept, _MIN_HEARD_S)
    copy = _with_times(heard, onset_s, length_s)
    copy["velocity"] = np.clip(rng.normal(rng.uniform(55, 90), 8.0, copy.size), 1, 127)
    return _recorded(copy)


def _share(limits: tuple[float, float], rng: np.random.Generator) -> float:
    """Draw a share, evenly on a logarithmic scale."""
    return float(np.exp(rng.uniform(*np.log(limits))))


def _missed(notes: Notes, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose notes that are not heard: quiet, short and repeated ones, and those in overtones."""
    loud = (notes["velocity"] - notes["velocity"].mean()) / (notes["velocity"].std() + 1.0)
    chance = _share(_MISSED, rng) * np.exp(-0.5 * loud)
    chance[notes["offset_s"] - notes["onset_s"] < _SHORT_S] *= 2.0
    begun = np.concatenate([[0], np.cumsum(np.diff(notes["onset_s"]) > CHORD_S)])
    place = begun * 128 + notes["pitch"]
    for overtone in (12, 19, 24):
        chance[np.isin(place - overtone, place) & (notes["pitch"] >= overtone)] *= 2.0
    is_missed: NDArray[np.bool_] = rng.random(notes.size) < np.minimum(chance, 0.7)
    is_missed[rng.integers(notes.size)] = False
    return is_missed


def _struck_again(notes: Notes, rng: np.random.Generator) -> Notes:
    """Break some sounding notes in two, most of them where another note begins."""
    length_s = notes["offset_s"] - notes["onset_s"]
    is_broken = (rng.random(notes.size) < _share(_STRUCK_AGAIN, rng)) & (length_s > _SHORT_S)
    first = notes[is_broken]
    at_s = first["onset_s"] + rng.uniform(0.2, 0.9, first.size) * length_s[is_broken]
    nearest_s = notes["onset_s"][
        np.minimum(np.searchsorted(notes["onset_s"], at_s), notes.size - 1)
    ]
    is_at_onset = (nearest_s < first["offset_s"] - _MIN_HEARD_S) & (rng.random(first.size) < 0.6)
    at_s = np.where(is_at_onset, nearest_s, at_s)
    whole, second = notes.copy(), first.copy()
    whole["offset_s"][is_broken] = at_s
    second["onset_s"] = at_s
    return np.concatenate([whole, second])


def _ghosts(notes: Notes, rng: np.random.Generator) -> Notes:
    """Return notes that were not played: mostly octaves of those that were."""
    ghosts = notes[rng.random(notes.size) < _share(_GHOSTS, rng)].copy()
    pitch = ghosts["pitch"] + rng.choice([12, -12, 19, 24], ghosts.size, p=[0.58, 0.33, 0.07, 0.02])
    ghosts["pitch"] = np.clip(pitch, 0, 127)
    ghosts["offset_s"] -= (ghosts["offset_s"] - ghosts["onset_s"]) * rng.uniform(
        0.0, 0.7, ghosts.size
    )
    return ghosts


def _any_excerpt(notes: Notes, rng: np.random.Generator) -> Notes:
    """Return an excerpt of the piece as it is, as played or as transcribed."""
    made = (None, played, transcribed)[int(rng.integers(3))]
    return excerpt(notes if made is None else made(notes, rng), rng)


_MAKERS: Mapping[str, Callable[[Notes, np.random.Generator], Notes]] = {
    "played": played,
    "transcribed": transcribed,
    "mechanical": mechanical,
    "excerpt": _any_excerpt,
}
KINDS = ("played", "excerpt", "transcribed", "excerpt", "mechanical", "excerpt")
"""Kinds of neighbouring copies. Half are excerpts, which are the hardest to classify."""


def copy_of(notes: Notes, kind: str, seed: int | list[int]) -> Notes:
    """Return a copy of a piece by the name of its kind, the same for the same seed.

    Parameters
    ----------
    notes
        `NOTE_DTYPE` [notes] by onset; not changed.
    kind
        One of `KINDS`.
    seed
        What `numpy.random.default_rng` takes, such as a seed and the number of a piece.

    Raises
    ------
    UsageError
        When there is no such kind.
    """
    if kind not in _MAKERS:
        what = "kind of copy"
        raise unknown(what, kind, _MAKERS)
    return _MAKERS[kind](notes, np.random.default_rng(seed))


def _swayed(
    notes: Notes, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return onsets and offsets under a tempo that changes slowly and slows down at the end."""
    onset_s = notes["onset_s"].astype(np.float64)
    offset_s = notes["offset_s"].astype(np.float64)
    begin_s, end_s = float(onset_s[0]), float(max(offset_s.max(), onset_s[-1] + 0.1))
    n_knots = max(4, int((end_s - begin_s) / _RUBATO_S) + 2)
    knots_s = np.linspace(begin_s, end_s, n_knots)
    sway = rng.normal(0.0, 1.0, n_knots + 2)
    slow = (sway[:-2] + sway[1:-1] + sway[2:]) / np.sqrt(3.0)
    log_pace = rng.normal(0.0, _TEMPO_SPREAD) + rng.uniform(0.3, 1.0) * _RUBATO * slow
    log_pace[-2:] += rng.uniform(0.0, 0.4)
    pace = np.exp(log_pace)
    steps_s = np.diff(knots_s) * (pace[1:] + pace[:-1]) / 2
    warped_s = np.concatenate([[0.0], np.cumsum(steps_s)])
    return np.interp(onset_s, knots_s, warped_s), np.interp(offset_s, knots_s, warped_s)


def _is_top(notes: Notes) -> NDArray[np.bool_]:
    """Tell which notes are the highest of their chord."""
    begins = np.concatenate([[True], np.diff(notes["onset_s"]) > CHORD_S])
    chord = np.cumsum(begins) - 1
    highest = np.full(chord[-1] + 1, -1)
    np.maximum.at(highest, chord, notes["pitch"])
    is_top: NDArray[np.bool_] = notes["pitch"] == highest[chord]
    return is_top


def _dynamics(
    notes: Notes, onset_s: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return velocities that follow pitch, voice and phrase."""
    phrase_s = rng.uniform(4.0, 12.0)
    arc = np.sin(2 * np.pi * (onset_s / phrase_s + rng.random()))
    slow_s = rng.uniform(20.0, 60.0)
    swell = np.sin(2 * np.pi * (onset_s / slow_s + rng.random()))
    velocity = (
        rng.uniform(48, 78)
        + rng.uniform(2, 7) * arc
        + rng.uniform(3, 14) * swell
        + rng.uniform(0.0, 0.35) * (notes["pitch"].astype(np.float64) - 60.0)
        + rng.uniform(2, 12) * _is_top(notes)
        + rng.normal(0.0, rng.uniform(4, 10), notes.size)
    )
    return np.clip(np.rint(velocity), 8, 127).astype(np.int64)


def _merged(notes: Notes, gap_s: float, largest: tuple[str, ...]) -> Notes:
    """Merge notes of one pitch that follow one another within a gap; keep the largest of fields."""
    if not notes.size:
        return notes
    ordered = notes[np.lexsort((notes["onset_s"], notes["pitch"]))]
    same = np.diff(ordered["pitch"].astype(np.int64)) == 0
    close = np.diff(ordered["onset_s"]) < gap_s
    first = np.flatnonzero(np.concatenate([[True], ~(same & close)]))
    merged = ordered[first].copy()
    for field in largest:
        merged[field] = np.maximum.reduceat(ordered[field], first)
    return _sorted(merged)


def _with_times(notes: Notes, onset_s: NDArray[np.float64], length_s: NDArray[np.float64]) -> Notes:
    copy = np.array(notes, dtype=NOTE_DTYPE)
    onset_s = onset_s - min(float(onset_s.min()), 0.0)
    copy["onset_s"], copy["offset_s"] = onset_s, onset_s + length_s
    return copy


def _recorded(copy: Notes) -> Notes:
    """Give the notes the quarter notes of a recording, and their order."""
    copy["onset_quarters"] = copy["onset_s"] * RECORDED_QUARTERS_PER_S
    copy["duration_quarters"] = (copy["offset_s"] - copy["onset_s"]) * RECORDED_QUARTERS_PER_S
    return _sorted(copy)


def _sorted(notes: Notes) -> Notes:
    return notes[np.lexsort((notes["pitch"], notes["onset_s"]))]
