"""Exceptions of Tunesmith, one tree under `TunesmithError`.

Each message says what was wrong, where, and what to do next::

    TunesmithError
    ├── UsageError        an option, name or value is invalid; the caller can correct it
    ├── StoreError        an artefact is missing, damaged or cannot be written
    │   ├── NotInStoreError        a file is missing
    │   └── StoreUnreachableError  the store's disk, server or network fails
    ├── MidiError         a MIDI file cannot be read (see tunesmith.midi.errors)
    ├── DatasetError      a dataset version cannot be made or read
    ├── SearchError       a search cannot start, continue or finish
    ├── ModelError        a model cannot be built, exported or run
    ├── InputError        a raw item cannot become the input of a model
    └── PromotionError    the gate refused a challenger
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "DatasetError",
    "InputError",
    "MidiError",
    "ModelError",
    "NotInStoreError",
    "PromotionError",
    "SearchError",
    "StoreError",
    "StoreUnreachableError",
    "TunesmithError",
    "UsageError",
    "unknown",
]


class TunesmithError(Exception):
    """Base class of all errors; a command that fails with it exits with `exit_code`."""

    exit_code = 1


class UsageError(TunesmithError):
    """An option, name or value is invalid; the caller can correct it."""

    exit_code = 2


class StoreError(TunesmithError):
    """An artefact is missing, damaged or cannot be written."""


class NotInStoreError(StoreError):
    """A file is missing from a store."""


class StoreUnreachableError(StoreError):
    """The disk, the server or the network of a store fails; what it holds may be all right."""


class MidiError(TunesmithError):
    """A MIDI file cannot be read; `stage` names the step that failed."""

    stage = "parse"


class DatasetError(TunesmithError):
    """A dataset version cannot be made or read."""


class SearchError(TunesmithError):
    """A search cannot start, continue or finish."""


class ModelError(TunesmithError):
    """A model cannot be built, exported or run."""


class InputError(TunesmithError):
    """A raw item cannot become the input of a model.

    Parameters
    ----------
    message
        What was wrong with the item, never its content.
    reason
        A short name of the kind of fault, such as ``invalid`` or ``not-midi``.
    facts
        Further members of an answer about it, such as the names of absent columns.
    """

    def __init__(self, message: str, reason: str = "invalid", **facts: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.facts = facts


class PromotionError(TunesmithError):
    """The gate refused a challenger; the champion is unchanged."""


def unknown(kind: str, got: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that does not exist, with similar names that do.

    Parameters
    ----------
    kind
        Kind of thing that the name stands for, such as ``"task"``.
    got
        The name that does not exist.
    known
        Existing names.

    Returns
    -------
    UsageError
        The error, for the caller to raise.
    """
    names = sorted(known)
    near = difflib.get_close_matches(got, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    listed = ", ".join(names) if names else "none yet"
    return UsageError(f"There is no {kind} named {got!r}.{hint} Known: {listed}.")
