"""Files of comma-separated values and their like: encoding, separator and header are found."""

import bz2
import csv
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa

from tunesmith.datasets.code_pages import (
    MIXED,
    WESTERN,
    code_page,
    is_mostly_utf8,
    shown_page,
    words_in,
)
from tunesmith.datasets.table_layout import UNNAMED, Layout, layout_of

__all__ = ["COMPRESSION", "TextForm", "delimited_batches", "marked_encoding", "opened", "text_form"]

COMPRESSION = (".gz", ".bz2", ".xz", ".zst", ".zip")
_DECODED = 1 << 20
_DECODED_LINES = 20_000
_HEAD_LINES = 50
_LEAST_ALIKE, _LEAST_FITTING = 0.8, 0.5
_LISTED = 3
_UTF8 = "utf-8-sig"
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)  # fmt: skip
_UNICODE = {_UTF8, "utf-16", "utf-16-le", "utf-16-be", "utf-32"}
_MAGIC = {
    b"PAR1": "it is a Parquet file: give it the ending .parquet",
    b"ARROW1": "it is an Arrow file: give it the ending .arrow",
    b"PK\x03\x04": "it is an Excel file or an archive: save it as .xlsx, or unpack it",
    b"\xd0\xcf\x11\xe0": "it is an Excel file of the old kind: save it as .xlsx",
    b"\x1f\x8b": "it is compressed: give it the ending .gz",
    b"BZh": "it is compressed: give it the ending .bz2",
    b"\xfd7zXZ": "it is compressed: give it the ending .xz",
    b"\x28\xb5\x2f\xfd": "it is compressed: give it the ending .zst",
    b"<!DOCTYPE": "it is a web page: save the table as CSV",
    b"<html": "it is a web page: save the table as CSV",
    b"<?xml": "it is XML: save the table as CSV",
}


@dataclass(frozen=True)
class TextForm:
    """Form of a file of texts.

    Attributes
    ----------
    encoding, separator
        As Python and the `csv` module name them.
    skipped
        Lines before the header, such as a title.
    escape
        Character before a quotation mark inside quotation marks; empty where it is doubled.
    names
        Names of the columns.
    below
        Lines before the first row below the header.
    facts
        Sentences on what is not plain, without the name of the file.
    """

    encoding: str
    separator: str
    skipped: tuple[str, ...]
    escape: str
    names: tuple[str, ...]
    below: int
    facts: tuple[str, ...] = ()

    def notes(self, name: str, *, is_known: bool) -> list[str]:
        """Return sentences on what is not plain; `is_known` where the ending says the separator."""
        notes = [fact.format(name=name) for fact in self.facts]
        if self.encoding not in _UNICODE:
            notes.append(
                f"{name} is not UTF-8; it was read as {shown_page(self.encoding)}. Save it as "
                "UTF-8 if its letters look wrong."
            )
        if self.separator != "," and not is_known:
            marks = {"\t": "tabs", ";": "semicolons", "|": "vertical bars"}
            shown = marks.get(self.separator, repr(self.separator))
            notes.append(f"The columns of {name} are separated by {shown}.")
        if lines := [line for line in self.skipped if line.strip(f"{self.separator} \r\n")]:
            count = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
            shown = lines[0].strip().rstrip(self.separator)[:60]
            notes.append(
                f"{count} before the header of {name} {'is' if len(lines) == 1 else 'are'} left "
                f"out, such as {shown!r}."
            )
        return notes


def text_form(path: Path, separator: str | None) -> TextForm:
    """Return the form of a file of texts, all of whose rows are looked at.

    Parameters
    ----------
    path
        The file.
    separator
        Its separator, where the ending of its name says it.

    Raises
    ------
    ValueError
        When it holds no text, a text in no known encoding, or rows longer than the header.
    """
    for encoding, *broken in _encodings(path):
        try:
            layout = layout_of(_head(path, encoding), separator)
            names, facts = _names(path, encoding, layout)
        except UnicodeError:
            continue
        return TextForm(
            encoding, layout.separator, layout.skipped, layout.escape, names, layout.below,
            (*broken, *layout.facts, *facts),
        )  # fmt: skip
    message = "it is in no known encoding; save it as UTF-8"
    raise ValueError(message)


def delimited_batches(path: Path, form: TextForm, rows: int | None) -> Iterator[pd.DataFrame]:
    """Yield the rows in frames of at most so many, all in one for None; cells stay texts.

    A header that stands among the rows, as where tables were put together, is no row.
    """
    with opened(path) as file:
        try:
            parts: Any = pd.read_csv(
                file, sep=form.separator, dtype=str, keep_default_na=False, encoding=form.encoding,
                encoding_errors=MIXED if form.encoding == _UTF8 else "strict", header=None,
                names=range(len(form.names)), index_col=False, skip_blank_lines=True,
                skiprows=form.below, skipinitialspace=True, escapechar=form.escape or None,
                chunksize=rows,
            )  # fmt: skip
        except pd.errors.EmptyDataError:
            parts = pd.DataFrame(columns=range(len(form.names)), dtype=str)
            parts = parts if rows is None else [parts]
        for part in [parts] if rows is None else parts:
            part.columns = pd.Index(form.names)
            yield part[~_is_header(part)]


def _is_header(frame: pd.DataFrame) -> "pd.Series[bool]":
    """Return which rows repeat the header."""
    is_header = pd.Series(data=True, index=frame.index)
    for number, name in enumerate(frame.columns):
        cells = frame.iloc[:, number][is_header].str.strip()
        is_header[is_header] = cells == ("" if name.startswith(UNNAMED) else name)
    return is_header


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading bytes, decompressed as its suffix says."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(_only_member(archive)) as file:
            yield file
        return
    if suffix == ".zst":
        with pa.OSFile(str(path)) as packed, pa.CompressedInputStream(packed, "zstd") as stream:
            yield io.BufferedReader(stream)
        return
    openers: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    with openers.get(suffix, open)(path, "rb") as file:
        yield file


def _only_member(archive: zipfile.ZipFile) -> str:
    """Return the one file of an archive; what systems add of their own does not count."""
    names = [
        name
        for name in archive.namelist()
        if not name.endswith("/")
        and not name.startswith("__MACOSX/")
        and not name.rpartition("/")[2].startswith(".")
    ]
    if len(names) != 1:
        message = f"it holds {len(names)} files ({', '.join(names[:3])}): unpack it and name one"
        raise ValueError(message)
    return names[0]


def _encodings(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield the encodings to try, each with sentences on what is not of it."""
    with opened(path) as file:
        head = file.read(1000)
    for magic, message in _MAGIC.items():
        if head.lstrip().startswith(magic):
            raise ValueError(message)
    if (marked := marked_encoding(head)) is not None:
        yield (marked,)
        return
    with opened(path) as file:
        broken = is_mostly_utf8(file)
    if broken is not None:
        number, first = broken
        fact = f"Of {{name}} line {first} is not UTF-8; it was read as Windows-1252."
        if number > 1:
            fact = (
                f"Of {{name}} {number} lines, such as line {first}, are not UTF-8; they were read "
                "as Windows-1252."
            )
        yield (_UTF8, fact) if number else (_UTF8,)
        return
    with opened(path) as file:
        page = code_page(words_in(islice(file, _DECODED_LINES)), _LEAST_FITTING)
    if page is not None:
        yield (page,)
    yield (WESTERN,)


def marked_encoding(head: bytes) -> str | None:
    """Return the encoding that the first bytes of a text show, None for UTF-8 and code pages."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    # Without a mark, every second byte of plain letters is zero.
    for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if zeros.count(0) > _LEAST_ALIKE * len(zeros):
            return encoding
    return None


def _lines(path: Path, encoding: str) -> Iterator[str]:
    errors = MIXED if encoding == _UTF8 else "strict"
    with opened(path) as file, io.TextIOWrapper(file, encoding, errors) as lines:
        for line in lines:
            if encoding != _UTF8 and "\x00" in line:
                message = "it holds null characters"
                raise ValueError(message)
            yield line


def _head(path: Path, encoding: str) -> list[str]:
    """Return the first lines of whole rows."""
    lines, size = [], 0
    for line in islice(_lines(path, encoding), _HEAD_LINES):
        lines.append(line)
        size += len(line)
        if size > _DECODED and len(lines) > 1:
            break
    return lines


def _names(path: Path, encoding: str, layout: Layout) -> tuple[tuple[str, ...], list[str]]:
    """Return the names of the columns, and sentences on rows that do not fit them."""
    names = list(layout.names)
    width, before = len(names), 0
    lines_of: dict[str, list[int]] = {"short": [], "swallowed": [], "repeated": []}
    lines = islice(_lines(path, encoding), layout.below, None)
    reader = csv.reader(
        lines, delimiter=layout.separator, skipinitialspace=True, escapechar=layout.escape or None
    )
    for row in reader:
        line, lines_before, before = layout.below + before + 1, before, reader.line_num
        if len(row) > width:
            filled = max((n for n, cell in enumerate(row, 1) if cell.strip()), default=0)
            if filled > len(names):
                message = (
                    f"line {line} has {filled} cells, but the header {len(names)}: put cells that "
                    f"hold {layout.separator!r} in quotation marks"
                )
                raise ValueError(message)
            width = len(row)
        elif row and len(row) < len(names):
            lines_of["short"].append(line)
        elif row == layout.header:
            lines_of["repeated"].append(line)
        if before > lines_before + 1 and _holds_rows(row, layout.separator, len(names)):
            lines_of["swallowed"].append(line)
    names += [f"{UNNAMED}{n}" for n in range(len(names), width)]
    return tuple(names), [_FACTS[kind].format(_listed(n)) for kind, n in lines_of.items() if n]


_FACTS = {
    "short": "Of {{name}} {} has fewer cells than the header: the last ones are missing.",
    "swallowed": "Of {{name}} {} begins a cell of several lines that look like rows: a quotation "
    "mark is missing or stands alone.",
    "repeated": "Of {{name}} {} repeats the header and is left out.",
}


def _listed(lines: Sequence[int]) -> str:
    """Return the numbers of lines as the subject of a sentence about each of them."""
    shown = ", ".join(map(str, lines[:_LISTED]))
    more = f" ({len(lines) - _LISTED} more are like it)" if len(lines) > _LISTED else ""
    return f"line {shown}{more}"


def _holds_rows(row: list[str], separator: str, width: int) -> bool:
    """Return whether a cell of several lines holds lines of as many cells as the table."""
    lines = (line for cell in row if "\n" in cell for line in cell.split("\n")[1:-1])
    return width > 1 and any(line.count(separator) == width - 1 for line in lines)
