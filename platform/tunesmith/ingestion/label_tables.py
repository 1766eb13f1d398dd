"""Tables of labels: a CSV of any separator, code page and column names, matched to files."""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tunesmith.errors import UsageError
from tunesmith.ingestion.sources import MUSIC_SUFFIXES, Entry

__all__ = ["LabelTable", "decoded", "path_key", "separator"]

PATH_COLUMNS = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "midi_filename", "midi_path",
    "midi", "name", "track", "id",
)  # fmt: skip
"""Names of the column of paths, the likeliest first; MAESTRO's is ``midi_filename``."""
LABEL_COLUMNS = (
    "label", "canonical_composer", "composer", "class", "target", "category", "genre", "mood",
    "artist", "y",
)  # fmt: skip
SEPARATORS = ",;\t|"
SHOWN_ROWS = 5


@dataclass
class LabelTable:
    """Labels by path.

    A row fits a file whose path ends as the row's does. Unicode form, case, backslashes and a
    missing suffix do not matter; an exact match goes first.

    Attributes
    ----------
    name
        Name of the table, for messages.
    rows
        Path and label of each row.
    """

    name: str
    rows: Sequence[tuple[str, str]]
    _exact: dict[str, list[int]] = field(default_factory=dict)
    _by_ending: dict[str, list[int]] = field(default_factory=dict)
    _used: Counter[int] = field(default_factory=Counter)
    _ambiguous: list[str] = field(default_factory=list)

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
        try:
            text = decoded(path.read_bytes())
        except OSError as error:
            msg = f"The label table {path} cannot be read: {error}. Check the path."
            raise UsageError(msg) from error
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator(text)))
        except csv.Error as error:
            msg = f"The label table {path} cannot be read: {error}. Save it as CSV again."
            raise UsageError(msg) from error
        header, *body = rows or [[]]
        columns = [unicodedata.normalize("NFC", column).strip().casefold() for column in header]
        place, label = _column(columns, PATH_COLUMNS), _column(columns, LABEL_COLUMNS)
        if place is None or label is None:
            missing = [n for n, c in (("label", label), ("path", place)) if c is None]
            msg = (
                f"The label table {path} lacks the column {' and '.join(missing)}; it has "
                f"{', '.join(header) or 'no columns'}. Name the column of files "
                f"{PATH_COLUMNS[0]} and the column of labels {LABEL_COLUMNS[0]}."
            )
            raise UsageError(msg)
        width = max(place, label)
        return cls(
            path.name,
            [(row[place], row[label].strip()) for row in body if len(row) > width and row[place]],
        )

    def label(self, entry: Entry) -> str:
        """Return the label of a file; empty if no row fits, or rows disagree."""
        for path in (entry.path, entry.path.partition("/")[2], entry.relative):
            if numbers := self._exact.get(path_key(path)):
                return self._take(entry, numbers)
        # The longest ending of the file's path that a row's path is, or ends in.
        parts = path_key(entry.path).split("/")
        for start in range(len(parts)):
            ending = "/".join(parts[start:])
            if numbers := self._exact.get(ending) or self._by_ending.get(ending):
                return self._take(entry, numbers)
        return ""

    def _take(self, entry: Entry, numbers: Sequence[int]) -> str:
        self._used.update(numbers)
        labels = {self.rows[number][1] for number in numbers}
        if len(labels) > 1:
            self._ambiguous.append(entry.path)
            return ""
        return labels.pop()

    def notices(self) -> list[str]:
        """Return sentences about rows that fit no file, are repeated, or disagree."""
        unmatched = [self.rows[n][0] for n in range(len(self.rows)) if not self._used[n]]
        repeated = [path for path, numbers in self._exact.items() if len(numbers) > 1]
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
        )
        return [
            f"{self.name}: {len(paths):,} {one if len(paths) == 1 else several}: {_listed(paths)}."
            for paths, one, several in sentences
            if paths
        ]


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - SHOWN_ROWS:,} more" if len(paths) > SHOWN_ROWS else ""
    return ", ".join(paths[:SHOWN_ROWS]) + more


def decoded(data: bytes) -> str:
    """Return the text of a file in UTF-8, UTF-16 or, if it is neither, Windows-1252."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def separator(text: str) -> str:
    """Return the separator that the header line has most of."""
    header = text.split("\n", 1)[0]
    return max(SEPARATORS, key=header.count)


def _column(columns: Sequence[str], names: Iterable[str]) -> int | None:
    spelled = [column.replace(" ", "_") for column in columns]
    return next((spelled.index(name) for name in names if name in spelled), None)


def path_key(path: str) -> str:
    """Return a path in the form in which rows and files are compared."""
    text = unicodedata.normalize("NFC", path.replace("\\", "/")).casefold().strip()
    text = str(PurePosixPath(text.lstrip("/")))
    text = text.removeprefix("./")
    for suffix in sorted(MUSIC_SUFFIXES, key=len, reverse=True):
        if text.endswith(suffix):
            return text[: -len(suffix)]
    return text
