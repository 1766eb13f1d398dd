# ruff: noqa: N818 - a reject row shows these names as the kind of error
"""Errors raised for recordings that cannot be read.

They are kinds of `MidiError`, so that every place that refuses a file of music refuses these::

    MidiError
    ├── AudioNotInstalled          stage setup
    ├── UnreadableRecording        stage parse
    ├── NoNotes
    │   └── NoMusicHeard           stage parse
    └── MidiLimitExceeded
        └── RecordingLimitExceeded stage limits
"""

from tunesmith.midi.errors import MidiError, MidiLimitExceeded, NoNotes

__all__ = [
    "AudioNotInstalled",
    "NoMusicHeard",
    "RecordingLimitExceeded",
    "UnreadableRecording",
]


class AudioNotInstalled(MidiError):
    """The file is a recording, and the extra that reads recordings is not installed."""

    stage = "setup"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"This is a recording ({name}), which the extra `audio` transcribes: "
            "pip install 'tunesmith[audio]'."
        )


class UnreadableRecording(MidiError):
    """The sound of a recording cannot be decoded."""

    stage = "parse"


class NoMusicHeard(NoNotes):
    """A recording holds hardly any notes: silence, speech or noise."""

    def __init__(self, message: str) -> None:
        MidiError.__init__(self, message)


class RecordingLimitExceeded(MidiLimitExceeded):
    """The recording is longer or larger than what is read."""

    def __init__(self, name: str, value: float, limit: float) -> None:
        self.what, self.value, self.limit = name, value, limit
        unit = "bytes" if name.endswith("bytes") else "s"
        MidiError.__init__(
            self,
            f"The recording has {value:,.0f} {unit}; at most {limit:,.0f} are read ({name}). "
            "Send a part of it.",
        )
