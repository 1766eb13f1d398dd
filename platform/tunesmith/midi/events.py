"""Decode bytes into events, and pair events into notes exactly as `pretty_midi` does.

symusic pairs note-ons with note-offs first in, first out, and attaches controllers to other
instruments than `pretty_midi` does, so a few files in a hundred give different notes. This reader
is a compiled version of the loops of `pretty_midi` and gives the same notes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled
from tunesmith.midi.errors import TruncatedMidi, UnreadableMidi

__all__ = ["KEY_SIGNATURE", "TEMPO", "TIME_SIGNATURE", "Events", "decode_events"]

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

NOTE_OFF, NOTE_ON, CONTROL, PROGRAM, BEND = 0x80, 0x90, 0xB0, 0xC0, 0xE0
SYSEX, SYSEX_CONTINUED, META = 0xF0, 0xF7, 0xFF
QUARTER_FRAME, SONG_POSITION, SONG_SELECT = 0xF1, 0xF2, 0xF3
SUSTAIN_PEDAL = 64
TRACK_NAME, TEMPO, TIME_SIGNATURE, KEY_SIGNATURE = 0x03, 0x51, 0x58, 0x59
N_CHANNELS = 16
N_KEYS = N_CHANNELS * 128
"""Pairs of channel and pitch, or of channel and program."""

PADDING = 16
"""Zero bytes after the file, so that looking a few bytes ahead needs no bounds check."""

MAX_QUANTITY_BYTES = 4
MAX_NAME_BYTES = 127

# Rows of the event table: index of the track, absolute tick, status byte with running status
# resolved, first byte after the status, first byte and length of the payload.
_TRACK, _TICK, _STATUS, _DATA, _PAYLOAD, _LENGTH, _COLUMNS = range(7)

_ORPHAN, _HIGH_DATA, _UNDEFINED, _CUT = 1, 2, 3, 4
_FAULTS = {
    _ORPHAN: "data bytes without a status",
    _HIGH_DATA: "a data byte above 127",
    _UNDEFINED: "an undefined status byte",
}


@dataclass(frozen=True, slots=True)
class Events:
    """Content of a file, timed in ticks: paired notes, controllers by instrument, meta events.

    Attributes
    ----------
    notes
        On tick, off tick, pitch, velocity and instrument of each note, in order of note-off;
        int64 [5, notes].
    instruments
        Track, channel, program, controller list, and tick of the last note-off, controller or
        bend of each instrument, in order of its first note-off; int64 [5, instruments].
    controllers
        Controller list, tick, value, and 1 for a bend or 0 for the sustain pedal; in file order;
        int64 [4, controllers]. Several instruments may share a list.
    metas
        Meta events, as columns of the event table; int64 [6, metas].
    source
        The decoded bytes, padded.
    last_tick
        Tick of the last event.
    """

    notes: Ints
    instruments: Ints
    controllers: Ints
    metas: Ints
    source: Bytes
    last_tick: int

    def meta(self, kind: int, payload_bytes: int) -> tuple[Ints, Ints, Bytes]:
        """Return track, tick and first payload bytes of the meta events of a kind.

        Events with a shorter payload are left out.
        """
        events = self._metas(kind)
        events = events[:, events[_LENGTH] >= payload_bytes]
        payload = self.source[events[_PAYLOAD][:, None] + np.arange(payload_bytes)]
        return events[_TRACK], events[_TICK], payload

    def _metas(self, kind: int) -> Ints:
        return self.metas[:, self.source[self.metas[_DATA]] == kind]

    def track_names(self) -> dict[int, str]:
        """Return the first name of each track that has one."""
        names: dict[int, str] = {}
        for track, *_, at, length in self._metas(TRACK_NAME).T.tolist():
            if length <= MAX_NAME_BYTES:
                text = self.source[at : at + length].tobytes().decode("latin-1")
                names.setdefault(track, text)
        return names


def decode_events(data: bytes, tracks: Sequence[tuple[int, int]]) -> Events:
    """Decode all events of all tracks, and pair the notes as `pretty_midi.PrettyMIDI` does.

    A note-off closes every open note of its track, channel and pitch except those of its own tick.
    An instrument is a program on a channel of a track, determined when a note is closed.
    Controllers before the first closed note of an instrument go to the later instruments of the
    channel.

    Parameters
    ----------
    data
        Bytes of the file.
    tracks
        For each track, the offsets of its first event and of the byte after its last event.

    Returns
    -------
    Events
        Events in file order.

    Raises
    ------
    TruncatedMidi
        If a track ends inside an event.
    UnreadableMidi
        If a track is not a sequence of MIDI events.
    """
    source = np.zeros(len(data) + PADDING, dtype=np.uint8)
    source[: len(data)] = np.frombuffer(data, dtype=np.uint8)
    # An event takes at least two bytes. Untouched pages of the table take no memory.
    table = np.empty((_COLUMNS, len(data) // 2 + 1), dtype=np.int64)
    n_events, missing_bytes = 0, 0
    for number, (begin, end) in enumerate(tracks):
        n_events, fault, at = _decode_track(source, table, n_events, number, (begin, end))
        if fault == _CUT:
            missing_bytes = max(missing_bytes, at - end)
        elif fault:
            msg = f"Track {number + 1} has {_FAULTS[fault]} at byte {at}. Export the file again."
            raise UnreadableMidi(msg)
    if missing_bytes:
        msg = (
            f"A track ends inside an event ({missing_bytes} bytes are missing). "
            "Download or export the file again."
        )
        raise TruncatedMidi(msg)
    # The whole table: an empty view has another type and would be compiled a second time.
    paired = _pair(source, table, n_events)
    table = table[:, :n_events]
    is_meta = table[_STATUS] == META
    return Events(*paired, table[:, is_meta], source, int(table[_TICK].max(initial=0)))


@compiled
def _decode_track(
    source: Bytes, table: Ints, n_events: int, track: int, span: tuple[int, int]
) -> tuple[int, int, int]:
    """Append the events of a track to the table; return their number, a fault or 0, its offset."""
    at, end = span
    tick, running = 0, 0
    while at < end:
        delta, body = _quantity(source, at)
        status, data = int(np.int64(source[body])), body + 1
        if status < NOTE_OFF:  # running status
            status, data = running, body
        payload, following = _message(source, status, data)
        if following > end:
            # Usually the end-of-track event, so no music is lost.
            return n_events, (0 if status == META else _CUT), following
        fault = _fault(source, status, data, following)
        if fault:
            return n_events, fault, data
        if status < SYSEX:
            running = status
        at, tick = following, tick + delta
        table[_TRACK, n_events], table[_TICK, n_events] = track, tick
        table[_STATUS, n_events], table[_DATA, n_events] = status, data
        table[_PAYLOAD, n_events], table[_LENGTH, n_events] = payload, following - payload
        n_events += 1
    return n_events, 0, at


@compiled
def _quantity(source: Bytes, at: int) -> tuple[int, int]:
    """Return the variable-length quantity at an offset, and the offset after it."""
    value = 0
    for i in range(MAX_QUANTITY_BYTES):
        byte = int(np.int64(source[at + i]))
        value = (value << 7) | (byte & 0x7F)
        if byte < NOTE_OFF:
            return value, at + i + 1
    return value, at + MAX_QUANTITY_BYTES


@compiled
def _message(source: Bytes, status: int, data: int) -> tuple[int, int]:
    """Return the offset of the payload of a message, and the offset after the message."""
    if status < SYSEX:
        return data, data + (1 if PROGRAM <= status < BEND else 2)
    if status == META:
        length, payload = _quantity(source, data + 1)
        return payload, payload + length
    if status in (SYSEX, SYSEX_CONTINUED):
        length, payload = _quantity(source, data)
        return payload, payload + length
    if status == SONG_POSITION:
        return data, data + 2
    return data, data + (status in (QUARTER_FRAME, SONG_SELECT))


@compiled
def _fault(source: Bytes, status: int, data: int, following: int) -> int:
    """Return the fault of a message, or 0 if it is valid."""
    if status < NOTE_OFF:
        return _ORPHAN
    if status < SYSEX:
        for at in range(data, following):
            if source[at] >= NOTE_OFF:
                return _HIGH_DATA
    elif status in (0xF4, 0xF5, 0xF9, 0xFD):
        return _UNDEFINED
    return 0


@compiled
def _pair(source: Bytes, table: Ints, n: int) -> tuple[Ints, Ints, Ints]:  # noqa: C901, PLR0912, PLR0915
    """Return the notes, instruments and controllers of the first `n` events, as in `Events`.

    One long loop: passing arrays to another compiled function costs more than pairing a note.
    """
    notes, n_notes = np.empty((5, n), np.int64), 0
    instruments, n_instruments = np.empty((5, n), np.int64), 0
    controllers, n_controllers = np.empty((4, n), np.int64), 0
    list_end, n_lists = np.empty(n, np.int64), 0
    # Open notes form a queue for each channel and pitch; -1 for none.
    first, last = np.empty(N_KEYS, np.int64), np.empty(N_KEYS, np.int64)
    following = np.empty(n, np.int64)
    program, early_list = np.empty(N_CHANNELS, np.int64), np.empty(N_CHANNELS, np.int64)
    instrument_of = np.empty(N_KEYS, np.int64)  # by channel and program
    track = -1
    for event in range(n):
        if table[_TRACK, event] != track:
            track = table[_TRACK, event]
            first[:] = -1
            instrument_of[:] = -1
            program[:] = 0
            early_list[:] = -1
        status, tick, at = table[_STATUS, event], table[_TICK, event], table[_DATA, event]
        if status >= SYSEX:
            continue
        kind, channel = status & 0xF0, status & 0x0F
        low, high = np.int64(source[at]), np.int64(source[at + 1])
        key = channel * 128 + low
        if kind == PROGRAM:
            program[channel] = low
        elif kind == NOTE_ON and high > 0:
            following[event] = -1
            if first[key] < 0:
                first[key] = event
            else:
                following[last[key]] = event
            last[key] = event
        elif kind in (NOTE_ON, NOTE_OFF):
            # Closes the open notes of earlier ticks. Notes of its own tick stay open if others are
            # closed, and are dropped if none is.
            note, staying, n_before = first[key], -1, n_notes
            first[key] = -1
            while note >= 0:
                next_note = following[note]
                if table[_TICK, note] == tick:
                    following[note] = -1
                    if staying < 0:
                        first[key] = note
                    else:
                        following[staying] = note
                    staying = note
                else:
                    voice = channel * 128 + program[channel]
                    number = instrument_of[voice]
                    if number < 0:
                        number = n_instruments
                        n_instruments += 1
                        instrument_of[voice] = number
                        instruments[0, number] = track
                        instruments[1, number] = channel
                        instruments[2, number] = program[channel]
                        instruments[3, number] = early_list[channel]
                        if early_list[channel] < 0:
                            instruments[3, number] = n_lists
                            list_end[n_lists] = 0
                            n_lists += 1
                    instruments[4, number] = tick
                    notes[0, n_notes] = table[_TICK, note]
                    notes[1, n_notes] = tick
                    notes[2, n_notes] = low
                    notes[3, n_notes] = source[table[_DATA, note] + 1]
                    notes[4, n_notes] = number
                    n_notes += 1
                note = next_note
            last[key] = staying
            if n_notes == n_before:
                first[key] = -1
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
                controllers[3, n_controllers] = kind == BEND
                n_controllers += 1
    for number in range(n_instruments):
        own_end = list_end[instruments[3, number]]
        instruments[4, number] = max(instruments[4, number], own_end)
    return notes[:, :n_notes], instruments[:, :n_instruments], controllers[:, :n_controllers]
