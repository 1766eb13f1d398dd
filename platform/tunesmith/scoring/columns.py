"""Columns of the scores: one row per item, with its answer or the reason why it has none.

A new field of `Prediction` becomes a column by one line in `ANSWER_FIELDS`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tunesmith.errors import InputError
from tunesmith.inference.explain import Reason
from tunesmith.inference.predictions import Prediction

__all__ = ["ANSWER_FIELDS", "AnswerField", "Counts", "Fault", "Scored", "score_table"]


@dataclass(frozen=True)
class AnswerField:
    """One column that every answer fills.

    Attributes
    ----------
    name
        Name of the column.
    type
        Arrow's type of its cells.
    value
        Returns the cell of an answer.
    """

    name: str
    type: pa.DataType
    value: Callable[[Prediction], Any]


ANSWER_FIELDS: tuple[AnswerField, ...] = (
    AnswerField("label", pa.string(), lambda answer: answer.label),
    AnswerField("probability", pa.float32(), lambda answer: answer.probabilities.max()),
    AnswerField("none_of_these", pa.bool_(), lambda answer: answer.none_of_these),
    AnswerField("known", pa.float32(), lambda answer: answer.known),
    AnswerField("labels_90", pa.list_(pa.string()), lambda answer: answer.labels_90),
    AnswerField(
        "certainty",
        pa.float32(),
        lambda answer: answer.transcription and answer.transcription.certainty,
    ),
)


_REASONS = pa.list_(
    pa.struct(
        [
            pa.field("part", pa.string()),
            pa.field("effect", pa.float64()),
            pa.field("probability_without", pa.float64()),
        ]
    )
)


@dataclass(frozen=True, slots=True)
class Fault:
    """The reason why an item has no answer: a short name of its kind, and a sentence."""

    reason: str
    message: str

    @classmethod
    def of(cls, error: InputError) -> "Fault":
        """Return the fault that an error of `tunesmith.inference` describes."""
        return cls(error.reason, str(error))


@dataclass(frozen=True, slots=True)
class Scored:
    """One item with its outcome.

    Attributes
    ----------
    path
        Path of the file that is the item or holds it.
    outcome
        The answer, or why there is none.
    row
        Number of the row in its table, from 0; None for a file.
    sha256
        Hash of the content of a file; None where it could not be read, and for rows.
    id
        Cell of the column that identifies rows, where one was chosen.
    same_music_as
        Path of the piece of the model's own data that is the same music; None where there is none,
        or none was looked for.
    reasons
        What spoke for and against the label, the strongest first; None where none was asked for.
    """

    path: str
    outcome: Prediction | Fault
    row: int | None = None
    sha256: str | None = None
    id: str | None = None
    same_music_as: str | None = None
    reasons: Sequence[Reason] | None = None


def score_table(
    items: Sequence[Scored],
    classes: Sequence[str],
    *,
    has_ids: bool,
    has_reasons: bool = False,
) -> pa.Table:
    """Return the scores of items.

    Parameters
    ----------
    items
        The items.
    classes
        Classes of the model; each gets the column ``p_CLASS``.
    has_ids
        Whether there is a column ``id``.
    has_reasons
        Whether there is a column ``reasons``.
    """
    answers = [item.outcome if isinstance(item.outcome, Prediction) else None for item in items]
    faults = [item.outcome if isinstance(item.outcome, Fault) else None for item in items]
    columns: dict[str, pa.Array] = {
        "path": pa.array([item.path for item in items], pa.string()),
        "row": pa.array([item.row for item in items], pa.int64()),
    }
    if has_ids:
        columns["id"] = pa.array([item.id for item in items], pa.string())
    for field in ANSWER_FIELDS:
        cells = [None if answer is None else field.value(answer) for answer in answers]
        columns[field.name] = pa.array(cells, field.type)
    same_music = [item.same_music_as for item in items]
    columns["same_music_as"] = pa.array(same_music, pa.string())
    if has_reasons:
        cells = [item.reasons and [of.json_object() for of in item.reasons] for item in items]
        columns["reasons"] = pa.array(cells, _REASONS)
    missing = np.array([answer is None for answer in answers], dtype=np.bool_)
    probabilities = np.zeros((len(items), len(classes)), dtype=np.float32)
    for row, answer in zip(probabilities, answers, strict=True):
        if answer is not None:
            row[:] = answer.probabilities
    for place, name in enumerate(classes):
        column = np.ascontiguousarray(probabilities[:, place])
        columns[f"p_{name}"] = pa.array(column, pa.float32(), mask=missing)
    columns["reason"] = pa.array([fault and fault.reason for fault in faults], pa.string())
    columns["error"] = pa.array([fault and fault.message for fault in faults], pa.string())
    columns["sha256"] = pa.array([item.sha256 for item in items], pa.string())
    return pa.table(columns)


@dataclass
class Counts:
    """Scored items by label, and the others by the reason why they have no answer.

    Attributes
    ----------
    labels, failures
        The items by label, and by reason.
    same_music
        Items with an answer that are the same music as a piece of the model's own data.
    """

    labels: Counter[str]
    failures: Counter[str]
    same_music: int = 0

    @classmethod
    def none(cls) -> "Counts":
        """Return the counts of no item."""
        return cls(Counter(), Counter())

    @classmethod
    def of(cls, table: pa.Table) -> "Counts":
        """Return the counts of a table of scores."""
        same_music = len(table) - table["same_music_as"].null_count
        return cls(_frequencies(table["label"]), _frequencies(table["reason"]), same_music)

    @property
    def scored(self) -> int:
        """Number of items with an answer."""
        return self.labels.total()

    @property
    def failed(self) -> int:
        """Number of items without one."""
        return self.failures.total()

    def add(self, other: "Counts") -> None:
        """Add the counts of other items."""
        self.labels += other.labels
        self.failures += other.failures
        self.same_music += other.same_music


def _frequencies(column: pa.ChunkedArray) -> Counter[str]:
    pairs = column.drop_null().value_counts().to_pylist()
    return Counter({pair["values"]: pair["counts"] for pair in pairs})
