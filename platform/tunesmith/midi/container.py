"""Container of a MIDI file: wrapper, header, tracks, and limits on their size."""

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
"""Largest offset of the header: RIFF puts 20 bytes before it, MacBinary 128."""

HEADER_BYTES = 14
SMPTE_FLAG = 0x8000
SEQUENTIAL_FORMAT = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one file, checked before memory is allocated.

    With the defaults, reading a file and computing its roll at 10 frames per second takes at most
    about 0.5 GB, for any input.

    Attributes
    ----------
    max_bytes
        Size of the file, in bytes.
    max_ticks
        Last tick of any event. Notation programs write 10,080 ticks per quarter note, so long
        pieces exceed the 10 million at which `pretty_midi` refuses a file.
    max_duration_s
        Time of the last event, in seconds.
    max_notes
        Number of notes.
    max_tracks
        Number of tracks.
    """

    max_bytes: int = 4_000_000
    max_ticks: int = 100_000_000
    max_duration_s: float = 3 * 3600.0
    max_notes: int = 200_000
    max_tracks: int = 1024

    def check(self, name: str, value: float) -> None:
        """Compare a value with the limit `name`.

        Raises
        ------
        MidiLimitExceeded
            If the value is above the limit, or NaN.
        """
        limit = getattr(self, name)
        if not value <= limit:
            raise MidiLimitExceeded(name, value, limit)


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions of header and tracks in the bytes of a file.

    Attributes
    ----------
    data
        The file from its header on, with the division in ticks per quarter note.
    tracks
        For each track, the offsets of its first event and of the byte after its last event.
    ticks_per_quarter
        Resolution.
    ticks_per_second
        Resolution of a file in SMPTE time, where tempo has no meaning; else None.
    warnings
        Changes made while opening: unwrapped or rewritten parts.
    """

    data: bytes
    tracks: tuple[tuple[int, int], ...]
    ticks_per_quarter: int
    ticks_per_second: float | None
    warnings: tuple[str, ...]


def open_container(data: bytes, limits: Limits) -> Layout:
    """Locate header and tracks, and check the limits.

    Raises
    ------
    EmptyFile, NotMidi, TruncatedMidi
        If there is no header or no track.
    MidiLimitExceeded
        If the file is too large or has too many tracks.
    UnreadableMidi
        If the header has a division of 0.
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
    """Return ticks per quarter note, and ticks per second of a file in SMPTE time."""
    division = int.from_bytes(data[12:14], "big")
    ticks_per_second = None
    if division & SMPTE_FLAG:
        frames_per_second = 256 - (division >> 8)
        ticks_per_second = float(frames_per_second * (division & 0xFF))
        division = max(1, round(ticks_per_second / 2)) if ticks_per_second else 0
    if division == 0:
        msg = "The header gives 0 ticks per quarter note, so times are undefined. Export it again."
        raise UnreadableMidi(msg)
    return division, ticks_per_second


def _track_spans(data: bytes) -> Iterator[tuple[int, int]]:
    position = 8 + int.from_bytes(data[4:8], "big")
    while position + 8 <= len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "big")
        if data[position : position + 4] == b"MTrk":
            yield position + 8, min(position + 8 + length, len(data))
        position += 8 + length
