"""Recognise recordings by their first bytes."""

from tunesmith.audio.foreign import PICTURE_BRANDS

__all__ = ["RECORDING_SUFFIXES", "is_recording", "recording_format"]

RECORDING_SUFFIXES = (
    ".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aif", ".aiff",
)  # fmt: skip
"""Endings of the recordings that are looked for in folders and archives."""

_MAGIC = {
    b"fLaC": "flac",
    b"OggS": "ogg",
    b"ID3": "mp3",
    b"RF64": "wav",
    b"\x1a\x45\xdf\xa3": "webm",  # what browsers record
}
_OF_CONTAINER = {(b"RIFF", b"WAVE"): "wav", (b"FORM", b"AIFF"): "aiff", (b"FORM", b"AIFC"): "aiff"}
_ADTS = (b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9")


def recording_format(data: bytes) -> str | None:
    """Return the format of a recording by its first bytes; None for any other file."""
    for magic, name in _MAGIC.items():
        if data.startswith(magic):
            return name
    if data[4:8] == b"ftyp" and data[8:12] not in PICTURE_BRANDS:
        return "m4a"
    if data.startswith(_ADTS):
        return "aac"
    if _is_mpeg_frame(data):
        return "mp3"
    return _OF_CONTAINER.get((data[:4], data[8:12]))


def is_recording(data: bytes) -> bool:
    """Return whether the bytes begin like a recording in a format that is read."""
    return recording_format(data) is not None


def _is_mpeg_frame(data: bytes) -> bool:
    """Return whether the bytes begin with the header of a frame of MPEG audio, layer II or III."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return False
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3
    bit_rate, sample_rate = data[2] >> 4, data[2] >> 2 & 3
    return version != 1 and layer in {1, 2} and bit_rate not in {0, 15} and sample_rate != 3
