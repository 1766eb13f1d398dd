"""Sources that are collections of the music21 corpus: ``music21:COLLECTION[:N]``."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tunesmith.errors import UsageError

__all__ = ["expand_collections", "is_collection"]

_PREFIX = "music21:"


def is_collection(source: str) -> bool:
    """Return whether a source names a collection of the music21 corpus."""
    return source.startswith(_PREFIX)


def expand_collections(
    sources: Sequence[str], *, start_ray: Callable[[], object], say: Callable[[str], None]
) -> list[str]:
    """Replace each collection by a folder of its scores, written out as MIDI.

    Parameters
    ----------
    sources
        Sources of any kind; those that are not collections stay as they are.
    start_ray
        Called once, before scores are written; not called without a collection.
    say
        Called with a line for each score that cannot be written.

    Returns
    -------
    list of str
        The sources, with folders in place of collections.

    Raises
    ------
    UsageError
        When a collection is not ``music21:COLLECTION`` or ``music21:COLLECTION:NUMBER``.
    """
    if not any(map(is_collection, sources)):
        return list(sources)
    start_ray()
    from tunesmith.ingestion.corpus import export_scores

    expanded = []
    for source in sources:
        if not is_collection(source):
            expanded.append(source)
            continue
        collection, _, number = source.removeprefix(_PREFIX).partition(":")
        if number and not number.isdigit():
            message = f"{source!r} is not music21:COLLECTION or music21:COLLECTION:NUMBER."
            raise UsageError(message)
        folder = Path.home() / ".tunesmith" / "music21" / f"{collection}-{number or 'all'}"
        exported = export_scores(folder, {collection: int(number) if number else sys.maxsize})
        for path, reason in exported.refused:
            say(f"music21 cannot write {path}: {reason}")
        expanded.append(str(folder))
    return expanded
