"""Read a score from bytes with three readers that follow the same rules.

The rules are those of `pretty_midi`, the usual reference: a note-off closes every open note of its
pitch, notes of zero length are dropped, and tempos come from the first track. The reader `events`
of this package follows them exactly and is tried first. symusic is as fast, but treats repeated
notes, controllers and tempos differently, which changes the roll of about three files in ten; it
is tried on files that `events` cannot decode. `pretty_midi`, a hundred times slower, comes last.
"""

import io
import warnings
from typing import Any, Literal

import mido
import numpy as np
import pretty_midi
import symusic
from numpy.typing import NDArray

from tunesmith.midi.container import Layout, Limits, open_container
from tunesmith.midi.errors import MidiError, NoNotes, TruncatedMidi, UnreadableMidi
from tunesmith.midi.events import (
    KEY_SIGNATURE,
    SUSTAIN_PEDAL,
    TEMPO,
    TIME_SIGNATURE,
    Events,
    decode_events,
)
from tunesmith.midi.score import NOTE_DTYPE, Instrument, Score, TempoMap

__all__ = ["Limits", "read_score"]

Reader = Literal["auto", "events", "symusic", "pretty_midi"]

DRUM_CHANNEL = 9

REFERENCE_MAX_BYTES = 512_000
"""`pretty_midi` takes 5 microseconds per byte, too long for larger damaged files."""

_REFERENCE_FAILURES = (
    EOFError,
    OSError,
    ValueError,
    LookupError,
    ZeroDivisionError,
    mido.KeySignatureError,
)
"""Exceptions that mido and pretty_midi raise for damaged files."""


def read_score(data: bytes, *, limits: Limits | None = None, reader: Reader = "auto") -> Score:
    """Decode a standard MIDI file, plain or wrapped in RIFF or MacBinary.

    Parameters
    ----------
    data
        Bytes of the file.
    limits
        Limits on the size; the defaults suit single pieces of music.
    reader
        ``"auto"`` tries all readers in turn; a name selects one.

    Returns
    -------
    Score
        Has at least one note; `Score.reader` names the reader that decoded it.

    Raises
    ------
    MidiError
        If the file cannot be read; one of the classes of `tunesmith.midi.errors`.
    """
    limits = limits or Limits()
    layout = open_container(data, limits)
    order = tuple(_READERS) if reader == "auto" else (reader,)
    failures: list[MidiError] = []
    for name in order:
        try:
            return _READERS[name](layout, limits)
        except (TruncatedMidi, UnreadableMidi) as error:
            failures.append(error)
    first = failures[0]
    message = " ".join([str(first), *(f"Also, {error}" for error in failures[1:])])
    raise type(first)(message) from first


def _read_events(layout: Layout, limits: Limits) -> Score:
    events = decode_events(layout.data, layout.tracks)
    limits.check("max_ticks", events.last_tick)
    limits.check("max_notes", events.notes.shape[1])
    if events.notes.size == 0:
        raise NoNotes
    track, tick, payload = events.meta(TEMPO, 3)
    microseconds = payload.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    tempo_map, tempo_warnings = _tempo_map(layout, tick[track == 0], microseconds[track == 0])
    instruments = _instruments(events, tempo_map)
    _, meter_tick, meter = events.meta(TIME_SIGNATURE, 2)
    _, key_tick, key = events.meta(KEY_SIGNATURE, 2)
    key_times, key_numbers, key_warnings = _key_numbers(
        tempo_map.seconds(key_tick), key[:, 0].astype(np.int8), key[:, 1]
    )
    is_drum = np.array([i.is_drum for i in instruments]).take(events.notes[4])
    return _assemble(
        layout,
        limits,
        tempo_map,
        (*events.notes, is_drum),
        instruments,
        time_signatures=(
            tempo_map.seconds(meter_tick),
            meter[:, 0].astype(np.int64),
            np.int64(1) << np.minimum(meter[:, 1], 16).astype(np.int64),
        ),
        key_signatures=(key_times, key_numbers),
        reader="events",
        reading_warnings=(*layout.warnings, *tempo_warnings, *key_warnings),
    )


def _instruments(events: Events, tempo_map: TempoMap) -> tuple[Instrument, ...]:
    names = events.track_names()
    lists, tick, value, is_bend = events.controllers
    at_s, value = tempo_map.seconds(tick), value.astype(np.int16)
    tracks, channels, programs, own_lists, end_ticks = events.instruments
    instruments = []
    for track, channel, program, own_list, end_time_s in zip(
        tracks.tolist(),
        channels.tolist(),
        programs.tolist(),
        own_lists.tolist(),
        tempo_map.seconds(end_ticks).tolist(),
        strict=True,
    ):
        own = lists == own_list
        pedal, bends = own & (is_bend == 0), own & (is_bend == 1)
        instruments.append(
            Instrument(
                program=program,
                is_drum=channel == DRUM_CHANNEL,
                name=names.get(track, ""),
                pedal=(at_s[pedal], value[pedal]),
                bends=(at_s[bends], value[bends]),
                end_time_s=end_time_s,
            )
        )
    return tuple(instruments)


def _read_symusic(layout: Layout, limits: Limits) -> Score:
    try:
        decoded: Any = symusic.Score.from_midi(layout.data)
    except RuntimeError as error:
        msg = f"symusic cannot decode the file ({error})."
        raise UnreadableMidi(msg) from error
    tracks = [t for t in decoded.tracks if len(t.notes)]
    n_notes = sum(len(t.notes) for t in tracks)
    limits.check("max_notes", n_notes)
    if n_notes == 0:
        raise NoNotes
    tempos = decoded.tempos.numpy()
    tempo_map, tempo_warnings = _tempo_map(layout, tempos["time"], tempos["mspq"])
    parts = [t.notes.numpy() for t in tracks]
    instrument = np.repeat(np.arange(len(tracks), dtype=np.int16), [p["time"].size for p in parts])
    on_tick = np.concatenate([p["time"] for p in parts]).astype(np.int64)
    off_tick = on_tick + np.concatenate([p["duration"] for p in parts])
    if int(min(on_tick.min(), off_tick.min())) < 0:
        msg = "symusic decodes ticks beyond 31 bits."
        raise UnreadableMidi(msg)
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
        time_signatures=(
            tempo_map.seconds(times["time"]),
            times["numerator"].astype(np.int64),
            times["denominator"].astype(np.int64),
        ),
        key_signatures=(key_times, key_numbers),
        reader="symusic",
        reading_warnings=(*layout.warnings, *tempo_warnings, *key_warnings),
    )


def _tempo_map(
    layout: Layout, ticks: NDArray[np.integer], microseconds: NDArray[np.integer]
) -> tuple[TempoMap, tuple[str, ...]]:
    if layout.ticks_per_second is not None:
        return TempoMap.constant(layout.ticks_per_second), ()
    valid = microseconds > 0
    tempo_warnings = () if valid.all() else ("tempo of 0 microseconds a quarter note left out",)
    ticks, microseconds = ticks[valid], microseconds[valid]
    return TempoMap.build(ticks, microseconds, layout.ticks_per_quarter), tempo_warnings


def _close_at_first_off(
    instrument: NDArray[np.int16],
    pitch: NDArray[np.int16],
    on_tick: NDArray[np.int64],
    off_tick: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return ticks that end each note at the first note-off of its pitch after its onset.

    symusic pairs note-ons and note-offs first in, first out, so a repeated note-on delays all
    later note-offs of the pitch; `pretty_midi` closes all open notes at once.
    """
    key = instrument.astype(np.int64) * 128 + pitch
    order = np.lexsort((on_tick, key))
    same = key[order][1:] == key[order][:-1]
    if not np.any(same & (on_tick[order][1:] < off_tick[order][:-1])):
        return off_tick
    span = int(off_tick.max()) + 1
    offs = np.sort(key * span + off_tick)
    position = np.searchsorted(offs, key * span + on_tick, side="right")
    closed = offs[np.minimum(position, offs.size - 1)]
    return np.where((position < offs.size) & (closed // span == key), closed % span, off_tick)


def _key_numbers(
    times_s: NDArray[np.float64], sharps: NDArray[np.integer], mode: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.int64], tuple[str, ...]]:
    sharps, mode = sharps.astype(np.int64), mode.astype(np.int64)
    valid = (np.abs(sharps) <= 7) & ((mode == 0) | (mode == 1))
    key_warnings = tuple(
        f"key signature left out: {s} sharps, mode {m}"
        for s, m in zip(sharps[~valid].tolist(), mode[~valid].tolist(), strict=True)
    )
    number = np.where(mode == 1, (7 * sharps + 9) % 12 + 12, (7 * sharps) % 12)
    return times_s[valid], number[valid], key_warnings


def _assemble(
    layout: Layout,
    limits: Limits,
    tempo_map: TempoMap,
    columns: tuple[NDArray[Any], ...],
    instruments: tuple[Instrument, ...],
    *,
    time_signatures: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]],
    key_signatures: tuple[NDArray[np.float64], NDArray[np.int64]],
    reader: str,
    reading_warnings: tuple[str, ...],
) -> Score:
    """Sort the notes, and check the limits that need decoded notes."""
    on_tick, off_tick, pitch, velocity, instrument, is_drum = columns
    kept = np.flatnonzero(off_tick > on_tick)
    if kept.size == 0:
        raise NoNotes
    last_tick = int(off_tick.max())
    limits.check("max_ticks", last_tick)
    end_time_s = max(i.end_time_s for i in instruments)
    limits.check("max_duration_s", end_time_s)
    # By onset, pitch, then file order. Sorting distinct integers is faster than argsort.
    bits = int(on_tick.size).bit_length()
    keyed = ((on_tick.take(kept) * 128 + pitch.take(kept)) << bits) | kept
    order = np.sort(keyed) & ((1 << bits) - 1)
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
        warnings=reading_warnings,
    )


def _read_pretty_midi(layout: Layout, limits: Limits) -> Score:
    if len(layout.data) > REFERENCE_MAX_BYTES or layout.ticks_per_second is not None:
        msg = "pretty_midi is not tried on files this large or in SMPTE time."
        raise UnreadableMidi(msg)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # tempo events in other tracks
            decoded: Any = pretty_midi.PrettyMIDI(io.BytesIO(layout.data))
    except _REFERENCE_FAILURES as error:
        msg = f"pretty_midi cannot decode the file ({type(error).__name__}: {error})."
        raise UnreadableMidi(msg) from error
    instruments = [i for i in decoded.instruments if i.notes]
    n_notes = sum(len(i.notes) for i in instruments)
    if n_notes == 0:
        raise NoNotes
    limits.check("max_notes", n_notes)
    end_time_s = max(i.get_end_time() for i in instruments)
    limits.check("max_duration_s", end_time_s)
    rows = [
        (n.start, n.end, n.pitch, n.velocity, i, instrument.is_drum)
        for i, instrument in enumerate(instruments)
        for n in instrument.notes
    ]
    onset_s, offset_s, pitch, velocity, number, is_drum = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    order = np.lexsort((pitch, onset_s))
    on, off = onset_s[order], offset_s[order]
    on_tick = np.array([decoded.time_to_tick(t) for t in on])
    off_tick = np.array([decoded.time_to_tick(t) for t in off])
    limits.check("max_ticks", off_tick.max())
    notes = np.empty(len(rows), dtype=NOTE_DTYPE)
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
        warnings=layout.warnings,
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


_READERS = {"events": _read_events, "symusic": _read_symusic, "pretty_midi": _read_pretty_midi}
"""Readers in the order in which they are tried."""
