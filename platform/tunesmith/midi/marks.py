"""Tempos, time signatures and key signatures of a file, from its meta events."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled
from tunesmith.midi.decoding import (
    KEY_SIGNATURE,
    KIND,
    LENGTH,
    PAYLOAD,
    TEMPO,
    TICK,
    TIME_SIGNATURE,
    TRACK,
    TRACK_NAME,
)
from tunesmith.midi.events import Events

__all__ = ["Marks", "key_number", "read_marks"]

Ints = NDArray[np.int64]

TEMPO_BYTES = 3
FASTEST_TEMPO_MICROSECONDS = 60_000
"""1,000 quarter notes per minute; an oversized tempo event below is read by its last bytes."""
MAX_NAME_BYTES = 127
SHORTEST_NOTE_EXPONENT = 7
"""A time signature counts notes of 1 / 2 ** 7 at the shortest."""

# Faults, and the sentence for each; the two numbers of a fault stand in it.
_SHORT_TEMPO, _LONG_TEMPO, _NO_TEMPO, _METER, _KEY = range(5)
_SENTENCES = (
    "tempo event of fewer than 3 bytes left out",
    "tempo event of more than 3 bytes",
    "tempo of 0 microseconds a quarter note left out",
    "time signature left out: {}/2^{}",
    "key signature left out: {} sharps, mode {}",
)


@dataclass(frozen=True, slots=True)
class Marks:
    """Marks of a file by tick, those of one tick in file order.

    Attributes
    ----------
    tempos
        Tick, and microseconds per quarter note; int64 [2, tempos].
    meters
        Tick, numerator, denominator; int64 [3, time signatures].
    keys
        Tick, and key number (0-11 major from C, 12-23 minor from C); int64 [2, key signatures].
    names
        First name of each track that has one.
    faults
        A sentence for each event that cannot be, or is of another size than it should.
    """

    tempos: Ints
    meters: Ints
    keys: Ints
    names: dict[int, str]
    faults: tuple[str, ...]


def read_marks(events: Events, *, with_tempos: bool) -> Marks:
    """Read the marks of a file; without tempos if it is in SMPTE time, where they mean nothing."""
    metas, n = events.metas, events.n_metas
    if not _in_order(metas, n):
        metas = metas[:, np.argsort(metas[TICK, :n], kind="stable")]
        metas = np.ascontiguousarray(metas)
    tempos, meters, keys, named, faults = _read(metas, n, events.source, with_tempos)
    names: dict[int, str] = {}
    for track, at, length in named.T.tolist():
        text = events.source[at : at + length].tobytes().decode("latin-1")
        names.setdefault(track, text)
    sentences: tuple[str, ...] = ()
    if faults.shape[1]:
        rows = sorted(faults.T.tolist(), key=lambda row: row[0])
        sentences = tuple(_SENTENCES[code].format(*numbers) for code, *numbers in rows)
    return Marks(tempos, meters, keys, names, sentences)


@compiled
def _in_order(metas: Ints, n: int) -> bool:
    n_falls = 0
    for event in range(1, n):
        n_falls += metas[TICK, event] < metas[TICK, event - 1]
    return n_falls == 0


@compiled
def _read(  # noqa: C901 - one pass over all kinds
    metas: Ints, n: int, source: NDArray[np.uint8], with_tempos: bool
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Return tempos, time signatures, key signatures, places of names, and faults."""
    tempos, n_tempos = np.empty((2, n), np.int64), 0
    meters, n_meters = np.empty((3, n), np.int64), 0
    keys, n_keys = np.empty((2, n), np.int64), 0
    names, n_names = np.empty((3, n), np.int64), 0
    faults, n_faults = np.zeros((3, 2 * n), np.int64), 0
    for event in range(n):
        kind, length, tick = metas[KIND, event], metas[LENGTH, event], metas[TICK, event]
        at = metas[PAYLOAD, event]
        if kind == TEMPO and with_tempos:
            if length < TEMPO_BYTES:
                faults[0, n_faults] = _SHORT_TEMPO
                n_faults += 1
                continue
            microseconds = _tempo(source, at)
            if length > TEMPO_BYTES:
                # The specification reads the first bytes. Some writers put zeros before.
                if microseconds < FASTEST_TEMPO_MICROSECONDS:
                    microseconds = _tempo(source, at + length - TEMPO_BYTES)
                faults[0, n_faults] = _LONG_TEMPO
                n_faults += 1
            if microseconds == 0:
                faults[0, n_faults] = _NO_TEMPO
                n_faults += 1
                continue
            tempos[0, n_tempos], tempos[1, n_tempos] = tick, microseconds
            n_tempos += 1
        elif kind == TRACK_NAME and length <= MAX_NAME_BYTES:
            names[0, n_names], names[1, n_names] = metas[TRACK, event], at
            names[2, n_names] = length
            n_names += 1
        elif kind in (TIME_SIGNATURE, KEY_SIGNATURE) and length >= 2:
            first, second = np.int64(source[at]), np.int64(source[at + 1])
            if kind == TIME_SIGNATURE and first > 0 and second <= SHORTEST_NOTE_EXPONENT:
                meters[0, n_meters], meters[1, n_meters] = tick, first
                meters[2, n_meters] = 1 << second
                n_meters += 1
                continue
            sharps = first - 256 if first > 127 else first
            if kind == KEY_SIGNATURE and abs(sharps) <= 7 and second <= 1:
                keys[0, n_keys] = tick
                keys[1, n_keys] = key_number(sharps, second)
                n_keys += 1
                continue
            faults[0, n_faults] = _METER if kind == TIME_SIGNATURE else _KEY
            faults[1, n_faults] = first if kind == TIME_SIGNATURE else sharps
            faults[2, n_faults] = second
            n_faults += 1
    return (
        tempos[:, :n_tempos].copy(),
        meters[:, :n_meters].copy(),
        keys[:, :n_keys].copy(),
        names[:, :n_names].copy(),
        faults[:, :n_faults].copy(),
    )


@compiled
def key_number(sharps: Any, is_minor: Any) -> Any:
    """Return the number of a key: 0-11 major from C, 12-23 minor from C; flats are negative."""
    return (7 * sharps + 9) % 12 + 12 if is_minor else (7 * sharps) % 12


@compiled
def _tempo(source: NDArray[np.uint8], at: int) -> int:
    """Return the number that three bytes give."""
    value = (np.int64(source[at]) << 16) | (np.int64(source[at + 1]) << 8)
    return int(value | np.int64(source[at + 2]))
