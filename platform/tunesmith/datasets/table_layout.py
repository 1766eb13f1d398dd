"""Layout of a file of texts: separator, lines before the header, and the names in it."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

__all__ = ["UNNAMED", "Layout", "column_names", "layout_of"]

UNNAMED = "Unnamed: "
"""Beginning of the name of a column that has no heading."""

_SEPARATORS = ",;\t|"
_RARE_SEPARATORS = "^~\x01\x1f"
_LEAST_ALIKE = 0.8
_LONGEST_CELL = 1 << 30
# Excel knows the separator by such a first line.
_NAMED_SEPARATOR = re.compile(r'"?sep=(.)"?\s*')
_COMMENT = re.compile(r"#|%|//|@")
_NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*%?(?:[eE][+-]?\d+)?")

csv.field_size_limit(_LONGEST_CELL)  # lyrics and lists of numbers are longer than its default


@dataclass(frozen=True)
class Layout:
    """Layout of a file of texts.

    Attributes
    ----------
    separator, escape
        As in `TextForm`.
    skipped
        Lines before the header.
    names
        Names of the columns.
    below
        Lines before the first row below the header.
    header
        Cells of the header as they are written.
    facts
        Sentences on what is not plain, with ``{name}`` for the name of the file.
    """

    separator: str
    escape: str
    skipped: tuple[str, ...]
    names: tuple[str, ...]
    below: int
    header: list[str]
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Cut:
    """Lines cut into cells by one separator; the rows, and the number of lines up to each."""

    separator: str
    escape: str
    rows: list[list[str]]
    ends: list[int]
    header: int | None

    @property
    def merit(self) -> tuple[bool, int]:
        """Return how well it fits: a header in the first line is right, then many columns."""
        return (self.header == 0, len(self.rows[self.header])) if self.header is not None else _NONE


_NONE = (False, 1)


def layout_of(lines: Sequence[str], separator: str | None) -> Layout:
    """Return the layout that the first lines of a file show.

    The separator cuts the header and the lines behind it into the same number of cells, at least
    two; lines before the header have fewer, or are comments.

    Parameters
    ----------
    lines
        The lines.
    separator
        The separator that the ending of the file's name says, if any.

    Raises
    ------
    ValueError
        When there is no line with a text.
    """
    named = _NAMED_SEPARATOR.fullmatch(lines[0]) if lines else None
    if named is not None:
        cut = _cut(lines[1:], named[1], "")
        return _layout(cut, lines, _first(cut) if cut.header is None else cut.header, 1)
    best = _cut(lines, separator or ",", "")
    # The ending may be wrong.
    for marks in (separator or _SEPARATORS, _SEPARATORS, _RARE_SEPARATORS):
        best = max([best, *_cuts(lines, marks)], key=lambda cut: cut.merit)
        if best.merit > _NONE:
            break
    return _layout(best, lines, _first(best) if best.header is None else best.header, 0)


def column_names(cells: Sequence[Any]) -> list[str]:
    """Return the names in a header; a column without one has a number."""
    # A table written with its row numbers has a column without a name.
    texts = ["" if pd.isna(cell) else str(cell).strip() for cell in cells]
    return [text or f"{UNNAMED}{n}" for n, text in enumerate(texts)]


def _cuts(lines: Sequence[str], marks: str) -> Iterator[_Cut]:
    for mark in marks:
        yield _cut(lines, mark, "")
        if any('\\"' in line for line in lines):  # as Spark and MySQL write a quotation mark
            yield _cut(lines, mark, "\\")


def _cut(lines: Sequence[str], mark: str, escape: str) -> _Cut:
    rows, ends = [], [0]
    reader = csv.reader(lines, delimiter=mark, skipinitialspace=True, escapechar=escape or None)
    for row in reader:
        rows.append(row if any(cell.strip() for cell in row) else [])
        ends.append(reader.line_num)
    return _Cut(mark, escape, rows, ends, _header(rows))


def _first(cut: _Cut) -> int:
    """Return the first row that is not blank."""
    number = next((number for number, row in enumerate(cut.rows) if row), None)
    if number is None:
        message = "No columns: it holds no text"
        raise ValueError(message)
    return number


def _header(rows: Sequence[Sequence[str]]) -> int | None:
    """Return the first row that is as wide as nearly all behind it; blank rows do not count."""
    for first, row in enumerate(rows):
        width = len(row)
        behind = [len(other) for other in rows[first:] if other]
        if first and len(behind) < 2:
            return None
        if width > max([1, *map(len, rows[:first])]) and (
            Counter(behind)[width] >= _LEAST_ALIKE * len(behind)
        ):
            return _below_titles(rows, first)
    return None


def _below_titles(rows: Sequence[Sequence[str]], first: int) -> int:
    """Return the header among rows of one width: titles and comments may stand above it."""
    while (second := _next(rows, first)) is not None:
        row, other = rows[first], rows[second]
        filled = sum(bool(cell.strip()) for cell in row)
        is_padded = row[0].strip() and filled * 2 <= len(row)
        if is_padded and _is_heading(other) and (len(row) > 2 or second > first + 1):
            first = second  # a spreadsheet writes a title with all its separators
        elif _is_comment(rows, first, second):
            first = second
        else:
            break
    return first


def _is_comment(rows: Sequence[Sequence[str]], first: int, second: int) -> bool:
    """Return whether a row is a comment, and no header that begins with a mark of comments."""
    row, other = rows[first], rows[second]
    mark = _COMMENT.match(row[0])
    if mark is None or len(row) != len(other):
        return False
    if _COMMENT.match(other[0]):
        return True
    has_numbers = any(
        _NUMBER.fullmatch(cell.strip()) for each in rows[second + 1 :] for cell in each
    )
    spaced = row[0][mark.end() :].startswith(" ")
    return _is_heading(other) and (has_numbers or spaced)


def _next(rows: Sequence[Sequence[str]], number: int) -> int | None:
    return next((n for n in range(number + 1, len(rows)) if rows[n]), None)


def _is_heading(row: Sequence[str]) -> bool:
    """Return whether all cells of a row are different texts."""
    texts = [cell.strip() for cell in row]
    numbers = any(_NUMBER.fullmatch(text) for text in texts)
    return all(texts) and not numbers and len(set(texts)) == len(texts)


def _layout(cut: _Cut, lines: Sequence[str], header: int, before: int) -> Layout:
    """Return the layout of lines that are cut; a header may be one cell shorter than its rows."""
    names, facts = cut.rows[header], []
    short = next((n for n in range(header - 1, -1, -1) if cut.rows[n]), None)
    if short is not None and _is_short_header(cut.rows, short, header):
        body = [row for row in cut.rows[header:] if row]
        ends_blank = all(len(row) < len(names) or not row[-1].strip() for row in body)
        names = [*cut.rows[short], ""] if ends_blank else ["", *cut.rows[short]]
        header = short
        if not ends_blank:
            facts.append(
                "The header of {name} has one cell less than its rows: their first cells are "
                "names of rows."
            )
    named = column_names(names)
    if _looks_like_a_row(named):
        facts.append(
            f"The header of {{name}} holds numbers, such as {named[0][:40]!r}. If it is a row, put "
            "a line with the names of the columns above it."
        )
    below = before + cut.ends[header + 1]
    skipped = tuple(lines[before : before + cut.ends[header]])
    return Layout(
        cut.separator, cut.escape, skipped, tuple(named), below, cut.rows[header], tuple(facts)
    )


def _is_short_header(rows: Sequence[Sequence[str]], short: int, first: int) -> bool:
    """Return whether the row before the first wide one is the header, and that one a row."""
    row = rows[first]
    is_row = not row[-1].strip() or any(_NUMBER.fullmatch(cell.strip()) for cell in row)
    is_near = len(rows[short]) == len(row) - 1 and not _COMMENT.match(rows[short][0])
    return is_row and is_near and _is_heading(rows[short])


def _looks_like_a_row(names: Sequence[str]) -> bool:
    """Return whether half of the names are numbers, and they do not count up."""
    numbers = [name for name in names if _NUMBER.fullmatch(name)]
    if not numbers or len(numbers) * 2 < len(names):
        return False
    whole = [int(name) for name in numbers if name.isdecimal()]
    return len(whole) < 2 or whole != sorted(set(whole)) or len(whole) < len(numbers)
