"""Pair the messages of each track into notes, with the instrument and the controllers of each.

A note-off closes every open note of its track, channel and pitch except those of its own tick, as
in `pretty_midi`. So do "all sound off" and "all notes off" for all pitches of their channel, as
the MIDI specification says. A note that stays open ends at the next note of its pitch, at a
note-off of its channel in another track, or with its track, whichever comes first. One with which
its track ends and that has no other end lasts a quarter note.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled
from tunesmith.midi.decoding import (
    LOW_BIT,
    MESSAGE,
    META,
    NOTE_OFF,
    NOTE_ON,
    STATUS_BIT,
    TICK,
    TRACK_BIT,
)
from tunesmith.midi.events import Events

__all__ = [
    "ALL_NOTES_OFF",
    "INSTRUMENT_BIT",
    "SUSTAIN_PEDAL",
    "VELOCITY_BIT",
    "Paired",
    "pair_notes",
]

Ints = NDArray[np.int64]

CONTROL, PROGRAM, BEND = 0xB0, 0xC0, 0xE0
DATA_ENTRY, DATA_ENTRY_FINE, SUSTAIN_PEDAL = 6, 38, 64
NON_REGISTERED_FINE, NON_REGISTERED, REGISTERED_FINE, REGISTERED = 98, 99, 100, 101
ALL_SOUND_OFF, ALL_NOTES_OFF, FIRST_MODE = 120, 123, 124
"""The controllers from `FIRST_MODE` to 127 select a mode, and end all notes too."""
UNSELECTED = 127
DEFAULT_BEND_CENTS = 200
N_CHANNELS = 16
N_KEYS = N_CHANNELS * 128
"""Pairs of channel and pitch, or of channel and program."""
LONGEST_TAIL_QUARTERS = 64
"""Tracks that end later than this after the last note do not hold their open notes so long."""

# How a note ends.
_AT_NOTE_OFF, _AT_ALL_NOTES_OFF, _OPEN = 0, 1, 2
VELOCITY_BIT, _END_BIT, INSTRUMENT_BIT = 8, 16, 24


@dataclass(frozen=True, slots=True)
class Paired:
    """Notes, instruments and controllers of a file, timed in ticks.

    Attributes
    ----------
    on_tick, off_tick, voice
        Columns of the notes, in order of their ends; int64 [notes]. A voice is in one number the
        pitch, the velocity from `VELOCITY_BIT` on and the instrument from `INSTRUMENT_BIT` on.
    instruments
        Track, channel, program, controller list, and tick of the last note-off, controller or
        bend of each instrument, in order of its first note-off; int64 [5, instruments].
    controllers
        Controller list, tick, value, and -1 for the sustain pedal or, for a bend, its range in
        cents; in file order; int64 [4, controllers]. Several instruments may share a list.
    unended, empty
        Number of notes without a note-off in their track, and of notes of no length, left out.
    """

    on_tick: Ints
    off_tick: Ints
    voice: Ints
    instruments: Ints
    controllers: Ints
    unended: int
    empty: int


def pair_notes(events: Events, ticks_per_quarter: int) -> Paired:
    """Pair the notes of all tracks.

    An instrument is a program on a channel of a track, determined when a note is closed.
    Controllers before the first closed note of an instrument go to the later instruments of the
    channel.

    Parameters
    ----------
    events
        Events of a file.
    ticks_per_quarter
        Resolution, for notes whose end is nowhere.
    """
    # The whole table: an empty view has another type and would be compiled a second time.
    rows, instruments, controllers, offs, empty, unended = _pair(events.messages, events.n_messages)
    if unended:
        if (rows[2] >> _END_BIT & 3 == _OPEN).any():
            _end_open_notes(rows, instruments, offs, ticks_per_quarter)
        kept = rows[1] > rows[0]
        empty += int(kept.size - np.count_nonzero(kept))
        rows = rows[:, kept]
        np.maximum.at(instruments[4], rows[2] >> INSTRUMENT_BIT, rows[1])
    on_tick, off_tick, voice = rows
    return Paired(
        on_tick=on_tick,
        off_tick=off_tick,
        voice=voice,
        instruments=instruments,
        controllers=controllers,
        unended=unended,
        empty=empty,
    )


def _end_open_notes(rows: Ints, instruments: Ints, offs: Ints, ticks_per_quarter: int) -> None:
    """Set the end of each open note, in place."""
    is_open = rows[2] >> _END_BIT & 3 == _OPEN
    on, end, packed = rows[:, is_open]
    last_tick = max(int(rows[1, ~is_open].max(initial=0)), int(rows[0].max()))
    longest = last_tick + LONGEST_TAIL_QUARTERS * ticks_per_quarter
    end = np.where(end > longest, np.maximum(last_tick, on + ticks_per_quarter), end)
    channel = instruments[1].take(packed >> INSTRUMENT_BIT)
    span = int(max(end.max(), offs[1].max(initial=0), on.max())) + 1
    # The note-offs that ended nothing in their track by channel and pitch, and "all notes off".
    for wanted, given in (
        (channel * 128 + (packed & 127), offs[:, offs[0] >= 0]),
        (-1 - channel, offs[:, offs[0] < 0]),
    ):
        if given.shape[1] == 0:
            continue
        ordered = np.sort(given[0] * span + given[1])
        place = np.searchsorted(ordered, wanted * span + on, side="right")
        candidate = ordered.take(np.minimum(place, ordered.size - 1))
        fits = (place < ordered.size) & (candidate // span == wanted)
        # Where the track ends with the note-on, its note-offs are in another track.
        nearer = np.where(end > on, np.minimum(end, candidate % span), candidate % span)
        end = np.where(fits, nearer, end)
    rows[1, is_open] = np.where(end > on, end, on + ticks_per_quarter)


@compiled
def _pair(messages: Ints, n: int) -> tuple[Ints, Ints, Ints, Ints, int, int]:  # noqa: C901, PLR0912, PLR0915
    """Return notes, instruments, controllers, idle note-offs, and numbers of odd notes.

    These are the notes of no length, which are left out, and those without a note-off.

    The third number of a note is its voice, and its way to end from `_END_BIT` on.

    One long loop: passing arrays to another compiled function costs more than pairing a note.
    """
    notes, n_notes = np.empty((3, n), np.int64), 0
    instruments, n_instruments = np.empty((5, n), np.int64), 0
    controllers, n_controllers = np.empty((4, n), np.int64), 0
    # Key and tick of note-offs that end nothing; the key of "all notes off" is -1 - channel.
    offs, n_offs = np.empty((2, n), np.int64), 0
    list_end, n_lists = np.empty(n, np.int64), 0
    # Open notes form a queue for each channel and pitch; -1 for none.
    first, last = np.empty(N_KEYS, np.int64), np.empty(N_KEYS, np.int64)
    following = np.empty(n, np.int64)
    n_open = np.zeros(N_CHANNELS, np.int64)
    program, early_list = np.empty(N_CHANNELS, np.int64), np.empty(N_CHANNELS, np.int64)
    instrument_of = np.empty(N_KEYS, np.int64)  # by channel and program
    parameter = np.full(N_CHANNELS, UNSELECTED << 7, np.int64)
    bend_cents = np.full(N_CHANNELS, DEFAULT_BEND_CENTS, np.int64)
    n_empty, n_unended = 0, 0
    track = -1
    for event in range(n):
        tick, message = messages[TICK, event], messages[MESSAGE, event]
        if message >> TRACK_BIT != track:
            track = message >> TRACK_BIT
            first[:] = -1
            instrument_of[:] = -1
            program[:] = 0
            early_list[:] = -1
        status, low, high = message >> STATUS_BIT & 255, message >> LOW_BIT & 255, message & 255
        kind, channel = status & 0xF0, status & 0x0F
        begin, end, way = 0, 0, _AT_NOTE_OFF
        if status == META:  # the track ends
            if n_open.any():
                end, way = N_KEYS, _OPEN
        elif kind == PROGRAM:
            program[channel] = low
        elif kind == NOTE_ON and high > 0:
            key = channel * 128 + low
            following[event] = -1
            if first[key] < 0:
                first[key] = event
            else:
                following[last[key]] = event
            last[key] = event
            n_open[channel] += 1
        elif kind in (NOTE_ON, NOTE_OFF):
            begin = channel * 128 + low
            end = begin + 1
            if first[begin] < 0:
                offs[0, n_offs], offs[1, n_offs] = begin, tick
                n_offs += 1
        elif kind in (CONTROL, BEND):
            number = instrument_of[channel * 128 + program[channel]]
            if number >= 0:
                into = instruments[3, number]
            else:
                if early_list[channel] < 0:
                    early_list[channel] = n_lists
                    n_lists += 1
                into = early_list[channel]
            list_end[into] = tick
            if kind == BEND or low == SUSTAIN_PEDAL:
                controllers[0, n_controllers] = into
                controllers[1, n_controllers] = tick
                value = (high << 7) + low - 8192 if kind == BEND else high
                controllers[2, n_controllers] = value
                controllers[3, n_controllers] = bend_cents[channel] if kind == BEND else -1
                n_controllers += 1
            elif low in (REGISTERED, REGISTERED_FINE, NON_REGISTERED, NON_REGISTERED_FINE):
                if low == REGISTERED:
                    parameter[channel] = (high << 7) | (parameter[channel] & 127)
                elif low == REGISTERED_FINE:
                    parameter[channel] = (parameter[channel] & ~127) | high
                else:
                    parameter[channel] = UNSELECTED << 7
            elif low == DATA_ENTRY and parameter[channel] == 0:
                bend_cents[channel] = high * 100
            elif low == DATA_ENTRY_FINE and parameter[channel] == 0:
                bend_cents[channel] = bend_cents[channel] // 100 * 100 + min(high, 99)
            elif low in (ALL_SOUND_OFF, ALL_NOTES_OFF) or low >= FIRST_MODE:
                offs[0, n_offs], offs[1, n_offs] = -1 - channel, tick
                n_offs += 1
                if n_open[channel]:
                    begin, way = channel * 128, _AT_ALL_NOTES_OFF
                    end = begin + 128
        for key in range(begin, end):
            note, staying, n_before, n_staying = first[key], -1, n_notes, 0
            if note < 0:
                continue
            # Closes the open notes of earlier ticks. Notes of its own tick stay open if others are
            # closed, and are dropped if none is.
            first[key] = -1
            owner, group = key >> 7, n_notes
            while note >= 0:
                next_note = following[note]
                if messages[TICK, note] == tick and way != _OPEN:
                    following[note] = -1
                    if staying < 0:
                        first[key] = note
                    else:
                        following[staying] = note
                    staying = note
                    n_staying += 1
                else:
                    voice = owner * 128 + program[owner]
                    number = instrument_of[voice]
                    if number < 0:
                        number = n_instruments
                        n_instruments += 1
                        instrument_of[voice] = number
                        instruments[0, number] = track
                        instruments[1, number] = owner
                        instruments[2, number] = program[owner]
                        instruments[3, number] = early_list[owner]
                        instruments[4, number] = 0
                        if early_list[owner] < 0:
                            instruments[3, number] = n_lists
                            list_end[n_lists] = 0
                            n_lists += 1
                    notes[0, n_notes] = messages[TICK, note]
                    notes[1, n_notes] = tick
                    notes[2, n_notes] = (
                        (key & 127)
                        | ((messages[MESSAGE, note] & 127) << VELOCITY_BIT)
                        | (way << _END_BIT)
                        | (number << INSTRUMENT_BIT)
                    )
                    n_notes += 1
                    n_unended += way != _AT_NOTE_OFF
                    n_open[owner] -= 1
                    if way != _OPEN:
                        instruments[4, number] = tick
                    elif next_note >= 0 and messages[TICK, next_note] > messages[TICK, note]:
                        notes[1, group:n_notes] = messages[TICK, next_note]
                        group = n_notes
                note = next_note
            last[key] = staying
            if n_notes == n_before and way == _AT_NOTE_OFF:
                first[key] = -1
                n_empty += n_staying
                n_open[owner] -= n_staying
    for number in range(n_instruments):
        own_end = list_end[instruments[3, number]]
        instruments[4, number] = max(instruments[4, number], own_end)
    return (
        notes[:, :n_notes],
        instruments[:, :n_instruments],
        controllers[:, :n_controllers],
        offs[:, :n_offs],
        n_empty,
        n_unended,
    )
