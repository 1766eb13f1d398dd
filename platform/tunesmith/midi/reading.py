"""Read a score from the bytes of a MIDI file.

The reading follows the MIDI specification, and most independent readers where it leaves something
open. It differs from `pretty_midi` where that loses music: tempos count in every track, notes
without a note-off are kept, "all notes off" ends notes, the range of pitch bends is read, damaged
files are read as far as possible, and a piece ends with its last note. All else equals
`pretty_midi`, cell for cell in the piano roll.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.container import Layout, Limits, open_container
from tunesmith.midi.damage import Damage
from tunesmith.midi.decoding import (
    CLIPPED_BYTES,
    KEY_SIGNATURE,
    LENGTH,
    LOST_BYTES,
    LOST_EVENTS,
    MISSING_ENDS,
    PAYLOAD,
    TEMPO,
    TICK,
    TIME_SIGNATURE,
    WRONG_LENGTHS,
)
from tunesmith.midi.errors import NoNotes
from tunesmith.midi.events import Events, decode_events
from tunesmith.midi.notation import is_notation
from tunesmith.midi.pairing import Paired, pair_notes
from tunesmith.midi.score import NOTE_DTYPE, Instrument, Score, TempoMap
from tunesmith.midi.scores import read_notation

__all__ = ["Limits", "read_score"]

DRUM_CHANNEL = 9
TEMPO_BYTES = 3
FASTEST_TEMPO_MICROSECONDS = 60_000
"""1,000 quarter notes per minute; an oversized tempo event below is read by its last bytes."""
SHORTEST_NOTE_EXPONENT = 7
"""A time signature counts notes of 1 / 2 ** 7 at the shortest."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def read_score(data: bytes, *, limits: Limits | None = None) -> Score:
    """Decode a standard MIDI file, plain, compressed with gzip, or in a RIFF or MacBinary wrapper.

    Parameters
    ----------
    data
        Bytes of the file.
    limits
        Limits on the size; the defaults suit single pieces of music.

    Returns
    -------
    Score
        Has at least one note; `Score.damage` counts what was wrong with the file.

    Raises
    ------
    MidiError
        If the file cannot be read; one of the classes of `tunesmith.midi.errors`.
    """
    limits = limits or Limits()
    if is_notation(data):
        return read_notation(data, limits)
    layout = open_container(data, limits)
    events = decode_events(layout.data, layout.first, layout.declared_tracks)
    limits.check("max_tracks", events.n_tracks)
    paired = pair_notes(events, layout.ticks_per_quarter)
    on_tick, off_tick, pitch = paired.on_tick, paired.off_tick, paired.pitch
    limits.check("max_notes", on_tick.size)
    if on_tick.size == 0:
        raise NoNotes
    last_tick = int(off_tick.max())
    limits.check("max_ticks", last_tick)

    tempo_map, bad_tempos = _tempo_map(layout, events)
    end_time_s = float(tempo_map.seconds(np.array(last_tick)))
    limits.check("max_duration_s", end_time_s)
    instruments = _instruments(events, paired, tempo_map)
    time_signatures, bad_meters = _time_signatures(events, tempo_map)
    key_signatures, bad_keys = _key_signatures(events, tempo_map)
    counts = events.counts.tolist()
    bad = (*bad_tempos, *bad_meters, *bad_keys)
    damage = Damage(
        tracks_declared=layout.declared_tracks,
        tracks_found=events.n_tracks,
        wrong_lengths=counts[WRONG_LENGTHS],
        missing_ends=counts[MISSING_ENDS],
        lost_bytes=counts[LOST_BYTES],
        lost_events=counts[LOST_EVENTS],
        clipped_bytes=counts[CLIPPED_BYTES],
        unended_notes=paired.unended,
        empty_notes=paired.empty,
        bad_signatures=len(bad),
    )
    warnings = (*layout.warnings, *damage.sentences(), *bad)
    drums = [i.is_drum for i in instruments]
    if all(drums):
        warnings = (*warnings, "drums only: no note has a pitch, so the piano roll is silent")

    # By onset, pitch, then file order. Sorting distinct integers is faster than argsort.
    bits = int(on_tick.size).bit_length()
    keyed = ((on_tick * 128 + pitch) << bits) | np.arange(on_tick.size)
    order = np.sort(keyed) & ((1 << bits) - 1)
    notes = np.empty(order.size, dtype=NOTE_DTYPE)
    on, off, number = on_tick.take(order), off_tick.take(order), paired.instrument.take(order)
    notes["onset_s"] = tempo_map.seconds(on)
    notes["offset_s"] = tempo_map.seconds(off)
    notes["onset_quarters"] = on / tempo_map.ticks_per_quarter
    notes["duration_quarters"] = (off - on) / tempo_map.ticks_per_quarter
    notes["pitch"] = pitch.take(order)
    notes["velocity"] = paired.velocity.take(order)
    notes["instrument"] = number
    notes["is_drum"] = np.array(drums).take(number)
    return Score(
        notes=notes,
        instruments=instruments,
        tempos=(tempo_map.start_s, tempo_map.quarters_per_minute),
        time_signatures=time_signatures,
        key_signatures=key_signatures,
        ticks_per_quarter=layout.ticks_per_quarter,
        end_time_s=end_time_s,
        n_tracks=events.n_tracks,
        damage=damage,
        warnings=warnings,
    )


def _tempo_map(layout: Layout, events: Events) -> tuple[TempoMap, tuple[str, ...]]:
    if layout.ticks_per_second is not None:
        return TempoMap.constant(layout.ticks_per_second), ()
    tempos = events.meta(TEMPO)
    long_enough = tempos[LENGTH] >= TEMPO_BYTES
    bad: list[str] = []
    if not long_enough.all():
        n_short = int(np.count_nonzero(~long_enough))
        bad += ["tempo event of fewer than 3 bytes left out"] * n_short
        tempos = tempos[:, long_enough]
    place_values = np.array([1 << 16, 1 << 8, 1])
    microseconds = events.payload(tempos, TEMPO_BYTES) @ place_values
    # The specification reads the first bytes of a longer event. Some writers put zeros before.
    oversized = tempos[LENGTH] > TEMPO_BYTES
    if oversized.any():
        padded = oversized & (microseconds < FASTEST_TEMPO_MICROSECONDS)
        moved = tempos[:, padded]
        moved[PAYLOAD] += moved[LENGTH] - TEMPO_BYTES
        microseconds[padded] = events.payload(moved, TEMPO_BYTES) @ place_values
        bad += ["tempo event of more than 3 bytes"] * int(np.count_nonzero(oversized))
    valid = microseconds > 0
    if not valid.all():
        n_zero = int(np.count_nonzero(~valid))
        bad += ["tempo of 0 microseconds a quarter note left out"] * n_zero
        tempos, microseconds = tempos[:, valid], microseconds[valid]
    return TempoMap.build(tempos[TICK], microseconds, layout.ticks_per_quarter), tuple(bad)


def _time_signatures(
    events: Events, tempo_map: TempoMap
) -> tuple[tuple[Floats, Ints, Ints], tuple[str, ...]]:
    signatures = events.meta(TIME_SIGNATURE)
    signatures = signatures[:, signatures[LENGTH] >= 2]
    numerator, exponent = events.payload(signatures, 2).T
    valid = (numerator > 0) & (exponent <= SHORTEST_NOTE_EXPONENT)
    bad = tuple(
        f"time signature left out: {n}/2^{e}"
        for n, e in zip(numerator[~valid].tolist(), exponent[~valid].tolist(), strict=True)
    )
    times_s = tempo_map.seconds(signatures[TICK, valid])
    return (times_s, numerator[valid], np.int64(1) << exponent[valid]), bad


def _key_signatures(
    events: Events, tempo_map: TempoMap
) -> tuple[tuple[Floats, Ints], tuple[str, ...]]:
    signatures = events.meta(KEY_SIGNATURE)
    signatures = signatures[:, signatures[LENGTH] >= 2]
    sharps, mode = events.payload(signatures, 2).T
    sharps = np.where(sharps > 127, sharps - 256, sharps)
    valid = (np.abs(sharps) <= 7) & (mode <= 1)
    bad = tuple(
        f"key signature left out: {s} sharps, mode {m}"
        for s, m in zip(sharps[~valid].tolist(), mode[~valid].tolist(), strict=True)
    )
    number = np.where(mode == 1, (7 * sharps + 9) % 12 + 12, (7 * sharps) % 12)
    return (tempo_map.seconds(signatures[TICK, valid]), number[valid]), bad


def _instruments(events: Events, paired: Paired, tempo_map: TempoMap) -> tuple[Instrument, ...]:
    names = events.track_names()
    tracks, channels, programs, own_lists, end_ticks = paired.instruments
    instruments = []
    for track, channel, program, end_time_s in zip(
        tracks.tolist(),
        channels.tolist(),
        programs.tolist(),
        tempo_map.seconds(end_ticks).tolist(),
        strict=True,
    ):
        instruments.append(
            Instrument(
                program=program,
                is_drum=channel == DRUM_CHANNEL,
                name=names.get(track, ""),
                end_time_s=end_time_s,
            )
        )
    lists, tick, value, cents = paired.controllers
    if tick.size == 0:
        return tuple(instruments)
    at_s, value = tempo_map.seconds(tick), value.astype(np.int16)
    # By list, each in file order: an instrument's controllers are a slice.
    order = np.argsort(lists, kind="stable")
    lists, at_s, value, cents = lists[order], at_s[order], value[order], cents[order]
    bounds = zip(
        np.searchsorted(lists, own_lists).tolist(),
        np.searchsorted(lists, own_lists, side="right").tolist(),
        strict=True,
    )
    for number, (begin, end) in enumerate(bounds):
        if begin == end:
            continue
        times, values, ranges = at_s[begin:end], value[begin:end], cents[begin:end]
        pedal, bends = ranges < 0, ranges >= 0
        instruments[number] = replace(
            instruments[number],
            pedal=(times[pedal], values[pedal]),
            bends=(times[bends], values[bends]),
            bend_ranges=ranges[bends] / 100.0,
        )
    return tuple(instruments)
