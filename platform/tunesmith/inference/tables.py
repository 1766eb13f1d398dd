"""Rows of a table to numbers, cell by cell: one code for training's readers and for servers."""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import (
    Column,
    NgramsColumn,
    NumberColumn,
    NumberFormat,
    TablePreparation,
    WordsColumn,
)
from tunesmith.datasets.text_ngrams import SLOTS, VIEW, counts_of, ngram_slots
from tunesmith.errors import InputError
from tunesmith.inference.numbers import read_formatted

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FEATURES",
    "Cell",
    "Row",
    "RowReader",
    "cells_of",
    "number_of",
    "records_of",
    "text_of",
    "views_of_rows",
    "words_of",
]

FEATURES = "features"
"""Name of the view of numbers, and of a model's input: ``float32 [rows, features]``."""

Cell = str | float | bool | None
"""A cell of a table: a text, a number, a truth value, or None where it is missing."""

Row = Mapping[str, Cell]
"""A row of a table: its cells by the name of their column."""

_LARGEST = float(np.finfo(np.float32).max)
_WORD = re.compile(r"\w+")
_PLAIN = frozenset({str, int, float, bool})
# Table programs write truth values in these ways; all mean the same.
_TRUTH = {"true": "True", "TRUE": "True", "false": "False", "FALSE": "False"}


def text_of(cell: Cell, missing: Iterable[str]) -> str | None:
    """Return a cell as text without spaces around it, None where it is missing."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    text = str(cell).strip()
    if not text or text in missing:
        return None
    return _TRUTH.get(text, text)


def number_of(
    cell: Cell,
    missing: Iterable[str],
    stand_ins: Iterable[float] = (),
    form: NumberFormat | None = None,
) -> float:
    """Return a cell as a number that float32 can hold, NaN where it is missing or not a number.

    Parameters
    ----------
    cell
        The cell. A text is read as Python reads a number; underscores are refused.
    missing
        Texts that stand for a missing value.
    stand_ins
        Numbers that stand for a missing value.
    form
        How a text writes its number; by default as Python does.
    """
    if cell is None or isinstance(cell, bool):
        return math.nan
    if isinstance(cell, str):
        text = cell.strip()
        if not text or text in missing:
            return math.nan
        if form is None and "_" in text:
            return math.nan
        cell = text if form is None else read_formatted(text, form)
    try:
        number = float(cell)
    except (ValueError, OverflowError):
        return math.nan
    # Written so that NaN, too, takes the first branch.
    if not abs(number) <= _LARGEST or number in stand_ins:
        return math.nan
    return number


def cells_of(column: "pd.Series[Any]") -> list[Cell]:
    """Return the cells of a data frame's column as plain Python values, None where one is missing.

    What is neither a text, a number nor a truth value, such as a date, becomes its text.
    """
    values = column.astype(object).where(column.notna(), None).tolist()
    return [value if value is None or type(value) in _PLAIN else _plain(value) for value in values]


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text in lower case; digits count as letters.

    Each script but the Latin one is a word too, such as ``[hiragana]``: some write no spaces.
    """
    words = _WORD.findall(text.casefold())
    return frozenset(words if text.isascii() else [*words, *_scripts(text)])


def _scripts(text: str) -> set[str]:
    """Return the scripts of the letters of a text, by the first word of their names."""
    names = {unicodedata.name(letter, "").split(" ")[0] for letter in set(text) if letter.isalpha()}
    return {f"[{name.lower()}]" for name in names - {"", "LATIN", "FEMININE", "MASCULINE"}}


def _plain(value: object) -> Cell:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Real):
        return float(value)
    return str(value)


def records_of(frame: "pd.DataFrame") -> list[dict[str, Cell]]:
    """Return the rows of a data frame; see `cells_of`."""
    columns = {str(name): cells_of(frame[name]) for name in frame.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def views_of_rows(
    cells: Callable[[str], Sequence[Cell]], preparation: TablePreparation
) -> dict[str, npt.NDArray[Any]]:
    """Return what models read of the rows of a table.

    Parameters
    ----------
    cells
        Gives the cells of a column by its name, as many for each column.
    preparation
        How columns become numbers.

    Returns
    -------
    dict
        ``features``, ``float32 [rows, features]``, NaN where a number is missing; and where columns
        are read by n-grams `text_ngrams.VIEW`, in which each column has slots of its own.
    """
    missing = frozenset(preparation.missing_texts)
    parts = [_part(cells(column.name), column, missing) for column in preparation.columns]
    views: dict[str, npt.NDArray[Any]] = {FEATURES: np.concatenate(parts, axis=1)}
    if preparation.texts:
        texts = [cells(column.name) for column in preparation.texts]
        rows = [_ngrams(row, preparation, missing) for row in zip(*texts, strict=True)]
        views[VIEW] = np.stack(rows)
    return views


def _ngrams(
    cells: Sequence[Cell], preparation: TablePreparation, missing: frozenset[str]
) -> npt.NDArray[np.int32]:
    """Return the slots of the n-grams of one row, those of its texts one after another."""
    parts = []
    for number, (cell, column) in enumerate(zip(cells, preparation.texts, strict=True)):
        slots = ngram_slots(text_of(cell, missing) or "", column.most)
        slots[slots > 0] += number * SLOTS
        parts.append(slots)
    return np.concatenate(parts)


def _part(
    cells: Sequence[Cell], column: Column, missing: frozenset[str]
) -> npt.NDArray[np.float32]:
    if isinstance(column, NumberColumn):
        rows = [_numbers(cell, column, missing) for cell in cells]
        return np.array(rows, dtype=np.float32).reshape(-1, len(column.features))
    if isinstance(column, NgramsColumn):
        counts = [counts_of(text_of(cell, missing) or "") for cell in cells]
        return np.array(counts, dtype=np.float32).reshape(-1, len(column.features))
    if isinstance(column, WordsColumn):
        held = [words_of(text_of(cell, missing) or "") for cell in cells]
        known = [[word in own for word in column.words] for own in held]
        return np.array(known, dtype=np.float32).reshape(-1, len(column.words))
    place = {category: index for index, category in enumerate(column.categories)}
    part = np.zeros((len(cells), len(place)), dtype=np.float32)
    for row, cell in enumerate(cells):
        index = place.get(text_of(cell, missing) or "")
        if index is not None:
            part[row, index] = 1
    return part


def _numbers(cell: Cell, column: NumberColumn, missing: frozenset[str]) -> tuple[float, ...]:
    """Return what the model reads of a cell: its number, and what 32 bits leave over of it."""
    number = number_of(cell, missing, column.missing, column.format) - column.offset
    if not column.has_rest:
        return (number,)
    return (number, number - float(np.float32(number)))


class RowReader:
    """Turns single rows into a model's input, with what their columns need laid out once.

    Parameters
    ----------
    preparation
        How columns become numbers.
    with_ngrams
        Whether the model reads `text_ngrams.VIEW`, which takes most of the time.
    """

    def __init__(self, preparation: TablePreparation, *, with_ngrams: bool = True) -> None:
        self._preparation = preparation
        self._with_ngrams = with_ngrams and bool(preparation.texts)
        self._columns = preparation.columns
        self._missing = frozenset(preparation.missing_texts)
        self._places = [
            {category: index for index, category in enumerate(column.categories)}
            if column.kind == "category"
            else {}
            for column in preparation.columns
        ]

    def views(self, row: Row) -> dict[str, npt.NDArray[Any]]:
        """Return what a model reads of one row, by view; as `views_of_rows` would.

        A row may also give the model's own columns, such as ``{"key=A": 1, "key=B": 0}``.

        Raises
        ------
        InputError
            When columns are absent; the message lists those that the model reads.
        """
        numbers: list[float] = []
        missing = self._missing
        for column, places in zip(self._columns, self._places, strict=True):
            if column.name not in row:
                numbers += self._own_columns(row, column)
            elif isinstance(column, NumberColumn):
                numbers += _numbers(row[column.name], column, missing)
            elif isinstance(column, WordsColumn):
                own = words_of(text_of(row[column.name], missing) or "")
                numbers += [float(word in own) for word in column.words]
            elif isinstance(column, NgramsColumn):
                numbers += counts_of(text_of(row[column.name], missing) or "")
            else:
                part = [0.0] * len(places)
                index = places.get(text_of(row[column.name], missing) or "")
                if index is not None:
                    part[index] = 1.0
                numbers += part
        views: dict[str, npt.NDArray[Any]] = {FEATURES: np.array(numbers, dtype=np.float32)}
        if self._with_ngrams:
            cells = [row[column.name] for column in self._preparation.texts]
            views[VIEW] = _ngrams(cells, self._preparation, missing)
        return views

    def _own_columns(self, row: Row, column: Column) -> list[float]:
        if not _gives(row, column):
            raise self._absent(row)
        return [number_of(row[name], self._missing) for name in column.features]

    def _absent(self, row: Row) -> InputError:
        absent = [column.name for column in self._columns if not _gives(row, column)]
        wanted = ", ".join(column.name for column in self._columns)
        message = (
            f"The row lacks {', '.join(absent[:20])}. The model reads: {wanted}. "
            "Send null for a value that is not known."
        )
        return InputError(message, missing=absent)


def _gives(row: Row, column: Column) -> bool:
    if column.name in row:
        return True
    # The counts of a text do not tell its n-grams.
    is_read = not isinstance(column, NgramsColumn)
    return is_read and all(name in row for name in column.features)
