"""Parse scores: MusicXML by music21; Humdrum kern, MEI and ABC by converter21.

The only module that names the readers of both. music21 has readers of its own for the last three,
but they lose repeats of kern, refuse much of MEI, and know neither the voices nor the overlays of
ABC that programs write. They are the second try.
"""

import contextlib
import re
import sys
import threading
from typing import Any

from tunesmith.midi.errors import NoNotes, UnreadableMidi
from tunesmith.midi.mei_tempos import with_midi_tempos
from tunesmith.midi.notation import Notation

__all__ = ["parse_notation"]

_TUNE = re.compile(r"^\s*X:", re.MULTILINE)
_INCLUDES = ("%%abc-include", "I:abc-include")
_one_tune_at_a_time = threading.Lock()


def parse_notation(notation: Notation) -> tuple[Any, tuple[str, ...]]:
    """Return music21's stream of the first piece of a file, and a warning if there are others.

    Raises
    ------
    ModuleNotFoundError
        If music21 or converter21 is not installed.
    NoNotes
        If the file has no piece.
    UnreadableMidi
        If an ABC file names another file.
    """
    from music21 import stream

    if notation.format == "abc":
        return _abc(notation.text)
    parsed = _parsed(notation)
    if not isinstance(parsed, stream.Opus):
        return parsed, ()
    pieces = list(parsed.scores)
    if not pieces:
        raise NoNotes
    return pieces[0], _others(len(pieces))


def _others(n_pieces: int) -> tuple[str, ...]:
    if n_pieces < 2:
        return ()
    return (f"holds {n_pieces:,} pieces, of which the first is read",)


def _parsed(notation: Notation) -> Any:
    from music21 import converter

    if notation.format == "musicxml":
        return converter.parseData(notation.text, format="musicxml")
    readers = _converter21()
    try:
        if notation.format == "mei":
            return readers.MEIConverter().parseData(with_midi_tempos(_with_version(notation.text)))
        return _kern(readers.HumdrumConverter(), notation.text)
    except Exception:
        # MEI before version 4, and files that keep less strictly to their format.
        with contextlib.suppress(Exception):
            return converter.parseData(notation.text, format=notation.format)
        raise


def _kern(reader: Any, text: str) -> Any:
    parsed = reader.parseData(text)
    if all(file.isValid for file in reader.humdrumFileSet.humdrumFiles):
        return parsed
    message = (
        "The score cannot be read as Humdrum kern: its columns (spines) do not fit each other. "
        "Open it in a notation program and export it again."
    )
    raise UnreadableMidi(message)


def _with_version(text: str) -> str:
    """Return an MEI document that says its version; one without is told by its keys."""
    start = re.search(r"<(\w+:)?mei\b[^>]*", text)
    if start is None or "meiversion" in start[0]:
        return text
    version = "5.0" if "keysig=" in text else "4.0.0"  # version 4 wrote key.sig
    return f'{text[: start.end()]} meiversion="{version}"{text[start.end() :]}'


def _abc(text: str) -> tuple[Any, tuple[str, ...]]:
    """Parse the first tune of a file; what stands before it holds for all tunes."""
    if any(line.startswith(_INCLUDES) for line in text.splitlines()):
        message = "The ABC file includes another file. Put its text in the place of the include."
        raise UnreadableMidi(message)
    preamble, *tunes = _TUNE.split(text)
    first = f"{preamble}X:{tunes[0]}" if tunes else text
    readers = _converter21()
    with _one_tune_at_a_time:  # the parser keeps the state of a tune in a global object
        readers.abc.abc2xml.info_list.clear()
        # It raises the limit for the whole process and leaves it so.
        limit = sys.getrecursionlimit()
        try:
            return readers.ABCConverter().parseData(first), _others(len(tunes))
        finally:
            sys.setrecursionlimit(limit)


def _converter21() -> Any:
    """Return converter21, prepared for the version of music21."""
    import converter21
    import converter21.abc
    from music21.metadata import Metadata

    # Version 4.0.1, the last one for Python 3.11, calls the function by the name that it had
    # before music21 10.5.
    if not hasattr(Metadata, "_convertValue"):
        setattr(Metadata, "_convertValue", staticmethod(Metadata.convertValue))  # noqa: B010
    return converter21
