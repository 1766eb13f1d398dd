"""Notes that no composer wrote: random notes, scales, tunes and songs from rules, shuffled pieces.

A model that is to say "none of these" must have met such notes beside music by others. Tunes and
songs follow the plainest rules of folk and popular music: steps in a scale, phrases that come
again, loops of four chords.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.score import NOTE_DTYPE

__all__ = ["MADE_UP", "random_notes", "scales", "shuffled", "songs", "tunes"]

Notes = NDArray[np.void]
_PIANO = (21, 109)
_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
_PENTATONIC = (0, 2, 4, 7, 9)
_SCALES: tuple[tuple[int, ...], ...] = (
    _MAJOR, (0, 2, 3, 5, 7, 8, 11), _MINOR, _PENTATONIC, (0, 2, 4, 6, 8, 10), tuple(range(12)),
    (0, 4, 7), (0, 3, 7),
)  # fmt: skip
"""Steps of major, minor, pentatonic, whole-tone and chromatic scales and of broken triads."""
_BARS: Mapping[float, tuple[tuple[float, ...], ...]] = {
    4.0: ((1, 1, 1, 1), (1, 1, 2), (0.5,) * 8, (1, 0.5, 0.5, 1, 1), (1.5, 0.5, 1, 1), (2, 1, 1)),
    3.0: ((1, 1, 1), (2, 1), (1, 0.5, 0.5, 1), (0.5,) * 6, (1.5, 0.5, 1)),
    2.0: ((0.5,) * 4, (1, 1), (0.5, 0.25, 0.25, 1), (0.25,) * 8, (0.75, 0.25, 1)),
    1.5: ((0.5, 0.5, 0.5), (1, 0.5), (0.75, 0.25, 0.5)),
}
"""Rhythms of a bar, by its length in quarters."""
_LOOPS = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 4, 4), (1, 4, 0, 0), (0, 0, 3, 4))
"""Degrees of the chords of a loop."""


@dataclass
class _Voice:
    """Notes that are added one by one: onsets and lengths in quarters, and pitches."""

    onset: list[float] = field(default_factory=list)
    length: list[float] = field(default_factory=list)
    pitch: list[int] = field(default_factory=list)

    def add(self, onset: float, length: float, *pitches: int) -> None:
        """Add notes that begin and end together."""
        for pitch in pitches:
            self.onset.append(onset)
            self.length.append(length)
            self.pitch.append(pitch)


@dataclass(frozen=True)
class _Key:
    """A scale on a tonic."""

    scale: tuple[int, ...]
    tonic: int

    def pitch(self, degree: int) -> int:
        """Return the pitch of a degree; 0 is the tonic."""
        octave, step = divmod(degree, len(self.scale))
        return self.tonic + 12 * octave + self.scale[step]

    def chord(self, degree: int) -> list[int]:
        """Return the pitches of the triad on a degree."""
        return [self.pitch(degree + third) for third in (0, 2, 4)]


def random_notes(rng: np.random.Generator) -> Notes:
    """Return notes of random pitches, onsets and lengths, 20 to 600 of them.

    Half the time the onsets are on a grid, and half the time the pitches are those of one scale.
    """
    n = int(np.exp(rng.uniform(np.log(20), np.log(600))))
    low = max(int(rng.integers(*_PIANO) * 0.7), _PIANO[0])
    high = max(min(low + int(rng.integers(8, 70)), _PIANO[1]), low + 1)
    pitch = rng.integers(low, high, n)
    if rng.random() < 0.5:
        steps = np.array(_SCALES[rng.integers(len(_SCALES))])
        allowed = np.isin((np.arange(128) - rng.integers(12)) % 12, steps)
        places = np.flatnonzero(allowed[low:high]) + low
        pitch = rng.choice(places if places.size else [low], n)
    gap = rng.choice([0.125, 0.25, 0.5, 1.0], n) * (rng.random(n) < rng.uniform(0.4, 1.0))
    if rng.random() < 0.5:
        gap = rng.exponential(rng.uniform(0.1, 0.8), n)
    duration = rng.choice([0.25, 0.5, 1.0, 2.0]) * rng.uniform(0.3, 1.0, n)
    return _notes([_Voice(np.cumsum(gap).tolist(), duration.tolist(), pitch.tolist())], rng)


def scales(rng: np.random.Generator) -> Notes:
    """Return a scale or a broken triad, up and down again, one to four times, in even notes."""
    steps = _SCALES[rng.integers(len(_SCALES))]
    octaves = int(rng.integers(1, 4))
    up = [12 * octave + step for octave in range(octaves) for step in steps] + [12 * octaves]
    once = up if rng.random() < 0.25 else up + up[-2::-1]
    pitch = np.tile(once, int(rng.integers(1, 5))) + int(rng.integers(36, 73))
    length = float(rng.choice([0.25, 0.5, 1.0]))
    onset = (np.arange(pitch.size) * length).tolist()
    lengths = [length * rng.uniform(0.5, 1.0)] * pitch.size
    voices = [_Voice(onset, lengths, pitch.tolist())]
    if rng.random() < 0.3:
        # Both hands, an octave or a third apart.
        lower = pitch - int(rng.choice([12, 24, 9, 3, 4]))
        voices.append(_Voice(onset, lengths, lower.tolist()))
    return _notes(voices, rng)


def tunes(rng: np.random.Generator) -> Notes:
    """Return a tune of phrases that come again, alone or with a chord on each bar."""
    bar = float(rng.choice(list(_BARS)))
    scale = (_MAJOR, _MINOR, _PENTATONIC)[rng.choice(3, p=[0.6, 0.25, 0.15])]
    key = _Key(scale, int(rng.integers(55, 72)))
    low = _Key(scale, key.tonic - 12)
    phrases = [_phrase(bar, int(rng.choice([2, 4])), rng) for _ in range(int(rng.integers(2, 4)))]
    form = [phrases[place % len(phrases)] for place in _form(rng)]
    has_chords = rng.random() < 0.3
    melody, chords, now = _Voice(), _Voice(), 0.0
    for gaps, degrees in form * int(rng.integers(1, 4)):
        if has_chords:
            for place in np.arange(now, now + sum(gaps), bar).tolist():
                chords.add(place, bar * 0.9, *low.chord(int(rng.choice([0, 3, 4]))))
        for gap, degree in zip(gaps, degrees, strict=True):
            melody.add(now, gap * 0.95, key.pitch(degree))
            now += gap
    return _notes([melody, chords], rng)


def songs(rng: np.random.Generator) -> Notes:
    """Return a song: a loop of four chords with a bass, accompaniment and a syncopated melody."""
    middle = _Key((_MAJOR, _MINOR)[rng.integers(2)], int(rng.integers(48, 60)))
    low, high = _Key(middle.scale, middle.tonic - 24), _Key(middle.scale, middle.tonic + 12)
    loop = _LOOPS[rng.integers(len(_LOOPS))]
    chord_gap, bass_gap = (
        float(rng.choice([0.5, 1.0, 4.0])),
        float(rng.choice([0.5, 1.0, 2.0, 4.0])),
    )
    riffs = [_phrase(4.0, 4, rng, syncopated=True) for _ in range(2)]
    chords, bass, melody = _Voice(), _Voice(), _Voice()
    for number in range(int(rng.integers(3, 10))):
        for place, degree in enumerate(loop):
            start = 16.0 * number + 4.0 * place
            for beat in np.arange(0.0, 4.0, chord_gap).tolist():
                # Eighths are the chord broken.
                step = degree + (0, 2, 4, 7)[int(beat / chord_gap) % 4]
                pitches = [middle.pitch(step)] if chord_gap < 1 else middle.chord(degree)
                chords.add(start + beat, chord_gap * 0.9, *pitches)
            for beat in np.arange(0.0, 4.0, bass_gap).tolist():
                bass.add(start + beat, bass_gap * 0.9, low.pitch(degree))
        if number and rng.random() < 0.9:
            now = 16.0 * number
            for gap, degree in zip(*riffs[number % 2], strict=True):
                melody.add(now, gap * 0.9, high.pitch(degree))
                now += gap
    return _notes([chords, bass, melody], rng)


def shuffled(notes: Notes, rng: np.random.Generator) -> Notes:
    """Return a piece whose pitches stand in random order: its rhythm and texture without sense."""
    copy = notes.copy()
    copy["pitch"] = rng.permutation(notes["pitch"])
    return copy


MADE_UP: Mapping[str, Callable[[np.random.Generator], Notes]] = {
    "random notes": random_notes,
    "scales": scales,
    "made-up tunes": tunes,
    "made-up songs": songs,
}
"""Notes of no piece, by what they are."""


def _form(rng: np.random.Generator) -> tuple[int, ...]:
    """Return the order of the phrases of a tune."""
    forms = ((0, 0, 1, 1), (0, 0, 1, 0), (0, 1, 0, 1), (0, 0, 1, 1, 2, 2), (0, 1, 2, 1))
    return forms[rng.integers(len(forms))]


def _phrase(
    bar: float, bars: int, rng: np.random.Generator, *, syncopated: bool = False
) -> tuple[list[float], list[int]]:
    """Return the lengths and the degrees of the notes of a phrase that ends on the tonic chord."""
    rhythms = [_BARS[bar][rng.integers(len(_BARS[bar]))] for _ in range(2)]
    gaps = [float(gap) for number in range(bars) for gap in rhythms[number % 2]]
    if syncopated:
        gaps = rng.choice([0.5, 0.5, 0.75, 1.0, 1.5], 12 * bars).tolist()
        gaps = [gap for gap, end in zip(gaps, np.cumsum(gaps), strict=True) if end <= bar * bars]
    steps = rng.choice([-3, -2, -1, -1, 0, 1, 1, 2, 3], len(gaps))
    degrees = np.clip(np.cumsum(steps) + int(rng.choice([0, 2, 4])), -3, 9)
    degrees[-1] = rng.choice([0, 0, 2, 4])
    return gaps, degrees.tolist()


def _notes(voices: Sequence[_Voice], rng: np.random.Generator) -> Notes:
    """Return notes at a random tempo, with one velocity or random ones, by onset and pitch."""
    onset = np.array([onset for voice in voices for onset in voice.onset])
    duration = np.array([length for voice in voices for length in voice.length])
    pitch = np.array([pitch for voice in voices for pitch in voice.pitch])
    quarters_per_s = rng.uniform(1.0, 3.0)
    notes = np.zeros(len(pitch), dtype=NOTE_DTYPE)
    notes["onset_quarters"], notes["duration_quarters"] = onset, duration
    notes["onset_s"] = onset / quarters_per_s
    notes["offset_s"] = (onset + duration) / quarters_per_s
    notes["pitch"] = np.clip(pitch, 0, 127)
    is_even = rng.random() < 0.5
    notes["velocity"] = rng.integers(40, 110) if is_even else rng.integers(30, 120, len(pitch))
    ordered: Notes = notes[np.lexsort((notes["pitch"], notes["onset_s"]))]
    return ordered
