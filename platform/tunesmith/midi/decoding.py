"""Compiled decoding of the bytes of a file into tables of events, all tracks in one pass.

Damaged files are read as far as their bytes can be told apart. A track ends at its end-of-track
event, wherever its length says. After it the next track header is sought. An event that cannot be
decoded is skipped, up to the next offset at which several events in a row can be decoded.

All compiled functions that call each other are in this one module: the cache of machine code does
not notice changes in another one.
"""

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled

__all__ = [
    "CLIPPED_BYTES", "KEY_SIGNATURE", "KIND", "LENGTH", "LOST_BYTES", "LOST_EVENTS", "LOW_BIT",
    "MESSAGE", "MESSAGE_ROWS", "META", "META_ROWS", "MISSING_ENDS", "NOTE_OFF", "NOTE_ON",
    "N_COUNTS", "PADDING", "PAYLOAD", "STATUS_BIT", "TEMPO", "TICK", "TIME_SIGNATURE", "TRACK",
    "TRACK_BIT", "TRACK_NAME", "WRONG_LENGTHS", "decode",
]  # fmt: skip

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

NOTE_OFF, NOTE_ON, PROGRAM, BEND = 0x80, 0x90, 0xC0, 0xE0
SYSEX, SYSEX_CONTINUED, META = 0xF0, 0xF7, 0xFF
QUARTER_FRAME, SONG_POSITION, SONG_SELECT = 0xF1, 0xF2, 0xF3
TRACK_NAME, END_OF_TRACK, TEMPO, TIME_SIGNATURE, KEY_SIGNATURE = 0x03, 0x2F, 0x51, 0x58, 0x59
HEADER_BYTES = 8
_FILE_HEADER, _TRACK_HEADER = tuple(b"MThd"), tuple(b"MTrk")

LARGEST_PADDING = 16
"""Number of stray bytes before a track that is not declared and read all the same."""

PADDING = 16
"""Zero bytes after the file, so that looking a few bytes ahead needs no bounds check."""

MAX_QUANTITY_BYTES = 4

LOOKAHEAD = 4
"""Number of events that must follow each other without a fault where reading starts again."""
NEAR_BYTES = 6
"""Number of bytes that are skipped rather than read as a value out of range."""
LONGEST_GAP = 1 << 14
"""Largest delta time, in ticks, of an event at which reading starts again."""

# Rows of the table of channel messages: absolute tick, and in one number, because memory costs more
# than shifts, the index of the track, the status byte with running status resolved, and the two
# data bytes. A row with the status META ends a track.
TICK, MESSAGE, MESSAGE_ROWS = range(3)
TRACK_BIT, STATUS_BIT, LOW_BIT = 24, 16, 8
# Rows of the table of meta events: tick, track, type, first byte and length of the payload.
TRACK, KIND, PAYLOAD, LENGTH, META_ROWS = range(1, 6)
# Counts of damage.
WRONG_LENGTHS, MISSING_ENDS, LOST_BYTES, LOST_EVENTS, CLIPPED_BYTES, N_COUNTS = range(6)
_CUT, _ORPHAN, _HIGH_NUMBER, _HIGH_VALUE, _UNDEFINED = 1, 2, 3, 4, 5


@compiled
def decode(  # noqa: PLR0917 - arguments that pass fast
    source: Bytes, first: int, declared_tracks: int, messages: Ints, metas: Ints, counts: Ints
) -> tuple[int, int, int]:
    """Fill the tables; return the number of messages, of meta events and of tracks."""
    size = source.size - PADDING
    at, n_messages, n_metas, n_tracks = first, 0, 0, 0
    while True:
        if 0 < declared_tracks <= n_tracks and _is_named(
            source, at, _FILE_HEADER
        ):  # of another file
            counts[LOST_BYTES] += size - at
            return n_messages, n_metas, n_tracks
        begin = _next_track(source, at, size, counts)
        if begin < 0:
            return n_messages, n_metas, n_tracks
        if 0 < declared_tracks <= n_tracks and begin - HEADER_BYTES - at > LARGEST_PADDING:
            counts[LOST_BYTES] += size - begin + HEADER_BYTES
            return n_messages, n_metas, n_tracks
        n_messages, n_metas, at = _decode_track(
            source, (begin, size, n_tracks), messages, n_messages, metas, n_metas, counts
        )
        n_tracks += 1


@compiled
def _next_track(source: Bytes, at: int, size: int, counts: Ints) -> int:
    """Return the offset of the first event of the next track, or -1."""
    while at + HEADER_BYTES <= size:
        if _is_named(source, at, _TRACK_HEADER):
            return at + HEADER_BYTES
        if _is_chunk(source, at, size):
            at += HEADER_BYTES + _length(source, at)
            continue
        track = _find_track(source, at, size)
        if track < 0:
            break
        counts[LOST_BYTES] += track - at
        at = track
    counts[LOST_BYTES] += max(0, size - at)
    return -1


@compiled
def _is_named(source: Bytes, at: int, name: tuple[int, ...]) -> bool:
    """Return whether a chunk of a name is here."""
    return bool(
        source[at] == name[0]
        and source[at + 1] == name[1]
        and source[at + 2] == name[2]
        and source[at + 3] == name[3]
    )


@compiled
def _find_track(source: Bytes, begin: int, end: int) -> int:
    """Return the offset of the next track header before `end`, or -1."""
    for at in range(begin, end - HEADER_BYTES + 1):
        if _is_named(source, at, _TRACK_HEADER):
            return at
    return -1


@compiled
def _length(source: Bytes, at: int) -> int:
    """Return the length that the header of a chunk gives."""
    value = 0
    for i in range(at + 4, at + HEADER_BYTES):
        value = (value << 8) | int(np.int64(source[i]))
    return value


@compiled
def _is_chunk(source: Bytes, at: int, size: int) -> bool:
    """Return whether a chunk of another kind than a track is here, with a right length."""
    for i in range(at, at + 4):
        letter = source[i]  # a letter, a digit or a space
        if not (letter in (0x20, 0x5F) or 0x30 <= letter <= 0x39 or 0x41 <= letter & 0xDF <= 0x5A):
            return False
    after = at + HEADER_BYTES + _length(source, at)
    return after == size or (
        after + HEADER_BYTES <= size and _is_named(source, after, _TRACK_HEADER)
    )


@compiled
def _decode_track(  # noqa: C901, PLR0912, PLR0915, PLR0917 - arguments that pass fast
    source: Bytes,
    place: tuple[int, int, int],
    messages: Ints,
    n_messages: int,
    metas: Ints,
    n_metas: int,
    counts: Ints,
) -> tuple[int, int, int]:
    """Append the events of a track; return the new numbers of rows, and the offset after it."""
    begin, size, number = place
    declared = begin + _length(source, begin - HEADER_BYTES)
    # The declared end is right where the file ends, or another chunk begins.
    certain = declared == size or (
        declared + HEADER_BYTES <= size
        and (_is_named(source, declared, _TRACK_HEADER) or _is_chunk(source, declared, size))
    )
    limit = declared
    if not certain:
        limit = _find_track(source, begin, size)
        if limit < 0:
            limit = size
    at, tick, running = begin, 0, 0
    ended, hopeless = False, False
    # State at the declared end, in case that what follows is no music.
    reached, sounded, faults = False, False, 0
    tick_then, n_messages_then, n_metas_then = 0, 0, 0
    while at < limit:
        if at == declared:
            reached, sounded, faults = True, False, 0
            tick_then, n_messages_then, n_metas_then = tick, n_messages, n_metas
        delta, body = _quantity(source, at)
        status, data = int(np.int64(source[body])), body + 1
        if status < NOTE_OFF:  # running status
            status, data = running, body
        low, high = int(np.int64(source[data])), int(np.int64(source[data + 1]))
        payload, following = data, data + (1 if PROGRAM <= status < BEND else 2)
        kept = (
            following <= limit and low < NOTE_OFF and (high < NOTE_OFF or following == payload + 1)
        )
        if not (NOTE_OFF <= status < SYSEX and kept):  # no sound message of the channel
            payload, following = _message(source, status, data)
            fault = _fault(source, status, data, following, limit)
            kept = True
            if fault:
                faults += 1
                at_next, kept = _after_fault(source, at, following, limit, status, fault, hopeless)
                if at_next < 0:  # nothing can be decoded any more
                    hopeless = True
                    if fault in (_CUT, _ORPHAN):
                        counts[LOST_EVENTS] += 1
                        break
                    at_next, kept = following, fault == _HIGH_VALUE
                if not kept:
                    counts[LOST_EVENTS] += 1
                    if at_next == following:
                        tick += delta
                    else:
                        counts[LOST_BYTES] += at_next - at
                    at = at_next
                    continue
                counts[CLIPPED_BYTES] += 1
        at, tick = following, tick + delta
        if status < SYSEX:
            running = status
            messages[TICK, n_messages] = tick
            messages[MESSAGE, n_messages] = (
                (number << TRACK_BIT)
                | (status << STATUS_BIT)
                | (min(low, 127) << LOW_BIT)
                | min(high, 127)
            )
            n_messages += 1
            sounded |= (status & 0xF0) == NOTE_ON and high > 0
        elif status == META:
            kind = int(np.int64(source[data]))
            if kind == END_OF_TRACK:
                ended = True
                break
            if kind in (TRACK_NAME, TEMPO, TIME_SIGNATURE, KEY_SIGNATURE):
                metas[TRACK, n_metas], metas[TICK, n_metas], metas[KIND, n_metas] = (
                    number,
                    tick,
                    kind,
                )
                metas[PAYLOAD, n_metas], metas[LENGTH, n_metas] = payload, following - payload
                n_metas += 1
    if not ended:
        counts[MISSING_ENDS] += 1
        if reached and at > declared and (faults or not sounded):
            at, tick, n_messages, n_metas = declared, tick_then, n_messages_then, n_metas_then
        else:
            counts[LOST_BYTES] += limit - at
            at = limit
    if at != declared:
        counts[WRONG_LENGTHS] += 1
        if certain and at < declared and _find_track(source, at, declared) < 0:
            counts[LOST_BYTES] += declared - at
            at = declared
    messages[TICK, n_messages] = tick
    messages[MESSAGE, n_messages] = (number << TRACK_BIT) | (META << STATUS_BIT)
    return n_messages + 1, n_metas, at


@compiled
def _quantity(source: Bytes, at: int) -> tuple[int, int]:
    """Return the variable-length quantity at an offset, and the offset after it."""
    value = int(np.int64(source[at]))
    if value < NOTE_OFF:
        return value, at + 1
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
def _fault(source: Bytes, status: int, data: int, following: int, limit: int) -> int:
    """Return the fault of a message, or 0 if it is valid."""
    if status < NOTE_OFF:
        return _ORPHAN
    if following > limit:
        return _CUT
    if status < SYSEX:
        if source[data] >= NOTE_OFF:
            return _HIGH_VALUE if status >= PROGRAM else _HIGH_NUMBER
        if following > data + 1 and source[data + 1] >= NOTE_OFF:
            return _HIGH_VALUE
    elif status in (0xF4, 0xF5, 0xF9, 0xFD):
        return _UNDEFINED
    return 0


@compiled
def _after_fault(  # noqa: PLR0917 - numbers, which pass fast
    source: Bytes, at: int, following: int, limit: int, status: int, fault: int, hopeless: bool
) -> tuple[int, bool]:
    """Decide how to go on at a faulty event: return the next offset, and whether to keep the event.

    -1 means that no later event can be decoded.
    """
    if hopeless:
        return -1, False
    readable = fault in (_HIGH_VALUE, _HIGH_NUMBER, _UNDEFINED)
    kept = fault == _HIGH_VALUE
    running = status if status < SYSEX else 0
    if readable and _is_clean(source, following, limit, running, 0):
        return following, kept
    near = _resume(source, at + 1, min(limit, at + 1 + NEAR_BYTES), limit)
    if near >= 0:
        return near, False
    if readable and _is_clean(source, following, limit, running, -1):
        return following, kept
    return _resume(source, at + 1 + NEAR_BYTES, limit, limit), False


@compiled
def _resume(source: Bytes, begin: int, end: int, limit: int) -> int:
    """Return the first offset at which events can be decoded without running status, or -1."""
    for at in range(begin, end):
        delta, _ = _quantity(source, at)
        if delta < LONGEST_GAP and at < limit and _is_clean(source, at, limit, 0, 3):
            return at
    return -1


@compiled
def _is_clean(source: Bytes, at: int, limit: int, running: int, enough: int) -> bool:
    """Return whether the next events have no fault.

    Before the end of the track, `enough` events suffice, of which the last may be cut. With -1 any
    number does, and values may be out of range.
    """
    for event in range(LOOKAHEAD):
        if at == limit:
            return event >= enough
        _, body = _quantity(source, at)
        status, data = int(np.int64(source[body])), body + 1
        if status < NOTE_OFF:
            status, data = running, body
        payload, following = _message(source, status, data)
        if body >= limit or following > limit:
            return event >= enough
        if status > SYSEX and status not in (SYSEX_CONTINUED, META):
            return False
        if status == META and source[data] == END_OF_TRACK and following == payload:
            return True
        fault = _fault(source, status, data, following, limit)
        if fault and (enough >= 0 or fault != _HIGH_VALUE):
            return False
        running = status if status < SYSEX else running
        at = following
    return True
