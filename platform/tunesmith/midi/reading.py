"""Bytes to a score: the fast reader, the reference reader, and the checks before either.

`symusic` reads a typical file in a tenth of a millisecond, `pretty_midi` in thirty. Both are
turned into the same arrays with the same meaning, which is `pretty_midi`'s: a note-off closes
every open note of its pitch, notes of no length are dropped, tempos are read from the first track.
"""

import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import mido
import numpy as np
import pretty_midi
import symusic
from numpy.typing import NDArray

from tunesmith.midi.errors import (
    EmptyFile,
    MidiLimitExceeded,
    NoNotes,
    NotMidi,
    TruncatedMidi,
    UnreadableMidi,
)
from tunesmith.midi.score import NOTE_DTYPE, Instrument, Score, TempoMap

__all__ = ["Limits", "read_score"]

WRAPPER_BYTES = 512
"""RIFF and MacBinary put at most this much before the header."""

SUSTAIN_PEDAL = 64
TEMPO_EVENT = b"\xff\x51\x03"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may ask for; anything larger is refused before it is allocated.

    Attributes
    ----------
    max_bytes
        Size of the file.
    max_ticks
        Last tick of any event; `pretty_midi` allocates 8 bytes for each.
    max_duration_s
        Time of the last event, in seconds.
    max_notes
        Notes.
    max_tracks
        Tracks.
    """

    max_bytes: int = 16_000_000
    max_ticks: int = 10_000_000
    max_duration_s: float = 4 * 3600.0
    max_notes: int = 500_000
    max_tracks: int = 1024


def read_score(
    data: bytes,
    *,
    limits: Limits | None = None,
    reader: Literal["auto", "symusic", "pretty_midi"] = "auto",
) -> Score:
    """Decode a standard MIDI file, plain or wrapped in RIFF or MacBinary.

    Parameters
    ----------
    data
        Content of the file.
    limits
        What is too large; the defaults suit single pieces of music.
    reader
        ``"auto"`` tries symusic, then pretty_midi.

    Returns
    -------
    Score
        Never without notes.

    Raises
    ------
    MidiError
        One of `tunesmith.midi.errors`, for every file that is not kept.
    """
    limits = limits or Limits()
    layout = _check_bytes(data, limits)
    failures: list[str] = []
    if reader != "pretty_midi":
        try:
            return _read_symusic(layout, limits)
        except RuntimeError as error:
            failures.append(f"symusic: {error}")
    if reader != "symusic":
        try:
            return _read_pretty_midi(layout, limits, tuple(failures))
        except _REFERENCE_FAILURES as error:
            failures.append(f"pretty_midi: {type(error).__name__}: {error}")
    msg = f"No reader decodes this file ({'; '.join(failures)}). Export it again or leave it out."
    raise UnreadableMidi(msg)


_REFERENCE_FAILURES = (
    EOFError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    ZeroDivisionError,
    mido.KeySignatureError,
)
"""What mido and pretty_midi are seen to raise on damaged files."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things are in the bytes of a file, checked."""

    data: bytes  # from MThd on, with the division in ticks per quarter
    tracks: tuple[tuple[int, int], ...]  # start and end of the events of each MTrk
    ticks_per_quarter: int
    ticks_per_second: float | None  # of SMPTE time, else None
    warnings: tuple[str, ...]


def _check_bytes(data: bytes, limits: Limits) -> _Layout:
    """Find header and tracks; refuse what no reader should be given."""
    if not data:
        raise EmptyFile
    if len(data) > limits.max_bytes:
        raise MidiLimitExceeded("max_bytes", len(data), limits.max_bytes)
    notes: list[str] = []
    start = data.find(b"MThd", 0, WRAPPER_BYTES + 4)
    if start < 0:
        raise NotMidi(data)
    if start > 0:
        notes.append(f"header found after a wrapper of {start} bytes")
        data = data[start:]
    if len(data) < 14:
        msg = f"The file ends inside its header ({len(data)} of 14 bytes). Download it again."
        raise TruncatedMidi(msg)
    header_bytes = int.from_bytes(data[4:8], "big")
    tracks = tuple(_track_spans(data, 8 + header_bytes))
    if header_bytes < 6 or not tracks:
        msg = "No track (MTrk) follows the header: the file is cut off. Download it again."
        raise TruncatedMidi(msg)
    if len(tracks) > limits.max_tracks:
        raise MidiLimitExceeded("max_tracks", len(tracks), limits.max_tracks)
    division = int.from_bytes(data[12:14], "big")
    ticks_per_second = None
    if division & 0x8000:
        frames_per_second = 256 - (division >> 8)
        ticks_per_second = float(frames_per_second * (division & 0xFF))
        division = max(1, round(ticks_per_second / 2))
        notes.append(f"SMPTE time: {ticks_per_second:g} ticks a second, tempo ignored")
    if division == 0 or ticks_per_second == 0:
        msg = "The header gives 0 ticks a quarter note, so no time can be told. Export it again."
        raise UnreadableMidi(msg)
    if ticks_per_second is not None:
        data = data[:12] + division.to_bytes(2, "big") + data[14:]
    return _Layout(data, tracks, division, ticks_per_second, tuple(notes))


def _track_spans(data: bytes, position: int) -> Iterable[tuple[int, int]]:
    while position + 8 <= len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "big")
        if data[position : position + 4] == b"MTrk":
            yield position + 8, min(position + 8 + length, len(data))
        position += 8 + length


def _read_symusic(layout: _Layout, limits: Limits) -> Score:
    decoded = symusic.Score.from_midi(layout.data)
    tracks = [t for t in decoded.tracks if len(t.notes)]
    n_notes = sum(len(t.notes) for t in tracks)
    if n_notes > limits.max_notes:
        raise MidiLimitExceeded("max_notes", n_notes, limits.max_notes)
    if n_notes == 0:
        raise NoNotes
    tempos = decoded.tempos.numpy()
    tempo_map = _tempo_map(layout, tempos["time"], tempos["mspq"])
    parts = [t.notes.numpy() for t in tracks]
    instrument = np.repeat(np.arange(len(tracks), dtype=np.int16), [p["time"].size for p in parts])
    on_tick = np.concatenate([p["time"] for p in parts]).astype(np.int64)
    off_tick = on_tick + np.concatenate([p["duration"] for p in parts])
    pitch = np.concatenate([p["pitch"] for p in parts]).astype(np.int16)
    velocity = np.concatenate([p["velocity"] for p in parts]).astype(np.int16)
    off_tick = _close_at_first_off(instrument, pitch, on_tick, off_tick)
    is_drum = np.array([t.is_drum for t in tracks])[instrument]

    instruments = []
    for i, track in enumerate(tracks):
        controls, bends = track.controls.numpy(), track.pitch_bends.numpy()
        end_ticks = [int(off_tick[instrument == i].max())]
        end_ticks += [int(e["time"][-1]) for e in (controls, bends) if e["time"].size]
        pedal = controls["number"] == SUSTAIN_PEDAL
        instruments.append(
            Instrument(
                program=int(track.program),
                is_drum=bool(track.is_drum),
                name=track.name,
                pedal=(
                    tempo_map.seconds(controls["time"][pedal]),
                    controls["value"][pedal].astype(np.int16),
                ),
                bends=(tempo_map.seconds(bends["time"]), bends["value"].astype(np.int16)),
                end_time_s=float(tempo_map.seconds(np.array(max(end_ticks)))),
            )
        )
    times, keys = decoded.time_signatures.numpy(), decoded.key_signatures.numpy()
    key_times, key_numbers, key_warnings = _key_numbers(
        tempo_map.seconds(keys["time"]), keys["key"], keys["tonality"]
    )
    return _assemble(
        layout,
        limits,
        tempo_map,
        (on_tick, off_tick, pitch, velocity, instrument, is_drum),
        tuple(instruments),
        (
            tempo_map.seconds(times["time"]),
            times["numerator"].astype(np.int64),
            times["denominator"].astype(np.int64),
        ),
        (key_times, key_numbers),
        "symusic",
        layout.warnings + key_warnings,
    )


def _tempo_map(
    layout: _Layout, ticks: NDArray[np.integer], microseconds: NDArray[np.integer]
) -> TempoMap:
    if layout.ticks_per_second is not None:
        return TempoMap.constant(layout.ticks_per_second)
    if np.any(microseconds <= 0):
        msg = "A tempo event gives 0 microseconds a quarter note, so no time can be told."
        raise UnreadableMidi(msg)
    return TempoMap.build(ticks, microseconds, layout.ticks_per_quarter)


def _close_at_first_off(
    instrument: NDArray[np.int16],
    pitch: NDArray[np.int16],
    on_tick: NDArray[np.int64],
    off_tick: NDArray[np.int64],
) -> NDArray[np.int64]:
    """End each note at the first note-off of its pitch after its onset.

    symusic pairs note-ons and note-offs first in, first out, so that a doubled note-on delays
    every later note-off of the pitch; the reference closes all open notes at once.
    """
    key = instrument.astype(np.int64) * 128 + pitch
    order = np.lexsort((on_tick, key))
    same = key[order][1:] == key[order][:-1]
    if not np.any(same & (on_tick[order][1:] < off_tick[order][:-1])):
        return off_tick
    span = int(off_tick.max()) + 1
    offs = np.sort(key * span + off_tick)
    found = np.searchsorted(offs, key * span + on_tick, side="right")
    closed = offs[np.minimum(found, offs.size - 1)]
    return np.where((found < offs.size) & (closed // span == key), closed % span, off_tick)


def _key_numbers(
    times_s: NDArray[np.float64], sharps: NDArray[np.integer], mode: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.int64], tuple[str, ...]]:
    sharps, mode = sharps.astype(np.int64), mode.astype(np.int64)
    valid = (np.abs(sharps) <= 7) & ((mode == 0) | (mode == 1))
    warned = tuple(
        f"key signature left out: {s} sharps, mode {m}"
        for s, m in zip(sharps[~valid].tolist(), mode[~valid].tolist(), strict=True)
    )
    number = np.where(mode == 1, (7 * sharps + 9) % 12 + 12, (7 * sharps) % 12)
    return times_s[valid], number[valid], warned


def _assemble(
    layout: _Layout,
    limits: Limits,
    tempo_map: TempoMap,
    columns: tuple[NDArray[Any], ...],
    instruments: tuple[Instrument, ...],
    time_signatures: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]],
    key_signatures: tuple[NDArray[np.float64], NDArray[np.int64]],
    reader: str,
    notes_on_reading: tuple[str, ...],
) -> Score:
    """Sort the notes and check the limits that only a decoded file can break."""
    on_tick, off_tick, pitch, velocity, instrument, is_drum = columns
    kept = np.flatnonzero(off_tick > on_tick)
    if kept.size == 0:
        raise NoNotes
    last_tick = int(off_tick.max())
    if last_tick > limits.max_ticks:
        raise MidiLimitExceeded("max_ticks", last_tick, limits.max_ticks)
    end_time_s = max(i.end_time_s for i in instruments)
    if not end_time_s <= limits.max_duration_s:
        raise MidiLimitExceeded("max_duration_s", end_time_s, limits.max_duration_s)
    order = kept[np.argsort(on_tick[kept] * 128 + pitch[kept], kind="stable")]
    notes = np.empty(order.size, dtype=NOTE_DTYPE)
    on, off = on_tick[order], off_tick[order]
    notes["onset_s"] = tempo_map.seconds(on)
    notes["offset_s"] = tempo_map.seconds(off)
    notes["onset_quarters"] = on / tempo_map.ticks_per_quarter
    notes["duration_quarters"] = (off - on) / tempo_map.ticks_per_quarter
    notes["pitch"] = pitch[order]
    notes["velocity"] = velocity[order]
    notes["instrument"] = instrument[order]
    notes["is_drum"] = is_drum[order]
    return Score(
        notes=notes,
        instruments=instruments,
        tempos=(tempo_map.start_s, tempo_map.quarters_per_minute),
        time_signatures=time_signatures,
        key_signatures=key_signatures,
        ticks_per_quarter=layout.ticks_per_quarter,
        end_time_s=end_time_s,
        reader=reader,
        n_tracks=len(layout.tracks),
        warnings=notes_on_reading,
    )


def _read_pretty_midi(layout: _Layout, limits: Limits, failures: tuple[str, ...]) -> Score:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # tempo events outside the first track
        decoded = pretty_midi.PrettyMIDI(io.BytesIO(layout.data))
    instruments = [i for i in decoded.instruments if i.notes]
    n_notes = sum(len(i.notes) for i in instruments)
    if n_notes == 0:
        raise NoNotes
    if n_notes > limits.max_notes:
        raise MidiLimitExceeded("max_notes", n_notes, limits.max_notes)
    end_time_s = max(i.get_end_time() for i in instruments)
    if not end_time_s <= limits.max_duration_s:
        raise MidiLimitExceeded("max_duration_s", end_time_s, limits.max_duration_s)
    rows = [
        (n.start, n.end, n.pitch, n.velocity, i, instrument.is_drum)
        for i, instrument in enumerate(instruments)
        for n in instrument.notes
    ]
    onset_s, offset_s, pitch, velocity, number, is_drum = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    order = np.lexsort((pitch, onset_s))
    notes = np.empty(len(rows), dtype=NOTE_DTYPE)
    on, off = onset_s[order], offset_s[order]
    on_tick = np.array([decoded.time_to_tick(t) for t in on])
    off_tick = np.array([decoded.time_to_tick(t) for t in off])
    notes["onset_s"], notes["offset_s"] = on, off
    notes["onset_quarters"] = on_tick / decoded.resolution
    notes["duration_quarters"] = (off_tick - on_tick) / decoded.resolution
    notes["pitch"], notes["velocity"] = pitch[order], velocity[order]
    notes["instrument"], notes["is_drum"] = number[order], is_drum[order]
    times, qpm = decoded.get_tempo_changes()
    meters, keys = decoded.time_signature_changes, decoded.key_signature_changes
    return Score(
        notes=notes,
        instruments=tuple(_from_pretty_midi(i) for i in instruments),
        tempos=(times, qpm),
        time_signatures=(
            np.array([m.time for m in meters], dtype=np.float64),
            np.array([m.numerator for m in meters], dtype=np.int64),
            np.array([m.denominator for m in meters], dtype=np.int64),
        ),
        key_signatures=(
            np.array([k.time for k in keys], dtype=np.float64),
            np.array([k.key_number for k in keys], dtype=np.int64),
        ),
        ticks_per_quarter=int(decoded.resolution),
        end_time_s=float(end_time_s),
        reader="pretty_midi",
        n_tracks=len(layout.tracks),
        warnings=layout.warnings + failures,
    )


def _from_pretty_midi(instrument: pretty_midi.Instrument) -> Instrument:
    pedal = [c for c in instrument.control_changes if c.number == SUSTAIN_PEDAL]
    return Instrument(
        program=int(instrument.program),
        is_drum=bool(instrument.is_drum),
        name=str(instrument.name),
        pedal=(
            np.array([c.time for c in pedal], dtype=np.float64),
            np.array([c.value for c in pedal], dtype=np.int16),
        ),
        bends=(
            np.array([b.time for b in instrument.pitch_bends], dtype=np.float64),
            np.array([b.pitch for b in instrument.pitch_bends], dtype=np.int16),
        ),
        end_time_s=float(instrument.get_end_time()),
    )
