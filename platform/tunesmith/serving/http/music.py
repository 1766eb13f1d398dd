"""Files of music in request bodies: their media types, sizes and decoding."""

from collections.abc import Callable
from typing import TypeVar

from tunesmith.audio import is_recording
from tunesmith.errors import InputError
from tunesmith.inference.pieces import Piece, read_piece
from tunesmith.midi.notation import is_notation
from tunesmith.midi.reading import Limits
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.http.problems import problem_of
from tunesmith.serving.http.receiving import too_large
from tunesmith.serving.limits import LimitSettings

__all__ = [
    "MUSIC_TYPES",
    "check_size",
    "largest_file",
    "largest_form",
    "music_limits",
    "read_music_file",
    "takes_long",
    "within",
]

MUSIC_TYPES = (
    "audio/midi",
    "audio/mid",
    "audio/x-midi",
    "audio/sp-midi",
    "application/x-midi",
    "application/vnd.recordare.musicxml",
    "application/vnd.recordare.musicxml+xml",
    "text/vnd.abc",
    "application/octet-stream",
    "audio/wav",
    "audio/x-wav",
    "audio/vnd.wave",
    "audio/flac",
    "audio/x-flac",
    "audio/mpeg",
    "audio/mp3",
    "audio/ogg",
    "audio/opus",
    "audio/mp4",
    "audio/m4a",
    "audio/x-m4a",
    "audio/aac",
    "audio/aiff",
    "audio/x-aiff",
    "audio/webm",
    "video/mp4",
    "video/webm",
)


T = TypeVar("T")


def takes_long(data: bytes) -> bool:
    """Return whether a file may take seconds: a recording, or a written score."""
    return is_recording(data) or is_notation(data)


def within(deadline: Deadline, data: object, read: Callable[[], T]) -> T:
    """Read an item; a score is given up at the deadline, and others look at it themselves.

    music21 reads a few hundred notes a second.
    """
    is_score = isinstance(data, bytes) and is_notation(data)
    return deadline.bound(read) if is_score else read()


def read_music_file(data: bytes, limits: LimitSettings, deadline: Deadline) -> Piece:
    """Return a decoded file of music.

    Raises
    ------
    ProblemError
        Saying what is wrong with it, or ``deadline``.
    """
    try:
        return within(
            deadline, data, lambda: read_piece(data, music_limits(limits), deadline.check)
        )
    except InputError as error:
        raise problem_of(error) from error


def music_limits(limits: LimitSettings) -> Limits:
    """Return the limits of a file of music."""
    return Limits(
        max_bytes=limits.body_bytes,
        max_recording_bytes=limits.recording_bytes,
        max_heard_s=limits.recording_s,
        max_notes=limits.midi_notes,
        max_duration_s=limits.midi_duration_s,
    )


def largest_file(limits: LimitSettings) -> Callable[[bytes], int]:
    """Return what gives the size of the largest file of music by its first bytes."""

    def largest(start: bytes) -> int:
        if not start or is_recording(start):
            return max(limits.body_bytes, limits.recording_bytes)
        return limits.body_bytes

    return largest


def largest_form(limits: LimitSettings) -> Callable[[bytes], int]:
    """Return what gives the size of the largest body that holds files of music and other items."""
    return lambda _: max(limits.body_bytes, limits.recording_bytes)


def check_size(data: bytes, limits: LimitSettings) -> None:
    """Refuse a file that is larger than others may be and no recording.

    Raises
    ------
    ProblemError
        ``too-large``.
    """
    if len(data) > limits.body_bytes and not is_recording(data):
        raise too_large(limits.body_bytes)
