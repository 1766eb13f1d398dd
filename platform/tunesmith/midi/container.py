"""The outside of a MIDI file: wrapper, header, tracks, and the limits on what it may ask for."""

from collections.abc import Iterator
from dataclasses import dataclass

from tunesmith.midi.errors import (
    EmptyFile,
    MidiLimitExceeded,
    NotMidi,
    TruncatedMidi,
    UnreadableMidi,
)

__all__ = ["Layout", "Limits", "open_container"]

WRAPPER_BYTES = 512
"""RIFF (20 bytes) and MacBinary (128) put at most this much before the header."""

HEADER_BYTES = 14
SMPTE_FLAG = 0x8000
SEQUENTIAL_FORMAT = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may ask for; anything larger is refused before it is allocated.

    With the defaults, reading a file and drawing its roll at 10 frames a second takes at most
    about 0.5 GB, whatever the bytes say.

    Attributes
    ----------
    max_bytes
        Size of the file.
    max_ticks
        Last tick of any event. Notation programs write 10,080 ticks a quarter note, so long pieces
        pass the 10 million at which `pretty_midi` gives up.
    max_duration_s
        Time of the last event, in seconds.
    max_notes
        Notes.
    max_tracks
        Tracks.
    """

    max_bytes: int = 4_000_000
    max_ticks: int = 100_000_000
    max_duration_s: float = 3 * 3600.0
    max_notes: int = 200_000
    max_tracks: int = 1024

    def check(self, what: str, value: float) -> None:
        """Refuse a value above the limit of that name.

        Raises
        ------
        MidiLimitExceeded
            If it is above, or not a number.
        """
        limit = getattr(self, what)
        if not value <= limit:
            raise MidiLimitExceeded(what, value, limit)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are in the bytes of a file.

    Attributes
    ----------
    data
        The file from its header on, with the division in ticks a quarter note.
    tracks
        First byte of each track's events and byte after the last.
    ticks_per_quarter
        Resolution.
    ticks_per_second
        Of a file in SMPTE time, where tempo means nothing; else None.
    warnings
        What was unwrapped or rewritten.
    """

    data: bytes
    tracks: tuple[tuple[int, int], ...]
    ticks_per_quarter: int
    ticks_per_second: float | None
    warnings: tuple[str, ...]


def open_container(data: bytes, limits: Limits) -> Layout:
    """Find header and tracks, and refuse what no reader should be given.

    Raises
    ------
    EmptyFile, NotMidi, TruncatedMidi
        If there is no header or no track.
    MidiLimitExceeded
        If the file is too large or has too many tracks.
    UnreadableMidi
        If the header gives no unit of time.
    """
    if not data:
        raise EmptyFile
    limits.check("max_bytes", len(data))
    start = data.find(b"MThd", 0, WRAPPER_BYTES + 4)
    if start < 0:
        raise NotMidi(data)
    warnings = [f"unwrapped: the header follows {start} other bytes"] if start else []
    data = data[start:]
    if len(data) < HEADER_BYTES:
        msg = f"The file ends inside its header ({len(data)} of 14 bytes). Download it again."
        raise TruncatedMidi(msg)
    tracks = tuple(_track_spans(data))
    if not tracks:
        msg = "No track (MTrk) follows the header: the file is cut off. Download it again."
        raise TruncatedMidi(msg)
    limits.check("max_tracks", len(tracks))
    if int.from_bytes(data[8:10], "big") == SEQUENTIAL_FORMAT:
        warnings.append("format 2: the sequences are read as if they played together")
    division, ticks_per_second = _division(data)
    if ticks_per_second is not None:
        data = data[:12] + division.to_bytes(2, "big") + data[14:]
        warnings.append(f"SMPTE time: {ticks_per_second:g} ticks a second, tempo ignored")
    return Layout(data, tracks, division, ticks_per_second, tuple(warnings))


def _division(data: bytes) -> tuple[int, float | None]:
    """Ticks a quarter note, and ticks a second where the file is in SMPTE time."""
    division = int.from_bytes(data[12:14], "big")
    ticks_per_second = None
    if division & SMPTE_FLAG:
        frames_per_second = 256 - (division >> 8)
        ticks_per_second = float(frames_per_second * (division & 0xFF))
        division = max(1, round(ticks_per_second / 2)) if ticks_per_second else 0
    if division == 0:
        msg = "The header gives 0 ticks a quarter note, so no time can be told. Export it again."
        raise UnreadableMidi(msg)
    return division, ticks_per_second


def _track_spans(data: bytes) -> Iterator[tuple[int, int]]:
    position = 8 + int.from_bytes(data[4:8], "big")
    while position + 8 <= len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "big")
        if data[position : position + 4] == b"MTrk":
            yield position + 8, min(position + 8 + length, len(data))
        position += 8 + length
