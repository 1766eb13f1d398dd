"""Read a score from the bytes of a MIDI file.

The reading follows the MIDI specification, and most independent readers where it leaves something
open. It differs from `pretty_midi` where that loses music: tempos count in every track, notes
without a note-off are kept, "all notes off" ends notes, the range of pitch bends is read, damaged
files are read as far as possible, and a piece ends with its last note. All else equals
`pretty_midi`, cell for cell in the piano roll.
"""

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled
from tunesmith.midi.container import Limits, open_container
from tunesmith.midi.damage import Damage
from tunesmith.midi.decoding import (
    CLIPPED_BYTES,
    LOST_BYTES,
    LOST_EVENTS,
    MISSING_ENDS,
    WRONG_LENGTHS,
)
from tunesmith.midi.errors import NoNotes
from tunesmith.midi.events import decode_events
from tunesmith.midi.marks import read_marks
from tunesmith.midi.notation import is_notation
from tunesmith.midi.pairing import INSTRUMENT_BIT, VELOCITY_BIT, Paired, pair_notes
from tunesmith.midi.score import NOTE_DTYPE, Instrument, Score, TempoMap
from tunesmith.midi.scores import read_notation

__all__ = ["Limits", "read_score"]

DRUM_CHANNEL = 9
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
    on_tick, off_tick = paired.on_tick, paired.off_tick
    limits.check("max_notes", on_tick.size)
    if on_tick.size == 0:
        raise NoNotes
    last_tick = int(off_tick.max())
    limits.check("max_ticks", last_tick)

    marks = read_marks(events, with_tempos=layout.ticks_per_second is None)
    if layout.ticks_per_second is None:
        tempo_map = TempoMap.build(marks.tempos[0], marks.tempos[1], layout.ticks_per_quarter)
    else:
        tempo_map = TempoMap.constant(layout.ticks_per_second)
    end_time_s = float(tempo_map.seconds(np.array(last_tick)))
    limits.check("max_duration_s", end_time_s)
    instruments = _instruments(marks.names, paired, tempo_map)
    counts = events.counts.tolist()
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
        bad_signatures=len(marks.faults),
    )
    warnings = (*layout.warnings, *damage.sentences(), *marks.faults)
    drums = [i.is_drum for i in instruments]
    if all(drums):
        warnings = (*warnings, "drums only: no note has a pitch, so the piano roll is silent")

    # By onset, pitch, then file order. Sorting distinct integers is faster than argsort, and each
    # track is nearly in order already, which a stable sort makes use of.
    order = np.sort(_sort_keys(on_tick, paired.voice), kind="stable")
    notes = np.empty(order.size, dtype=NOTE_DTYPE)
    _fill(
        notes,
        (on_tick, off_tick, paired.voice),
        order,
        tempo_map.columns,
        tempo_map.ticks_per_quarter,
        np.array(drums),
    )
    return Score(
        notes=notes,
        instruments=instruments,
        tempos=(tempo_map.start_s, tempo_map.quarters_per_minute),
        time_signatures=(tempo_map.seconds(marks.meters[0]), marks.meters[1], marks.meters[2]),
        key_signatures=(tempo_map.seconds(marks.keys[0]), marks.keys[1]),
        ticks_per_quarter=layout.ticks_per_quarter,
        end_time_s=end_time_s,
        n_tracks=events.n_tracks,
        damage=damage,
        warnings=warnings,
    )


@compiled
def _index_bits(n: int) -> int:
    """Return the bits that the index of one of `n` notes takes."""
    bits = 0
    while n >> bits:
        bits += 1
    return bits


@compiled
def _sort_keys(on_tick: Ints, voice: Ints) -> Ints:
    """Return a number for each note that orders by onset and pitch, and ends with its index."""
    bits = _index_bits(on_tick.size)
    keys = np.empty(on_tick.size, np.int64)
    for note in range(on_tick.size):
        keys[note] = ((on_tick[note] * 128 + (voice[note] & 127)) << bits) | note
    return keys


@compiled
def _fill(  # noqa: PLR0917 - arguments that pass fast
    notes: NDArray[np.void],
    columns: tuple[Ints, Ints, Ints],
    order: Ints,
    tempos: tuple[Ints, Floats, Floats],
    ticks_per_quarter: float,
    is_drum: NDArray[np.bool_],
) -> None:
    """Fill the table of notes, in an order; onsets must not fall."""
    on_tick, off_tick, voice = columns
    start_ticks, seconds_per_tick, start_s = tempos
    index = (1 << _index_bits(on_tick.size)) - 1
    tempo = 0
    for place in range(order.size):
        i = order[place] & index
        on, off = on_tick[i], off_tick[i]
        tempo = _tempo_at(start_ticks, on, tempo)
        at_off = _tempo_at(start_ticks, off, tempo)
        note = notes[place]
        note["onset_s"] = start_s[tempo] + seconds_per_tick[tempo] * (on - start_ticks[tempo])
        note["offset_s"] = start_s[at_off] + seconds_per_tick[at_off] * (off - start_ticks[at_off])
        note["onset_quarters"] = on / ticks_per_quarter
        note["duration_quarters"] = (off - on) / ticks_per_quarter
        instrument = voice[i] >> INSTRUMENT_BIT
        note["pitch"], note["velocity"] = voice[i] & 127, voice[i] >> VELOCITY_BIT & 127
        note["instrument"], note["is_drum"] = instrument, is_drum[instrument]


@compiled
def _tempo_at(start_ticks: Ints, tick: int, low: int) -> int:
    """Return the last tempo that starts at or before a tick; tempo `low` does."""
    step = 1
    while low + step < start_ticks.size and start_ticks[low + step] <= tick:
        low += step
        step *= 2
    high = min(low + step, start_ticks.size)
    while low + 1 < high:
        middle = (low + high) // 2
        if start_ticks[middle] <= tick:
            low = middle
        else:
            high = middle
    return low


def _instruments(
    names: dict[int, str], paired: Paired, tempo_map: TempoMap
) -> tuple[Instrument, ...]:
    tracks, channels, programs, lists, end_ticks = paired.instruments
    times_s, values, ranges, begins = _by_list(
        paired.controllers, int(lists.max()) + 1, tempo_map.columns
    )
    instruments = []
    for track, channel, program, own, end_time_s in zip(
        tracks.tolist(),
        channels.tolist(),
        programs.tolist(),
        lists.tolist(),
        tempo_map.seconds(end_ticks).tolist(),
        strict=True,
    ):
        common = (program, channel == DRUM_CHANNEL, names.get(track, ""))
        first, middle, last = begins[2 * own : 2 * own + 3].tolist()
        if first == last:
            instruments.append(Instrument(*common, end_time_s=end_time_s))
            continue
        instruments.append(
            Instrument(
                *common,
                pedal=(times_s[first:middle], values[first:middle]),
                bends=(times_s[middle:last], values[middle:last]),
                bend_ranges=ranges[middle:last],
                end_time_s=end_time_s,
            )
        )
    return tuple(instruments)


@compiled
def _by_list(
    controllers: Ints, n_lists: int, tempos: tuple[Ints, Floats, Floats]
) -> tuple[Floats, NDArray[np.int16], Floats, Ints]:
    """Return times, values and bend ranges by list, and where the lists begin.

    A list has the sustain pedal first, then the bends, each in file order.
    """
    start_ticks, seconds_per_tick, start_s = tempos
    n = controllers.shape[1]
    begins = np.zeros(2 * n_lists + 1, np.int64)
    for event in range(n):
        if controllers[0, event] < n_lists:  # others belong to no instrument
            begins[2 * controllers[0, event] + (controllers[3, event] >= 0) + 1] += 1
    for i in range(2 * n_lists):
        begins[i + 1] += begins[i]
    times_s, ranges = np.empty(begins[-1]), np.empty(begins[-1])
    values = np.empty(begins[-1], np.int16)
    places = begins.copy()
    for event in range(n):
        if controllers[0, event] >= n_lists:
            continue
        tick, cents = controllers[1, event], controllers[3, event]
        tempo = _tempo_at(start_ticks, tick, 0)
        kind = 2 * controllers[0, event] + (cents >= 0)
        place = places[kind]
        places[kind] += 1
        times_s[place] = start_s[tempo] + seconds_per_tick[tempo] * (tick - start_ticks[tempo])
        values[place] = controllers[2, event]
        ranges[place] = cents / 100.0
    return times_s, values, ranges, begins
