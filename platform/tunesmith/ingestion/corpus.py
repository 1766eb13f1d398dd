"""Export scores of the music21 corpus as MIDI files, in parallel.

music21 (BSD licence, Cuthbert and Ariza, ISMIR 2010) ships encoded scores of music in the public
domain. Reading a score takes 0.1 to 2 s, so the cluster shares the work.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

import ray

from tunesmith.errors import DatasetError, UsageError

__all__ = ["CORPUS_LABELS", "ScoreExport", "export_scores"]

CORPUS_LABELS: Mapping[str, str] = {
    "bach": "Bach",
    "palestrina": "Palestrina",
    "monteverdi": "Monteverdi",
    "trecento": "Trecento",
}
"""Label of the pieces of each music21 collection; Trecento is a school, not a composer."""

_SCORE_SUFFIXES = {".mxl", ".xml", ".krn"}
_SCORES_PER_TASK = 4
# Exceptions that music21's readers raise on scores that they cannot parse.
_PARSER_FAILURES = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    BadZipFile,
    ParseError,
)


@dataclass(frozen=True)
class ScoreExport:
    """Outcome of an export; ``written + present + refused`` is the number of requested scores.

    Attributes
    ----------
    folder
        Folder with one subfolder of MIDI files per label.
    written, present
        Number of files written now, and of files that already existed.
    refused
        Path and error message of each score that could not be exported.
    """

    folder: Path
    written: int
    present: int
    refused: tuple[tuple[str, str], ...]


def export_scores(
    folder: Path,
    pieces: Mapping[str, int],
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> ScoreExport:
    """Write scores of the music21 corpus to `folder` as ``<Label>/<name>.mid``.

    The pieces are evenly spread over the sorted names of a collection, so that a small number does
    not come from one mass or one opus, and the same number always gives the same pieces. Existing
    files are kept, so an interrupted export continues.

    Parameters
    ----------
    folder
        Destination, on a local disk.
    pieces
        Largest number of scores of each music21 collection (see `CORPUS_LABELS`).
    on_progress
        Called with the number of finished scores and of all scores.

    Returns
    -------
    ScoreExport
        Counts of written, present and refused scores.

    Raises
    ------
    UsageError
        If music21 is not installed or has no collection of that name.
    DatasetError
        If more than 5 % of the scores cannot be exported.
    """
    wanted = {target: score for name, n in pieces.items() for target, score in _choose(name, n)}
    missing = [(t, s) for t, s in wanted.items() if not (folder / t).exists()]
    present = len(wanted) - len(missing)
    report = on_progress or (lambda *_: None)
    report(present, len(wanted))
    batches = [missing[i : i + _SCORES_PER_TASK] for i in range(0, len(missing), _SCORES_PER_TASK)]
    write = ray.remote(num_cpus=1)(_write_batch)
    pending = [write.remote(str(folder), batch) for batch in batches]
    refused: list[tuple[str, str]] = []
    done = present
    while pending:
        ready, pending = ray.wait(pending)
        for n_tried, errors in ray.get(ready):
            done += n_tried
            refused.extend(errors)
        report(done, len(wanted))
    if len(refused) > len(wanted) / 20:
        path, reason = refused[0]
        message = (
            f"{len(refused)} of {len(wanted)} scores could not be written to {folder}; "
            f"the first, {path}: {reason}. "
            "Delete the folder and try again."
        )
        raise DatasetError(message)
    return ScoreExport(folder, len(missing) - len(refused), present, tuple(refused))


def _choose(collection: str, n_pieces: int) -> list[tuple[str, str]]:
    """Return file name and score path of evenly spread pieces of a collection."""
    try:
        from music21 import corpus
    except ModuleNotFoundError as error:
        message = "music21 is not installed. Install the extra: pip install 'tunesmith[demo]'."
        raise UsageError(message) from error
    scores = sorted(
        Path(str(path))
        for path in corpus.getComposer(collection)
        if Path(str(path)).suffix in _SCORE_SUFFIXES
    )
    if not scores:
        message = f"music21's corpus has no scores of {collection!r}. Try bach or palestrina."
        raise UsageError(message)
    label = CORPUS_LABELS.get(collection, collection.capitalize())
    step = max(1.0, len(scores) / n_pieces)
    chosen = dict.fromkeys(scores[int(i * step)] for i in range(min(n_pieces, len(scores))))
    # Movements of one work share a file name; the folder distinguishes them.
    return [(f"{label}/{_name(score, collection)}.mid", str(score)) for score in chosen]


def _name(score: Path, collection: str) -> str:
    inside = score.with_suffix("").parts
    start = inside.index(collection) + 1 if collection in inside else len(inside) - 1
    return "-".join(inside[start:]).replace(" ", "_")


def _write_batch(
    folder: str, batch: Sequence[tuple[str, str]]
) -> tuple[int, list[tuple[str, str]]]:
    """Export a batch of scores; return its size, and path and message of each failure."""
    from music21 import converter
    from music21.exceptions21 import Music21Exception

    refused = []
    for target, score in batch:
        final = Path(folder) / target
        final.parent.mkdir(parents=True, exist_ok=True)
        part = final.with_suffix(f".{os.getpid()}.part")
        try:
            # Without music21's cache, which is a pickle in the temporary folder.
            parsed: Any = converter.parse(score, forceSource=True, storePickle=False)
            parsed.write("midi", fp=part)
        except (Music21Exception, *_PARSER_FAILURES) as error:
            part.unlink(missing_ok=True)
            refused.append((target, f"{type(error).__name__}: {error}"))
        else:
            part.replace(final)
    return len(batch), refused
