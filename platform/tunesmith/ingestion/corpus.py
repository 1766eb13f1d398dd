"""Real scores to start with: the music21 corpus written out as MIDI files, in parallel.

music21 (BSD licence, Cuthbert and Ariza, ISMIR 2010) ships encoded scores by composers long in the
public domain. Reading one takes 0.1 to 2 s, so the pieces are spread over the cluster's processors.
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
"""music21's name of a collection and the label its pieces get; Trecento is a school, not a man."""

_SCORE_SUFFIXES = {".mxl", ".xml", ".krn"}
_SCORES_PER_TASK = 4
# What music21's readers let through on scores they do not understand.
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
    """What became of the scores asked for; ``written + present + refused`` is all of them.

    Attributes
    ----------
    folder
        One folder a label, MIDI files inside.
    written, present
        Files made now, and those that were there already.
    refused
        Path of a score that could not be written out, and why.
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

    Pieces of a collection are taken evenly spread over its sorted names, so that a small number
    is not all from one mass or one opus, and the same number always means the same pieces. Files
    that are there already are kept, so an interrupted export continues.

    Parameters
    ----------
    folder
        Where the files go, on this machine's disk.
    pieces
        How many scores to take at most, by music21's name of the collection (see `CORPUS_LABELS`).
    on_progress
        Called with the number of scores done and of all.

    Returns
    -------
    ScoreExport
        The account of every score asked for.

    Raises
    ------
    UsageError
        When music21 is not installed or has no collection of that name.
    DatasetError
        When more than a twentieth of the scores is refused.
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
        path, why = refused[0]
        message = (
            f"{len(refused)} of {len(wanted)} scores could not be written to {folder}; "
            f"the first, {path}: {why}."
        )
        raise DatasetError(message)
    return ScoreExport(folder, len(missing) - len(refused), present, tuple(refused))


def _choose(collection: str, n_pieces: int) -> list[tuple[str, str]]:
    """Return (MIDI file name, path of the score) of evenly spread pieces of a collection."""
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
    # Movements of one work share a file name; their folder tells them apart.
    return [(f"{label}/{_name(score, collection)}.mid", str(score)) for score in chosen]


def _name(score: Path, collection: str) -> str:
    inside = score.with_suffix("").parts
    start = inside.index(collection) + 1 if collection in inside else len(inside) - 1
    return "-".join(inside[start:]).replace(" ", "_")


def _write_batch(
    folder: str, batch: Sequence[tuple[str, str]]
) -> tuple[int, list[tuple[str, str]]]:
    """Write some scores; return how many were tried and what was refused."""
    from music21 import converter
    from music21.exceptions21 import Music21Exception

    refused = []
    for target, score in batch:
        final = Path(folder) / target
        final.parent.mkdir(parents=True, exist_ok=True)
        part = final.with_suffix(f".{os.getpid()}.part")
        try:
            # Without music21's own cache: it is a pickle in the temporary folder.
            parsed: Any = converter.parse(score, forceSource=True, storePickle=False)
            parsed.write("midi", fp=part)
        except (Music21Exception, *_PARSER_FAILURES) as error:
            part.unlink(missing_ok=True)
            refused.append((target, f"{type(error).__name__}: {error}"))
        else:
            part.replace(final)
    return len(batch), refused
