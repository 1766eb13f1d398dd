"""The test items that a model gets wrong, for people to look at."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.artifacts.reports import Clip, Mistake
from tunesmith.evaluation.music import Pieces
from tunesmith.evaluation.segments import starts_of
from tunesmith.evaluation.subject import Subject
from tunesmith.evaluation.table_rows import TableSides
from tunesmith.midi.sequences import window_notes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["most_confident_mistakes", "told_by"]

_MOST = 100
# Clips make a report large.
_MOST_CLIPS = 30
_MOST_NOTES = 400
# Columns of texts that differ from row to row say which row it is, such as title and artist.
_MOST_NAMES, _MOST_NUMBERS = 3, 4
_LEAST_DISTINCT = 0.05
_MOST_CHARACTERS = 60


def most_confident_mistakes(subject: Subject) -> tuple[Mistake, ...]:
    """Return up to a hundred test items with a wrong prediction, the most confident first.

    A piece has the prediction for each of its segments beside that for the whole; the first thirty
    also have the notes of one segment.

    Parameters
    ----------
    subject
        The model, with its predictions for the test items.
    """
    examples, p = subject.predictions.examples, subject.predictions.by_item
    answers, confidence = p.argmax(axis=1), p.max(axis=1)
    wrong = np.flatnonzero(answers != examples.y)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:_MOST]
    pieces, by_chunk = subject.pieces, subject.by_chunk
    paths = None if pieces is None else pieces.facts["path"].tolist()
    if pieces is None or by_chunk is None:
        item_of_row, by_row, starts_s = np.zeros(0, dtype=int), p[:0], np.zeros(0)
    else:
        item_of_row, by_row = by_chunk.item, by_chunk.by_row
        starts_s = starts_of(by_chunk, pieces)
    table = subject.parts.table
    columns = () if table is None else told_by(table)
    mistakes = []
    for number, item in enumerate(order.tolist()):
        rows = np.flatnonzero(item_of_row == item)
        clip = None
        if pieces is not None and rows.size and number < _MOST_CLIPS:
            surest = rows[by_row[rows, answers[item]].argmax()]
            clip = _clip(pieces, item, float(starts_s[surest]))
        mistakes.append(
            Mistake(
                id=examples.ids[item],
                path=None if paths is None else paths[item],
                cells=() if table is None else _cells(table, int(table.test[item]), columns),
                label=examples.classes[examples.y[item]],
                answer=examples.classes[answers[item]],
                confidence=float(confidence[item]),
                of_label=float(p[item, examples.y[item]]),
                starts_s=tuple(starts_s[rows].tolist()),
                segments=tuple(examples.classes[i] for i in by_row[rows].argmax(axis=1)),
                clip=clip,
            )
        )
    return tuple(mistakes)


def told_by(table: TableSides) -> tuple[str, ...]:
    """Return the columns by which a person knows a row: names, or else the first features.

    Parameters
    ----------
    table
        The table that the items were read from.
    """
    frame, source = table.source.frame, table.source
    least = max(2, _LEAST_DISTINCT * len(frame))
    names = [
        str(name)
        for name in frame.columns
        if name != source.target and _are_words(frame[name]) and frame[name].nunique() >= least
    ]
    return tuple(names[:_MOST_NAMES]) or source.features[:_MOST_NUMBERS]


def _are_words(column: "pd.Series[Any]") -> bool:
    """Tell whether most cells are texts and no numbers."""
    import pandas as pd

    return bool(
        pd.to_numeric(column, errors="coerce").isna().mean() > 1 / 2 and column.notna().any()
    )


def _cells(table: TableSides, row: int, columns: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the texts of some cells of a row, each with its column, empty ones left out."""
    texts = []
    for name in columns:
        cell = table.column(name).cells[row]
        if cell is None:
            continue
        text = f"{cell:g}" if isinstance(cell, float) else str(cell)
        texts.append((name, textwrap.shorten(text, _MOST_CHARACTERS, placeholder=" …")))
    return tuple(texts)


def _clip(pieces: Pieces, item: int, start_s: float) -> Clip:
    """Return the notes that begin in a segment of a piece."""
    length_s = pieces.chunk_frames / pieces.frames_per_second
    notes = window_notes(pieces.notes[item], start_s, length_s)
    heard = notes[~notes["is_drum"]]
    return Clip(
        start_s=start_s,
        notes=tuple(
            (
                round(float(note["onset_s"]) - start_s, 2),
                round(float(note["offset_s"] - note["onset_s"]), 2),
                int(note["pitch"]),
                int(note["velocity"]),
            )
            for note in heard[:_MOST_NOTES]
        ),
    )
