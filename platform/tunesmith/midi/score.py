"""Score: the content of a MIDI file as NumPy arrays, input of all later steps."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled
from tunesmith.midi.damage import Damage

__all__ = [
    "DEFAULT_BEND_SEMITONES",
    "NOTE_DTYPE",
    "Instrument",
    "Score",
    "TempoMap",
    "Transcription",
]

NOTE_DTYPE = np.dtype(
    [
        ("onset_s", "f8"),
        ("offset_s", "f8"),
        ("onset_quarters", "f4"),
        ("duration_quarters", "f4"),
        ("pitch", "i2"),
        ("velocity", "i2"),
        ("instrument", "i2"),
        ("is_drum", "?"),
    ]
)
"""One note: times in seconds (from the tempo map) and in quarter notes; MIDI pitch 0-127."""


@dataclass(frozen=True, slots=True)
class TempoMap:
    """Conversion of ticks to seconds.

    Attributes
    ----------
    start_ticks
        First tick of each tempo, ascending, the first one 0; int64 [tempos].
    seconds_per_tick
        Length of a tick under each tempo; float64 [tempos].
    start_s
        Time of each start; float64 [tempos].
    ticks_per_quarter
        Resolution of the file.
    """

    start_ticks: NDArray[np.int64]
    seconds_per_tick: NDArray[np.float64]
    start_s: NDArray[np.float64]
    ticks_per_quarter: float

    @classmethod
    def build(
        cls,
        ticks: NDArray[np.int64],
        microseconds_per_quarter: NDArray[np.int64],
        ticks_per_quarter: int,
    ) -> "TempoMap":
        """Build the map from tempo events in order of tick; the tempo before the first is 120.

        The last of several events at one tick counts, and events that repeat the tempo are
        dropped.
        """
        return cls(
            *_tempo_changes(ticks, microseconds_per_quarter, ticks_per_quarter),
            float(ticks_per_quarter),
        )

    @classmethod
    def constant(cls, ticks_per_second: float) -> "TempoMap":
        """Map of a file in SMPTE time, which has no tempo; assumes 120 quarter notes per minute."""
        return cls(
            np.zeros(1, dtype=np.int64),
            np.array([1.0 / ticks_per_second]),
            np.zeros(1),
            ticks_per_second / 2.0,
        )

    @property
    def quarters_per_minute(self) -> NDArray[np.float64]:
        """Tempo from each start on; float64 [tempos]."""
        return 60.0 / (self.seconds_per_tick * self.ticks_per_quarter)

    @property
    def columns(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """The three arrays, for compiled functions."""
        return self.start_ticks, self.seconds_per_tick, self.start_s

    def seconds(self, ticks: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the time of each tick; float64 of the shape given."""
        if self.start_ticks.size == 1:
            return np.asarray(self.seconds_per_tick[0] * ticks)
        i = self.start_ticks.searchsorted(ticks, side="right") - 1
        elapsed = ticks - self.start_ticks.take(i)
        times: NDArray[np.float64] = self.start_s.take(i) + self.seconds_per_tick.take(i) * elapsed
        return times


@compiled
def _tempo_changes(
    ticks: NDArray[np.int64], microseconds: NDArray[np.int64], ticks_per_quarter: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return start, seconds per tick and time of each tempo."""
    scale, n, first = 60.0 / (120.0 * ticks_per_quarter), 1, 0
    while first < ticks.size and ticks[first] == 0:
        scale = 60.0 / ((6e7 / microseconds[first]) * ticks_per_quarter)
        first += 1
    starts, scales = np.zeros(ticks.size + 1, np.int64), np.empty(ticks.size + 1)
    times = np.zeros(ticks.size + 1)
    scales[0] = scale
    for event in range(first, ticks.size):
        scale = 60.0 / ((6e7 / microseconds[event]) * ticks_per_quarter)
        if scale != scales[n - 1]:
            starts[n], scales[n] = ticks[event], scale
            times[n] = times[n - 1] + scales[n - 1] * (starts[n] - starts[n - 1])
            n += 1
    return starts[:n].copy(), scales[:n].copy(), times[:n].copy()


DEFAULT_BEND_SEMITONES = 2.0

# Shared by all instruments without controllers: nothing can be written to them.
_NO_EVENTS = (np.empty(0), np.empty(0, dtype=np.int16))


@dataclass(frozen=True, slots=True)
class Instrument:
    """One program on one channel of one track; sustain pedal and bends apply to it as a whole.

    Attributes
    ----------
    program
        General MIDI program, 0-127.
    is_drum
        Whether it plays on the percussion channel.
    name
        Name of its track.
    pedal
        Sustain pedal (controller 64): times in seconds, values 0-127, in file order.
    bends
        Pitch bends: times in seconds, values -8192-8191, in file order.
    bend_ranges
        Semitones that the largest value of each bend shifts by; empty where no bend has another
        range than two semitones.
    end_time_s
        Time of its last event of any kind; the latest one gives the length of the piano roll.
    """

    program: int
    is_drum: bool
    name: str = ""
    pedal: tuple[NDArray[np.float64], NDArray[np.int16]] = _NO_EVENTS
    bends: tuple[NDArray[np.float64], NDArray[np.int16]] = _NO_EVENTS
    bend_ranges: NDArray[np.float64] = field(default_factory=lambda: _NO_EVENTS[0])
    end_time_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Transcription:
    """Facts about notes that a model heard in a recording.

    Attributes
    ----------
    certainty
        Mean probability of the notes by the model that heard them, 0 to 1.
    heard_s
        Seconds of the recording that were transcribed.
    """

    certainty: float
    heard_s: float


@dataclass(frozen=True, slots=True)
class Score:
    """A decoded file of music: MIDI, a written score, or a recording.

    Attributes
    ----------
    notes
        `NOTE_DTYPE` [notes], by onset, then pitch; never empty.
    instruments
        Instruments that `notes["instrument"]` indexes.
    tempos
        Times in seconds and tempos in quarter notes per minute; the first at 0 s.
    time_signatures
        Times in seconds, numerators, denominators.
    key_signatures
        Times in seconds, key numbers (0-11 major from C, 12-23 minor from C). Invalid signatures
        are left out and reported in `warnings`.
    ticks_per_quarter
        Resolution of the file.
    end_time_s
        Time at which the last note ends; silence behind it is no part of the piece.
    n_tracks
        Number of tracks in the file, with or without notes.
    reader
        Reader that decoded the file.
    damage
        Counts of what was wrong with the file.
    warnings
        Messages about repaired or ignored parts.
    transcription
        Facts about the transcription of a recording; None for other files.
    """

    notes: NDArray[np.void]
    instruments: tuple[Instrument, ...]
    tempos: tuple[NDArray[np.float64], NDArray[np.float64]]
    time_signatures: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]
    key_signatures: tuple[NDArray[np.float64], NDArray[np.int64]]
    ticks_per_quarter: int
    end_time_s: float
    n_tracks: int
    reader: str = "midi"
    damage: Damage = field(default_factory=Damage)
    warnings: tuple[str, ...] = ()
    transcription: Transcription | None = None
