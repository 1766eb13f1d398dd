"""Tables of any make with a target column become examples.

Numbers stay numbers with NaN where they are missing; a text column of few values becomes one column
of 0 and 1 for each value, one of longer texts one for each frequent word; a text column of many
values, such as a name, is left out and said so, unless it is to be read by its words or n-grams. A
value that was never seen leaves all columns of its kind at 0.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tunesmith.artifacts.preparation import MISSING_TEXTS, NgramsColumn, TablePreparation
from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.table_files import read_table
from tunesmith.errors import DatasetError, unknown
from tunesmith.inference.tables import FEATURES, cells_of, text_of, views_of_rows
from tunesmith.tasks.contract import SourceTable
from tunesmith.tasks.support.number_formats import NGRAMS, WORDS
from tunesmith.tasks.support.splitting import content_version, groups_of
from tunesmith.tasks.support.table_columns import ColumnReader, spelled_alike, summary

__all__ = [
    "DATA_VARIABLE",
    "Table",
    "TableItems",
    "data_folder",
    "find_file",
    "read_table",
    "table_examples",
]

DATA_VARIABLE = "TUNESMITH_DATA"


@dataclass(frozen=True)
class Table:
    """Description of a table to read.

    Attributes
    ----------
    target
        Column of the classes.
    groups
        Columns whose equal values keep rows on one side of a split: the first that is not missing
        decides.
    leave_out
        Columns that are no features.
    least_rows
        Classes with fewer rows are left out.
    missing
        Texts that stand for a missing value, besides `MISSING_TEXTS`.
    stands_for_missing
        By column, a number that stands for a missing one.
    names
        Class names by what stands in the target column.
    read_as
        By column, how its numbers are written, where that is not plain: see
        `tunesmith.tasks.support.number_formats.FORMATS`.
    prefers_comma
        Whether a comma separates decimals where that cannot be seen.
    """

    target: str
    groups: Sequence[str] = ()
    leave_out: Sequence[str] = ()
    least_rows: int = 10
    missing: Sequence[str] = ()
    stands_for_missing: Mapping[str, float] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    read_as: Mapping[str, str] = field(default_factory=dict)
    prefers_comma: bool = False


@dataclass(frozen=True)
class TableItems:
    """The rows of a table as items.

    Attributes
    ----------
    examples
        The items with the views of `tunesmith.inference.tables.views_of_rows`.
    preparation
        How columns became the views, for rows to come.
    notes
        Sentences on what was left out, filled or read in a way to know of.
    source
        The table's rows, in the order of the items.
    """

    examples: Examples
    preparation: TablePreparation
    notes: tuple[str, ...]
    source: SourceTable

    @property
    def version(self) -> str:
        """A hash of the items' content."""
        examples = self.examples
        rows = [examples.views[name].x for name in sorted(examples.views)]
        return content_version(*rows, examples.y, examples.groups)


def data_folder() -> Path:
    """Return the folder where data that users fetch themselves is looked for."""
    return Path(os.environ.get(DATA_VARIABLE) or Path.home() / ".tunesmith" / "data")


def find_file(names: Sequence[str]) -> Path | None:
    """Return the first of `names`, or of their compressed forms, in the data folder."""
    for name in names:
        for candidate in (name, f"{name}.gz"):
            path = data_folder() / candidate
            if path.exists():
                return path
    return None


def table_examples(frame: pd.DataFrame, table: Table) -> TableItems:
    """Turn a table into examples.

    Raises
    ------
    UsageError
        When a column that was named does not exist.
    DatasetError
        When fewer than two classes or no features are left.
    """
    frame = frame.rename(columns=str)
    for name in (table.target, *table.groups, *table.leave_out, *table.read_as):
        if name not in frame.columns:
            kind = "column"
            raise unknown(kind, name, frame.columns)
    if frame.empty:
        message = f"The table has no rows, only the columns {', '.join(frame.columns)}."
        raise DatasetError(message)
    notes: list[str] = []
    frame, labels = _labelled(frame, table, notes)
    classes = tuple(sorted(set(labels)))
    if len(classes) < 2:
        message = (
            f"Column {table.target!r} has {len(classes)} classes with {table.least_rows} rows or "
            "more; 2 are needed. Is it the target?"
        )
        raise DatasetError(message)
    other = {table.target, *table.groups, *table.leave_out}
    # A table written with its row numbers comes back with a column of this name.
    unnamed = [c for c in frame.columns if str(c).startswith("Unnamed:")]
    if unnamed:
        notes.append(f"{len(unnamed)} columns without a heading are left out.")
    # A name keeps the rows of its owner together, and how it is written may tell something besides.
    names = {name for name in table.groups if table.read_as.get(name) in {WORDS, NGRAMS}}
    names -= {table.target, *table.leave_out}
    given = [c for c in frame.columns if c in names or c not in {*other, *unnamed}]
    preparation = _preparation(frame, given, table, notes)
    views = views_of_rows(lambda name: cells_of(frame[name]), preparation)
    groups = _groups(frame, table.groups, _identifying(views, preparation, names))
    repeats = len(groups) - len(np.unique(groups))
    if repeats:
        notes.append(f"{repeats} rows share a group with another and stay on its side of a split.")
    index = {label: number for number, label in enumerate(classes)}
    examples = Examples(
        y=np.array([index[label] for label in labels]),
        classes=classes,
        groups=groups,
        ids=_ids(frame.drop(columns=[table.target])),
        views={name: View.one_row_each(x) for name, x in views.items()},
    )
    source = SourceTable(
        frame,
        table.target,
        features=tuple(column.name for column in preparation.columns),
        groups=tuple(table.groups),
        left_out=tuple(table.leave_out),
    )
    return TableItems(examples, preparation, tuple(notes), source)


def _ids(frame: pd.DataFrame) -> list[str]:
    """Return a name for each row made of its cells, the class aside.

    A row keeps its name when others are added, removed or sorted. Equal rows are numbered.
    """
    cells = zip(*(cells_of(frame[name]) for name in frame.columns), strict=True)
    names = []
    times: Counter[str] = Counter()
    for row in cells:
        text = "\x1f".join("" if cell is None else str(cell) for cell in row)
        name = f"row-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        times[name] += 1
        names.append(name if times[name] == 1 else f"{name}-{times[name]}")
    return names


def _labelled(
    frame: pd.DataFrame, table: Table, notes: list[str]
) -> tuple[pd.DataFrame, "pd.Series[str]"]:
    """Return the rows that have a label and something besides, and their labels."""
    # A class may be called None or NA; only an empty cell has no class.
    missing = frozenset(table.missing)
    cells = pd.Series(cells_of(frame[table.target]), index=frame.index, name=table.target)
    texts = cells.map(lambda cell: _label(cell, missing))
    _tell_spellings(cells, texts, notes)
    others = frame.drop(columns=[table.target])
    is_empty = others.isna() | others.apply(lambda column: column.astype("string") == "")
    blank = texts.isna() | is_empty.fillna(value=True).all(axis=1)
    if blank.any():
        notes.append(f"{blank.sum()} blank rows or rows without {table.target} are left out.")
    frame = frame[~blank].reset_index(drop=True)
    labels = texts[~blank].reset_index(drop=True).map(lambda text: table.names.get(text, text))
    count = labels.value_counts()
    rare = sorted(count[count < table.least_rows].index)
    if rare:
        notes.append(f"Classes with fewer than {table.least_rows} rows are left out: {rare}.")
        keep = ~labels.isin(rare)
        frame, labels = frame[keep].reset_index(drop=True), labels[keep].reset_index(drop=True)
    return frame, labels


def _label(cell: Any, missing: frozenset[str]) -> str | None:
    """Return a label as text; 3.0 and 3 are the same class, also where they are texts."""
    text = None if pd.isna(cell) else text_of(cell, missing)
    if text is None or "_" in text:
        return text
    try:
        return str(int(text))
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


def _tell_spellings(cells: "pd.Series[Any]", labels: "pd.Series[Any]", notes: list[str]) -> None:
    """Note classes that were written in several ways, and those that may be the same."""
    known = labels.notna()
    written: dict[str, set[str]] = {}
    for cell, label in zip(cells[known], labels[known], strict=True):
        written.setdefault(label, set()).add(str(cell).strip())
    for label, texts in sorted(written.items()):
        if len(texts) > 1 and len({text.removesuffix(".0") for text in texts}) > 1:
            listed = ", ".join(map(repr, sorted(texts)))
            notes.append(f"{listed} are one class of {cells.name}, {label!r}.")
    if alike := spelled_alike(labels[known]):
        notes.append(
            f"{cells.name} has classes that may be the same, and are kept apart: {alike}. Correct "
            "the table to join them."
        )
    if odd := sorted(set(written) & set(MISSING_TEXTS)):
        notes.append(f"{', '.join(map(repr, odd))} is a class of {cells.name}, not a missing one.")


def _preparation(
    frame: pd.DataFrame, given: Sequence[str], table: Table, notes: list[str]
) -> TablePreparation:
    """Return how each column becomes numbers, read off its values."""
    missing_texts = tuple(dict.fromkeys((*MISSING_TEXTS, *table.missing)))
    reader = ColumnReader(
        frozenset(missing_texts),
        table.stands_for_missing,
        table.read_as,
        prefers_comma=table.prefers_comma,
        owners=_named(frame, table.groups).tolist() if table.groups else None,
    )
    read = [reader.column(str(name), frame[name]) for name in given]
    columns = tuple(column for column in read if column is not None)
    notes += reader.notes
    if not columns:
        message = f"No column is left to learn from; {', '.join(given) or 'none'} was given."
        raise DatasetError(message)
    notes.append(summary(columns))
    return TablePreparation(columns=columns, missing_texts=missing_texts)


def _identifying(
    views: Mapping[str, npt.NDArray[Any]], preparation: TablePreparation, names: Container[str]
) -> npt.NDArray[Any]:
    """Return the numbers of each row that tell which item it is, whatever that is called.

    Of rows that have nothing but names the names tell it.
    """
    is_name = [
        column.name in names or isinstance(column, NgramsColumn)
        for column in preparation.columns
        for _ in column.features
    ]
    if all(is_name):
        return np.concatenate(list(views.values()), axis=1)
    return views[FEATURES][:, ~np.array(is_name)]


def _groups(
    frame: pd.DataFrame, names: Sequence[str], x: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64]:
    """Return a group a row: rows of one name, or with the very same features, share one."""
    # Rows with the same numbers are the same song, whatever it is called.
    same = pd.util.hash_pandas_object(pd.DataFrame(x), index=False).to_numpy()
    return groups_of(same, _named(frame, names)) if names else groups_of(same)


def _named(frame: pd.DataFrame, names: Sequence[str]) -> npt.NDArray[Any]:
    """Return the first name of each row that is not missing, or something of its own."""
    key = pd.Series([f"row {number}" for number in range(len(frame))], dtype="string")
    for name in reversed(names):
        text = frame[name].astype("string").str.strip()
        present = text.notna() & (text != "") & (text != "empty_field")
        key = key.mask(present, name + ": " + text.str.casefold())
    return key.to_numpy(dtype=object)
