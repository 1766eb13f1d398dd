"""The parts of a report that tell what a model relies on: inputs, columns and words."""

from pydantic import Field

from tunesmith.artifacts.documents import Section, absent
from tunesmith.artifacts.intervals import Interval

__all__ = [
    "ColumnChoice",
    "ColumnImportance",
    "ColumnSelection",
    "Importance",
    "ImportancePart",
    "WordEffect",
    "WordEffects",
]


class ImportancePart(Section):
    """Loss of a model without one part of its input."""

    name: str
    rise: float
    columns: int


class Importance(Section):
    """The rise of the log loss when a part of the input is masked, the largest first."""

    method: str
    log_loss: float
    parts: tuple[ImportancePart, ...]
    grid: tuple[tuple[float, ...], ...] | None = absent("Rises of the patches of pictures.")


class ColumnImportance(Section):
    """The importance of a column, and the column that correlation drops it for."""

    name: str
    importance: float
    dropped: bool
    correlates_with: str | None = Field(
        default=None, validation_alias="with", serialization_alias="with"
    )


class ColumnChoice(Section):
    """The metrics of a model fitted on some of the columns."""

    choice: str
    columns: int
    accuracy: Interval
    macro_f1: Interval
    against_all: Interval | None = absent()


class ColumnSelection(Section):
    """Columns chosen by importance, compared with those that correlation leaves."""

    model: str
    threshold: float
    columns: tuple[ColumnImportance, ...]
    choices: tuple[ColumnChoice, ...]


class WordEffect(Section):
    """By how much a word raises the probability of a class."""

    word: str
    texts: int
    effect: float


class WordEffects(Section):
    """The words that move a prediction most, the highest effect first."""

    label: str = Field(validation_alias="class", serialization_alias="class")
    words: tuple[WordEffect, ...]
