# ruff: noqa: N818 - names say what the file is, as a reject row shows them
"""What can be wrong with a MIDI file.

Every class carries the `stage` that refused the file: ``"read"`` (the bytes are not MIDI),
``"limits"`` (refused before anything was allocated) or ``"parse"`` (MIDI that says nothing
usable)::

    MidiError
    ├── EmptyFile            stage read
    ├── NotMidi              stage read
    ├── TruncatedMidi        stage read
    ├── MidiLimitExceeded    stage limits
    ├── UnreadableMidi       stage parse
    └── NoNotes              stage parse
"""

from tunesmith.errors import MidiError

__all__ = [
    "EmptyFile",
    "MidiError",
    "MidiLimitExceeded",
    "NoNotes",
    "NotMidi",
    "TruncatedMidi",
    "UnreadableMidi",
]


class EmptyFile(MidiError):
    """The file holds no bytes."""

    stage = "read"

    def __init__(self) -> None:
        super().__init__("The file is empty (0 bytes). Download or export it again.")


class NotMidi(MidiError):
    """No MIDI header was found, plain or inside a RIFF or MacBinary wrapper."""

    stage = "read"

    def __init__(self, start: bytes) -> None:
        super().__init__(
            f"No MThd header: the file starts with {ascii(start[:8])[1:]}, so it is not a standard "
            "MIDI file. Export it again as .mid, or leave it out."
        )


class TruncatedMidi(MidiError):
    """A track claims more bytes than the file has, or no track is left."""

    stage = "read"


class MidiLimitExceeded(MidiError):
    """The file is larger than a limit allows; nothing was allocated for it.

    Attributes
    ----------
    what
        The field of `Limits` that refused the file.
    value, limit
        What the file asks for and what is allowed, in the unit of `what`.
    """

    stage = "limits"

    def __init__(self, what: str, value: float, limit: float) -> None:
        self.what, self.value, self.limit = what, value, limit
        super().__init__(
            f"The file exceeds the limit {what}: {value:g} > {limit:g}. It is probably corrupt; "
            f"raise Limits({what}=...) if it is meant to be this large."
        )


class UnreadableMidi(MidiError):
    """No reader could decode the events."""

    stage = "parse"


class NoNotes(MidiError):
    """The file decodes, but nothing sounds in it."""

    stage = "parse"

    def __init__(self) -> None:
        super().__init__("The file holds no notes (only meta or control events). Leave it out.")
