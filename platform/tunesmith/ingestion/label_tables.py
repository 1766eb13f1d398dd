"""Tables of labels: of any make, code page and column names, matched to files."""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import pandas as pd

from tunesmith.datasets.table_files import read_table_file
from tunesmith.errors import DatasetError, UsageError
from tunesmith.ingestion.archives import archive_stem
from tunesmith.ingestion.sources import MUSIC_SUFFIXES, Entry, suffix_of

__all__ = ["LabelTable", "path_key", "text_rows"]

PATH_COLUMNS = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "midi_filename", "midi_path",
    "midi", "name", "track", "id",
)  # fmt: skip
"""Names of the column of paths, the likeliest first; MAESTRO's is ``midi_filename``."""
LABEL_COLUMNS = (
    "label", "canonical_composer", "composer", "class", "target", "category", "genre", "mood",
    "artist", "y",
)  # fmt: skip
SHOWN_ROWS = 5
# Apostrophes, quotation marks and dashes that programs put in the place of plain ones.
_TYPOGRAPHIC = str.maketrans(
    "\u2018\u2019\u02bc\u00b4\u201c\u201d\u2010\u2011\u2012\u2013\u2014\u2212", "''''\"\"------"
)


@dataclass
class LabelTable:
    """Labels by path.

    A row fits a file whose path ends as the row's does. Unicode form, case, backslashes, escapes of
    addresses (``%20``) and a missing suffix do not matter; an exact match goes first. A row in
    another folder fits a file of the same name if nothing else fits either of them.

    Attributes
    ----------
    name
        Name of the table, for messages.
    rows
        Path and label of each row.
    notes
        Sentences on how the table was read.
    """

    name: str
    rows: Sequence[tuple[str, str]]
    notes: Sequence[str] = ()
    _exact: dict[str, list[int]] = field(default_factory=dict)
    _by_ending: dict[str, list[int]] = field(default_factory=dict)
    _used: Counter[int] = field(default_factory=Counter)
    _ambiguous: list[str] = field(default_factory=list)
    _by_name: list[str] = field(default_factory=list)
    _several: list[str] = field(default_factory=list)
    _apart: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Index the rows by every ending of their paths."""
        for number, (path, _) in enumerate(self.rows):
            key = path_key(path)
            self._exact.setdefault(key, []).append(number)
            parts = key.split("/")
            for start in range(len(parts)):
                self._by_ending.setdefault("/".join(parts[start:]), []).append(number)

    @classmethod
    def read(cls, path: Path) -> "LabelTable":
        """Read a table.

        Raises
        ------
        UsageError
            If the file cannot be read, or has no columns of paths and labels.
        """
        names, rows, notes = text_rows(path, "label table")
        place, label = _column(names, PATH_COLUMNS), _column(names, LABEL_COLUMNS)
        if place is None or label is None:
            missing = [n for n, c in (("label", label), ("path", place)) if c is None]
            msg = (
                f"The label table {path} lacks the column {' and '.join(missing)}; it has "
                f"{', '.join(names) or 'no columns'}. Name the column of files "
                f"{PATH_COLUMNS[0]} and the column of labels {LABEL_COLUMNS[0]}."
            )
            raise UsageError(msg)
        return cls(path.name, [(row[place], row[label]) for row in rows if row[place]], notes)

    def labels(self, entries: Sequence[Entry]) -> list[str]:
        """Return the label of each file; empty if no row fits, or rows disagree."""
        rows_of = [self._fitting(entry) for entry in entries]
        written = [self._written(e, rows) for e, rows in zip(entries, rows_of, strict=True)]
        # Files whose names differ by case or suffix alone may have a row each.
        own = {number for numbers in written for number in numbers}
        rows_of = [
            numbers if own.issuperset(rows) else rows
            for numbers, rows in zip(written, rows_of, strict=True)
        ]
        self._apart = {rows[0] for rows in rows_of if len(rows) == 1}
        taken = {number for rows in rows_of for number in rows}
        near = [
            () if rows else self._near(e, taken) for e, rows in zip(entries, rows_of, strict=True)
        ]
        times = Counter(number for rows in near for number in rows)
        labels = []
        for entry, fitting, others in zip(entries, rows_of, near, strict=True):
            alone = [number for number in others if times[number] == 1]
            if others and not alone:
                self._several.append(entry.path)
            elif alone:
                self._by_name.append(entry.path)
            labels.append(self._take(entry, fitting or alone))
        return labels

    def _fitting(self, entry: Entry) -> Sequence[int]:
        """Return the rows that name a file with all folders of the row, or all of the file."""
        for path in (entry.path, entry.path.partition("/")[2], entry.relative):
            if numbers := self._exact.get(path_key(path)):
                return numbers
        parts = path_key(entry.path).split("/")
        n_inside = path_key(entry.relative).count("/") + 1
        for start in range(len(parts)):
            ending = "/".join(parts[start:])
            if numbers := self._exact.get(ending):
                return numbers
            if len(parts) - start >= n_inside and (numbers := self._by_ending.get(ending)):
                return numbers
        return ()

    def _written(self, entry: Entry, numbers: Sequence[int]) -> Sequence[int]:
        """Return the rows whose path is an ending of the file's, letter by letter."""
        path = f"/{entry.path}"
        return [n for n in numbers if path.endswith(f"/{self.rows[n][0].strip('/')}")]

    def _near(self, entry: Entry, taken: set[int]) -> Sequence[int]:
        """Return the rows in other folders that share the longest ending with a file."""
        parts = path_key(entry.path).split("/")
        for start in range(len(parts)):
            numbers = self._by_ending.get("/".join(parts[start:]), ())
            if numbers := [number for number in numbers if number not in taken]:
                return numbers
        return ()

    def _take(self, entry: Entry, numbers: Sequence[int]) -> str:
        self._used.update(numbers)
        labels = {self.rows[number][1] for number in numbers}
        if len(labels) > 1:
            self._ambiguous.append(entry.path)
            return ""
        return labels.pop() if labels else ""

    def notices(self) -> list[str]:
        """Return sentences about how the table was read, and rows that do not fit one file."""
        unmatched = [self.rows[n][0] for n in range(len(self.rows)) if not self._used[n]]
        repeated = [
            path
            for path, numbers in self._exact.items()
            if len(numbers) > 1 and not self._apart.issuperset(numbers)
        ]
        unlabelled = [path for path, label in self.rows if not label]
        twice = [self.rows[n][0] for n, count in self._used.items() if count > 1]
        sentences = (
            (unmatched, "row fits no file", "rows fit no file"),
            (repeated, "path has several rows", "paths have several rows"),
            (twice, "row fits several files", "rows fit several files"),
            (
                self._ambiguous,
                "file has no label because its rows disagree",
                "files have no label because their rows disagree",
            ),
            (
                self._by_name,
                "file fits a row by its name alone, in another folder",
                "files fit rows by their names alone, in other folders",
            ),
            (
                self._several,
                "file has no label because a row in another folder fits several by their name",
                "files have no label because rows in other folders fit several by their name",
            ),
            (unlabelled, "row has no label", "rows have no label"),
        )
        listed = [
            f"{self.name}: {len(paths):,} {one if len(paths) == 1 else several}: {_listed(paths)}."
            for paths, one, several in sentences
            if paths
        ]
        return [*self.notes, *listed]


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - SHOWN_ROWS:,} more" if len(paths) > SHOWN_ROWS else ""
    return ", ".join(paths[:SHOWN_ROWS]) + more


def text_rows(path: Path, kind: str) -> tuple[list[str], list[list[str]], Sequence[str]]:
    """Read a table of any make as texts: its column names, its rows, and how it was read.

    Raises
    ------
    UsageError
        If the file cannot be read.
    """
    try:
        table = read_table_file(path)
    except (OSError, DatasetError) as error:
        msg = f"The {kind} cannot be read: {error}"
        raise UsageError(msg) from error
    names = [unicodedata.normalize("NFC", str(name)) for name in table.frame.columns]
    rows = [[_text(cell) for cell in row] for row in table.frame.astype(object).to_numpy()]
    return names, rows, table.notes


def _text(cell: object) -> str:
    """Return a cell as text; spreadsheets keep whole numbers as decimal ones."""
    if isinstance(cell, float):
        return "" if math.isnan(cell) else str(int(cell)) if cell.is_integer() else str(cell)
    return "" if pd.isna(cell) else str(cell).strip()  # type: ignore[call-overload]


def _column(columns: Sequence[str], names: Iterable[str]) -> int | None:
    spelled = ["_".join(column.casefold().split()) for column in columns]
    return next((spelled.index(name) for name in names if name in spelled), None)


def path_key(path: str) -> str:
    """Return a path in the form in which rows and files are compared."""
    if "%" in path:
        path = _without_escapes(path)
    text = path.replace("\\", "/").casefold().strip()
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_TYPOGRAPHIC))
    folders, slash, name = str(PurePosixPath(text.lstrip("/"))).rpartition("/")
    suffix = suffix_of(name)
    if suffix in MUSIC_SUFFIXES:
        name = name.removesuffix(suffix)
    # An archive is a folder of its name.
    return "/".join(map(archive_stem, folders.split("/"))) + slash + name


def _without_escapes(path: str) -> str:
    """Return a path without the escapes of addresses, such as ``%20``; others as they are."""
    try:
        return unquote(path, errors="strict")
    except UnicodeDecodeError:
        return path
