# ruff: noqa: N818 - a reject row shows these names as the kind of error
"""Errors raised for MIDI files that cannot be read.

Each class has a `stage`: ``"read"`` (the bytes are not MIDI), ``"limits"`` (too large, checked
before memory is allocated) or ``"parse"`` (MIDI without usable music)::

    MidiError
    ├── EmptyFile            stage read
    ├── NotMidi              stage read
    │   └── NotScore         stage read
    ├── TruncatedMidi        stage read
    ├── MidiLimitExceeded    stage limits
    ├── UnreadableMidi       stage parse
    ├── ScoresNotInstalled   stage setup
    └── NoNotes              stage parse
"""

from tunesmith.errors import MidiError

__all__ = [
    "EmptyFile",
    "MidiError",
    "MidiLimitExceeded",
    "NoNotes",
    "NotMidi",
    "NotScore",
    "ScoresNotInstalled",
    "TruncatedMidi",
    "UnreadableMidi",
]


class EmptyFile(MidiError):
    """The file holds no bytes."""

    stage = "read"

    def __init__(self) -> None:
        super().__init__("The file is empty (0 bytes). Download or export it again.")


class NotMidi(MidiError):
    """The file has no MIDI header, neither plain nor inside a RIFF or MacBinary wrapper.

    Parameters
    ----------
    start
        First bytes of the file.
    kind
        Kind of the file and a way to music, where they are known.
    """

    stage = "read"

    def __init__(self, start: bytes, kind: str | None = None) -> None:
        super().__init__(
            f"This is {kind}"
            if kind
            else f"No MThd header: the file starts with {ascii(start[:8])[1:]}, so it is neither a "
            "standard MIDI file nor a score or a recording. Export it again as .mid, or leave it "
            "out."
        )


class NotScore(NotMidi):
    """The file has the form of a score, such as XML, but is none that can be read."""

    def __init__(self, message: str) -> None:
        MidiError.__init__(self, message)


class ScoresNotInstalled(MidiError):
    """The file is a score, and the extra that reads scores is not installed."""

    stage = "setup"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"This is a score ({name}), which music21 reads: pip install 'tunesmith[scores]'."
        )


class TruncatedMidi(MidiError):
    """The file ends inside a track or before the first one."""

    stage = "read"


class MidiLimitExceeded(MidiError):
    """The file exceeds a limit; no memory was allocated for it.

    Attributes
    ----------
    what
        Field of `Limits` that the file exceeds.
    value, limit
        Value of the file and largest allowed value, in the unit of the field.
    """

    stage = "limits"

    def __init__(self, name: str, value: float, limit: float) -> None:
        self.what, self.value, self.limit = name, value, limit
        super().__init__(
            f"The file exceeds the limit {name}: {value:g} > {limit:g}. It is probably corrupt; "
            f"raise Limits({name}=...) if it is intended to be this large."
        )


class UnreadableMidi(MidiError):
    """No reader could decode the events."""

    stage = "parse"


class NoNotes(MidiError):
    """The file was decoded, but has no notes."""

    stage = "parse"

    def __init__(self) -> None:
        super().__init__(
            "The file holds no notes, only settings such as tempo or names. Export it again with "
            "its notes, or leave it out."
        )
