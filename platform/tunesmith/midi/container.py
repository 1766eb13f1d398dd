"""Container of a MIDI file: compression, wrapper, header, and limits on their size."""

import zlib
from dataclasses import dataclass

from tunesmith.midi.errors import (
    EmptyFile,
    MidiLimitExceeded,
    NotMidi,
    TruncatedMidi,
    UnreadableMidi,
)

__all__ = ["Layout", "Limits", "is_wrapped", "open_container"]

GZIP = b"\x1f\x8b"
RIFF_HEADER_BYTES = 12
MOST_COMPRESSIONS = 2
"""Times that a file may be compressed: some servers compress what is compressed already."""
WRAPPER_BYTES = 512
"""Largest size of a wrapper that says nothing about itself: MacBinary puts 128 bytes before."""

HEADER_BYTES = 14
SMPTE_FLAG = 0x8000
SEQUENTIAL_FORMAT = 2
DROP_FRAME = 29
"""Frame rate code of 30 frames per second of which NTSC drops some: 29.97."""

_FRAME_RATES = {24: 24.0, 25: 25.0, DROP_FRAME: 30_000 / 1001, 30: 30.0}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one file, checked before memory is allocated.

    With the defaults, reading a file and computing its roll at 10 frames per second takes at most
    about 0.5 GB, for any input.

    Attributes
    ----------
    max_bytes
        Size of the MIDI data, in bytes: unpacked, and without the other chunks of a RIFF file.
    max_ticks
        Last tick of any note. Notation programs write 10,080 ticks per quarter note, so long
        pieces exceed the 10 million at which `pretty_midi` refuses a file.
    max_duration_s
        Time at which the last note ends, in seconds.
    max_notes
        Number of notes.
    max_tracks
        Number of tracks; a header cannot declare more than 65,535.
    max_recording_bytes
        Size of a recording, which `tunesmith.audio` reads, in bytes.
    max_heard_s
        Seconds of a recording that are transcribed; a longer one gets a warning.
    """

    max_bytes: int = 4_000_000
    max_ticks: int = 100_000_000
    max_duration_s: float = 3 * 3600.0
    max_notes: int = 200_000
    max_tracks: int = 65_535
    max_recording_bytes: int = 512_000_000
    max_heard_s: float = float("inf")

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
    """Header of a file, and the place of its first track.

    Attributes
    ----------
    data
        The MIDI data, without compression and wrapper.
    first
        Offset of the first chunk after the header.
    declared_tracks
        Number of tracks that the header declares.
    ticks_per_quarter
        Resolution.
    ticks_per_second
        Resolution of a file in SMPTE time, where tempo has no meaning; else None.
    warnings
        Changes made while opening: unwrapped or rewritten parts.
    """

    data: bytes
    first: int
    declared_tracks: int
    ticks_per_quarter: int
    ticks_per_second: float | None
    warnings: tuple[str, ...]


def is_wrapped(start: bytes) -> bool:
    """Return whether a file that begins with `start` is a RIFF file of MIDI data (``.rmi``).

    Such a file may hold a bank of sounds that is much larger than any MIDI file.
    """
    return start[:4] == b"RIFF" and start[8:12] == b"RMID"


def open_container(data: bytes, limits: Limits) -> Layout:
    """Unpack and unwrap a file, and read its header.

    Raises
    ------
    EmptyFile, NotMidi, TruncatedMidi
        If there is no header or no track.
    MidiLimitExceeded
        If the file is too large.
    UnreadableMidi
        If the header has a division of 0, or the file is compressed and damaged.
    """
    data, warnings = _opened(data, limits)
    if len(data) < HEADER_BYTES:
        msg = f"The file ends inside its header ({len(data)} of 14 bytes). Download it again."
        raise TruncatedMidi(msg)
    first = min(8 + int.from_bytes(data[4:8], "big"), len(data))
    if not data.startswith(b"MTrk", first) and data.startswith(b"MTrk", HEADER_BYTES):
        first = HEADER_BYTES
        warnings.append("header with a wrong length")
    if data.find(b"MTrk", HEADER_BYTES) < 0:
        msg = "No track (MTrk) follows the header: the file is cut off. Download it again."
        raise TruncatedMidi(msg)
    declared_tracks = int.from_bytes(data[10:12], "big")
    if int.from_bytes(data[8:10], "big") == SEQUENTIAL_FORMAT:
        warnings.append("format 2: the sequences are read as if they played together")
    division, ticks_per_second = _division(data)
    if ticks_per_second is not None:
        warnings.append(f"SMPTE time: {ticks_per_second:g} ticks a second, tempo ignored")
    return Layout(data, first, declared_tracks, division, ticks_per_second, tuple(warnings))


def _opened(data: bytes, limits: Limits) -> tuple[bytes, list[str]]:
    """Return the MIDI data from its header on, and what was around it."""
    if not data:
        raise EmptyFile
    warnings: list[str] = []
    for _ in range(MOST_COMPRESSIONS):
        if data[:2] == GZIP:
            data = _decompressed(data, limits)
            warnings = ["unpacked: the file is compressed with gzip"]
    midi = _unwrapped(data)
    limits.check("max_bytes", len(midi))
    start = _header(midi)
    if start < 0:
        raise NotMidi(data)
    if others := len(data) - len(midi) + start:
        warnings.append(f"unwrapped: {others:,} bytes around the MIDI data left out")
    return midi[start:], warnings


def _decompressed(data: bytes, limits: Limits) -> bytes:
    """Return what is compressed in a file, in one part or several."""
    unpacked = b""
    # Some programs compress a long file in parts.
    while data[:2] == GZIP and len(unpacked) <= limits.max_bytes:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            unpacked += unpacker.decompress(data, limits.max_bytes + 1 - len(unpacked))
        except zlib.error as error:
            if unpacked:
                break
            msg = f"The file is compressed with gzip and damaged ({error}). Download it again."
            raise UnreadableMidi(msg) from error
        data = unpacker.unused_data
    limits.check("max_bytes", len(unpacked))
    if not unpacked:
        raise EmptyFile
    return unpacked


def _unwrapped(data: bytes) -> bytes:
    """Return the chunk ``data`` of a RIFF file; other files, and damaged ones, as they are."""
    if not is_wrapped(data):
        return data
    at = RIFF_HEADER_BYTES
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"data" and data.startswith(b"MThd", at + 8):
            end = at + 8 + length + length % 2
            name = data[end : end + 4]
            is_chunk = name.replace(b" ", b"").isalnum() and name not in (b"MThd", b"MTrk")
            return data[at + 8 : at + 8 + length] if is_chunk else data[at + 8 :]
        at += 8 + length + length % 2
    return data


def _header(data: bytes) -> int:
    """Return the offset of the header: at the start, or after what a wrapper puts before it."""
    start = first = data.find(b"MThd")
    # A text about MIDI may hold the name, so behind the start a track has to follow.
    while start > 0 and not data.startswith(b"MTrk", start + HEADER_BYTES):
        start = data.find(b"MThd", start + 4)
    return first if start < 0 and first <= WRAPPER_BYTES else start


def _division(data: bytes) -> tuple[int, float | None]:
    """Return ticks per quarter note, and ticks per second of a file in SMPTE time."""
    division = int.from_bytes(data[12:14], "big")
    ticks_per_second = None
    if division & SMPTE_FLAG:
        code = 256 - (division >> 8)
        ticks_per_second = _FRAME_RATES.get(code, float(code)) * (division & 0xFF)
        division = max(1, round(ticks_per_second / 2)) if ticks_per_second else 0
    if division == 0:
        msg = "The header gives 0 ticks per quarter note, so times are undefined. Export it again."
        raise UnreadableMidi(msg)
    return division, ticks_per_second
